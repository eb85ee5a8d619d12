//! How often a PIN may be guessed.
//!
//! The count is the device's, not a visitor's: on a local link addresses cost nothing. Who is signed in already is not
//! touched by a lock-out, and switching the device off and on ends it; whoever can do that can take the card as well.

use std::time::Duration;

use tokio::time::Instant;

/// Wrong PINs in a row that cost nothing but the trouble of typing.
const FREE: u32 = 5;
const FIRST: Duration = Duration::from_secs(30);
/// A PIN of six digits then holds for decades: 24 guesses a day of a million.
const LONGEST: Duration = Duration::from_secs(3600);

/// Wrong PINs since the last right one, and what they cost.
#[derive(Debug, Default)]
pub(super) struct Attempts {
    wrong: u32,
    locked_until: Option<Instant>,
}

impl Attempts {
    /// How long nobody may try; `None` when one may. A try that was not let in does not lengthen the wait.
    pub(super) fn locked(&self, now: Instant) -> Option<Duration> {
        let left = self.locked_until?.saturating_duration_since(now);
        (!left.is_zero()).then_some(left)
    }

    pub(super) fn handle_wrong(&mut self, now: Instant) {
        self.wrong = self.wrong.saturating_add(1);
        if let Some(beyond) = self.wrong.checked_sub(FREE) {
            let lock = FIRST.saturating_mul(1 << beyond.min(16)).min(LONGEST);
            self.locked_until = Some(now + lock);
        }
    }

    pub(super) fn handle_right(&mut self) {
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_lock_out_grows_and_is_bounded() {
        let mut now = Instant::now();
        let mut attempts = Attempts::default();
        for _ in 0..4 {
            attempts.handle_wrong(now);
            assert_eq!(attempts.locked(now), None);
        }
        let mut locks = Vec::new();
        for _ in 0..60 {
            attempts.handle_wrong(now);
            let lock = attempts.locked(now).expect("a lock-out");
            now += lock - Duration::from_millis(1);
            assert!(attempts.locked(now).is_some());
            now += Duration::from_millis(1);
            assert_eq!(attempts.locked(now), None);
            locks.push(lock.as_secs());
        }
        assert_eq!(locks[..9], [30, 60, 120, 240, 480, 960, 1920, 3600, 3600]);
        assert_eq!(locks[59], 3600);
    }

    #[test]
    fn the_right_pin_forgives() {
        let now = Instant::now();
        let mut attempts = Attempts::default();
        for _ in 0..7 {
            attempts.handle_wrong(now);
        }
        attempts.handle_right();
        attempts.handle_wrong(now);
        assert_eq!(attempts.locked(now), None);
    }
}
