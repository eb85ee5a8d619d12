use proptest::prelude::*;

use super::*;
use crate::simulated::command::Vehicle;

fn world() -> (World, Instant) {
    let now = Instant::now();
    (World::new(7, now), now)
}

/// A hundred measurements, 100 ms apart from `now`.
fn hundred(world: &mut World, now: Instant) -> Vec<Measured> {
    (0..100)
        .map(|n| world.measure(now + Duration::from_millis(100 * n)).0)
        .collect()
}

fn median_mm(measured: &[Measured], celsius: f64) -> f64 {
    let mut trips: Vec<Duration> = measured
        .iter()
        .filter_map(|one| match one {
            Measured::Returned { round_trip } => Some(*round_trip),
            _ => None,
        })
        .collect();
    trips.sort();
    let metres = trips[trips.len() / 2].as_secs_f64() / 2.0 * (331.3 + 0.606 * celsius);
    metres * 1000.0
}

fn missing(measured: &[Measured]) -> usize {
    measured
        .iter()
        .filter(|one| **one == Measured::NoEcho)
        .count()
}

#[test]
fn the_echo_time_means_what_stands_in_the_bay() {
    let at_once = |vehicle| Command::CarArrives {
        vehicle,
        over_seconds: 0.0,
    };
    for (arrives, expected_mm) in [
        (None, 2500.0),
        (Some(at_once(Vehicle::Car)), 1055.0),
        (Some(at_once(Vehicle::Van)), 502.0),
        (Some(at_once(Vehicle::Motorcycle)), 1580.0),
        (Some(Command::Pedestrian { seconds: 60.0 }), 925.0),
    ] {
        let (mut world, now) = world();
        if let Some(command) = arrives {
            world.command(command, now);
        }
        let median = median_mm(&hundred(&mut world, now), 18.0);
        assert!(
            (median - expected_mm).abs() < 40.0,
            "{arrives:?}: median {median:.0} mm, expected about {expected_mm}"
        );
    }
}

#[test]
fn rain_hides_echoes_and_the_floor_may_be_out_of_reach() {
    let (mut world, now) = world();
    assert!(missing(&hundred(&mut world, now)) < 5);
    world.command(Command::Rain { level: Rain::Heavy }, now);
    let wet = missing(&hundred(&mut world, now));
    assert!(
        (10..45).contains(&wet),
        "{wet} of 100 missing in heavy rain"
    );

    world.command(Command::Rain { level: Rain::None }, now);
    world.command(Command::FloorDistance { mm: 4200 }, now);
    assert_eq!(missing(&hundred(&mut world, now)), 100);
}

#[test]
fn cold_air_is_felt_by_the_echo_and_by_the_thermometer() {
    let (mut world, now) = world();
    world.command(
        Command::Temperature {
            celsius: -22.0,
            over_seconds: 40.0,
        },
        now,
    );
    let later = now + Duration::from_secs(10);
    assert!((world.read_thermometer(later) - 8.0).abs() < 0.5);
    let done = now + Duration::from_secs(40);
    assert!((world.read_thermometer(done) + 22.0).abs() < 0.5);
    let wrongly_at_20 = median_mm(&hundred(&mut world, done), 20.0);
    assert!(
        wrongly_at_20 > 2650.0,
        "cold air makes far: {wrongly_at_20:.0} mm"
    );
}

#[test]
fn faults_of_the_sensor_are_told_apart() {
    let (mut world, now) = world();
    world.command(Command::SensorStuck { on: true }, now);
    assert_eq!(world.measure(now).0, Measured::Stuck);
    world.command(Command::CableCut { on: true }, now);
    assert_eq!(world.measure(now).0, Measured::Fault);
    assert_eq!(
        world.state(now).sample.map(|sample| sample.outcome),
        Some(Outcome::Fault)
    );
    world.command(Command::CableCut { on: false }, now);
    world.command(Command::SensorStuck { on: false }, now);
    assert!(matches!(world.measure(now).0, Measured::Returned { .. }));
}

#[test]
fn the_marks_follow_a_car_to_the_lamp() {
    let (mut world, now) = world();
    let later = |ms| now + Duration::from_millis(ms);
    world.command(
        Command::CarArrives {
            vehicle: Vehicle::Car,
            over_seconds: 2.0,
        },
        now,
    );
    world.measure(later(10));
    assert_eq!(
        world.marks.vehicle_first_measured, None,
        "it is still on the street"
    );
    for ms in (100..2000).step_by(100) {
        world.measure(later(ms));
    }
    let seen = world
        .marks
        .vehicle_first_measured
        .expect("the car was measured");
    assert!(seen > later(400) && seen < later(1900));

    let red = Colour::rgb(255, 0, 0);
    assert!(world.set_lamp(red, later(5000)));
    assert!(
        !world.set_lamp(red, later(6000)),
        "the same colour is no change"
    );
    assert_eq!(world.marks.lamp_changed, Some(later(5000)));

    // Arriving where one stands already is not a second arrival.
    world.command(Command::car_arrives(), later(7000));
    assert_eq!(world.marks.vehicle_arrived, Some(now));
    world.command(Command::car_leaves(), later(8000));
    assert_eq!(world.state(later(9600)).vehicle, None);
}

#[test]
fn the_first_dark_is_a_change_too() {
    let (mut world, now) = world();
    assert_eq!(world.state(now).lamp.changed_ms_ago, None);
    assert!(world.set_lamp(Colour::OFF, now));
    assert_eq!(world.state(now).lamp.changes, 1);
}

#[test]
fn a_seed_is_a_fate() {
    let now = Instant::now();
    let run = |seed| {
        let mut world = World::new(seed, now);
        world.command(Command::Rain { level: Rain::Heavy }, now);
        hundred(&mut world, now)
    };
    assert_eq!(run(1), run(1));
    assert_ne!(run(1), run(2));
}

#[test]
fn memory_is_bounded() {
    let (mut world, now) = world();
    for n in 0..3000 {
        let at = now + Duration::from_millis(n);
        world.measure(at);
        world.set_lamp(Colour::rgb(n as u8, 0, 0), at);
    }
    assert_eq!(world.recent_samples(now).len(), REMEMBERED_SAMPLES);
    assert_eq!(world.lamp_history().len(), REMEMBERED_COLOURS);
    assert_eq!(world.state(now).samples, 3000);
}

fn any_command() -> impl Strategy<Value = Command> {
    let vehicle = prop_oneof![
        Just(Vehicle::Car),
        Just(Vehicle::Van),
        Just(Vehicle::Motorcycle)
    ];
    prop_oneof![
        (vehicle, any::<f64>()).prop_map(|(vehicle, over_seconds)| Command::CarArrives {
            vehicle,
            over_seconds
        }),
        any::<f64>().prop_map(|over_seconds| Command::CarLeaves { over_seconds }),
        any::<f64>().prop_map(|seconds| Command::Pedestrian { seconds }),
        Just(Command::Rain { level: Rain::Heavy }),
        any::<bool>().prop_map(|on| Command::SensorStuck { on }),
        any::<bool>().prop_map(|on| Command::CableCut { on }),
        (any::<f64>(), any::<f64>()).prop_map(|(celsius, over_seconds)| Command::Temperature {
            celsius,
            over_seconds
        }),
        (any::<f64>(), any::<i32>(), any::<u8>(), any::<u8>()).prop_map(
            |(charge, current, failing, nonsense)| Command::Battery {
                charge_percent: Some(charge),
                current_ma: Some(current),
                failing_reads_percent: Some(failing),
                nonsense_reads_percent: Some(nonsense),
            }
        ),
        any::<u32>().prop_map(|mm| Command::FloorDistance { mm }),
    ]
}

proptest! {
    /// Whatever happens to a bay, every question has an answer, and every echo comes from within
    /// the ranger's reach.
    #[test]
    fn nothing_breaks_a_world(
        commands in proptest::collection::vec((any_command(), 0_u64..100_000), 0..30),
        seed in any::<u64>(),
    ) {
        let mut now = Instant::now();
        let mut world = World::new(seed, now);
        for (command, wait_ms) in commands {
            world.command(command, now);
            now += Duration::from_millis(wait_ms);
            if let (Measured::Returned { round_trip }, sample) = world.measure(now) {
                prop_assert!(round_trip >= Duration::from_micros(100));
                prop_assert!(round_trip <= Duration::from_micros(27_200));
                let mm = sample.distance_mm.expect("a returned echo has a distance");
                prop_assert!((20..=4000).contains(&mm));
            }
            prop_assert!(world.read_thermometer(now).is_finite());
            let _ = world.read_gauge(now);
            let state = world.state(now);
            prop_assert!(serde_json::to_string(&state).is_ok());
            prop_assert!(state.battery.registers.charge_percent <= 100);
        }
    }
}
