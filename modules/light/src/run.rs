//! One loop that owns the lamp: what is due, news from the hub, the stop.

use std::time::Duration;

use anyhow::{Context, bail};
use bay::message::{
    BookRequest, BookingAnswer, IdentifyRequest, LampReport, LevelReport, OccupancyReport,
    ReleaseRequest, SetLightRequest,
};
use bay::{BookingId, model};
use hub_client::{Message, Responder};
use jiff::Timestamp;
use module::{
    About, Answer, Boot, Clock, Link, News, StateDir, StateError, StateFile, argument, bounded,
    error_chain,
};
use serde::Deserialize;
use serde_json::Value;
use tracing::{info, warn};

use crate::Config;
use crate::booking::{Change, Refusal};
use crate::kept::{Heard, Kept, OnDisk};
use crate::lamp::{Lamp, Output};
use crate::painter::Painter;
use crate::settings::Settings;

const ABOUT: About = About {
    name: "light",
    version: env!("CARGO_PKG_VERSION"),
    model: model::LIGHT,
};

const METHODS: [&str; 4] = ["book", "release", "identify", "setLight"];

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
    let file = state.file::<OnDisk>(ABOUT.name);
    let link = Link::open(ABOUT, station.source, settings, &state);
    info!(board = station.board_spec, "lighting");

    let boot = Boot::current();
    let kept = file.load().map_or_else(Kept::default, |on_disk| {
        on_disk.after_restart(boot.as_ref())
    });
    let mut light = Light {
        lamp: Lamp::new(link.settings().clone(), kept.clone(), clock.now()),
        painter: Painter::start(station.board.lamp()),
        kept,
        boot,
        file,
        link,
        clock,
    };
    let result = light.run_until(stop).await;

    let Light { painter, link, .. } = light;
    painter.stop().await;
    link.leave().await;
    result
}

struct Light {
    lamp: Lamp,
    painter: Painter,
    kept: Kept,
    boot: Option<Boot>,
    file: StateFile<OnDisk>,
    link: Link<Settings>,
    clock: Clock,
}

impl Light {
    async fn run_until(&mut self, stop: impl Future<Output = ()>) -> anyhow::Result<()> {
        tokio::pin!(stop);
        loop {
            self.act().await;
            tokio::select! {
                biased;
                () = &mut stop => return Ok(()),
                () = self.clock.at(self.lamp.poll_timeout(self.clock.now())) => self.lamp.handle_timeout(self.clock.now()),
                shown = self.painter.shown() => match shown {
                    Some(shown) => self.link.tell_fault(shown.err().as_deref()),
                    None => bail!("the painter has ended"),
                },
                news = self.link.next() => match news {
                    News::Settings => self.lamp.handle_settings(self.link.settings().clone(), self.clock.now()),
                    News::Input { name, message, sent, ack } => {
                        self.take(&name, &message, sent).await;
                        ack.complete();
                    }
                    News::Method { name, payload, responder } => self.call(&name, payload, responder).await,
                    News::Ended => bail!("the hub client has ended"),
                },
            }
        }
    }

    /// Does what the lamp wants done.
    async fn act(&mut self) {
        while let Some(output) = self.lamp.poll_output() {
            match output {
                Output::Shine(colour) => self.painter.shine(colour),
                Output::Report(report) => {
                    info!(colour = %report.colour, pattern = %report.pattern, cause = report.cause.as_str(), "the lamp changed");
                    self.link.send(LampReport::OUTPUT, &report).await;
                }
                Output::Expired(change) => {
                    info!("the booking is over");
                    // Everybody knows when it ends, so a full disk does not prolong it.
                    if let Err(error) = self.keep_booking(&change) {
                        tell(&error);
                    }
                    self.lamp.handle_booking(change, self.clock.now());
                }
            }
        }
    }

    async fn take(&mut self, input: &str, message: &Message, sent: Option<Timestamp>) {
        let now = self.clock.now();
        match input {
            "occupancy" => match message.parse::<OccupancyReport>() {
                Ok(report) => {
                    let heard = Heard {
                        occupancy: report.occupancy,
                        reason: report.reason,
                        at: sent.unwrap_or(now.wall),
                    };
                    self.lamp.handle_occupancy(&report, heard.age(now), now);
                    self.act().await;
                    self.kept.heard = Some(heard);
                    self.keep();
                }
                Err(error) => warn!(input, %error, "a message is not what this input takes"),
            },
            "battery" => match message.parse::<LevelReport>() {
                Ok(level) => {
                    self.lamp.handle_battery(level.alarm, now);
                    self.act().await;
                    self.kept.alarm = level.alarm;
                    self.keep();
                }
                Err(error) => warn!(input, %error, "a message is not what this input takes"),
            },
            _ => warn!(input, "a route leads to an input this module does not have"),
        }
    }

    async fn call(&mut self, name: &str, payload: Value, responder: Responder) {
        match name {
            "book" => match argument::<BookRequest>(payload) {
                Ok(request) => self.book(&request, responder).await,
                Err(why) => bad_request(responder, why),
            },
            // The name of the first system, which books without saying who or for how long.
            "BookDevice" => match argument::<NamelessBooking>(payload) {
                Ok(request) => match request.named() {
                    Ok(request) => self.book(&request, responder).await,
                    Err(why) => bad_request(responder, why),
                },
                Err(why) => bad_request(responder, why),
            },
            "release" | "ReleaseDevice" => match argument::<ReleaseRequest>(payload) {
                Ok(request) => {
                    let change = self.lamp.ledger().release(&request, self.clock.now().wall);
                    self.change_booking(change, responder).await;
                }
                Err(why) => bad_request(responder, why),
            },
            "identify" => match argument(payload)
                .and_then(|IdentifyRequest { seconds }| bounded("seconds", seconds, 10, 1..=300))
            {
                Ok(seconds) => {
                    self.lamp
                        .handle_identify(Duration::from_secs(seconds.into()), self.clock.now());
                    self.answer(responder).await;
                }
                Err(why) => bad_request(responder, why),
            },
            "setLight" => match argument::<SetLightRequest>(payload).and_then(|request| {
                Ok((request, bounded("seconds", request.seconds, 60, 0..=3600)?))
            }) {
                Ok((request, seconds)) => {
                    self.lamp.handle_set_light(
                        &request,
                        Duration::from_secs(seconds.into()),
                        self.clock.now(),
                    );
                    self.answer(responder).await;
                }
                Err(why) => bad_request(responder, why),
            },
            _ => responder.unknown(name, &METHODS),
        }
    }

    async fn book(&mut self, request: &BookRequest, responder: Responder) {
        let change = self.lamp.ledger().book(request, self.clock.now().wall);
        self.change_booking(change, responder).await;
    }

    /// Keeps a change, makes it, shows it, and only then answers.
    async fn change_booking(&mut self, change: Result<Change, Refusal>, responder: Responder) {
        let change = match change {
            Ok(change) => change,
            Err(refusal @ Refusal::Booked { .. }) => {
                return responder.refuse(409, "booked", refusal.to_string());
            }
            Err(refusal @ Refusal::Over { .. }) => {
                return responder.refuse(400, "over", refusal.to_string());
            }
        };
        if change.changes() {
            if let Err(error) = self.keep_booking(&change) {
                tell(&error);
                let why = "the bay could not write the booking down, so nothing has changed";
                return responder.refuse(500, "not-kept", why);
            }
            info!(booking = ?change.booking(), "the booking changed");
        }
        self.lamp.handle_booking(change, self.clock.now());
        self.answer(responder).await;
    }

    /// Shows what there is to show, then answers with it.
    async fn answer(&mut self, responder: Responder) {
        self.act().await;
        responder.done(&BookingAnswer {
            booking: self.lamp.ledger().booking().cloned(),
            lamp: self.lamp.report().clone(),
        });
    }

    fn keep_booking(&mut self, change: &Change) -> Result<(), StateError> {
        let before = std::mem::replace(&mut self.kept.booking, change.booking().cloned());
        self.save().inspect_err(|_| self.kept.booking = before)
    }

    /// Keeps what helps after a restart, and can be done without.
    fn keep(&self) {
        if let Err(error) = self.save() {
            tell(&error);
        }
    }

    fn save(&self) -> Result<(), StateError> {
        self.file.save(&OnDisk {
            boot: self.boot.clone(),
            kept: self.kept.clone(),
        })
    }
}

fn tell(error: &StateError) {
    warn!(error = error_chain(error), "state cannot be kept");
}

/// What the first system's method carries, if anything.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct NamelessBooking {
    booking_id: Option<BookingId>,
    until: Option<Timestamp>,
}

impl NamelessBooking {
    fn named(self) -> Result<BookRequest, String> {
        let booking_id = match self.booking_id {
            Some(id) => id,
            None => BookingId::try_from("BookDevice").map_err(|error| error.to_string())?,
        };
        Ok(BookRequest {
            booking_id,
            until: self.until,
        })
    }
}

fn bad_request(responder: Responder, why: String) {
    responder.refuse(400, "bad-request", why);
}
