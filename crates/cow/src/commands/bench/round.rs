//! What a measurement came to: how often something was done, and how long each took.

use std::time::Duration;

/// The times of all that was done within a while.
pub(super) struct Round {
    seconds: f64,
    /// Sorted.
    times: Vec<Duration>,
}

impl Round {
    pub(super) fn new(seconds: f64, mut times: Vec<Duration>) -> Self {
        times.sort_unstable();
        Self { seconds, times }
    }

    pub(super) fn count(&self) -> usize {
        self.times.len()
    }

    pub(super) fn per_second(&self) -> f64 {
        self.times.len() as f64 / self.seconds
    }

    /// The time that this share of them stayed within.
    pub(super) fn time(&self, share: f64) -> Duration {
        let at = ((self.times.len() as f64 - 1.0) * share).max(0.0) as usize;
        self.times.get(at).copied().unwrap_or_default()
    }
}

/// A time as people read it beside others.
pub(super) fn milliseconds(time: Duration) -> String {
    format!("{:.2} ms", time.as_secs_f64() * 1e3)
}
