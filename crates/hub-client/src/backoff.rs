//! How long to wait before the next attempt. Pure: chance comes in as a number.

use std::time::Duration;

use crate::options::BackoffLimits;

#[derive(Debug)]
pub(crate) struct Backoff {
    limits: BackoffLimits,
    failures: u32,
}

impl Backoff {
    pub(crate) const fn new(limits: BackoffLimits) -> Self {
        Self {
            limits,
            failures: 0,
        }
    }

    /// The wait after one more failure; `chance` is uniform in `0.0..1.0`.
    pub(crate) fn next(&mut self, chance: f64) -> Duration {
        let doubled = self
            .limits
            .first
            .saturating_mul(1_u32.checked_shl(self.failures).unwrap_or(u32::MAX));
        self.failures = self.failures.saturating_add(1);
        doubled.min(self.limits.cap).mul_f64(1.0 - chance / 2.0)
    }

    pub(crate) const fn reset(&mut self) {
        self.failures = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: BackoffLimits = BackoffLimits {
        first: Duration::from_millis(200),
        cap: Duration::from_secs(30),
    };

    fn waits(chance: f64) -> Vec<u128> {
        let mut backoff = Backoff::new(LIMITS);
        (0..10).map(|_| backoff.next(chance).as_millis()).collect()
    }

    #[test]
    fn doubles_up_to_the_cap() {
        assert_eq!(
            waits(0.0),
            [
                200, 400, 800, 1600, 3200, 6400, 12_800, 25_600, 30_000, 30_000
            ]
        );
    }

    #[test]
    fn chance_takes_off_up_to_half() {
        assert_eq!(waits(0.5)[..3], [150, 300, 600]);
        assert!(
            waits(0.999_999)
                .iter()
                .zip(waits(0.0))
                .all(|(short, long)| *short >= long / 2)
        );
    }

    #[test]
    fn never_overflows_and_starts_again() {
        let mut backoff = Backoff::new(LIMITS);
        for _ in 0..100 {
            assert!(backoff.next(0.0) <= LIMITS.cap);
        }
        backoff.reset();
        assert_eq!(backoff.next(0.0), LIMITS.first);
    }
}
