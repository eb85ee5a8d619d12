use std::time::Duration;

use crate::BoardError;

/// An ultrasonic ranger: sends one burst, and times its echo.
pub trait Ranger: Send {
    /// Takes one measurement.
    ///
    /// The caller keeps the pause between bursts: 60 ms and more, so that late reflections of one
    /// burst are not taken for the echo of the next (HC-SR04 data sheet, page 2).
    ///
    /// # Errors
    /// [`BoardError`] when the ranger could not be used at all. A burst that was sent and did not
    /// come back is not an error but [`Echo::NoEcho`].
    fn measure(&mut self) -> impl Future<Output = Result<Echo, BoardError>> + Send;
}

/// What became of one burst.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Echo {
    /// The echo came back.
    Returned {
        /// From the burst to its echo, there and back: twice the distance at the speed of sound.
        round_trip: Duration,
    },
    /// The burst was sent and nothing came back within the ranger's reach.
    NoEcho,
    /// The echo line never fell again, as some clones leave it when they saw nothing.
    Stuck,
}
