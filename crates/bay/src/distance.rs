use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A distance in whole millimetres. In JSON it is a number, in a field whose name ends in `Mm`.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Distance(u32);

impl Distance {
    /// A distance of `mm` millimetres.
    #[must_use]
    pub const fn from_mm(mm: u32) -> Self {
        Self(mm)
    }

    /// How far away the reflector is whose echo took `round_trip` in air of `celsius` degrees.
    #[must_use]
    pub fn from_round_trip(round_trip: Duration, celsius: f32) -> Self {
        let mm = round_trip.as_secs_f64() * speed_of_sound(celsius) * 1000.0 / 2.0;
        // A cast from float to integer saturates, so an absurdly long echo stays a distance.
        Self(mm.round() as u32)
    }

    /// How long an echo from this distance takes to come back in air of `celsius` degrees.
    #[must_use]
    pub fn round_trip(self, celsius: f32) -> Duration {
        Duration::from_secs_f64(f64::from(self.0) * 2.0 / 1000.0 / speed_of_sound(celsius))
    }

    /// The distance in millimetres.
    #[must_use]
    pub const fn mm(self) -> u32 {
        self.0
    }

    /// How much farther this is than `other`, or nothing when it is nearer.
    #[must_use]
    pub const fn saturating_sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

impl fmt::Display for Distance {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} mm", self.0)
    }
}

/// Metres per second in dry air: 331.3 + 0.606 · T, good to a few parts in a thousand between -30
/// and 50 °C.
///
/// The temperature is held within -60 and 80 °C, so that a broken thermometer cannot make sound
/// stand still.
fn speed_of_sound(celsius: f32) -> f64 {
    let celsius = if celsius.is_finite() {
        celsius.clamp(-60.0, 80.0)
    } else {
        20.0
    };
    331.3 + 0.606 * f64::from(celsius)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_points() {
        // 583.1 µs is ten centimetres there and back at 20 °C, the figure of the HC-SR04 data sheet
        // (58 µs per centimetre).
        for (micros, celsius, mm) in [
            (583, 20.0, 100),
            (5_831, 20.0, 1_001),
            (14_560, 20.0, 2_500),
            (14_560, 0.0, 2_412),
            (14_560, -20.0, 2_324),
            (14_560, 40.0, 2_588),
            (0, 20.0, 0),
        ] {
            assert_eq!(
                Distance::from_round_trip(Duration::from_micros(micros), celsius).mm(),
                mm,
                "{micros} µs at {celsius} °C"
            );
        }
    }

    #[test]
    fn there_and_back() {
        for mm in [20, 742, 2_000, 4_000] {
            for celsius in [-20.0, 0.0, 20.0, 45.0] {
                let distance = Distance::from_mm(mm);
                assert_eq!(
                    Distance::from_round_trip(distance.round_trip(celsius), celsius),
                    distance
                );
            }
        }
    }

    #[test]
    fn a_broken_thermometer_is_survived() {
        for celsius in [f32::NAN, f32::NEG_INFINITY, -1000.0, 1e9] {
            assert!(Distance::from_round_trip(Duration::from_millis(10), celsius).mm() > 1000);
        }
    }
}
