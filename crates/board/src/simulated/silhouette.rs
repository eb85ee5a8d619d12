//! What a vehicle looks like from above: heights along its length.

use super::command::Vehicle;

/// A side view: points `(along, height)` in millimetres, `along` from the vehicle's middle, with
/// the nose at the positive end.
type Profile = &'static [(f64, f64)];

const CAR: Profile = &[
    (-2150.0, 520.0),
    (-2080.0, 880.0),
    (-1750.0, 960.0),
    (-1250.0, 1380.0),
    (-500.0, 1450.0),
    (350.0, 1420.0),
    (1050.0, 960.0),
    (1900.0, 780.0),
    (2110.0, 620.0),
    (2150.0, 400.0),
];

const VAN: Profile = &[
    (-2650.0, 600.0),
    (-2620.0, 1960.0),
    (0.0, 2000.0),
    (1300.0, 1960.0),
    (2000.0, 1150.0),
    (2550.0, 960.0),
    (2650.0, 500.0),
];

const MOTORCYCLE: Profile = &[
    (-1050.0, 450.0),
    (-900.0, 780.0),
    (-150.0, 800.0),
    (250.0, 1020.0),
    (500.0, 1100.0),
    (700.0, 900.0),
    (1050.0, 500.0),
];

/// Steeper than this, a surface throws the sound away from the sensor.
const STEEPEST_REFLECTING: f64 = 0.5;

/// A piece of a vehicle's upper side.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Surface {
    pub(crate) height_mm: f64,
    /// Whether a burst from above comes back from it, or glances off, as on a windscreen.
    pub(crate) reflects: bool,
}

impl Vehicle {
    fn profile(self) -> Profile {
        match self {
            Self::Car => CAR,
            Self::Van => VAN,
            Self::Motorcycle => MOTORCYCLE,
        }
    }

    /// Bumper to bumper.
    pub fn length_mm(self) -> u32 {
        let profile = self.profile();
        (profile[profile.len() - 1].0 - profile[0].0) as u32
    }

    /// Its highest point.
    pub fn height_mm(self) -> u32 {
        self.profile()
            .iter()
            .map(|&(_, height)| height as u32)
            .max()
            .unwrap_or_default()
    }

    /// How often a burst is lost although it hit: a motorcycle is a narrow thing.
    pub(crate) fn missing(self) -> f64 {
        match self {
            Self::Car | Self::Van => 0.0,
            Self::Motorcycle => 0.15,
        }
    }

    /// The surface `along` millimetres from the vehicle's middle, if it reaches that far.
    pub(crate) fn surface(self, along: f64) -> Option<Surface> {
        self.profile().windows(2).find_map(|pair| {
            let [(from, low), (to, high)] = [pair[0], pair[1]];
            if !(from..=to).contains(&along) {
                return None;
            }
            let slope = (high - low) / (to - from);
            Some(Surface {
                height_mm: low + slope * (along - from),
                reflects: slope.abs() <= STEEPEST_REFLECTING,
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn vehicles_have_the_sizes_they_say() {
        for (vehicle, length, height) in [
            (Vehicle::Car, 4300, 1450),
            (Vehicle::Van, 5300, 2000),
            (Vehicle::Motorcycle, 2100, 1100),
        ] {
            assert_eq!(vehicle.length_mm(), length);
            assert_eq!(vehicle.height_mm(), height);
        }
    }

    #[test]
    fn a_roof_reflects_and_a_windscreen_does_not() {
        let roof = Vehicle::Car.surface(0.0).expect("the middle of a car");
        assert!(roof.reflects && roof.height_mm > 1400.0);
        let windscreen = Vehicle::Car.surface(700.0).expect("before the driver");
        assert!(!windscreen.reflects);
        assert_eq!(Vehicle::Car.surface(2151.0), None);
        assert_eq!(Vehicle::Car.surface(f64::NAN), None);
    }
}
