use proptest::prelude::*;

use super::super::lamp::Told;
use super::*;

const MINUTE: i64 = 60_000;
const BEGIN: i64 = 1_000 * MINUTE;
const END: i64 = BEGIN + 60 * MINUTE;
const RULES: Rules = Rules {
    silent_after: 10 * MINUTE,
    reserved_soon: 15 * MINUTE,
    no_show_after: 20 * MINUTE,
};

fn booking() -> Booking {
    Booking {
        id: "b".into(),
        bay_id: "bay".into(),
        user_id: "anna".into(),
        plate: String::new(),
        begins_at: BEGIN,
        ends_at: END,
        stage: Stage::Booked,
        checked_in_at: None,
        ended_at: None,
        overstay_at: None,
        withdrawn_at: None,
        lamp: Lamp::due(BEGIN - RULES.reserved_soon),
        created_at: BEGIN - 100 * MINUTE,
        version: 1,
    }
}

fn seen(occupancy: Occupancy, since: i64) -> Seen {
    Seen {
        occupancy,
        since: Some(since),
        arrivals_from: BEGIN - RULES.reserved_soon,
    }
}

fn unknown() -> Seen {
    Seen {
        since: None,
        ..seen(Occupancy::Unknown, 0)
    }
}

#[test]
fn who_comes_checks_in_and_is_over_at_the_end() {
    let mut booking = booking();
    let free = seen(Occupancy::Free, BEGIN - 90 * MINUTE);
    assert_eq!(booking.handle_seen(&free, &RULES, BEGIN), None);
    let came = seen(Occupancy::Occupied, BEGIN + 3 * MINUTE);
    let now = BEGIN + 4 * MINUTE;
    assert_eq!(
        booking.handle_seen(&came, &RULES, now),
        Some(Turn::CheckedIn)
    );
    assert_eq!(booking.checked_in_at, Some(BEGIN + 3 * MINUTE));
    assert_eq!(booking.handle_seen(&came, &RULES, now), None, "only once");
    // Away for a moment within one's own time is nobody's business.
    let away = seen(Occupancy::Free, BEGIN + 30 * MINUTE);
    assert_eq!(
        booking.handle_seen(&away, &RULES, BEGIN + 31 * MINUTE),
        None
    );
    assert_eq!(booking.handle_seen(&away, &RULES, END), Some(Turn::Over));
    assert_eq!((booking.stage, booking.ended_at), (Stage::Over, Some(END)));
    assert_eq!(
        booking.lamp.told,
        Told::Released,
        "the lamp ended it by itself"
    );
}

#[test]
fn who_stays_on_is_marked_until_gone() {
    let mut booking = booking();
    booking.check_in(BEGIN, BEGIN).expect("here");
    let there = seen(Occupancy::Occupied, BEGIN);
    assert_eq!(
        booking.handle_seen(&there, &RULES, END),
        Some(Turn::Overstayed)
    );
    assert_eq!((booking.overstay_at, booking.ended_at), (Some(END), None));
    assert_eq!(
        booking.held().expect("it matters").phase,
        Phase::Overstaying
    );
    assert_eq!(booking.handle_seen(&unknown(), &RULES, END + MINUTE), None);
    let gone = seen(Occupancy::Free, END + 5 * MINUTE);
    assert_eq!(
        booking.handle_seen(&gone, &RULES, END + 6 * MINUTE),
        Some(Turn::Left)
    );
    assert_eq!(booking.ended_at, Some(END + 5 * MINUTE));
    assert_eq!(booking.held(), None);
}

#[test]
fn nobody_came() {
    let mut booking = booking();
    let free = seen(Occupancy::Free, BEGIN - 90 * MINUTE);
    let deadline = BEGIN + RULES.no_show_after;
    assert_eq!(booking.poll_timeout(&RULES, BEGIN), Some(deadline));
    assert_eq!(booking.handle_seen(&free, &RULES, deadline - 1), None);
    assert_eq!(
        booking.handle_seen(&free, &RULES, deadline),
        Some(Turn::NoShow)
    );
    assert!(!booking.stage.holds());
}

/// A sensor that was blind when the driver should have come proves nothing.
#[test]
fn what_nobody_saw_is_no_no_show_and_no_overstay() {
    let mut booking = booking();
    let late = BEGIN + RULES.no_show_after + MINUTE;
    assert_eq!(booking.handle_seen(&unknown(), &RULES, late), None);
    let healed = seen(Occupancy::Free, late);
    assert_eq!(booking.handle_seen(&healed, &RULES, late + MINUTE), None);
    assert_eq!(booking.poll_timeout(&RULES, late), Some(END));
    assert_eq!(
        booking.handle_seen(&unknown(), &RULES, END),
        Some(Turn::Over)
    );

    let mut used = self::booking();
    used.check_in(BEGIN, BEGIN).expect("here");
    assert_eq!(used.handle_seen(&unknown(), &RULES, END), Some(Turn::Over));
    assert_eq!(used.overstay_at, None);
}

/// A car that was there before any driver could be is not taken as the driver's, and blocks no more than its own time.
#[test]
fn the_wrong_car_checks_nobody_in() {
    let mut booking = booking();
    let stranger = seen(Occupancy::Occupied, BEGIN - 40 * MINUTE);
    let late = BEGIN + RULES.no_show_after;
    assert_eq!(
        booking.handle_seen(&stranger, &RULES, late),
        None,
        "nor is it a no-show"
    );
    let theirs = seen(Occupancy::Occupied, late + MINUTE);
    assert_eq!(
        booking.handle_seen(&theirs, &RULES, late + MINUTE),
        Some(Turn::CheckedIn)
    );
    let mut other = self::booking();
    assert_eq!(other.handle_seen(&stranger, &RULES, END), Some(Turn::Over));
    assert_eq!(other.overstay_at, None, "the stranger is not this driver");
}

#[test]
fn a_driver_may() {
    let early = BEGIN - 30 * MINUTE;
    let mut future = booking();
    assert_eq!(
        future.check_in(BEGIN - 15 * MINUTE, early),
        Err(Refusal::NotBegun)
    );
    assert_eq!(future.release(early), Err(Refusal::NotBegun));
    assert_eq!(future.cancel(early), Ok(()));
    assert_eq!(future.stage, Stage::Cancelled);
    assert_eq!(future.cancel(early), Err(Refusal::Over));
    assert_eq!(future.move_end(END + 1, early), Err(Refusal::Over));

    let mut used = booking();
    used.lamp.told = Told::Told;
    used.lamp.next_at = None;
    assert_eq!(used.check_in(BEGIN - 15 * MINUTE, BEGIN), Ok(()));
    assert_eq!(used.cancel(BEGIN), Err(Refusal::InUse));
    assert_eq!(used.move_end(END + MINUTE, BEGIN), Ok(()));
    assert_eq!(
        used.lamp.next_at,
        Some(BEGIN),
        "the lamp hears of the new end"
    );
    assert_eq!(used.release(BEGIN + MINUTE), Ok(()));
    assert_eq!(
        (used.stage, used.ended_at),
        (Stage::Over, Some(BEGIN + MINUTE))
    );
    assert_eq!(used.lamp.told, Told::Releasing);
}

fn any_seen() -> impl Strategy<Value = Seen> {
    let occupancies = vec![Occupancy::Free, Occupancy::Occupied, Occupancy::Unknown];
    (
        prop::sample::select(occupancies),
        prop::option::of(-120..120_i64),
    )
        .prop_map(|(occupancy, since)| Seen {
            since: since.map(|since| BEGIN + since * MINUTE),
            ..seen(occupancy, 0)
        })
}

proptest! {
    /// Whatever is seen, and however often it is looked at: a booking is over at its end, never comes back, and is settled
    /// after one look.
    #[test]
    fn a_booking_only_goes_forward(looks in prop::collection::vec((0..20_i64, any_seen()), 1..30)) {
        let mut booking = booking();
        let mut now = BEGIN - 30 * MINUTE;
        for (minutes, seen) in looks {
            now += minutes * MINUTE;
            let before = booking.clone();
            let turn = booking.handle_seen(&seen, &RULES, now);
            let settled = booking.clone();
            prop_assert!(booking.handle_seen(&seen, &RULES, now).is_none_or(|turn| turn == Turn::Left));
            if turn.is_none() {
                prop_assert_eq!(&before, &settled);
            }
            prop_assert!(before.stage.holds() || !settled.stage.holds());
            prop_assert!(now < END || !settled.stage.holds());
            prop_assert_eq!(settled.stage == Stage::InUse && before.stage == Stage::Booked, turn == Some(Turn::CheckedIn));
            if turn == Some(Turn::NoShow) {
                prop_assert_eq!(seen.occupancy, Occupancy::Free);
            }
            if let Some(at) = settled.poll_timeout(&RULES, now) {
                prop_assert!(at > now && at <= END);
            }
        }
    }
}
