//! What became of one burst, in the words of the decision.

use bay::{Distance, UnknownReason};
use board::{BoardError, Echo};

/// One burst and what came of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sample {
    /// An echo from within the range.
    Echo(Distance),
    /// Nothing came back.
    NoEcho,
    /// An echo from nearer or farther than the sensor can tell.
    OutOfRange(Distance),
    /// The echo line did not fall again.
    Stuck,
    /// The board could not drive the sensor.
    Failed,
}

/// The distances the sensor can tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    /// The nearest. Closer, the burst itself is still ringing (HC-SR04 data sheet, page 1: 2 cm).
    pub nearest: Distance,
    /// The farthest (HC-SR04 data sheet, page 1: 4 m).
    pub farthest: Distance,
}

impl Sample {
    /// Judges what the board measured in air of `celsius` degrees.
    pub fn judge(measured: &Result<Echo, BoardError>, celsius: f32, range: Range) -> Self {
        match measured {
            Ok(Echo::Returned { round_trip }) => {
                let distance = Distance::from_round_trip(*round_trip, celsius);
                if (range.nearest..=range.farthest).contains(&distance) {
                    Self::Echo(distance)
                } else {
                    Self::OutOfRange(distance)
                }
            }
            Ok(Echo::NoEcho) => Self::NoEcho,
            Ok(Echo::Stuck) => Self::Stuck,
            Err(_) => Self::Failed,
        }
    }

    /// The distance, when the echo can be believed.
    pub fn distance(self) -> Option<Distance> {
        match self {
            Self::Echo(distance) => Some(distance),
            Self::NoEcho | Self::OutOfRange(_) | Self::Stuck | Self::Failed => None,
        }
    }

    /// What is wrong with it; nothing with an echo.
    pub fn trouble(self) -> Option<UnknownReason> {
        match self {
            Self::Echo(_) => None,
            Self::NoEcho => Some(UnknownReason::NoEcho),
            Self::OutOfRange(_) => Some(UnknownReason::OutOfRange),
            Self::Stuck => Some(UnknownReason::Stuck),
            Self::Failed => Some(UnknownReason::SensorFailed),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    const RANGE: Range = Range {
        nearest: Distance::from_mm(20),
        farthest: Distance::from_mm(4000),
    };

    fn returned(micros: u64) -> Result<Echo, BoardError> {
        Ok(Echo::Returned {
            round_trip: Duration::from_micros(micros),
        })
    }

    #[test]
    fn outcomes() {
        let fault = Err(BoardError::Fault {
            reason: "the cable is cut".to_owned(),
        });
        for (measured, expected) in [
            (returned(14_560), Sample::Echo(Distance::from_mm(2500))),
            // Clones of the sensor end a burst nobody heard after 38 ms, which reads as six metres.
            (
                returned(38_000),
                Sample::OutOfRange(Distance::from_mm(6525)),
            ),
            // Waterproof variants answer 10 to 30 µs of nonsense to this sensor's timing.
            (returned(20), Sample::OutOfRange(Distance::from_mm(3))),
            (Ok(Echo::NoEcho), Sample::NoEcho),
            (Ok(Echo::Stuck), Sample::Stuck),
            (fault, Sample::Failed),
        ] {
            assert_eq!(Sample::judge(&measured, 20.0, RANGE), expected);
        }
    }

    #[test]
    fn cold_air_does_not_raise_the_floor() {
        let floor = Distance::from_mm(2500);
        for celsius in [-20.0, 0.0, 20.0, 40.0] {
            let echo = Ok(Echo::Returned {
                round_trip: floor.round_trip(celsius),
            });
            assert_eq!(Sample::judge(&echo, celsius, RANGE), Sample::Echo(floor));
        }
    }
}
