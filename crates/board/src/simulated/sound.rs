//! How long sound takes, and what rain does to it.

use std::time::Duration;

use super::command::Rain;

/// The nearest an HC-SR04 can see: nearer, its own burst is still ringing (data sheet, page 1).
pub(crate) const NEAREST_MM: f64 = 20.0;
/// The farthest an HC-SR04 can see (data sheet, page 1).
pub(crate) const FARTHEST_MM: f64 = 4000.0;

/// Speed of sound in dry air, in metres a second: the linear fit every ranging library uses,
/// good to 0.2 % between −20 and 40 °C.
pub(crate) fn speed_m_per_s(celsius: f64) -> f64 {
    331.3 + 0.606 * celsius
}

/// The time from a burst to its echo off something `distance_mm` away.
pub(crate) fn round_trip(distance_mm: f64, celsius: f64) -> Duration {
    let seconds = 2.0 * distance_mm / 1000.0 / speed_m_per_s(celsius);
    Duration::try_from_secs_f64(seconds).unwrap_or_default()
}

/// What the air does to one burst. The figures are chosen so that dry air looks like the quiet
/// benches of the field reports (1 to 4 mm spread) and heavy rain like their worst cases.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Air {
    pub(crate) noise_mm: f64,
    pub(crate) missing: f64,
    /// Probability of an echo from a drop, somewhere before the real obstacle.
    pub(crate) spurious: f64,
}

impl Air {
    pub(crate) fn with(rain: Rain) -> Self {
        match rain {
            Rain::None => Self {
                noise_mm: 2.0,
                missing: 0.002,
                spurious: 0.0,
            },
            Rain::Light => Self {
                noise_mm: 6.0,
                missing: 0.04,
                spurious: 0.01,
            },
            Rain::Heavy => Self {
                noise_mm: 18.0,
                missing: 0.25,
                spurious: 0.06,
            },
        }
    }
}

/// A random number that is normal enough: mean 0, deviation 1, never beyond ±3.5 (the sum of four
/// even ones).
pub(crate) fn gaussian(random: &mut fastrand::Rng) -> f64 {
    let sum: f64 = (0..4).map(|_| random.f64() - 0.5).sum();
    sum * 3.0_f64.sqrt()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Distances of field.md's order, worked out by hand: 2·d / (331.3 + 0.606·T).
    #[test]
    fn echo_times_match_the_table() {
        for (distance_mm, celsius, micros) in [
            (1000.0, 20.0, 5824),
            (2500.0, 20.0, 14_560),
            (2500.0, -20.0, 15_665),
            (2500.0, 0.0, 15_092),
            (2500.0, 40.0, 14_063),
            (4000.0, 20.0, 23_296),
            (20.0, 20.0, 116),
        ] {
            let trip = round_trip(distance_mm, celsius).as_nanos().div_ceil(500) / 2;
            assert!(
                trip.abs_diff(micros) <= 1,
                "{distance_mm} mm at {celsius} °C took {trip} µs, not {micros}"
            );
        }
    }

    #[test]
    fn noise_has_the_deviation_it_says() {
        let mut random = fastrand::Rng::with_seed(1);
        let draws: Vec<f64> = (0..20_000).map(|_| gaussian(&mut random)).collect();
        let mean = draws.iter().sum::<f64>() / 20_000.0;
        let variance = draws.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / 20_000.0;
        assert!(mean.abs() < 0.03, "mean {mean}");
        assert!((variance - 1.0).abs() < 0.05, "variance {variance}");
        assert!(draws.iter().all(|x| x.abs() <= 3.5));
    }

    proptest! {
        #[test]
        fn farther_takes_longer(near in 0.0..5000.0, more in 0.1..5000.0, celsius in -60.0..80.0) {
            prop_assert!(round_trip(near, celsius) < round_trip(near + more, celsius));
        }

        #[test]
        fn colder_takes_longer(distance in 1.0..5000.0, celsius in -60.0..79.0) {
            prop_assert!(round_trip(distance, celsius) > round_trip(distance, celsius + 1.0));
        }

        #[test]
        fn any_number_has_a_time(distance in any::<f64>(), celsius in any::<f64>()) {
            let _ = round_trip(distance, celsius);
        }
    }
}
