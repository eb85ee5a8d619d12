//! The lamp through time: which colour shines when, and what is told about it.

#[path = "lamp/street.rs"]
mod street;

use std::time::Duration;

use bay::message::{Cause, SetLightRequest};
use bay::{Alarm, Booking, Colour, Moment, Occupancy, Pattern, Sign, UnknownReason};
use jiff::{SignedDuration, Timestamp};
use light::kept::{Heard, Kept};
use light::lamp::Lamp;
use light::settings::Settings;
use street::{Street, booking, moment, report};

#[test]
fn a_bay_that_has_heard_nothing_blinks_white() {
    let mut street = Street::new(Settings::default(), None);
    street.until(1600);

    assert_eq!(
        street.shone,
        [
            (0, Colour::WHITE),
            (500, Colour::OFF),
            (1000, Colour::WHITE),
            (1500, Colour::OFF)
        ]
    );
    assert_eq!(street.told.len(), 1);
    assert_eq!(street.told[0].1.reason, Some(UnknownReason::Starting));
}

#[test]
fn a_car_comes_and_the_lamp_turns_red_at_that_instant() {
    let mut street = Street::new(Settings::default(), None);
    street
        .sensor(Occupancy::Free, None)
        .until(10_700)
        .sensor(Occupancy::Occupied, None)
        .until(14_800);

    assert_eq!(
        street.shone,
        [
            (0, Colour::WHITE),
            (0, Colour::GREEN),
            (10_700, Colour::RED),
            (12_580, Colour::OFF),
            (12_700, Colour::RED),
            (14_580, Colour::OFF),
            (14_700, Colour::RED),
        ]
    );
    assert_eq!(
        street.causes(),
        [(0, "unknown"), (0, "free"), (10_700, "occupied")]
    );
    assert_eq!(street.told[2].1.since, moment(10_700).wall);
}

#[test]
fn the_same_news_again_changes_nothing() {
    let mut street = Street::new(Settings::default(), None);
    street.sensor(Occupancy::Occupied, None).until(1880);
    let (shone, told) = (street.shone.len(), street.told.len());
    street.sensor(Occupancy::Occupied, None);

    assert_eq!(
        (street.shone.len(), street.told.len()),
        (shone, told),
        "a heartbeat does not restart the pattern"
    );
}

#[test]
fn a_booking_comes_is_used_and_ends() {
    let mut street = Street::new(Settings::default(), None);
    street
        .sensor(Occupancy::Free, None)
        .until(1000)
        .book("ann", Some(60_000));
    street
        .until(20_000)
        .sensor(Occupancy::Occupied, None)
        .until(60_000);

    assert_eq!(
        street.causes(),
        [
            (0, "unknown"),
            (0, "free"),
            (1000, "booked"),
            (20_000, "occupied-while-booked"),
            (60_000, "occupied")
        ]
    );
    assert_eq!(
        street.told[2].1.booking_id,
        Some(booking("ann", None).booking_id)
    );
    assert_eq!(street.told[4].1.booking_id, None);
}

#[test]
fn a_booking_survives_a_restart_and_its_lamp_blinks_until_the_sensor_speaks() {
    let mut street = Street::new(Settings::default(), Some(booking("ann", Some(90_000))));
    street.until(5000).sensor(Occupancy::Free, None);

    assert_eq!(
        street.causes(),
        [(0, "unknown-while-booked"), (5000, "booked")]
    );
    assert_eq!(
        street.shone[..2],
        [(0, Colour::ORANGE), (1000, Colour::OFF)]
    );
}

/// The wall clock is set an hour ahead while a booking runs: its end is met within half a minute.
#[test]
fn the_end_of_a_booking_is_met_when_the_clock_is_set() {
    let mut street = Street::new(Settings::default(), Some(booking("ann", Some(3_600_000))));
    street.sensor(Occupancy::Free, None).until(10_000);
    let due = street.lamp.poll_timeout(moment(10_000));
    assert!(due <= Duration::from_secs(40), "{due:?}");

    let jumped = Moment {
        wall: moment(3_700_000).wall,
        ..moment(40_000)
    };
    street.lamp.handle_timeout(jumped);
    street.drain();

    assert_eq!(street.lamp.ledger().booking(), None);
}

#[test]
fn a_silent_sensor_is_not_believed_for_ever() {
    let settings = Settings {
        stale_after: Duration::from_secs(60),
        ..Settings::default()
    };
    let mut street = Street::new(settings, None);
    street
        .sensor(Occupancy::Free, None)
        .until(50_000)
        .sensor(Occupancy::Free, None)
        .until(200_000);

    assert_eq!(
        street.causes(),
        [(0, "unknown"), (0, "free"), (110_000, "unknown")]
    );
    assert_eq!(street.told[2].1.reason, Some(UnknownReason::Stale));
}

#[test]
fn old_news_is_stale_sooner() {
    let settings = Settings {
        stale_after: Duration::from_secs(60),
        ..Settings::default()
    };
    let mut street = Street::new(settings, None);

    street.lamp.handle_occupancy(
        &report(Occupancy::Free, None),
        Duration::from_secs(50),
        moment(0),
    );
    street.drain();
    street.until(10_000);
    assert_eq!(
        street.causes(),
        [(0, "unknown"), (0, "free"), (10_000, "unknown")]
    );

    street.lamp.handle_occupancy(
        &report(Occupancy::Free, None),
        Duration::from_secs(3600),
        moment(10_000),
    );
    street.drain();
    assert_eq!(street.told.len(), 3, "an hour old is no news at all");
}

#[test]
fn identify_blinks_and_returns() {
    let mut street = Street::new(Settings::default(), None);
    street.sensor(Occupancy::Free, None).until(1000);
    street
        .lamp
        .handle_identify(Duration::from_secs(1), moment(1000));
    street.drain();
    street.until(10_000);

    let shone: Vec<_> = street.shone[2..].to_vec();
    let expected: Vec<_> = (0..8)
        .map(|step| {
            (
                1000 + step * 125,
                if step % 2 == 0 {
                    Colour::WHITE
                } else {
                    Colour::OFF
                },
            )
        })
        .chain([(2000, Colour::GREEN)])
        .collect();
    assert_eq!(shone, expected);
    assert_eq!(
        street.causes(),
        [
            (0, "unknown"),
            (0, "free"),
            (1000, "identify"),
            (2000, "free")
        ]
    );
}

#[test]
fn set_light_shows_a_colour_for_a_time() {
    let mut street = Street::new(Settings::default(), None);
    street.sensor(Occupancy::Free, None).until(1000);
    let request = SetLightRequest {
        colour: Colour::BLUE,
        pattern: Some(Pattern::Blink),
        seconds: None,
    };
    street
        .lamp
        .handle_set_light(&request, Duration::from_secs(2), moment(1000));
    street.drain();
    // The bay's state is known all the while.
    street
        .until(1700)
        .sensor(Occupancy::Occupied, None)
        .until(3000);

    assert_eq!(
        street.shone[2..],
        [
            (1000, Colour::BLUE),
            (1500, Colour::OFF),
            (2000, Colour::BLUE),
            (2500, Colour::OFF),
            (3000, Colour::RED)
        ]
    );

    street
        .lamp
        .handle_set_light(&request, Duration::from_secs(100), moment(3000));
    street
        .lamp
        .handle_set_light(&request, Duration::ZERO, moment(3000));
    assert_eq!(street.lamp.report().cause, Cause::Bay(Sign::Occupied));
}

#[test]
fn a_low_battery_is_told_after_the_pattern() {
    let mut street = Street::new(Settings::default(), None);
    street.sensor(Occupancy::Free, None).until(1000);
    street.lamp.handle_battery(Alarm::Low, moment(1000));
    street.drain();
    street.until(6400);

    assert_eq!(
        street.shone[2..],
        [
            (5000, Colour::OFF),
            (5400, Colour::GREEN),
            (5480, Colour::OFF),
            (5640, Colour::GREEN),
            (5720, Colour::OFF),
            (6280, Colour::GREEN),
        ]
    );
    assert_eq!(street.told[2].1.battery_alarm, Alarm::Low);
    street.lamp.handle_battery(Alarm::None, moment(6400));
    assert_eq!(street.lamp.report().battery_alarm, Alarm::None);
}

#[test]
fn a_new_palette_shows_at_once() {
    let mut street = Street::new(Settings::default(), None);
    street.sensor(Occupancy::Free, None).until(1000);
    let mut settings = Settings::default();
    settings.palette.free = Colour::BLUE;
    street.lamp.handle_settings(settings, moment(1000));
    street.drain();

    assert_eq!(street.shone.last(), Some(&(1000, Colour::BLUE)));
    assert_eq!(street.told.last().expect("a report").1.colour, Colour::BLUE);
}

#[test]
fn ends_that_lie_far_ahead_do_not_overflow() {
    let far = Booking {
        until: Some(Timestamp::MAX),
        ..booking("ann", None)
    };
    let lamp = Lamp::new(
        Settings::default(),
        Kept {
            booking: Some(far),
            ..Kept::default()
        },
        Moment {
            wall: Timestamp::MAX - SignedDuration::from_secs(1),
            ..moment(0)
        },
    );

    assert!(lamp.poll_timeout(moment(0)) <= Duration::from_secs(30));
}

#[test]
fn a_restart_shows_what_was_heard_last_until_it_is_stale() {
    let heard = Heard {
        occupancy: Occupancy::Free,
        reason: None,
        at: moment(0).wall,
    };
    let kept = Kept {
        heard: Some(heard),
        alarm: Alarm::Low,
        booking: None,
    };
    let settings = Settings {
        stale_after: Duration::from_secs(60),
        ..Settings::default()
    };
    let restart_at = |ms: u64| {
        Lamp::new(
            settings.clone(),
            kept.clone(),
            Moment {
                elapsed: Duration::ZERO,
                wall: moment(ms).wall,
            },
        )
    };

    let mut lamp = restart_at(40_000);
    assert_eq!(
        (lamp.report().cause, lamp.report().battery_alarm),
        (Cause::Bay(Sign::Free), Alarm::Low)
    );
    lamp.handle_timeout(moment(20_000));
    assert_eq!(
        (lamp.report().cause, lamp.report().reason),
        (Cause::Bay(Sign::Unknown), Some(UnknownReason::Stale))
    );

    assert_eq!(
        restart_at(60_000).report().reason,
        Some(UnknownReason::Starting)
    );
}

/// A route that carries only alarms never says that one has ended.
#[test]
fn an_alarm_that_is_not_repeated_ends() {
    let settings = Settings {
        alarm_lasts: Duration::from_secs(600),
        ..Settings::default()
    };
    let mut street = Street::new(settings, None);
    street.sensor(Occupancy::Free, None);
    for minute in [0, 5] {
        street.until(minute * 60_000);
        street
            .lamp
            .handle_battery(Alarm::Critical, moment(street.now));
        street.drain();
    }
    street.until(20 * 60_000);

    let told = street.told.last().expect("a report");
    assert_eq!((told.0, told.1.battery_alarm), (15 * 60_000, Alarm::None));
}
