use proptest::prelude::*;

use super::*;

const MINUTE: i64 = 60_000;
const NOW: i64 = 1_000 * MINUTE;
const RULES: Rules = Rules {
    silent_after: 10 * MINUTE,
    reserved_soon: 15 * MINUTE,
    no_show_after: 20 * MINUTE,
};

fn said(occupancy: Occupancy, since: i64) -> Said {
    Said {
        occupancy,
        reason: None,
        since: Some(since),
        battery: Alarm::None,
        heard_at: NOW - MINUTE,
    }
}

fn held(begins: i64, ends: i64, phase: Phase) -> Held {
    Held {
        id: format!("{begins}"),
        user_id: "anna".into(),
        begins_at: NOW + begins * MINUTE,
        ends_at: NOW + ends * MINUTE,
        phase,
        lamp_failed: false,
    }
}

fn at(opening: Opening, said: Option<&Said>, bookings: &[Held]) -> State {
    let facts = Facts {
        opening,
        is_watched: true,
        said,
        bookings,
    };
    state(&facts, &RULES, NOW)
}

#[test]
fn what_nobody_says_is_unknown() {
    let nobody = Facts {
        opening: Opening::Open,
        is_watched: false,
        said: Some(&said(Occupancy::Free, NOW)),
        bookings: &[],
    };
    let unwatched = state(&nobody, &RULES, NOW);
    assert_eq!(
        (unwatched.occupancy, unwatched.reason, unwatched.sign),
        (Occupancy::Unknown, Some(Reason::NoDevice), Sign::Unknown)
    );
    let silent_from_the_start = at(Opening::Open, None, &[]);
    assert_eq!(silent_from_the_start.reason, Some(Reason::NeverHeard));
    assert_eq!(silent_from_the_start.status, Status::Unknown);
}

#[test]
fn silence_makes_a_free_bay_unknown_at_the_stated_moment() {
    let mut free = said(Occupancy::Free, NOW - 60 * MINUTE);
    free.heard_at = NOW - RULES.silent_after + 1;
    assert_eq!(at(Opening::Open, Some(&free), &[]).sign, Sign::Free);
    free.heard_at -= 1;
    let stale = at(Opening::Open, Some(&free), &[]);
    assert_eq!((stale.sign, stale.health), (Sign::Fault, Health::Fault));
    assert_eq!(
        (stale.reason, stale.since),
        (Some(Reason::Stale), Some(NOW))
    );
}

/// Occupancy, admission and what stands there, and what is shown of it.
#[test]
fn signs_and_status() {
    let free = said(Occupancy::Free, NOW - 60 * MINUTE);
    let occupied = said(Occupancy::Occupied, NOW - 60 * MINUTE);
    let arrived = said(Occupancy::Occupied, NOW - MINUTE);
    let unknown = Said {
        reason: Some(UnknownReason::NoEcho),
        ..said(Occupancy::Unknown, NOW)
    };
    let starting = Said {
        reason: Some(UnknownReason::Starting),
        ..unknown
    };
    let soon = held(10, 70, Phase::Booked);
    let on = held(-5, 55, Phase::Booked);
    let used = held(-5, 55, Phase::InUse);
    let later = held(16, 70, Phase::Booked);
    let over = held(-90, -30, Phase::Overstaying);
    let (open, closed) = (Opening::Open, Opening::Closed);
    let broken = Opening::OutOfService;
    #[rustfmt::skip]
    let table: [(Opening, &Said, &[Held], Sign, Status); 18] = [
        (open, &free, &[], Sign::Free, Status::Free),
        (open, &free, std::slice::from_ref(&later), Sign::Free, Status::Free),
        (open, &free, std::slice::from_ref(&soon), Sign::ReservedSoon, Status::Closed),
        (open, &free, std::slice::from_ref(&on), Sign::Reserved, Status::Closed),
        (open, &free, std::slice::from_ref(&used), Sign::Reserved, Status::Closed),
        (open, &free, std::slice::from_ref(&over), Sign::Free, Status::Free),
        (open, &occupied, &[], Sign::Occupied, Status::Occupied),
        (open, &occupied, std::slice::from_ref(&soon), Sign::Occupied, Status::Occupied),
        (open, &occupied, std::slice::from_ref(&on), Sign::Conflict, Status::Occupied),
        (open, &arrived, std::slice::from_ref(&on), Sign::Occupied, Status::Occupied),
        (open, &occupied, std::slice::from_ref(&used), Sign::Occupied, Status::Occupied),
        (open, &occupied, std::slice::from_ref(&over), Sign::Conflict, Status::Occupied),
        (open, &unknown, &[], Sign::Fault, Status::Unknown),
        (open, &starting, &[], Sign::Unknown, Status::Unknown),
        (open, &unknown, std::slice::from_ref(&on), Sign::Fault, Status::Unknown),
        (closed, &free, &[], Sign::Closed, Status::Closed),
        (closed, &occupied, &[], Sign::Closed, Status::Closed),
        (broken, &unknown, &[], Sign::OutOfService, Status::Closed),
    ];
    for (number, (opening, said, bookings, sign, status)) in table.into_iter().enumerate() {
        let state = at(opening, Some(said), bookings);
        assert_eq!((state.sign, state.status), (sign, status), "row {number}");
    }
}

#[test]
fn health_is_the_worst_there_is() {
    let mut free = said(Occupancy::Free, NOW);
    assert_eq!(at(Opening::Open, Some(&free), &[]).health, Health::Ok);
    let mut booking = held(-5, 55, Phase::Booked);
    booking.lamp_failed = true;
    assert_eq!(
        at(Opening::Open, Some(&free), &[booking]).health,
        Health::Degraded
    );
    free.battery = Alarm::Low;
    assert_eq!(at(Opening::Open, Some(&free), &[]).health, Health::Degraded);
    let stuck = Said {
        occupancy: Occupancy::Unknown,
        reason: Some(UnknownReason::Stuck),
        ..free
    };
    assert_eq!(at(Opening::Open, Some(&stuck), &[]).health, Health::Fault);
}

#[test]
fn who_may_arrive_from_when() {
    let alone = held(0, 60, Phase::Booked);
    assert_eq!(arrivals_from(&alone, &[], &RULES), NOW - 15 * MINUTE);
    let mut before = held(-60, 0, Phase::Booked);
    before.user_id = "bert".into();
    assert_eq!(
        arrivals_from(&alone, std::slice::from_ref(&before), &RULES),
        NOW,
        "who comes while another's booking is on is that other"
    );
    before.user_id = "anna".into();
    assert_eq!(
        arrivals_from(&alone, &[before], &RULES),
        NOW - 75 * MINUTE,
        "one's own car stays"
    );
}

fn any_said() -> impl Strategy<Value = Said> {
    let occupancies = [Occupancy::Free, Occupancy::Occupied, Occupancy::Unknown];
    let alarms = [Alarm::None, Alarm::Low, Alarm::Critical];
    let reasons = [
        None,
        Some(UnknownReason::Starting),
        Some(UnknownReason::NoEcho),
        Some(UnknownReason::Stale),
    ];
    (
        prop::sample::select(occupancies.to_vec()),
        prop::sample::select(reasons.to_vec()),
        prop::option::of(-30..30_i64),
        prop::sample::select(alarms.to_vec()),
        -30..5_i64,
    )
        .prop_map(|(occupancy, reason, since, battery, heard)| Said {
            occupancy,
            reason,
            since: since.map(|since| NOW + since * MINUTE),
            battery,
            heard_at: NOW + heard * MINUTE,
        })
}

fn any_bookings() -> impl Strategy<Value = Vec<Held>> {
    let phases = vec![Phase::Booked, Phase::InUse, Phase::Overstaying];
    let booking = (
        -90..90_i64,
        1..60_i64,
        prop::sample::select(phases),
        any::<bool>(),
    );
    prop::collection::vec(booking, 0..4).prop_map(|all| {
        all.into_iter()
            .map(|(begins, lasts, phase, lamp_failed)| Held {
                lamp_failed,
                ..held(begins, begins + lasts, phase)
            })
            .collect()
    })
}

proptest! {
    #[test]
    fn free_is_only_what_somebody_heard_of_says(
        said in prop::option::of(any_said()),
        is_watched: bool,
        opening in prop::sample::select(vec![Opening::Open, Opening::Closed, Opening::OutOfService]),
        bookings in any_bookings(),
    ) {
        let facts = Facts { opening, is_watched, said: said.as_ref(), bookings: &bookings };
        let found = state(&facts, &RULES, NOW);
        let heard = said.is_some_and(|said| is_watched && NOW - said.heard_at < RULES.silent_after);
        let says_free = heard && said.is_some_and(|said| said.occupancy == Occupancy::Free);
        prop_assert_eq!(found.occupancy == Occupancy::Free, says_free);
        if found.sign == Sign::Free || found.status == Status::Free {
            prop_assert!(says_free && opening == Opening::Open);
            prop_assert!(bookings.iter().all(|held| !held.is_on(NOW)));
        }
        prop_assert_eq!(found.reason.is_some(), found.occupancy == Occupancy::Unknown);
    }

    /// A page that waits until then misses nothing.
    #[test]
    fn nothing_changes_before_the_moment_it_says(
        said in prop::option::of(any_said()),
        bookings in any_bookings(),
        fraction in 0.0..1.0_f64,
    ) {
        let facts = Facts { opening: Opening::Open, is_watched: true, said: said.as_ref(), bookings: &bookings };
        let next = changes_at(&facts, &RULES, NOW);
        let span = next.map_or(1_000 * MINUTE, |next| next - NOW);
        prop_assert!(span > 0);
        let between = NOW + ((span - 1) as f64 * fraction) as i64;
        prop_assert_eq!(state(&facts, &RULES, NOW), state(&facts, &RULES, between));
    }
}
