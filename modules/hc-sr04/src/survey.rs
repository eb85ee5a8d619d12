//! A series of fresh measurements, for the methods `measure` and `calibrate`.

use bay::message::Measurement;
use bay::{Distance, UnknownReason};

use crate::sample::Sample;
use crate::window::{median, spread};

/// How far the echoes of a calibration may lie apart. A dry bay gives 1 to 4 mm; 50 mm is a quarter
/// of the default threshold.
pub const MAX_CALIBRATION_SPREAD: Distance = Distance::from_mm(50);

/// A series of measurements while it is being taken.
#[derive(Clone, Debug)]
pub struct Survey {
    wanted: u32,
    taken: u32,
    echoes: Vec<Distance>,
    trouble: Option<UnknownReason>,
}

/// Why a series says nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SurveyError {
    /// At most half of the bursts came back from within the range.
    #[error("only {echo_count} of {burst_count} bursts gave a distance")]
    NoEcho {
        /// What was wrong with the last one that gave none.
        reason: UnknownReason,
        /// How many did.
        echo_count: u32,
        /// How many were sent.
        burst_count: u32,
    },
    /// The distances are too far apart to learn from.
    #[error(
        "the distances lie {spread} apart, and calibrating allows {MAX_CALIBRATION_SPREAD}: is the bay empty, and is it dry?"
    )]
    TooWide {
        /// How far.
        spread: Distance,
    },
}

impl Survey {
    /// A series of `wanted` measurements.
    pub fn new(wanted: u32) -> Self {
        Self {
            wanted,
            taken: 0,
            echoes: Vec::with_capacity(wanted as usize),
            trouble: None,
        }
    }

    /// Takes one measurement; true when the series is complete.
    pub fn handle_sample(&mut self, sample: Sample) -> bool {
        self.taken += 1;
        self.echoes.extend(sample.distance());
        self.trouble = sample.trouble().or(self.trouble);
        self.taken >= self.wanted
    }

    /// What the series says, taken in air of `celsius` degrees.
    ///
    /// # Errors
    ///
    /// [`SurveyError::NoEcho`]
    pub fn measurement(mut self, celsius: f32) -> Result<Measurement, SurveyError> {
        self.echoes.sort_unstable();
        let echo_count = self.echoes.len() as u32;
        if echo_count * 2 <= self.taken {
            return Err(SurveyError::NoEcho {
                reason: self.trouble.unwrap_or(UnknownReason::NoEcho),
                echo_count,
                burst_count: self.taken,
            });
        }
        Ok(Measurement {
            distance_mm: median(&self.echoes),
            burst_count: self.taken,
            echo_count,
            spread_mm: spread(&self.echoes),
            temperature_celsius: celsius,
        })
    }

    /// The same, when it is good enough to learn a floor distance from.
    ///
    /// # Errors
    ///
    /// Any [`SurveyError`].
    pub fn calibration(self, celsius: f32) -> Result<Measurement, SurveyError> {
        let measurement = self.measurement(celsius)?;
        if measurement.spread_mm > MAX_CALIBRATION_SPREAD {
            return Err(SurveyError::TooWide {
                spread: measurement.spread_mm,
            });
        }
        Ok(measurement)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn survey(samples: &[Sample]) -> Survey {
        let mut survey = Survey::new(samples.len() as u32);
        for (index, sample) in samples.iter().enumerate() {
            assert_eq!(survey.handle_sample(*sample), index + 1 == samples.len());
        }
        survey
    }

    fn echo(mm: u32) -> Sample {
        Sample::Echo(Distance::from_mm(mm))
    }

    #[test]
    fn a_calm_bay() {
        let measurement = survey(&[
            echo(2500),
            echo(2503),
            echo(2499),
            Sample::NoEcho,
            echo(2501),
        ])
        .calibration(18.5);

        assert_eq!(
            measurement,
            Ok(Measurement {
                distance_mm: Distance::from_mm(2500),
                burst_count: 5,
                echo_count: 4,
                spread_mm: Distance::from_mm(1),
                temperature_celsius: 18.5
            })
        );
    }

    #[test]
    fn nobody_answers() {
        for (sample, reason) in [
            (Sample::NoEcho, UnknownReason::NoEcho),
            (
                Sample::OutOfRange(Distance::from_mm(6500)),
                UnknownReason::OutOfRange,
            ),
            (Sample::Stuck, UnknownReason::Stuck),
            (Sample::Failed, UnknownReason::SensorFailed),
        ] {
            assert_eq!(
                survey(&[sample, echo(2500)]).measurement(20.0),
                Err(SurveyError::NoEcho {
                    reason,
                    echo_count: 1,
                    burst_count: 2
                })
            );
        }
    }

    #[test]
    fn a_car_driving_in_is_no_floor() {
        let samples: Vec<_> = (0..20).map(|step| echo(2500 - step * 60)).collect();

        assert!(survey(&samples).measurement(20.0).is_ok());
        assert!(matches!(
            survey(&samples).calibration(20.0),
            Err(SurveyError::TooWide { .. })
        ));
    }
}
