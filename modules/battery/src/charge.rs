//! The charge: attempts at the gauge in, levels and alarms out.
//!
//! A *reading* is what comes of a few attempts at the gauge: buses of such gauges fail often, and
//! answer nonsense now and then, so an attempt is repeated until one is plausible. An *alarm*
//! changes when some readings in a row want it to, and eases only when the charge is well above its
//! threshold.
//!
//! **Invariant:** a level carries what the gauge said in one plausible reading, or nothing; never
//! an old value, never an invented one.

use std::collections::VecDeque;
use std::time::Duration;

use bay::message::LevelReport;
use bay::{Alarm, Moment};
use board::GaugeReading;

use crate::quality::Quality;
use crate::settings::Settings;

/// Between two attempts of one reading. The tool for the pi-top pack waits half a millisecond; a
/// bus that just failed deserves a little more.
const BETWEEN_ATTEMPTS: Duration = Duration::from_millis(5);

/// Between the first readings after a start, so that the first level is told soon and with the
/// right alarm.
const WHILE_SETTLING: Duration = Duration::from_millis(50);

/// One battery behind one gauge.
#[derive(Debug)]
pub struct Charge {
    settings: Settings,
    alarm: Alarm,
    leaning: Option<Leaning>,
    quality: Quality,
    reading: Option<Reading>,
    next_reading: Duration,
    readings: u32,
    last_report: Option<Duration>,
    outputs: VecDeque<Output>,
}

/// What has to be done, in order.
#[derive(Clone, Debug, PartialEq)]
pub enum Output {
    /// Ask the gauge once, and hand the answer to [`Charge::handle_attempt`].
    Attempt,
    /// A reading is complete: the level it gave, for whoever waits for one.
    Reading(LevelReport),
    /// Tell this level.
    Report(LevelReport),
}

/// A reading while it is being taken.
#[derive(Clone, Copy, Debug)]
struct Reading {
    attempts_left: u32,
    /// When the next attempt is due; `None` while one is on its way.
    next_attempt: Option<Duration>,
}

/// Readings in a row that want another alarm.
#[derive(Clone, Copy, Debug)]
struct Leaning {
    /// The change all of them want at least.
    towards: Alarm,
    readings: u32,
}

impl Charge {
    /// A battery nobody has looked at yet. The first attempt is due at once.
    pub fn new(settings: Settings, now: Moment) -> Self {
        let mut charge = Self {
            settings,
            alarm: Alarm::None,
            leaning: None,
            quality: Quality::default(),
            reading: None,
            next_reading: now.elapsed,
            readings: 0,
            last_report: None,
            outputs: VecDeque::new(),
        };
        charge.handle_timeout(now);
        charge
    }

    /// Takes what one attempt gave; nothing when the gauge failed.
    pub fn handle_attempt(&mut self, registers: Option<GaugeReading>, now: Moment) {
        let Some(reading) = &mut self.reading else {
            return;
        };
        let plausible = registers.filter(|registers| self.settings.believes(registers));
        self.quality.record(plausible.is_some());
        reading.attempts_left = reading.attempts_left.saturating_sub(1);
        if plausible.is_none() && reading.attempts_left > 0 {
            reading.next_attempt = Some(now.elapsed + BETWEEN_ATTEMPTS);
            return;
        }
        self.reading = None;
        self.finish(plausible, now);
    }

    /// Reads now, unless a reading is under way already; its level comes as [`Output::Reading`].
    pub fn handle_request(&mut self, now: Moment) {
        self.begin(now);
        self.handle_timeout(now);
    }

    /// Takes changed settings. They count from the next attempt on.
    pub fn handle_settings(&mut self, settings: Settings, now: Moment) {
        self.settings = settings;
        self.leaning = None;
        self.next_reading = self
            .next_reading
            .min(now.elapsed + self.settings.sample_every);
        self.handle_timeout(now);
    }

    /// Does what is due at `now`. Call it when [`Self::poll_timeout`] says so; at any other time it
    /// does nothing.
    pub fn handle_timeout(&mut self, now: Moment) {
        if self.reading.is_none() && now.elapsed >= self.reading_due() {
            self.begin(now);
        }
        if let Some(reading) = &mut self.reading
            && reading.next_attempt.is_some_and(|due| due <= now.elapsed)
        {
            reading.next_attempt = None;
            self.outputs.push_back(Output::Attempt);
        }
    }

    /// The next thing to do.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When to call [`Self::handle_timeout`] next; `None` while an attempt is on its way. May
    /// change after each call of a `handle_` method.
    pub fn poll_timeout(&self) -> Option<Duration> {
        match &self.reading {
            Some(reading) => reading.next_attempt,
            None => Some(self.reading_due()),
        }
    }

    /// A level that is due is read for, so that it is fresh.
    fn reading_due(&self) -> Duration {
        let report_due = self
            .last_report
            .map(|last| last + self.settings.report_every);
        report_due.map_or(self.next_reading, |due| due.min(self.next_reading))
    }

    fn begin(&mut self, now: Moment) {
        self.reading.get_or_insert(Reading {
            attempts_left: self.settings.attempts,
            next_attempt: Some(now.elapsed),
        });
    }

    fn finish(&mut self, registers: Option<GaugeReading>, now: Moment) {
        self.readings = self.readings.saturating_add(1);
        let before = self.alarm;
        if let Some(registers) = registers {
            self.weigh(registers.charge_percent);
        }

        let level = LevelReport {
            charge_percent: registers.map(|registers| registers.charge_percent),
            voltage_mv: registers.map(|registers| registers.voltage_mv),
            current_ma: registers.and_then(|registers| registers.current_ma),
            minutes_to_empty: registers.and_then(|registers| registers.minutes_to_empty),
            quality: self.quality.share(),
            alarm: self.alarm,
        };
        let settled = self.readings >= self.settings.consecutive_readings;
        let due = self.last_report.map_or(settled, |last| {
            now.elapsed >= last + self.settings.report_every
        });
        self.outputs.push_back(Output::Reading(level.clone()));
        if due || self.alarm != before {
            self.last_report = Some(now.elapsed);
            self.outputs.push_back(Output::Report(level));
        }
        self.next_reading = now.elapsed
            + if settled {
                self.settings.sample_every
            } else {
                WHILE_SETTLING
            };
    }

    /// Lets one reading count for or against the alarm.
    fn weigh(&mut self, percent: u8) {
        let wanted = self.settings.alarm_at(percent, self.alarm);
        let worse = wanted > self.alarm;
        self.leaning = match self.leaning {
            _ if wanted == self.alarm => None,
            // Of readings that all want a change the same way, the smallest change is what all of
            // them want.
            Some(Leaning { towards, readings }) if (towards > self.alarm) == worse => {
                let towards = if worse {
                    towards.min(wanted)
                } else {
                    towards.max(wanted)
                };
                Some(Leaning {
                    towards,
                    readings: readings + 1,
                })
            }
            _ => Some(Leaning {
                towards: wanted,
                readings: 1,
            }),
        };
        if let Some(Leaning { towards, readings }) = self.leaning
            && readings >= self.settings.consecutive_readings
        {
            self.alarm = towards;
            self.leaning = None;
        }
    }
}
