//! What a person or a test can do to the provisioning service.

use std::time::Duration;

use serde::Serialize;

/// One pull of a lever on the provisioning service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DpsLever {
    /// Refuse every credential, as if no key were right.
    Refuse(bool),
    /// Keep registrations in `assigning`; those that wait go on when it is released.
    Hold(bool),
    /// Answer 429 and say to come back after so many seconds; none stops it.
    Throttle(Option<Duration>),
    /// End connections without an answer, as when the network is gone.
    Unreachable(bool),
}

impl std::fmt::Display for DpsLever {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Refuse(true) => "the provisioning service refuses every credential",
            Self::Refuse(false) => "the provisioning service checks credentials as usual",
            Self::Hold(true) => "the provisioning service keeps devices in assigning",
            Self::Hold(false) => "the provisioning service assigns as usual",
            Self::Throttle(Some(_)) => "the provisioning service has too many requests",
            Self::Throttle(None) => "the provisioning service takes requests as usual",
            Self::Unreachable(true) => "the provisioning service is unreachable",
            Self::Unreachable(false) => "the provisioning service is reachable",
        })
    }
}

/// Where the levers stand.
#[derive(Debug, Clone, Copy, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DpsLevers {
    pub(crate) refuse: bool,
    pub(crate) hold: bool,
    /// Seconds to come back after.
    pub(crate) throttle: Option<u32>,
    pub(crate) unreachable: bool,
}

impl DpsLevers {
    pub(crate) fn set(&mut self, lever: DpsLever) {
        match lever {
            DpsLever::Refuse(refuse) => self.refuse = refuse,
            DpsLever::Hold(hold) => self.hold = hold,
            DpsLever::Throttle(after) => self.throttle = after.map(whole_seconds),
            DpsLever::Unreachable(unreachable) => self.unreachable = unreachable,
        }
    }
}

/// Seconds as `retry-after` says them: whole ones, and at least one, since clients would else never pause.
pub(crate) fn whole_seconds(duration: Duration) -> u32 {
    let up = u64::from(duration.subsec_nanos() > 0);
    u32::try_from(duration.as_secs() + up)
        .unwrap_or(u32::MAX)
        .max(1)
}
