use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

/// A point in time as a pure core is told it: on a clock that never jumps, and on the wall.
///
/// Decisions use `elapsed` only; `wall` is for stamps, and for ends that people agreed on, such as
/// the end of a booking.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// Time since the process started, monotonic.
    pub elapsed: Duration,
    /// Coordinated universal time. It may jump when the clock is set.
    pub wall: Timestamp,
}

impl Moment {
    /// The moment `later` after this one, on both clocks.
    #[must_use]
    pub fn after(self, later: Duration) -> Self {
        Self {
            elapsed: self.elapsed + later,
            wall: self
                .wall
                .saturating_add(SignedDuration::try_from(later).unwrap_or(SignedDuration::MAX))
                .unwrap_or(Timestamp::MAX),
        }
    }

    /// The wall time at which the monotonic clock showed `elapsed`, as far as the wall clock of
    /// this moment can be trusted.
    #[must_use]
    pub fn wall_at(self, elapsed: Duration) -> Timestamp {
        let offset = signed(elapsed) - signed(self.elapsed);
        self.wall.saturating_add(offset).unwrap_or(self.wall)
    }

    /// When the monotonic clock will show `wall`, or now when that is past.
    #[must_use]
    pub fn elapsed_at(self, wall: Timestamp) -> Duration {
        let wait = wall.duration_since(self.wall);
        self.elapsed
            .saturating_add(Duration::try_from(wait).unwrap_or_default())
    }
}

fn signed(duration: Duration) -> SignedDuration {
    SignedDuration::try_from(duration).unwrap_or(SignedDuration::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noon() -> Moment {
        Moment {
            elapsed: Duration::from_secs(100),
            wall: "2026-03-01T12:00:00Z".parse().expect("a literal timestamp"),
        }
    }

    #[test]
    fn both_clocks_advance_together() {
        let later = noon().after(Duration::from_millis(1500));

        assert_eq!(later.elapsed, Duration::from_millis(101_500));
        assert_eq!(later.wall.to_string(), "2026-03-01T12:00:01.5Z");
    }

    #[test]
    fn wall_time_of_an_earlier_reading() {
        assert_eq!(
            noon().wall_at(Duration::from_secs(97)).to_string(),
            "2026-03-01T11:59:57Z"
        );
    }

    #[test]
    fn a_past_end_is_due_at_once() {
        let noon = noon();

        assert_eq!(
            noon.elapsed_at(noon.wall - SignedDuration::from_secs(60)),
            noon.elapsed
        );
        assert_eq!(
            noon.elapsed_at(noon.wall + SignedDuration::from_secs(60)),
            Duration::from_secs(160)
        );
    }
}
