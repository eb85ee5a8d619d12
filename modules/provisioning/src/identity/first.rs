use std::time::Duration;

use bay::Moment;

use crate::edge_config::DpsIdentity;

/// The wait after the first failure; it doubles with each.
const RETRY_FIRST: Duration = Duration::from_secs(5);
/// The longest wait between two attempts at the first identity.
pub const RETRY_AT_MOST: Duration = Duration::from_secs(600);

/// A first identity that is tried until it works: the network may be late, and the enrolment may be
/// made after the device is on its pole.
#[derive(Debug)]
pub(super) struct First {
    pub(super) target: DpsIdentity,
    failures: u32,
    due: Duration,
}

impl First {
    pub(super) fn new(target: DpsIdentity, now: Moment) -> Self {
        Self {
            target,
            failures: 0,
            due: now.elapsed,
        }
    }

    pub(super) fn due(&self) -> Duration {
        self.due
    }

    pub(super) fn has_failed(&self) -> bool {
        self.failures > 0
    }

    pub(super) fn handle_failure(&mut self, now: Moment) {
        let doubled = RETRY_FIRST.saturating_mul(1 << self.failures.min(10));
        self.failures += 1;
        self.due = now.elapsed + doubled.min(RETRY_AT_MOST);
    }
}
