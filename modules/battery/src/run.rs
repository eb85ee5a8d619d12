//! One loop that owns the charge: attempts at the gauge, what is due, news from the hub, the stop.

use anyhow::{Context, bail};
use bay::message::LevelReport;
use bay::model;
use hub_client::Responder;
use module::{About, Answer, Clock, Link, News, StateDir};
use tracing::{debug, info, warn};

use crate::Config;
use crate::charge::{Charge, Output};
use crate::prober::{Attempt, Prober};
use crate::settings::Settings;

const ABOUT: About = About {
    name: "battery",
    version: env!("CARGO_PKG_VERSION"),
    model: model::BATTERY,
};

/// More callers than this at once are told to come back.
const MAX_CALLERS: usize = 16;

/// Runs the module until `stop` resolves.
///
/// # Errors
///
/// The state directory cannot be used, or a part of the module ended by itself.
pub async fn run(config: Config, stop: impl Future<Output = ()>) -> anyhow::Result<()> {
    let Config { station, settings } = config;
    let clock = Clock::start();
    let state =
        StateDir::open(station.state_dir.as_deref()).context("BAY_STATE_DIR cannot be used")?;
    let link = Link::open(ABOUT, station.source, settings, &state);
    info!(board = station.board_spec, "watching the battery");

    let mut supply = Supply {
        charge: Charge::new(link.settings().clone(), clock.now()),
        prober: Prober::start(station.board.gauge()),
        callers: Vec::new(),
        silence: None,
        readable: true,
        link,
        clock,
    };
    let result = supply.run_until(stop).await;

    let Supply { prober, link, .. } = supply;
    drop(prober);
    link.leave().await;
    result
}

struct Supply {
    charge: Charge,
    prober: Prober,
    /// Who waits for the reading under way.
    callers: Vec<Responder>,
    /// Why the last attempt gave nothing.
    silence: Option<String>,
    /// Whether the last reading gave anything, as it was logged last.
    readable: bool,
    link: Link<Settings>,
    clock: Clock,
}

impl Supply {
    async fn run_until(&mut self, stop: impl Future<Output = ()>) -> anyhow::Result<()> {
        tokio::pin!(stop);
        loop {
            self.act().await;
            let due = self.charge.poll_timeout();
            let timeout = async {
                match due {
                    Some(due) => self.clock.at(due).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                () = &mut stop => return Ok(()),
                () = timeout => self.charge.handle_timeout(self.clock.now()),
                attempt = self.prober.next() => match attempt {
                    Some(attempt) => self.take(attempt),
                    None => bail!("the prober has ended"),
                },
                news = self.link.next() => match news {
                    News::Settings => self.charge.handle_settings(self.link.settings().clone(), self.clock.now()),
                    News::Method { name, responder, .. } => self.call(&name, responder),
                    News::Input { name, ack, .. } => {
                        debug!(input = name, "this module has no inputs");
                        ack.complete();
                    }
                    News::Ended => bail!("the hub client has ended"),
                },
            }
        }
    }

    async fn act(&mut self) {
        while let Some(output) = self.charge.poll_output() {
            match output {
                Output::Attempt => self.prober.attempt(),
                Output::Reading(level) => {
                    self.tell_readable(level.charge_percent.is_some());
                    for responder in self.callers.drain(..) {
                        answer(responder, &level);
                    }
                }
                Output::Report(level) => {
                    info!(charge_percent = level.charge_percent, quality = level.quality, alarm = %level.alarm, "battery level");
                    self.link.send(LevelReport::OUTPUT, &level).await;
                }
            }
        }
    }

    fn take(&mut self, attempt: Attempt) {
        self.silence = attempt.as_ref().err().cloned();
        self.charge.handle_attempt(attempt.ok(), self.clock.now());
    }

    fn tell_readable(&mut self, readable: bool) {
        let silence = self
            .silence
            .as_deref()
            .unwrap_or("the gauge answers nonsense");
        let why = (!readable).then_some(silence);
        self.link.tell_fault(why);
        if std::mem::replace(&mut self.readable, readable) == readable {
            return;
        }
        match why {
            None => info!("the battery can be read again"),
            Some(why) => warn!(why, "the battery cannot be read"),
        }
    }

    fn call(&mut self, name: &str, responder: Responder) {
        // The second name is that of the first system.
        if !matches!(name, "getBatteryLevel" | "GetBatteryLevel") {
            return responder.unknown(name, &["getBatteryLevel"]);
        }
        if self.callers.len() >= MAX_CALLERS {
            return responder.refuse(
                429,
                "busy",
                "others are waiting for the gauge already: ask again in a second",
            );
        }
        self.callers.push(responder);
        self.charge.handle_request(self.clock.now());
    }
}

fn answer(responder: Responder, level: &LevelReport) {
    match level.charge_percent {
        Some(_) => responder.done(level),
        None => responder.refuse(
            504,
            "no-reading",
            "the gauge gave no plausible reading, however often it was asked",
        ),
    }
}
