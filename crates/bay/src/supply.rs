use std::fmt;

use serde::{Deserialize, Serialize};

/// How urgently the bay's battery wants attention, least first.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum Alarm {
    /// Enough charge.
    #[default]
    None,
    /// Somebody should come within days.
    Low,
    /// The bay is about to go dark.
    Critical,
}

impl Alarm {
    /// The word used in messages.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Low => "low",
            Self::Critical => "critical",
        }
    }
}

impl fmt::Display for Alarm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
