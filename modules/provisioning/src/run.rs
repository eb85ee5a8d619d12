//! One loop that owns the device: what is due, what was asked, news from the hub, the stop.

use std::time::Duration;

use anyhow::{Context, bail};
use bay::message::{IdentityStatus, TestReport};
use bay::model;
use hub_client::Responder;
use module::{About, Answer, Connection, Link, News, StateDir};
use serde_json::{Map, Value, json};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{Interval, MissedTickBehavior, interval};
use tracing::{debug, info, warn};

use crate::cloud::{Cloud, Network};
use crate::config::{Config, Role};
use crate::desk::{Clerk, Desk, Refusal, Request};
use crate::device::{Act, Device, Done, Tools, Waiter, Wish, refuse};
use crate::disk::{Disk, RealDisk};
use crate::files::Files;
use crate::kept::{Kept, Taken};
use crate::portal::Pin;
use crate::registration::from_method;
use crate::serial::Serial;
use crate::settings::Settings;
use crate::sign_in::{Event, Service};
use crate::view::{LinkState, SignIn, View, WaitsFor};
use crate::{neighbour, parts, portal};

const ABOUT: About = About {
    name: "provisioning",
    version: env!("CARGO_PKG_VERSION"),
    model: model::PROVISIONING,
};

const METHODS: [&str; 4] = ["setup", "reset", "test", "getStatus"];

/// How often it is looked whether somebody else changed something.
const LOOK_EVERY: Duration = Duration::from_secs(5);
/// How long a restart waits for the hub to have the answer.
const FLUSH_WITHIN: Duration = Duration::from_secs(3);
/// The portal's answer is on its way in another task, over a local network.
const PORTAL_FLUSH: Duration = Duration::from_millis(300);
/// More callers than this at once are told to come back.
const MAX_TESTERS: usize = 16;

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
    let closed = shift.open(desk, config.portal, pin).await;
    let result = shift.run_until(stop).await;

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

/// A claim from elsewhere, on its way.
struct UnderSignIn {
    events: mpsc::Receiver<Event>,
    task: AbortHandle,
    shown: Option<SignIn>,
}

/// Whoever waits for a test.
enum Tester {
    Desk(oneshot::Sender<Result<TestReport, Refusal>>),
    Method(Responder),
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

    fn take_request(&mut self, request: Request) {
        match request {
            Request::Claim {
                registration,
                answer,
            } => self
                .device
                .ask(Wish::Claim(registration), Waiter::Desk(answer)),
            Request::Setup {
                registration,
                answer,
            } => self
                .device
                .ask(Wish::Setup(registration), Waiter::Desk(answer)),
            Request::Reset { answer } => self.device.ask(Wish::Reset, Waiter::Desk(answer)),
            Request::Test { answer } => self.test(Tester::Desk(answer)),
            Request::StartSignIn { answer } => drop(answer.send(self.start_sign_in())),
            Request::CancelSignIn { answer } => {
                self.end_sign_in();
                drop(answer.send(Ok(())));
            }
        }
    }

    fn take_news(&mut self, news: News) -> anyhow::Result<()> {
        match news {
            // They count from the next test on.
            News::Settings => {}
            News::Method {
                name,
                payload,
                responder,
            } => self.call(&name, payload, responder),
            News::Input { name, ack, .. } => {
                debug!(input = name, "this module has no inputs");
                ack.complete();
            }
            News::Ended => bail!("the hub client has ended"),
        }
        Ok(())
    }

    /// The second names are those of the first system.
    fn call(&mut self, name: &str, payload: Value, responder: Responder) {
        info!(method = name, "called");
        match name {
            "setup" | "SetupDevice" => match from_method(payload) {
                Ok(request) => self
                    .device
                    .ask(Wish::Setup(request), Waiter::Method(responder)),
                Err(refusal) => {
                    self.device.refused(&refusal);
                    refuse(responder, &refusal);
                }
            },
            "reset" | "ResetDevice" => self.device.ask(Wish::Reset, Waiter::Method(responder)),
            "test" | "TestDevice" => self.test(Tester::Method(responder)),
            "status" | "getStatus" => responder.done(&self.status()),
            _ => responder.unknown(name, &METHODS),
        }
    }

    /// Tests the parts; whoever asks while a test is under way shares it.
    fn test(&mut self, tester: Tester) {
        if self.testers.len() >= MAX_TESTERS {
            let refusal = Refusal::new(
                429,
                "busy",
                "a test is under way: ask again when it is over",
            );
            return tester.answer(Err(refusal));
        }
        self.testers.push(tester);
        if !self.tests.is_empty() {
            return;
        }
        match &self.link {
            Some(link) => {
                let (client, settings) = (link.client(), link.settings().clone());
                self.tests
                    .spawn(async move { Ok(parts::test(&client, &settings).await) });
            }
            None => {
                let directory = self.device.files.kept.directory().to_owned();
                self.tests.spawn(neighbour::test(directory));
            }
        }
    }

    fn take_test(&mut self, result: Result<TestReport, Refusal>) {
        match &result {
            Ok(report) => {
                let failed: Vec<_> = report
                    .parts
                    .iter()
                    .filter(|part| !part.passed)
                    .map(|part| part.part.as_str())
                    .collect();
                info!(
                    passed = report.passed,
                    ?failed,
                    took_ms = report.took_ms,
                    "the parts were tested"
                );
                self.last_test = Some(report.clone());
            }
            Err(refusal) => self.device.refused(refusal),
        }
        for tester in self.testers.drain(..) {
            tester.answer(result.clone());
        }
    }

    fn take_connection(&mut self) {
        let Some(connection) = &mut self.connection else {
            return;
        };
        let since = self.device.clock.now().wall;
        self.link_state = match &*connection.borrow_and_update() {
            Connection::Connecting => LinkState::Connecting,
            Connection::Up => LinkState::Connected { since },
            Connection::Down(why) => LinkState::Down {
                why: why.clone(),
                since,
            },
        };
    }

    /// Shows how things are, if they are not as they are shown.
    fn show(&mut self) {
        let view = self.view();
        self.clerk.view.send_if_modified(|shown| {
            let differs = *shown != view;
            if differs {
                *shown = view;
            }
            differs
        });
    }

    fn view(&self) -> View {
        let now = self.device.clock.now();
        let identity = &self.device.identity;
        let mut view = View {
            identity: self.device.report(),
            global_endpoint: match identity.current() {
                crate::identity::Current::Dps(current) => Some(current.global_endpoint.to_string()),
                _ => None,
            },
            no_serial: self.no_serial.clone(),
            link: self.link_state.clone(),
            change: identity.progress(now),
            last_change: identity.last().cloned(),
            errors: self.device.troubles.iter().cloned().collect(),
            testing: !self.testers.is_empty(),
            test: self.last_test.clone(),
            waits_for: self.waits_for(),
            sign_in: self.sign_in.as_ref().and_then(|under| under.shown.clone()),
            can_sign_in: self.claim.is_some(),
        };
        if let Some(neighbour) = &self.neighbour {
            complete(&mut view, neighbour);
        }
        view
    }

    fn waits_for(&self) -> Option<WaitsFor> {
        use bay::message::{Mode, Step};

        let now = self.device.clock.now();
        let identity = &self.device.identity;
        match identity.step() {
            Some(Step::Reboot) => Some(WaitsFor::Restart),
            Some(_) => None,
            None if self.device.others => Some(WaitsFor::Confirmation),
            None => match identity.retry_at() {
                Some(due) => Some(WaitsFor::Retry {
                    at: now.wall + due.saturating_sub(now.elapsed),
                }),
                None if identity.mode() == Mode::None && self.link.is_none() => {
                    Some(WaitsFor::Claim)
                }
                None => None,
            },
        }
    }

    /// Takes identity files over from the card, and says which PIN counts.
    fn take_cards(
        &mut self,
        files: &[std::path::PathBuf],
        endpoint: &crate::edge_config::Endpoint,
        given: Option<Pin>,
    ) -> Option<Pin> {
        // The card is the host's.
        if self.link.is_none() {
            for file in files {
                match self.device.files.kept.take_card(file, endpoint) {
                    Ok(Taken::Nothing) => {}
                    Ok(Taken::Taken(None)) => {
                        info!(file = %file.display(), "the card's identity file was taken over");
                    }
                    Ok(Taken::Taken(Some(error))) => {
                        self.device.trouble(None, format!(
                            "the identity file was taken over, and cannot be removed from the card, where its key can be \
                             read: {} ({error})",
                            file.display()
                        ));
                    }
                    Ok(Taken::Unusable(why)) => self.device.trouble(None, why),
                    Err(error) => self.device.trouble(None, error.to_string()),
                }
            }
        }
        given.or_else(|| self.device.files.kept.pin())
    }

    /// Begins what nobody has to ask for.
    fn begin(&mut self) {
        if self.link.is_some() {
            return;
        }
        match self.device.files.kept.first() {
            Ok(Some(first)) => self.device.take_first(first),
            Ok(None) if self.waits_for() == Some(WaitsFor::Claim) && self.claim.is_some() => {
                drop(self.start_sign_in());
            }
            Ok(None) => {}
            Err(why) => self.device.trouble(None, why),
        }
    }

    /// Opens the doors: the portal, and the socket between host and module. Both close with what is given
    /// back.
    async fn open(
        &mut self,
        desk: Desk,
        address: Option<std::net::SocketAddr>,
        pin: Option<Pin>,
    ) -> oneshot::Sender<()> {
        let (close, closed) = oneshot::channel();
        if self.link.is_some() {
            match neighbour::open(self.device.files.kept.directory()) {
                Ok(listener) => {
                    self.services
                        .spawn(neighbour::serve(listener, desk.clone()));
                }
                Err(error) => warn!(%error, "the host cannot be told how things are here"),
            }
        }
        if let Some(address) = address
            && let Err(error) = self.open_portal(desk, address, pin, closed).await
        {
            self.device
                .trouble(None, format!("there is no portal: {error:#}"));
        }
        close
    }

    async fn open_portal(
        &mut self,
        desk: Desk,
        address: std::net::SocketAddr,
        pin: Option<Pin>,
        closed: oneshot::Receiver<()>,
    ) -> anyhow::Result<()> {
        let listener = tokio::net::TcpListener::bind(address)
            .await
            .with_context(|| format!("{address} cannot be listened on"))?;
        let pin = match pin {
            Some(pin) => pin,
            None => {
                let pin = Pin::random().context("there is no random source")?;
                // To the console of whoever stands before the device, and not to the log.
                println!("portal PIN: {}", pin.expose());
                pin
            }
        };
        let options = portal::PortalOptions::new(pin).context("there is no random source")?;
        info!(address = %listener.local_addr()?, "the portal is open");
        self.services.spawn(async move {
            let stop = async {
                let _ = closed.await;
            };
            portal::serve(listener, desk, &options, stop).await;
        });
        Ok(())
    }

    fn start_sign_in(&mut self) -> Result<(), Refusal> {
        let Some(service) = self.claim.clone() else {
            return Err(Refusal::new(
                409,
                "no-claim-service",
                "nobody has told this device where it can be claimed: set BAY_CLAIM_URL, or enter its registration",
            ));
        };
        if self.sign_in.is_some() {
            return Ok(());
        }
        let (sender, events) = mpsc::channel(4);
        let serial = self.device.serial.as_ref().map(ToString::to_string);
        let task = self
            .services
            .spawn(service.sign_in(serial, self.trust_file.clone(), sender));
        self.sign_in = Some(UnderSignIn {
            events,
            task,
            shown: None,
        });
        Ok(())
    }

    fn end_sign_in(&mut self) {
        if let Some(under) = self.sign_in.take() {
            under.task.abort();
        }
    }

    fn take_sign_in(&mut self, event: Option<Event>) {
        match event {
            Some(Event::Code(code)) => {
                info!(
                    user_code = code.user_code,
                    verification_uri = code.verification_uri,
                    "the device can be claimed with this code"
                );
                if let Some(under) = &mut self.sign_in {
                    under.shown = Some(code);
                }
            }
            Some(Event::Approved(registration)) => {
                info!("the claim was approved");
                self.end_sign_in();
                self.device.ask(Wish::Claim(registration), Waiter::Nobody);
            }
            Some(Event::Failed(why)) => {
                self.end_sign_in();
                self.device.trouble(None, why);
            }
            None => self.end_sign_in(),
        }
    }
}

impl Tester {
    fn answer(self, result: Result<TestReport, Refusal>) {
        match (self, result) {
            // Whoever hung up has no need of it.
            (Self::Desk(waiter), result) => drop(waiter.send(result)),
            (Self::Method(responder), Ok(report)) => responder.done(&report),
            (Self::Method(responder), Err(refusal)) => refuse(responder, &refusal),
        }
    }
}

fn properties(status: &IdentityStatus) -> Map<String, Value> {
    Map::from_iter([
        ("identity".to_owned(), json!(status.identity)),
        ("lastChange".to_owned(), json!(status.change)),
    ])
}

/// Adds to the host's view what only the module knows.
fn complete(view: &mut View, module: &View) {
    view.link = module.link.clone();
    view.testing |= module.testing;
    if view.change.is_none() {
        view.change = module.change.clone();
    }
    if module.identity.registration_id == view.identity.registration_id {
        view.identity.hub = module.identity.hub.clone().or(view.identity.hub.take());
        view.identity.device_id = module
            .identity
            .device_id
            .clone()
            .or(view.identity.device_id.take());
    }
    let newer = |test: &TestReport| {
        view.test
            .as_ref()
            .is_none_or(|own| own.started_at < test.started_at)
    };
    if let Some(test) = module.test.as_ref().filter(|test| newer(test)) {
        view.test = Some(test.clone());
    }
}
