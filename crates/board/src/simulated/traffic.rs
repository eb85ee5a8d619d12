//! What moves under the sensor, and which part of it the beam meets first.

use std::time::{Duration, Instant};

use super::{
    command::Vehicle,
    state::{Motion, PedestrianState, VehicleState},
};

/// Where a vehicle's middle is when nothing of it is in the bay any more.
const OUT_OF_SIGHT_MM: f64 = -7000.0;
/// Where rays are traced, across the beam's footprint on a roof about a metre below: 15 degrees
/// to either side (HC-SR04 data sheet, page 1).
const RAYS_MM: [f64; 5] = [-250.0, -125.0, 0.0, 125.0, 250.0];
/// How often an oblique surface swallows a ray.
const GLANCES_OFF: f64 = 0.7;
/// Somebody's head, more or less.
const PEDESTRIAN_MM: f64 = 1700.0;
/// How often clothes and hair swallow a burst.
const SWALLOWED: f64 = 0.35;

/// A vehicle on its way in or out, or parked: a move that is over.
#[derive(Debug, Clone)]
pub(crate) struct Drive {
    pub(crate) vehicle: Vehicle,
    from_mm: f64,
    to_mm: f64,
    started: Instant,
    takes: Duration,
}

impl Drive {
    pub(crate) fn arriving(vehicle: Vehicle, takes: Duration, now: Instant) -> Self {
        Self {
            vehicle,
            from_mm: OUT_OF_SIGHT_MM,
            to_mm: 0.0,
            started: now,
            takes,
        }
    }

    /// The same vehicle, from where it is, into the bay.
    pub(crate) fn turned_in(&self, takes: Duration, now: Instant) -> Self {
        self.redirected(0.0, takes, now)
    }

    /// The same vehicle, from where it is, out of sight.
    pub(crate) fn turned_out(&self, takes: Duration, now: Instant) -> Self {
        self.redirected(OUT_OF_SIGHT_MM, takes, now)
    }

    fn redirected(&self, to_mm: f64, takes: Duration, now: Instant) -> Self {
        Self {
            vehicle: self.vehicle,
            from_mm: self.offset_mm(now),
            to_mm,
            started: now,
            takes,
        }
    }

    pub(crate) fn is_leaving(&self) -> bool {
        self.to_mm < 0.0
    }

    pub(crate) fn is_gone(&self, now: Instant) -> bool {
        self.is_leaving() && self.remaining(now).is_zero()
    }

    pub(crate) fn remaining(&self, now: Instant) -> Duration {
        self.takes
            .saturating_sub(now.saturating_duration_since(self.started))
    }

    /// Drivers start gently and stop gently: a smooth step from one place to the other.
    fn offset_mm(&self, now: Instant) -> f64 {
        let done = 1.0 - fraction(self.remaining(now), self.takes);
        let eased = done * done * (3.0 - 2.0 * done);
        self.from_mm + (self.to_mm - self.from_mm) * eased
    }

    pub(crate) fn state(&self, now: Instant) -> VehicleState {
        let remaining = self.remaining(now);
        VehicleState {
            vehicle: self.vehicle,
            motion: match (self.is_leaving(), remaining.is_zero()) {
                (true, _) => Motion::Leaving,
                (false, false) => Motion::Arriving,
                (false, true) => Motion::Parked,
            },
            offset_mm: self.offset_mm(now) as i32,
            remaining_ms: remaining.as_millis() as u32,
        }
    }

    /// What a burst from `floor_mm` above the floor meets of this vehicle.
    pub(crate) fn met(&self, floor_mm: f64, now: Instant, random: &mut fastrand::Rng) -> Met {
        let offset = self.offset_mm(now);
        let mut nearest = None::<f64>;
        let mut below_sensor = false;
        for ray in RAYS_MM {
            let Some(surface) = self.vehicle.surface(ray - offset) else {
                continue;
            };
            below_sensor |= ray == 0.0;
            if !surface.reflects && random.f64() < GLANCES_OFF {
                continue;
            }
            let depth = (floor_mm - surface.height_mm).max(0.0);
            let distance = depth.hypot(ray);
            nearest = Some(nearest.map_or(distance, |known| known.min(distance)));
        }
        match nearest {
            Some(_) if random.f64() < self.vehicle.missing() => Met::Swallowed,
            Some(distance) => Met::Surface(distance),
            // The bonnet is in the way of the floor, and sends the sound elsewhere.
            None if below_sensor => Met::Swallowed,
            None => Met::Nothing,
        }
    }
}

/// Somebody walking under the sensor.
#[derive(Debug, Clone)]
pub(crate) struct Pedestrian {
    started: Instant,
    takes: Duration,
}

impl Pedestrian {
    pub(crate) fn new(takes: Duration, now: Instant) -> Self {
        Self {
            started: now,
            takes,
        }
    }

    pub(crate) fn remaining(&self, now: Instant) -> Duration {
        self.takes
            .saturating_sub(now.saturating_duration_since(self.started))
    }

    pub(crate) fn state(&self, now: Instant) -> PedestrianState {
        let remaining = self.remaining(now);
        PedestrianState {
            progress: 1.0 - fraction(remaining, self.takes),
            remaining_ms: remaining.as_millis() as u32,
        }
    }

    /// A soft and restless target: shoulders, head, or nothing.
    pub(crate) fn met(&self, floor_mm: f64, random: &mut fastrand::Rng) -> Met {
        if random.f64() < SWALLOWED {
            return Met::Swallowed;
        }
        let height = PEDESTRIAN_MM - random.f64() * 250.0;
        Met::Surface((floor_mm - height).max(0.0))
    }
}

/// What a burst meets.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Met {
    /// Something that reflects, at this distance from the sensor in millimetres.
    Surface(f64),
    /// Something that does not send the sound back.
    Swallowed,
    /// Nothing: the floor is in sight.
    Nothing,
}

fn fraction(part: Duration, whole: Duration) -> f64 {
    if whole.is_zero() {
        0.0
    } else {
        part.as_secs_f64() / whole.as_secs_f64()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FLOOR_MM: f64 = 2500.0;

    #[test]
    fn a_car_drives_in_from_the_street_and_backs_out_again() {
        let start = Instant::now();
        let second = Duration::from_secs(1);
        let drive = Drive::arriving(Vehicle::Car, 2 * second, start);
        assert_eq!(drive.state(start).offset_mm, -7000);
        assert_eq!(drive.state(start + second).offset_mm, -3500);
        let parked = drive.state(start + 2 * second);
        assert_eq!((parked.motion, parked.offset_mm), (Motion::Parked, 0));

        // Halfway out, the driver changes their mind.
        let out = drive.turned_out(2 * second, start + 3 * second);
        let back = out.turned_in(second, start + 4 * second);
        assert_eq!(back.state(start + 4 * second).offset_mm, -3500);
        assert_eq!(back.state(start + 5 * second).motion, Motion::Parked);
        assert!(out.is_gone(start + 5 * second) && !back.is_gone(start + 9 * second));
    }

    #[test]
    fn the_beam_meets_floor_then_bonnet_then_roof() {
        let start = Instant::now();
        let mut random = fastrand::Rng::with_seed(5);
        let drive = Drive::arriving(Vehicle::Car, Duration::from_secs(10), start);
        assert_eq!(drive.met(FLOOR_MM, start, &mut random), Met::Nothing);
        let parked = start + Duration::from_secs(10);
        for _ in 0..100 {
            let Met::Surface(distance) = drive.met(FLOOR_MM, parked, &mut random) else {
                panic!("a roof always reflects");
            };
            assert!(
                (1040.0..1080.0).contains(&distance),
                "{distance} mm to the roof"
            );
        }
    }

    #[test]
    fn a_vehicle_higher_than_the_sensor_is_at_distance_zero() {
        let start = Instant::now();
        let mut random = fastrand::Rng::with_seed(5);
        let drive = Drive::arriving(Vehicle::Van, Duration::ZERO, start);
        assert_eq!(drive.met(500.0, start, &mut random), Met::Surface(0.0));
    }
}
