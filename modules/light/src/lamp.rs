//! The lamp: what is known, who booked, how the battery is, and what somebody asked for in; colours
//! at exact times, and reports out.

use std::collections::VecDeque;
use std::time::Duration;

use bay::message::{Cause, LampReport, OccupancyReport, SetLightRequest};
use bay::{Alarm, Colour, Moment, Pattern, Phase, UnknownReason};

use crate::booking::{Change, Ledger};
use crate::kept::Kept;
use crate::settings::Settings;
use crate::sign::{Knowledge, sign};

/// The wall clock may be set while a booking runs, so its end is looked at this often at least.
const LOOK_AT_THE_CLOCK: Duration = Duration::from_secs(30);

/// The lamp of one bay.
#[derive(Debug)]
pub struct Lamp {
    settings: Settings,
    knowledge: Knowledge,
    /// When the bay's sensor was last heard of, and how old its words were by then.
    heard: Duration,
    age: Duration,
    alarm: Alarm,
    alarm_heard: Duration,
    ledger: Ledger,
    identify_until: Option<Duration>,
    set_light: Option<SetLight>,
    report: LampReport,
    /// When the pattern shown began.
    began: Duration,
    shining: Option<Colour>,
    looked_at_the_clock: Duration,
    outputs: VecDeque<Output>,
}

/// What has to be done, in order.
#[derive(Clone, Debug, PartialEq)]
pub enum Output {
    /// Let the lamp shine so from this instant.
    Shine(Colour),
    /// Tell what the lamp shows from here on.
    Report(LampReport),
    /// A booking has come to its end: keep this change, then hand it to [`Lamp::handle_booking`].
    Expired(Change),
}

#[derive(Clone, Copy, Debug)]
struct SetLight {
    colour: Colour,
    pattern: Pattern,
    until: Duration,
}

impl Lamp {
    /// The lamp of a bay nobody has said anything about yet, except what is kept from a run before;
    /// the first colour and the first report are ready at once.
    pub fn new(settings: Settings, kept: Kept, now: Moment) -> Self {
        let stale_after = settings.stale_after;
        let heard = kept.heard.map(|heard| (heard.knowledge(), heard.age(now)));
        let (knowledge, age) = heard
            .filter(|(_, age)| *age < stale_after)
            .unwrap_or((Knowledge::Unknown(UnknownReason::Starting), Duration::ZERO));
        let ledger = Ledger::restore(kept.booking, now.wall);
        let sign = sign(knowledge, ledger.booking().is_some());
        let (colour, pattern) = settings.palette.look(sign);
        let report = LampReport {
            colour,
            pattern,
            cause: Cause::Bay(sign),
            reason: knowledge.reason(),
            booking_id: ledger.booking().map(|booking| booking.booking_id.clone()),
            battery_alarm: kept.alarm,
            since: now.wall,
        };
        let mut lamp = Self {
            settings,
            knowledge,
            heard: now.elapsed,
            age,
            alarm: kept.alarm,
            alarm_heard: now.elapsed,
            ledger,
            identify_until: None,
            set_light: None,
            outputs: VecDeque::from([Output::Report(report.clone())]),
            report,
            began: now.elapsed,
            shining: None,
            looked_at_the_clock: now.elapsed,
        };
        lamp.shine(now);
        lamp
    }

    /// Takes what the bay's sensor says, `age` after it said so.
    pub fn handle_occupancy(&mut self, report: &OccupancyReport, age: Duration, now: Moment) {
        self.knowledge = Knowledge::new(report.occupancy, report.reason);
        self.heard = now.elapsed;
        self.age = age;
        self.handle_timeout(now);
    }

    /// Takes what the battery says.
    pub fn handle_battery(&mut self, alarm: Alarm, now: Moment) {
        self.alarm = alarm;
        self.alarm_heard = now.elapsed;
        self.handle_timeout(now);
    }

    /// Makes a change to the booking that is kept already.
    pub fn handle_booking(&mut self, change: Change, now: Moment) {
        self.ledger.commit(change);
        self.handle_timeout(now);
    }

    /// Blinks for a time, whatever the bay's state.
    pub fn handle_identify(&mut self, length: Duration, now: Moment) {
        self.identify_until = Some(now.elapsed + length);
        self.handle_timeout(now);
    }

    /// Shows a colour for a time, whatever the bay's state; for no time at all, goes back to it.
    pub fn handle_set_light(&mut self, request: &SetLightRequest, length: Duration, now: Moment) {
        self.set_light = Some(SetLight {
            colour: request.colour,
            pattern: request.pattern.unwrap_or(Pattern::Steady),
            until: now.elapsed + length,
        });
        self.handle_timeout(now);
    }

    /// Takes changed settings.
    pub fn handle_settings(&mut self, settings: Settings, now: Moment) {
        self.settings = settings;
        self.handle_timeout(now);
    }

    /// Does what is due at `now`. Call it when [`Self::poll_timeout`] says so; at any other time it
    /// does nothing.
    pub fn handle_timeout(&mut self, now: Moment) {
        self.identify_until = self.identify_until.filter(|until| now.elapsed < *until);
        self.set_light = self.set_light.filter(|asked| now.elapsed < asked.until);
        if self.stale_at() <= now.elapsed {
            self.knowledge = Knowledge::Unknown(UnknownReason::Stale);
        }
        if self.alarm_over_at() <= now.elapsed {
            self.alarm = Alarm::None;
        }
        self.looked_at_the_clock = now.elapsed;
        if let Some(change) = self.ledger.expire(now.wall)
            && !self
                .outputs
                .iter()
                .any(|output| matches!(output, Output::Expired(_)))
        {
            self.outputs.push_back(Output::Expired(change));
        }
        self.show(now);
        self.shine(now);
    }

    /// The next thing to do.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// When to call [`Self::handle_timeout`] next, at `now`. May change after each call of a
    /// `handle_` method.
    pub fn poll_timeout(&self, now: Moment) -> Duration {
        let toggle = self
            .phase(now)
            .remaining
            .map(|remaining| now.elapsed + remaining);
        let stale = matches!(self.knowledge, Knowledge::Free | Knowledge::Occupied)
            .then(|| self.stale_at());
        let alarm_over = (self.alarm != Alarm::None).then(|| self.alarm_over_at());
        let booking_end = self
            .ledger
            .booking()
            .and_then(|booking| booking.until)
            .map(|until| now.elapsed_at(until));
        let asked = self.set_light.map(|asked| asked.until);
        [
            toggle,
            stale,
            alarm_over,
            booking_end,
            self.identify_until,
            asked,
        ]
        .into_iter()
        .flatten()
        .fold(self.looked_at_the_clock + LOOK_AT_THE_CLOCK, Duration::min)
    }

    /// What the lamp shows.
    pub fn report(&self) -> &LampReport {
        &self.report
    }

    /// Who the bay is kept for.
    pub fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// When what is known of the bay is too old to be believed.
    fn stale_at(&self) -> Duration {
        self.heard + self.settings.stale_after.saturating_sub(self.age)
    }

    fn alarm_over_at(&self) -> Duration {
        self.alarm_heard + self.settings.alarm_lasts
    }

    /// Begins another pattern, and tells so, when what has to be shown has changed.
    fn show(&mut self, now: Moment) {
        let (colour, pattern, cause) = self.look();
        let mut report = LampReport {
            colour,
            pattern,
            cause,
            reason: self.knowledge.reason(),
            booking_id: self
                .ledger
                .booking()
                .map(|booking| booking.booking_id.clone()),
            battery_alarm: self.alarm,
            since: self.report.since,
        };
        if report == self.report {
            return;
        }
        report.since = now.wall;
        if (colour, pattern, self.alarm)
            != (
                self.report.colour,
                self.report.pattern,
                self.report.battery_alarm,
            )
        {
            self.began = now.elapsed;
        }
        self.report = report.clone();
        self.outputs.push_back(Output::Report(report));
    }

    fn look(&self) -> (Colour, Pattern, Cause) {
        if self.identify_until.is_some() {
            return (Colour::WHITE, Pattern::FastBlink, Cause::IDENTIFY);
        }
        if let Some(asked) = self.set_light {
            return (asked.colour, asked.pattern, Cause::SET_LIGHT);
        }
        let sign = sign(self.knowledge, self.ledger.booking().is_some());
        let (colour, pattern) = self.settings.palette.look(sign);
        (colour, pattern, Cause::Bay(sign))
    }

    fn phase(&self, now: Moment) -> Phase {
        // While somebody looks for a bay or tries a colour, the battery's flashes would only be in
        // the way.
        let alarm = match self.report.cause {
            Cause::Bay(_) => self.report.battery_alarm,
            Cause::Asked(_) => Alarm::None,
        };
        self.report
            .pattern
            .phase_at(alarm, now.elapsed.saturating_sub(self.began))
    }

    fn shine(&mut self, now: Moment) {
        let colour = if self.phase(now).lit {
            self.report.colour
        } else {
            Colour::OFF
        };
        if self.shining != Some(colour) {
            self.shining = Some(colour);
            self.outputs.push_back(Output::Shine(colour));
        }
    }
}
