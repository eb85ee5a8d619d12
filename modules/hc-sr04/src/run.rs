//! One loop that owns the sensor: bursts, what is due, news from the hub, the stop.

use std::time::Duration;

use anyhow::{Context, bail};
use bay::message::{Calibration, DistanceReport, MeasureRequest, OccupancyReport};
use bay::{Distance, Moment, model};
use hub_client::Responder;
use module::{
    About, Answer, Clock, Link, News, StateDir, StateFile, argument, bounded, error_chain,
};
use serde_json::Value;
use tracing::{debug, info, trace, warn};

use crate::Config;
use crate::fault::Fault;
use crate::occupancy::Bay;
use crate::sample::Sample;
use crate::sampler::{Burst, SHORTEST_PAUSE, Sampler};
use crate::settings::{FLOOR, Settings};
use crate::survey::{Survey, SurveyError};

const ABOUT: About = About {
    name: "hc-sr04",
    version: env!("CARGO_PKG_VERSION"),
    model: model::HC_SR04,
};

/// More callers than this at once are told to come back.
const MAX_SURVEYS: usize = 4;

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
    let last_report = state.file::<OccupancyReport>(ABOUT.name);
    let link = Link::open(ABOUT, station.source, settings, &state);
    info!(board = station.board_spec, "measuring");

    let settings: &Settings = link.settings();
    let mut sensor = Sensor {
        bay: Bay::new(settings.clone(), last_report.load().as_ref(), clock.now()),
        sampler: Sampler::start(
            station.board.ranger(),
            station.board.thermometer(),
            settings.sample_interval,
            clock,
        ),
        celsius: settings.assumed_celsius,
        fault: Fault::default(),
        surveys: Vec::new(),
        distance_reported: None,
        last_report,
        link,
        clock,
    };
    let result = sensor.run_until(stop).await;

    let Sensor { sampler, link, .. } = sensor;
    drop(sampler);
    link.leave().await;
    result
}

struct Sensor {
    bay: Bay,
    sampler: Sampler,
    link: Link<Settings>,
    clock: Clock,
    last_report: StateFile<OccupancyReport>,
    /// The temperature the last distance was worked out with.
    celsius: f32,
    fault: Fault,
    surveys: Vec<Asked>,
    distance_reported: Option<Duration>,
}

/// A series of measurements somebody waits for.
struct Asked {
    survey: Survey,
    purpose: Purpose,
    responder: Responder,
}

#[derive(Clone, Copy)]
enum Purpose {
    Measure,
    Calibrate,
}

impl Sensor {
    async fn run_until(&mut self, stop: impl Future<Output = ()>) -> anyhow::Result<()> {
        tokio::pin!(stop);
        loop {
            self.send_reports().await;
            // In this order: a decision that is due does not wait for a burst that has just come.
            tokio::select! {
                biased;
                () = &mut stop => return Ok(()),
                () = self.clock.at(self.bay.poll_timeout()) => self.bay.handle_timeout(self.clock.now()),
                burst = self.sampler.next() => match burst {
                    Some(burst) => self.take(burst).await,
                    None => bail!("the sampler has ended"),
                },
                news = self.link.next() => match news {
                    News::Settings => self.settings_changed(),
                    News::Method { name, payload, responder } => self.call(&name, payload, responder),
                    News::Input { name, ack, .. } => {
                        debug!(input = name, "this module has no inputs");
                        ack.complete();
                    }
                    News::Ended => bail!("the hub client has ended"),
                },
            }
        }
    }

    async fn send_reports(&mut self) {
        while let Some(report) = self.bay.poll_output() {
            if !report.heartbeat {
                info!(occupancy = %report.occupancy, reason = ?report.reason, sequence = report.sequence, "the bay changed");
            }
            // Kept before it is sent, so that no number is used twice. A full disk must not silence
            // the bay, so a report that cannot be kept is sent all the same.
            if let Err(error) = self.last_report.save(&report) {
                warn!(
                    error = error_chain(&error),
                    "a restart may use this sequence number again"
                );
            }
            self.link.send(OccupancyReport::OUTPUT, &report).await;
        }
    }

    async fn take(&mut self, burst: Burst) {
        let settings = self.link.settings();
        let lasting = settings.unknown_after;
        self.celsius = burst.celsius.unwrap_or(settings.assumed_celsius);
        let sample = Sample::judge(&burst.measured, self.celsius, settings.range);
        trace!(?sample, celsius = self.celsius, "burst");
        self.bay.handle_sample(sample, burst.at);
        let attempt = burst
            .measured
            .map(drop)
            .map_err(|error| error_chain(&error));
        if let Some(lasts) = self.fault.handle(attempt, lasting) {
            self.link
                .tell_fault(lasts.as_ref().err().map(String::as_str));
        }
        self.advance_surveys(sample);
        self.report_distance(sample, burst.at).await;
    }

    async fn report_distance(&mut self, sample: Sample, now: Moment) {
        let Some(every) = self.link.settings().distance_report else {
            return;
        };
        if self
            .distance_reported
            .is_some_and(|last| now.elapsed < last + every)
        {
            return;
        }
        self.distance_reported = Some(now.elapsed);
        let report = DistanceReport {
            raw_mm: sample.distance(),
            filtered_mm: self.bay.filtered(),
            trouble: sample.trouble().or(self.bay.trouble()),
            temperature_celsius: self.celsius,
        };
        self.link.send(DistanceReport::OUTPUT, &report).await;
    }

    fn settings_changed(&mut self) {
        let settings = self.link.settings().clone();
        self.bay.handle_settings(settings, self.clock.now());
        self.set_pace();
    }

    /// Somebody who waits for measurements gets them as fast as the sensor allows.
    fn set_pace(&self) {
        let interval = self.link.settings().sample_interval;
        self.sampler.pace(if self.surveys.is_empty() {
            interval
        } else {
            SHORTEST_PAUSE
        });
    }

    fn call(&mut self, name: &str, payload: Value, responder: Responder) {
        let (purpose, usual_count) = match name {
            "measure" => (Purpose::Measure, 5),
            "calibrate" => (Purpose::Calibrate, 20),
            _ => return responder.unknown(name, &["measure", "calibrate"]),
        };
        let count = argument(payload)
            .and_then(|MeasureRequest { count }| bounded("count", count, usual_count, 1..=50));
        let count = match count {
            Ok(count) => count,
            Err(why) => return responder.refuse(400, "bad-request", why),
        };
        if self.surveys.len() >= MAX_SURVEYS {
            return responder.refuse(
                429,
                "busy",
                "others are measuring already: ask again in a few seconds",
            );
        }
        self.surveys.push(Asked {
            survey: Survey::new(count),
            purpose,
            responder,
        });
        self.set_pace();
    }

    fn advance_surveys(&mut self, sample: Sample) {
        let complete: Vec<_> = self
            .surveys
            .extract_if(.., |asked| asked.survey.handle_sample(sample))
            .collect();
        for Asked {
            survey,
            purpose,
            responder,
        } in complete
        {
            match purpose {
                Purpose::Measure => match survey.measurement(self.celsius) {
                    Ok(measurement) => responder.done(&measurement),
                    Err(error) => refuse(responder, &error),
                },
                Purpose::Calibrate => self.calibrate(survey, responder),
            }
            self.set_pace();
        }
    }

    fn calibrate(&mut self, survey: Survey, responder: Responder) {
        let measurement = match survey.calibration(self.celsius) {
            Ok(measurement) => measurement,
            Err(error) => return refuse(responder, &error),
        };
        let previous: Distance = self.link.settings().floor;
        let floor = measurement.distance_mm;
        if let Err(refusal) = self.link.learn(FLOOR, floor.mm().into(), "calibrated") {
            return responder.refuse(
                409,
                "refused",
                format!("{FLOOR} cannot be {}: {refusal}", floor.mm()),
            );
        }
        info!(
            floor_mm = floor.mm(),
            previous_mm = previous.mm(),
            "calibrated"
        );
        self.settings_changed();
        responder.done(&Calibration {
            floor_distance_mm: floor,
            previous_floor_distance_mm: previous,
            measurement,
        });
    }
}

fn refuse(responder: Responder, error: &SurveyError) {
    let (status, reason) = match error {
        SurveyError::NoEcho { reason, .. } => (504, reason.as_str()),
        SurveyError::TooWide { .. } => (409, "too-noisy"),
    };
    responder.refuse(status, reason, error.to_string());
}
