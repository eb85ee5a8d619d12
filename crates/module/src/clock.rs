use std::time::Duration;

use bay::Moment;
use jiff::{RoundMode, Timestamp, TimestampRound, Unit};
use tokio::time::{Instant, Sleep};

/// The clock of a process: tells pure cores the time, and waits until a time they asked for.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    start: Instant,
}

impl Clock {
    /// A clock that starts to run now.
    pub fn start() -> Self {
        Self {
            start: Instant::now(),
        }
    }

    /// This moment; the wall time in whole milliseconds, which is what messages carry.
    pub fn now(&self) -> Moment {
        let wall = Timestamp::now();
        let whole = TimestampRound::new()
            .smallest(Unit::Millisecond)
            .mode(RoundMode::Trunc);
        Moment {
            elapsed: self.start.elapsed(),
            wall: wall.round(whole).unwrap_or(wall),
        }
    }

    /// Waits until the monotonic clock shows `elapsed`.
    pub fn at(&self, elapsed: Duration) -> Sleep {
        // A time too far away to be told is never.
        let never = Duration::from_secs(365 * 24 * 3600);
        tokio::time::sleep_until(self.start + elapsed.min(self.start.elapsed() + never))
    }
}
