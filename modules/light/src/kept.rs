//! What a restart of the module finds again.

use std::time::Duration;

use bay::{Alarm, Booking, Moment, Occupancy, UnknownReason};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::sign::Knowledge;

/// What is kept across restarts of the module.
///
/// The gateway keeps what was said while the module was down, so what was heard last still holds
/// until the next message, as long as it is not stale and the machine itself was not restarted.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Kept {
    /// Who the bay is kept for.
    #[serde(default)]
    pub booking: Option<Booking>,
    /// What the bay's sensor said last.
    #[serde(default)]
    pub heard: Option<Heard>,
    /// What the battery said last.
    #[serde(default)]
    pub alarm: Alarm,
}

/// What the bay's sensor said, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Heard {
    /// What is known.
    pub occupancy: Occupancy,
    /// Why nothing is known.
    pub reason: Option<UnknownReason>,
    /// When it was said.
    pub at: Timestamp,
}

impl Heard {
    /// What it amounts to for the lamp.
    pub fn knowledge(&self) -> Knowledge {
        Knowledge::new(self.occupancy, self.reason)
    }

    /// How long ago it was said; nothing when a clock was set back since.
    pub fn age(&self, now: Moment) -> Duration {
        Duration::try_from(now.wall.duration_since(self.at)).unwrap_or_default()
    }
}
