//! The decision: measurements in, free, occupied or unknown out.
//!
//! # How it is taken
//!
//! The median of a [`Window`] of measurements falls on one side of a pair of thresholds; between
//! them the bay stays what it was. When the median changes sides, a *hold-off* runs **from the
//! first measurement that shows the new state**, the oldest one in the window that helped to turn
//! the median, and the decision falls exactly when it ends, by timer: neither the depth of the
//! filter nor the next measurement is waited for. A median that turns back ends the hold-off.
//!
//! A measurement is *bad* when it is no echo, or when the window it completes has too few echoes or
//! too wide a spread. Some bad ones in a row make the bay unknown, at once, with the reason of the
//! last one. Out of unknown leads only a full hold-off.
//!
//! **Invariant:** the bay is called free only while most of the last measurements are echoes, and
//! most of those come from the floor.

use std::collections::VecDeque;
use std::time::Duration;

use bay::message::{OccupancyReport, Previous};
use bay::{Distance, Moment, Occupancy, UnknownReason};

use crate::sample::Sample;
use crate::settings::Settings;
use crate::window::{Reading, Window};

/// Without a single measurement for this long, good or bad, nobody can say anything: the sampler
/// itself is gone.
const LONGEST_SILENCE: Duration = Duration::from_secs(30);

/// One bay under one sensor.
#[derive(Debug)]
pub struct Bay {
    settings: Settings,
    window: Window,
    state: State,
    /// The last state that was not unknown: between the thresholds, the bay counts as that.
    last_known: Option<Occupancy>,
    previous: Option<Previous>,
    sequence: u64,
    /// The other state, while its hold-off runs.
    candidate: Option<Candidate>,
    bad: Option<Streak>,
    last_sample: Duration,
    last_report: Duration,
    reports: VecDeque<OccupancyReport>,
}

#[derive(Clone, Copy, Debug)]
struct State {
    occupancy: Occupancy,
    reason: Option<UnknownReason>,
    since: Moment,
}

#[derive(Clone, Copy, Debug)]
struct Candidate {
    occupancy: Occupancy,
    since: Moment,
}

/// Bad measurements in a row.
#[derive(Clone, Copy, Debug)]
struct Streak {
    since: Moment,
    length: u32,
    reason: UnknownReason,
    /// Since when, and how often in a row, it was this same reason.
    reason_since: Moment,
    reason_length: u32,
}

impl Bay {
    /// Begins to watch. The first report, unknown because it is `starting`, is ready at once.
    ///
    /// `last` is the last report of the run before, if it is known: numbers continue after it, and
    /// what it said becomes the previous state.
    pub fn new(settings: Settings, last: Option<&OccupancyReport>, now: Moment) -> Self {
        let mut bay = Self {
            window: Window::new(settings.window_size),
            settings,
            state: State {
                occupancy: Occupancy::Unknown,
                reason: Some(UnknownReason::Starting),
                since: now,
            },
            last_known: last
                .map(|report| report.occupancy)
                .filter(|occupancy| *occupancy != Occupancy::Unknown),
            previous: last.map(|report| Previous {
                occupancy: report.occupancy,
                duration_seconds: u64::try_from(now.wall.duration_since(report.since).as_secs())
                    .unwrap_or(0),
            }),
            sequence: last.map_or(0, |report| report.sequence),
            candidate: None,
            bad: None,
            last_sample: now.elapsed,
            last_report: now.elapsed,
            reports: VecDeque::new(),
        };
        bay.report(false, now);
        bay
    }

    /// Takes one measurement. May change what [`Self::poll_output`] and [`Self::poll_timeout`]
    /// return.
    pub fn handle_sample(&mut self, sample: Sample, now: Moment) {
        self.last_sample = now.elapsed;
        self.window.push(sample.distance(), now);
        let reading = self.reading();

        let trouble = sample.trouble().or(match reading {
            Reading::Good(_) => None,
            Reading::Noisy(_) => Some(UnknownReason::TooNoisy),
            // Too few echoes: after a bad measurement its reason stands, and at the start there is
            // none.
            Reading::Nothing => self.bad.map(|streak| streak.reason),
        });
        self.bad = trouble.map(|reason| Streak::continued(self.bad, reason, now));

        self.weigh(reading, now);
        self.give_up(now);
        self.decide(now);
    }

    /// Takes changed settings: a hold-off that runs is judged anew.
    pub fn handle_settings(&mut self, settings: Settings, now: Moment) {
        self.window.resize(settings.window_size);
        self.settings = settings;
        self.candidate = None;
        self.weigh(self.reading(), now);
        self.decide(now);
    }

    /// Does what is due at `now`. Call it when [`Self::poll_timeout`] says so; at any other time it
    /// does nothing.
    pub fn handle_timeout(&mut self, now: Moment) {
        self.decide(now);
        if self.state.occupancy != Occupancy::Unknown
            && now.elapsed >= self.last_sample + LONGEST_SILENCE
        {
            self.become_unknown(UnknownReason::SensorFailed, now, now);
        }
        if now.elapsed >= self.last_report + self.settings.heartbeat {
            self.report(true, now);
        }
    }

    /// The next report to keep and to send, in order.
    pub fn poll_output(&mut self) -> Option<OccupancyReport> {
        self.reports.pop_front()
    }

    /// When to call [`Self::handle_timeout`] next. May change after each call of a `handle_`
    /// method.
    pub fn poll_timeout(&self) -> Duration {
        let heartbeat = self.last_report + self.settings.heartbeat;
        let silence = (self.state.occupancy != Occupancy::Unknown)
            .then_some(self.last_sample + LONGEST_SILENCE);
        [self.decision_due(), silence]
            .into_iter()
            .flatten()
            .fold(heartbeat, Duration::min)
    }

    /// The median of the last measurements, when it can be trusted.
    pub fn filtered(&self) -> Option<Distance> {
        self.reading().trusted()
    }

    /// What was wrong with the last measurement.
    pub fn trouble(&self) -> Option<UnknownReason> {
        self.bad.map(|streak| streak.reason)
    }

    fn reading(&self) -> Reading {
        self.window.reading(self.settings.max_spread)
    }

    /// What a distance means. Between the thresholds the bay is what it was; when that is unknown,
    /// it is not called free.
    fn side(&self, distance: Distance) -> Occupancy {
        if distance <= self.settings.occupied_threshold() {
            Occupancy::Occupied
        } else if distance >= self.settings.free_threshold() {
            Occupancy::Free
        } else {
            self.last_known.unwrap_or(Occupancy::Occupied)
        }
    }

    /// Starts a hold-off when the median has changed sides, and ends one when it has changed back.
    ///
    /// A median that is not trusted starts one too, because a car that drives in makes a wide
    /// window first; it only cannot end it ([`Self::decide`]).
    fn weigh(&mut self, reading: Reading, now: Moment) {
        let Some(side) = reading.median().map(|median| self.side(median)) else {
            return;
        };
        if side == self.state.occupancy {
            self.candidate = None;
        } else if self
            .candidate
            .is_none_or(|candidate| candidate.occupancy != side)
        {
            let since = self
                .window
                .earliest(|distance| self.side(distance) == side)
                .unwrap_or(now);
            self.candidate = Some(Candidate {
                occupancy: side,
                since,
            });
        }
    }

    /// When the hold-off ends, if the measurements bear it out by then.
    fn decision_due(&self) -> Option<Duration> {
        let candidate = self.candidate?;
        let side = self.reading().trusted().map(|median| self.side(median))?;
        (side == candidate.occupancy).then_some(candidate.since.elapsed + self.settings.hold_off)
    }

    fn decide(&mut self, now: Moment) {
        if let (Some(due), Some(candidate)) = (self.decision_due(), self.candidate)
            && due <= now.elapsed
        {
            self.last_known = Some(candidate.occupancy);
            self.candidate = None;
            self.enter(candidate.occupancy, None, candidate.since, now);
        }
    }

    /// Ends in unknown after too many bad measurements, and tells when an unknown bay has another
    /// reason by now.
    fn give_up(&mut self, now: Moment) {
        let Some(streak) = self.bad else { return };
        let (since, length) = match self.state.reason {
            None | Some(UnknownReason::Starting) => (streak.since, streak.length),
            Some(reason) if reason != streak.reason => (streak.reason_since, streak.reason_length),
            Some(_) => return,
        };
        if length >= self.settings.unknown_after {
            self.become_unknown(streak.reason, since, now);
        }
    }

    fn become_unknown(&mut self, reason: UnknownReason, since: Moment, now: Moment) {
        self.window.clear();
        self.candidate = None;
        self.enter(Occupancy::Unknown, Some(reason), since, now);
    }

    fn enter(
        &mut self,
        occupancy: Occupancy,
        reason: Option<UnknownReason>,
        since: Moment,
        now: Moment,
    ) {
        // States follow one another without overlap, even when a streak or a hold-off began before
        // the last decision fell.
        let since = if since.elapsed < self.state.since.elapsed {
            self.state.since
        } else {
            since
        };
        let lasted = since.elapsed - self.state.since.elapsed;
        self.previous = Some(Previous {
            occupancy: self.state.occupancy,
            duration_seconds: lasted.as_secs(),
        });
        self.state = State {
            occupancy,
            reason,
            since,
        };
        self.report(false, now);
    }

    fn report(&mut self, heartbeat: bool, now: Moment) {
        self.sequence += 1;
        self.last_report = now.elapsed;
        self.reports.push_back(OccupancyReport {
            occupancy: self.state.occupancy,
            reason: self.state.reason,
            distance_mm: self.filtered(),
            since: self.state.since.wall,
            previous: self.previous,
            sequence: self.sequence,
            heartbeat,
        });
    }
}

impl Streak {
    fn continued(before: Option<Self>, reason: UnknownReason, now: Moment) -> Self {
        let (since, length) = before.map_or((now, 0), |before| (before.since, before.length));
        let (reason_since, reason_length) = match before {
            Some(before) if before.reason == reason => (before.reason_since, before.reason_length),
            _ => (now, 0),
        };
        Self {
            since,
            length: length.saturating_add(1),
            reason,
            reason_since,
            reason_length: reason_length.saturating_add(1),
        }
    }
}
