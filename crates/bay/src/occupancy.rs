use std::fmt;

use serde::{Deserialize, Serialize};

/// What is known about a bay.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Occupancy {
    /// Nothing stands in the bay.
    Free,
    /// Something stands in the bay.
    Occupied,
    /// Nobody can say. It is never shown or counted as free.
    Unknown,
}

impl Occupancy {
    /// The word used in messages.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Free => "free",
            Self::Occupied => "occupied",
            Self::Unknown => "unknown",
        }
    }
}

impl fmt::Display for Occupancy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Why nobody can say whether the bay is free.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum UnknownReason {
    /// The sensor has just been switched on and has not decided yet.
    Starting,
    /// The sensor fired and heard nothing: it faces open air, soft cloth, or an oblique surface.
    NoEcho,
    /// Echoes come back from nearer or farther than the sensor can tell.
    OutOfRange,
    /// The echo line does not move: a cut cable or a dead sensor.
    Stuck,
    /// Echoes come back, but differ too much from one another.
    TooNoisy,
    /// The board could not drive the sensor at all.
    SensorFailed,
    /// The sensor has not been heard of for too long.
    Stale,
}

impl UnknownReason {
    /// The word used in messages.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::NoEcho => "no-echo",
            Self::OutOfRange => "out-of-range",
            Self::Stuck => "stuck",
            Self::TooNoisy => "too-noisy",
            Self::SensorFailed => "sensor-failed",
            Self::Stale => "stale",
        }
    }

    /// Whether somebody has to look at the sensor. Otherwise the bay only waits for news.
    #[must_use]
    pub const fn is_fault(self) -> bool {
        match self {
            Self::NoEcho | Self::OutOfRange | Self::Stuck | Self::TooNoisy | Self::SensorFailed => {
                true
            }
            Self::Starting | Self::Stale => false,
        }
    }
}

impl fmt::Display for UnknownReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_words_are_those_of_the_messages() {
        for occupancy in [Occupancy::Free, Occupancy::Occupied, Occupancy::Unknown] {
            assert_eq!(
                serde_json::to_value(occupancy).expect("an enum of words"),
                occupancy.as_str()
            );
        }
        for reason in [
            UnknownReason::Starting,
            UnknownReason::NoEcho,
            UnknownReason::OutOfRange,
            UnknownReason::Stuck,
            UnknownReason::TooNoisy,
            UnknownReason::SensorFailed,
            UnknownReason::Stale,
        ] {
            assert_eq!(
                serde_json::to_value(reason).expect("an enum of words"),
                reason.as_str()
            );
        }
    }
}
