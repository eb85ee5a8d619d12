//! One loop that owns the device: what is due, what was asked, news from the hub, the stop.

mod asked;
mod opened;
mod shown;
mod signing_in;

use std::time::Duration;

use anyhow::{Context, bail};
use bay::message::{IdentityStatus, TestReport};
use bay::model;
use module::{About, Connection, Link, News, StateDir};
use serde_json::{Map, Value, json};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Interval, MissedTickBehavior, interval};
use tracing::warn;

use crate::cloud::{Cloud, Network};
use crate::config::{Config, Role};
use crate::desk::{Clerk, Desk, Refusal, Request};
use crate::device::{Act, Device, Done, Tools};
use crate::disk::{Disk, RealDisk};
use crate::files::Files;
use crate::kept::Kept;
use crate::neighbour;
use crate::serial::Serial;
use crate::settings::Settings;
use crate::sign_in::{Event, Service};
use crate::view::{LinkState, View};
use asked::Tester;
use signing_in::UnderSignIn;

const ABOUT: About = About {
    name: "provisioning",
    version: env!("CARGO_PKG_VERSION"),
    model: model::PROVISIONING,
};

/// How often it is looked whether somebody else changed something.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// How long a restart waits for the hub to have the answer.
const FLUSH_WITHIN: Duration = Duration::from_secs(3);
/// The portal's answer is on its way in another task, over a local network.
const PORTAL_FLUSH: Duration = Duration::from_millis(300);

/// What a module works on, so that a test can stand in for any of it.
#[derive(Debug)]
pub struct Surroundings<C, D> {
    /// The provisioning service, and the hub.
    pub cloud: C,
    /// Where the Edge configuration and the journal lie.
    pub disk: D,
    /// Where requests are handed in.
    pub desk: (Desk, Clerk),
}

/// Runs the module until `stop` resolves.
///
/// # Errors
///
/// The state directory cannot be used, or a part of the module ended by itself.
pub async fn run(config: Config, stop: impl Future<Output = ()>) -> anyhow::Result<()> {
    let surroundings = Surroundings {
        cloud: Network {
            trust_file: config.trust_file.clone(),
            mqtt_port: config.mqtt_port,
        },
        disk: RealDisk,
        desk: Desk::open(View::default()),
    };
    run_in(surroundings, config, stop).await
}

/// The same, in other surroundings.
///
/// # Errors
///
/// As [`run`].
pub async fn run_in<C: Cloud, D: Disk + Clone>(
    surroundings: Surroundings<C, D>,
    config: Config,
    stop: impl Future<Output = ()>,
) -> anyhow::Result<()> {
    let Surroundings {
        cloud,
        disk,
        desk: (desk, clerk),
    } = surroundings;
    let state_dir = config.state_dir.clone();
    let kept = Kept::open(&state_dir).context("BAY_STATE_DIR cannot be used")?;
    let found = config
        .serial
        .clone()
        .map_or_else(|| Serial::find("/".as_ref()), Ok);
    let no_serial = found.as_ref().err().map(ToString::to_string);
    if let Some(why) = &no_serial {
        warn!(why, "this device does not know its serial number");
    }
    let link = match config.role {
        Role::Host => None,
        Role::Module(source) => {
            let state = StateDir::open(Some(&state_dir)).context("BAY_STATE_DIR cannot be used")?;
            Some(Link::open(ABOUT, *source, config.settings, &state))
        }
    };
    let tools = Tools {
        cloud,
        apply: config.apply,
        reboot: config.reboot,
        endpoint: config.endpoint.clone(),
    };
    let files = Files::new(disk, &config.edge_config, kept);
    let device = Device::new(files, tools, found.ok(), config.runtime);
    let mut ticks = interval(LOOK_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut shift = Shift {
        connection: link.as_ref().map(Link::connection),
        link_state: match link {
            Some(_) => LinkState::Connecting,
            None => LinkState::Unknown,
        },
        link,
        device,
        clerk,
        no_serial,
        claim: config.claim,
        trust_file: config.trust_file,
        sign_in: None,
        testers: Vec::new(),
        tests: JoinSet::new(),
        last_test: None,
        glances: JoinSet::new(),
        neighbour: None,
        ticks,
        services: JoinSet::new(),
    };
    let pin = shift.take_cards(&config.identity_files, &config.endpoint, config.portal_pin);
    shift.device.recover().await;
    shift.begin();
    let closed = shift.open(&desk, config.portal, pin).await;
    let result = shift.run_until(stop).await;

    // Until here, so that the desk is never closed while there is somebody behind it.
    drop(desk);
    drop(closed);
    let Shift {
        link, mut services, ..
    } = shift;
    if let Some(link) = link {
        link.leave().await;
    }
    // The portal ends by itself within its last words; the neighbour is let go.
    services.abort_all();
    result
}

/// One run of the module, and all that it holds.
struct Shift<C, D: Disk> {
    device: Device<C, D>,
    link: Option<Link<Settings>>,
    connection: Option<watch::Receiver<Connection>>,
    link_state: LinkState,
    clerk: Clerk,
    no_serial: Option<String>,
    claim: Option<Service>,
    trust_file: Option<std::path::PathBuf>,
    sign_in: Option<UnderSignIn>,
    testers: Vec<Tester>,
    tests: JoinSet<Result<TestReport, Refusal>>,
    last_test: Option<TestReport>,
    glances: JoinSet<Option<View>>,
    /// How the module on this device sees things, where this is the host.
    neighbour: Option<Box<View>>,
    ticks: Interval,
    services: JoinSet<()>,
}

enum Turn {
    Due,
    Tick,
    Asked(Option<Request>),
    Heard(Box<News>),
    Done(Result<Done, tokio::task::JoinError>),
    Tested(Result<TestReport, Refusal>),
    Glanced(Option<Box<View>>),
    SignIn(Option<Event>),
    Connection,
}

impl<C: Cloud, D: Disk + Clone> Shift<C, D> {
    async fn run_until(&mut self, stop: impl Future<Output = ()>) -> anyhow::Result<()> {
        tokio::pin!(stop);
        loop {
            self.act().await;
            self.show();
            let turn = tokio::select! {
                biased;
                () = &mut stop => return Ok(()),
                turn = self.turn() => turn,
            };
            match turn {
                Turn::Due => self.device.identity.handle_timeout(self.device.clock.now()),
                Turn::Tick => self.tick().await,
                Turn::Asked(Some(request)) => self.take_request(request),
                Turn::Asked(None) => bail!("the desk is closed"),
                Turn::Heard(news) => self.take_news(*news)?,
                Turn::Done(done) => self.device.take(done.context("a step broke off")?),
                Turn::Tested(report) => self.take_test(report),
                Turn::Glanced(view) => self.neighbour = view,
                Turn::SignIn(event) => self.take_sign_in(event),
                Turn::Connection => self.take_connection(),
            }
        }
    }

    /// What comes next.
    async fn turn(&mut self) -> Turn {
        let due = self.device.identity.poll_timeout();
        let clock = self.device.clock;
        tokio::select! {
            () = async { match due { Some(due) => clock.at(due).await, None => std::future::pending().await } } => Turn::Due,
            _ = self.ticks.tick() => Turn::Tick,
            request = self.clerk.requests.recv() => Turn::Asked(request),
            done = self.device.done() => Turn::Done(done),
            news = async { match &mut self.link { Some(link) => link.next().await, None => std::future::pending().await } } => Turn::Heard(Box::new(news)),
            Some(report) = self.tests.join_next() => Turn::Tested(report.unwrap_or_else(|error| Err(Refusal::new(500, "internal", format!("the test broke off: {error}"))))),
            Some(view) = self.glances.join_next() => Turn::Glanced(view.ok().flatten().map(Box::new)),
            event = async { match &mut self.sign_in { Some(under) => under.events.recv().await, None => std::future::pending().await } } => Turn::SignIn(event),
            true = async { match &mut self.connection { Some(connection) => connection.changed().await.is_ok(), None => std::future::pending().await } } => Turn::Connection,
        }
    }

    /// Does what is to be done, and tells the hub what there is to tell.
    async fn act(&mut self) {
        while let Some(Act::Flush) = self.device.act() {
            self.show();
            self.flush().await;
            self.device.flushed();
        }
        if std::mem::take(&mut self.device.news) {
            let status = self.status();
            if let Some(link) = &mut self.link {
                link.report(properties(&status));
                link.send(IdentityStatus::OUTPUT, &status).await;
            }
        }
    }

    /// Sees to it that whoever asked has the answer, and the hub the news, before the machine restarts.
    async fn flush(&mut self) {
        let status = self.status();
        match &mut self.link {
            Some(link) => {
                self.device.news = false;
                link.report(properties(&status));
                if !link
                    .deliver(IdentityStatus::OUTPUT, &status, FLUSH_WITHIN)
                    .await
                {
                    warn!("the hub could not be told that the device changes its identity");
                }
            }
            None => tokio::time::sleep(PORTAL_FLUSH).await,
        }
    }

    fn status(&self) -> IdentityStatus {
        IdentityStatus {
            identity: self.device.report(),
            change: self.device.identity.last().cloned(),
        }
    }

    async fn tick(&mut self) {
        self.device.look_around();
        self.device.take_over().await;
        if self.link.is_none() && self.glances.is_empty() {
            let directory = self.device.files.kept.directory().to_owned();
            self.glances.spawn(neighbour::view(directory));
        }
    }
}

fn properties(status: &IdentityStatus) -> Map<String, Value> {
    Map::from_iter([
        ("identity".to_owned(), json!(status.identity)),
        ("lastChange".to_owned(), json!(status.change)),
    ])
}
