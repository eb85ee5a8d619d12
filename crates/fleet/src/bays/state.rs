//! What a bay is at a moment: occupancy × admission × health, and what follows for whoever looks at it.
//!
//! Nothing here reads a clock or a database: it is told what is kept, and the time.
//!
//! **Invariant:** a bay is free only when a device that is being heard of says so. No device, no word yet, no word for
//! too long: all of these are unknown.

mod sign;

use bay::{Alarm, Occupancy, UnknownReason};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

pub use self::sign::{Sign, Status};
use self::sign::{sign, status};
use crate::settings::Settings;

/// The times that decide, in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules {
    /// After this long without a word a device is silent, and its bay unknown.
    pub silent_after: i64,
    /// So long before it begins, a booking shows, and an arrival is taken as its driver's.
    pub reserved_soon: i64,
    /// So long after its begin, a booking nobody came for is over.
    pub no_show_after: i64,
}

impl From<&Settings> for Rules {
    fn from(settings: &Settings) -> Self {
        let ms = |seconds: u32| i64::from(seconds) * 1000;
        Self {
            silent_after: ms(settings.silent_after_s),
            reserved_soon: ms(settings.reserved_soon_s),
            no_show_after: ms(settings.no_show_after_s),
        }
    }
}

/// What the operator says of a bay. What bookings make of it is [`Admission`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Opening {
    /// Whoever comes may stay.
    Open,
    /// Nobody may, for now.
    Closed,
    /// Nobody can: it is being mended.
    OutOfService,
}

impl Opening {
    /// Every one.
    pub const ALL: [Self; 3] = [Self::Open, Self::Closed, Self::OutOfService];

    /// As it is written.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Closed => "closed",
            Self::OutOfService => "out-of-service",
        }
    }

    /// The name of its words.
    #[must_use]
    pub fn key(self) -> String {
        format!("opening.{}", self.as_str())
    }
}

/// What a device last said of its bay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Said {
    /// What stands there.
    pub occupancy: Occupancy,
    /// Why it is unknown, if it is.
    pub reason: Option<UnknownReason>,
    /// Since when.
    pub since: Option<i64>,
    /// The battery's alarm.
    pub battery: Alarm,
    /// When the device last said anything at all.
    pub heard_at: i64,
}

/// How far a booking that matters to its bay is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Nobody has come for it.
    Booked,
    /// Its driver is here.
    InUse,
    /// It is over, and its driver still here.
    Overstaying,
}

/// A booking that matters to its bay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// Which one.
    pub id: String,
    /// Whose.
    pub user_id: String,
    /// From when.
    pub begins_at: i64,
    /// Until when: the first moment that is no longer its own.
    pub ends_at: i64,
    /// How far it is.
    pub phase: Phase,
    /// Whether the lamp was told and did not do it.
    pub lamp_failed: bool,
}

impl Held {
    /// Whether the bay is its own at this moment.
    #[must_use]
    pub const fn is_on(&self, now: i64) -> bool {
        self.begins_at <= now && now < self.ends_at && !matches!(self.phase, Phase::Overstaying)
    }

    const fn begins_soon(&self, rules: &Rules, now: i64) -> bool {
        now < self.begins_at && self.begins_at - rules.reserved_soon <= now
    }
}

/// All that is known of a bay.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    /// What the operator says.
    pub opening: Opening,
    /// Whether a board watches it.
    pub is_watched: bool,
    /// What that board said, if it ever did.
    pub said: Option<&'a Said>,
    /// The bookings that hold it, and those whose driver overstays; in the order they begin.
    pub bookings: &'a [Held],
}

/// Who may use a bay.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Admission {
    /// Whoever comes.
    Open,
    /// Whoever leaves before the booking begins.
    ReservedSoon,
    /// Who booked it.
    Reserved,
    /// Nobody, says the operator.
    Closed,
    /// Nobody: it is being mended.
    OutOfService,
}

/// Whether what watches the bay does its work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Health {
    /// It does.
    Ok,
    /// It does, but not all of it, or not for long: a low battery, a lamp that did not do what it was told, nobody heard
    /// of yet.
    Degraded,
    /// It does not, and somebody has to go there.
    Fault,
}

/// Why nobody can say what stands in a bay.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Reason {
    /// No board watches it.
    NoDevice,
    /// Its board has not said anything yet.
    NeverHeard,
    /// Its board has said nothing for too long.
    Stale,
    /// The sensor has not decided yet.
    Starting,
    /// The sensor hears no echo.
    NoEcho,
    /// Echoes come from nearer or farther than it can tell.
    OutOfRange,
    /// Its echo line does not move.
    Stuck,
    /// Its echoes differ too much.
    TooNoisy,
    /// The board cannot drive it.
    SensorFailed,
    /// The device does not say why.
    NotSaid,
}

impl From<UnknownReason> for Reason {
    fn from(reason: UnknownReason) -> Self {
        match reason {
            UnknownReason::Starting => Self::Starting,
            UnknownReason::NoEcho => Self::NoEcho,
            UnknownReason::OutOfRange => Self::OutOfRange,
            UnknownReason::Stuck => Self::Stuck,
            UnknownReason::TooNoisy => Self::TooNoisy,
            UnknownReason::SensorFailed => Self::SensorFailed,
            UnknownReason::Stale => Self::Stale,
        }
    }
}

/// What is not as it was agreed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Conflict {
    /// Something stands in a reserved bay that was there before its driver could be.
    WrongCar,
    /// A booking is over and its car still there.
    Overstay,
}

/// What a bay is at a moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct State {
    /// What stands there.
    pub occupancy: Occupancy,
    /// Why it is unknown; `None` when it is known.
    pub reason: Option<Reason>,
    /// Since when, as the device says; `None` when nobody knows.
    pub since: Option<i64>,
    /// Who may use it.
    pub admission: Admission,
    /// Whether what watches it does its work.
    pub health: Health,
    /// What is not as it was agreed.
    pub conflict: Option<Conflict>,
    /// The one word that matters most.
    pub sign: Sign,
    /// The status of open data.
    pub status: Status,
}

/// What a bay is now.
#[must_use]
pub fn state(facts: &Facts<'_>, rules: &Rules, now: i64) -> State {
    let (occupancy, reason, since) = occupancy(facts, rules, now);
    let admission = admission(facts, rules, now);
    let health = health(facts, reason);
    let conflict = conflict(facts, rules, occupancy, since, now);
    let mut state = State {
        occupancy,
        reason,
        since,
        admission,
        health,
        conflict,
        sign: Sign::Unknown,
        status: Status::Unknown,
    };
    state.sign = sign(&state);
    state.status = status(&state);
    state
}

/// The first moment after `now` at which the bay becomes another without anything being said or booked.
#[must_use]
pub fn changes_at(facts: &Facts<'_>, rules: &Rules, now: i64) -> Option<i64> {
    let silence = facts
        .said
        .map(|said| said.heard_at.saturating_add(rules.silent_after));
    let bookings = facts.bookings.iter().flat_map(|held| {
        [
            held.begins_at - rules.reserved_soon,
            held.begins_at,
            held.ends_at,
        ]
    });
    silence
        .into_iter()
        .chain(bookings)
        .filter(|at| *at > now)
        .min()
}

/// From when on an arrival is taken as the driver's of this booking: since it shows, unless another booking was on until
/// later. One of the same driver goes over into it.
#[must_use]
pub fn arrivals_from(held: &Held, others: &[Held], rules: &Rules) -> i64 {
    let shows = held.begins_at - rules.reserved_soon;
    let before = others
        .iter()
        .filter(|other| other.id != held.id && other.begins_at < held.begins_at);
    before.fold(shows, |from, other| {
        if other.user_id == held.user_id && other.ends_at >= shows {
            from.min(other.begins_at - rules.reserved_soon)
        } else {
            from.max(other.ends_at)
        }
    })
}

fn occupancy(
    facts: &Facts<'_>,
    rules: &Rules,
    now: i64,
) -> (Occupancy, Option<Reason>, Option<i64>) {
    let unknown = |reason| (Occupancy::Unknown, Some(reason), None);
    if !facts.is_watched {
        return unknown(Reason::NoDevice);
    }
    let Some(said) = facts.said else {
        return unknown(Reason::NeverHeard);
    };
    if said.heard_at.saturating_add(rules.silent_after) <= now {
        return (
            Occupancy::Unknown,
            Some(Reason::Stale),
            Some(said.heard_at.saturating_add(rules.silent_after)),
        );
    }
    match said.occupancy {
        Occupancy::Unknown => {
            let reason = said.reason.map_or(Reason::NotSaid, Reason::from);
            (Occupancy::Unknown, Some(reason), said.since)
        }
        known => (known, None, said.since),
    }
}

fn admission(facts: &Facts<'_>, rules: &Rules, now: i64) -> Admission {
    match facts.opening {
        Opening::OutOfService => Admission::OutOfService,
        Opening::Closed => Admission::Closed,
        Opening::Open if facts.bookings.iter().any(|held| held.is_on(now)) => Admission::Reserved,
        Opening::Open
            if facts
                .bookings
                .iter()
                .any(|held| held.begins_soon(rules, now)) =>
        {
            Admission::ReservedSoon
        }
        Opening::Open => Admission::Open,
    }
}

fn health(facts: &Facts<'_>, reason: Option<Reason>) -> Health {
    match reason {
        Some(
            Reason::Stale
            | Reason::NoEcho
            | Reason::OutOfRange
            | Reason::Stuck
            | Reason::TooNoisy
            | Reason::SensorFailed,
        ) => return Health::Fault,
        Some(Reason::NoDevice | Reason::NeverHeard | Reason::Starting | Reason::NotSaid) => {
            return Health::Degraded;
        }
        None => {}
    }
    let battery = facts.said.map_or(Alarm::None, |said| said.battery);
    if battery != Alarm::None || facts.bookings.iter().any(|held| held.lamp_failed) {
        return Health::Degraded;
    }
    Health::Ok
}

fn conflict(
    facts: &Facts<'_>,
    rules: &Rules,
    occupancy: Occupancy,
    since: Option<i64>,
    now: i64,
) -> Option<Conflict> {
    if occupancy != Occupancy::Occupied {
        return None;
    }
    let current = facts.bookings.iter().find(|held| held.is_on(now));
    if let Some(held) = current
        && held.phase == Phase::Booked
        && since.is_none_or(|since| since < arrivals_from(held, facts.bookings, rules))
    {
        return Some(Conflict::WrongCar);
    }
    facts
        .bookings
        .iter()
        .any(|held| held.phase == Phase::Overstaying)
        .then_some(Conflict::Overstay)
}

#[cfg(test)]
mod tests;
