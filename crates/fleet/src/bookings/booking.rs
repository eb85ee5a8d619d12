//! What becomes of a booking: pure, told the time and what stands in its bay.
//!
//! ```text
//! booked ──arrival──▶ in-use ──end──▶ over            (and marked when its car stays on)
//!    │├──nobody came──▶ no-show
//!    │├──end──────────▶ over
//!    └┴──its driver────▶ cancelled, or over when in use
//! ```
//!
//! **Invariant:** what nobody knows is held against nobody. A bay that was unknown when the driver should have come makes
//! no no-show, and one that is unknown at the end no overstay.

use bay::Occupancy;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::lamp::Lamp;
use crate::bays::state::{Held, Phase, Rules};

/// How far a booking is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    /// It is to come, or nobody has come for it yet.
    Booked,
    /// Its driver is here, or was.
    InUse,
    /// It has ended.
    Over,
    /// Its driver gave it up before coming.
    Cancelled,
    /// Nobody came for it.
    NoShow,
}

impl Stage {
    /// Every stage.
    pub const ALL: [Self; 5] = [
        Self::Booked,
        Self::InUse,
        Self::Over,
        Self::Cancelled,
        Self::NoShow,
    ];

    /// As it is written.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Booked => "booked",
            Self::InUse => "in-use",
            Self::Over => "over",
            Self::Cancelled => "cancelled",
            Self::NoShow => "no-show",
        }
    }

    /// Whether the bay is kept for it.
    #[must_use]
    pub const fn holds(self) -> bool {
        matches!(self, Self::Booked | Self::InUse)
    }
}

/// A bay kept for somebody from `begins_at` until before `ends_at`. Times are milliseconds since 1970.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Booking {
    /// Which one.
    pub id: String,
    /// The bay.
    pub bay_id: String,
    /// Whose it is.
    pub user_id: String,
    /// The car's number plate, if its driver wrote one.
    pub plate: String,
    /// From when.
    pub begins_at: i64,
    /// Until when.
    pub ends_at: i64,
    /// How far it is.
    pub stage: Stage,
    /// When its driver came.
    pub checked_in_at: Option<i64>,
    /// When it was over; for one that was overstayed, when the car was gone.
    pub ended_at: Option<i64>,
    /// Since when its car has stayed on.
    pub overstay_at: Option<i64>,
    /// When whoever runs the bay took it away.
    pub withdrawn_at: Option<i64>,
    /// What its bay's lamp was told of it.
    pub lamp: Lamp,
    /// When it was made.
    pub created_at: i64,
    /// Counts its changes.
    pub version: i64,
}

/// What is known of what stands in the bay: what [`crate::bays::state::state`] made of it, so silence is unknown here too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    /// What stands there.
    pub occupancy: Occupancy,
    /// Since when.
    pub since: Option<i64>,
    /// From when on an arrival is this booking's driver's: [`crate::bays::state::arrivals_from`].
    pub arrivals_from: i64,
}

/// What has become of a booking: for its driver and for the trail of actions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Turn {
    /// A car came.
    CheckedIn,
    /// Nobody came in time.
    NoShow,
    /// Its time is over.
    Over,
    /// Its time is over and its car still there.
    Overstayed,
    /// The car that had stayed on is gone.
    Left,
}

impl Turn {
    /// As the trail of actions has it.
    #[must_use]
    pub const fn action(self) -> &'static str {
        match self {
            Self::CheckedIn => "booking.check-in",
            Self::NoShow => "booking.no-show",
            Self::Over => "booking.over",
            Self::Overstayed => "booking.overstay",
            Self::Left => "booking.left",
        }
    }
}

/// Why a driver's wish is not followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It holds nothing any more.
    #[error("the booking is over already")]
    Over,
    /// It has not begun.
    #[error("the booking has not begun: cancel it, or wait")]
    NotBegun,
    /// It is being used.
    #[error("the bay is in use: release it in place of cancelling")]
    InUse,
}

impl Booking {
    /// What the bay has to know of it; `None` when it does not matter to the bay any more.
    #[must_use]
    pub fn held(&self) -> Option<Held> {
        let phase = match self.stage {
            Stage::Booked => Phase::Booked,
            Stage::InUse => Phase::InUse,
            Stage::Over if self.is_overstayed() => Phase::Overstaying,
            Stage::Over | Stage::Cancelled | Stage::NoShow => return None,
        };
        Some(Held {
            id: self.id.clone(),
            user_id: self.user_id.clone(),
            begins_at: self.begins_at,
            ends_at: self.ends_at,
            phase,
            lamp_failed: self.lamp.has_failed(),
        })
    }

    /// Whether its time is over and its car still there.
    #[must_use]
    pub const fn is_overstayed(&self) -> bool {
        self.overstay_at.is_some() && self.ended_at.is_none()
    }

    /// What has become of it by now. Calling it again changes nothing more.
    pub fn handle_seen(&mut self, seen: &Seen, rules: &Rules, now: i64) -> Option<Turn> {
        match self.stage {
            Stage::Booked | Stage::InUse if now >= self.ends_at => Some(self.handle_end(seen)),
            Stage::Booked => self.handle_waiting(seen, rules, now),
            Stage::Over if self.is_overstayed() && seen.occupancy == Occupancy::Free => {
                // The sensor's own time, unless it is before the overstay: then it is the end of the gap in what is known.
                let gone = seen
                    .since
                    .unwrap_or(now)
                    .clamp(self.ends_at, now.max(self.ends_at));
                self.ended_at = Some(gone);
                Some(Turn::Left)
            }
            Stage::InUse | Stage::Over | Stage::Cancelled | Stage::NoShow => None,
        }
    }

    /// When time alone may make something of it; `None` when only news can.
    #[must_use]
    pub fn poll_timeout(&self, rules: &Rules, now: i64) -> Option<i64> {
        if !self.stage.holds() {
            return None;
        }
        let no_show = self.begins_at + rules.no_show_after;
        if self.stage == Stage::Booked && now < no_show {
            return Some(no_show.min(self.ends_at));
        }
        Some(self.ends_at)
    }

    /// Its driver does not want it any more, before coming.
    ///
    /// # Errors
    /// [`Refusal`].
    pub fn cancel(&mut self, now: i64) -> Result<(), Refusal> {
        match self.stage {
            Stage::Booked => self.close(Stage::Cancelled, now),
            Stage::InUse => return Err(Refusal::InUse),
            Stage::Over | Stage::Cancelled | Stage::NoShow => return Err(Refusal::Over),
        }
        Ok(())
    }

    /// Its driver gives the bay back before the end.
    ///
    /// # Errors
    /// [`Refusal`].
    pub fn release(&mut self, now: i64) -> Result<(), Refusal> {
        match self.stage {
            Stage::Booked if now < self.begins_at => return Err(Refusal::NotBegun),
            Stage::Booked | Stage::InUse => self.close(Stage::Over, now),
            Stage::Over | Stage::Cancelled | Stage::NoShow => return Err(Refusal::Over),
        }
        Ok(())
    }

    /// The bay is taken away by whoever runs it. Whether there was anything to take.
    pub fn withdraw(&mut self, now: i64) -> bool {
        match self.stage {
            Stage::Booked => self.close(Stage::Cancelled, now),
            Stage::InUse => self.close(Stage::Over, now),
            Stage::Over | Stage::Cancelled | Stage::NoShow => return false,
        }
        self.withdrawn_at = Some(now);
        true
    }

    /// Its driver says that they are here. `arrivals_from` is as in [`Seen`].
    ///
    /// # Errors
    /// [`Refusal`].
    pub fn check_in(&mut self, arrivals_from: i64, now: i64) -> Result<(), Refusal> {
        match self.stage {
            Stage::Booked if now < arrivals_from.min(self.begins_at) => Err(Refusal::NotBegun),
            Stage::Booked => {
                self.stage = Stage::InUse;
                self.checked_in_at = Some(now);
                Ok(())
            }
            Stage::InUse => Ok(()),
            Stage::Over | Stage::Cancelled | Stage::NoShow => Err(Refusal::Over),
        }
    }

    /// Moves its end. Whether the bay has room is the database's to say.
    ///
    /// # Errors
    /// [`Refusal::Over`].
    pub fn move_end(&mut self, ends_at: i64, now: i64) -> Result<(), Refusal> {
        if !self.stage.holds() || now >= self.ends_at {
            return Err(Refusal::Over);
        }
        self.ends_at = ends_at;
        self.lamp.tell_again(now);
        Ok(())
    }

    fn handle_waiting(&mut self, seen: &Seen, rules: &Rules, now: i64) -> Option<Turn> {
        match (seen.occupancy, seen.since) {
            (Occupancy::Occupied, Some(since)) if since >= seen.arrivals_from => {
                self.stage = Stage::InUse;
                self.checked_in_at = Some(since.min(now));
                Some(Turn::CheckedIn)
            }
            // It was known to be empty when the driver should have been there.
            (Occupancy::Free, Some(since))
                if now >= self.begins_at + rules.no_show_after
                    && since <= self.begins_at + rules.no_show_after =>
            {
                self.close(Stage::NoShow, now);
                Some(Turn::NoShow)
            }
            _ => None,
        }
    }

    fn handle_end(&mut self, seen: &Seen) -> Turn {
        let was_used = self.stage == Stage::InUse;
        self.close(Stage::Over, self.ends_at);
        if was_used
            && seen.occupancy == Occupancy::Occupied
            && seen.since.is_none_or(|since| since < self.ends_at)
        {
            self.overstay_at = Some(self.ends_at);
            self.ended_at = None;
            return Turn::Overstayed;
        }
        Turn::Over
    }

    fn close(&mut self, stage: Stage, now: i64) {
        self.stage = stage;
        self.ended_at = Some(now);
        // A lamp that was told until when ends by itself.
        self.lamp.release(now, now >= self.ends_at);
    }
}

#[cfg(test)]
mod tests;
