//! Who the bay is kept for: conflict, expiry, idempotence.

use bay::message::{BookRequest, ReleaseRequest};
use bay::{Booking, BookingId};
use jiff::{SignedDuration, Timestamp};
use light::booking::{Ledger, Refusal};
use proptest::prelude::*;

fn at(seconds: i64) -> Timestamp {
    Timestamp::UNIX_EPOCH + SignedDuration::from_secs(seconds)
}

fn id(text: &str) -> BookingId {
    BookingId::try_from(text).expect("a short id")
}

fn book(ledger: &mut Ledger, who: &str, until: Option<i64>, now: i64) -> Result<bool, Refusal> {
    let change = ledger.book(
        &BookRequest {
            booking_id: id(who),
            until: until.map(at),
        },
        at(now),
    )?;
    let changes = change.changes();
    ledger.commit(change);
    Ok(changes)
}

fn release(ledger: &mut Ledger, who: Option<&str>, now: i64) -> Result<bool, Refusal> {
    let change = ledger.release(
        &ReleaseRequest {
            booking_id: who.map(id),
        },
        at(now),
    )?;
    let changes = change.changes();
    ledger.commit(change);
    Ok(changes)
}

#[test]
fn one_booking_at_a_time() {
    let mut ledger = Ledger::default();

    assert_eq!(book(&mut ledger, "ann", Some(100), 0), Ok(true));
    assert_eq!(
        book(&mut ledger, "bob", Some(200), 1),
        Err(Refusal::Booked {
            until: Some(at(100))
        })
    );
    assert_eq!(
        release(&mut ledger, Some("bob"), 2),
        Err(Refusal::Booked {
            until: Some(at(100))
        })
    );
    assert_eq!(
        ledger.booking(),
        Some(&Booking {
            booking_id: id("ann"),
            until: Some(at(100))
        })
    );
    assert_eq!(release(&mut ledger, Some("ann"), 3), Ok(true));
    assert_eq!(book(&mut ledger, "bob", None, 4), Ok(true));
}

#[test]
fn the_same_again_is_the_same() {
    let mut ledger = Ledger::default();

    assert_eq!(book(&mut ledger, "ann", Some(100), 0), Ok(true));
    assert_eq!(book(&mut ledger, "ann", Some(100), 1), Ok(false));
    assert_eq!(
        book(&mut ledger, "ann", Some(300), 2),
        Ok(true),
        "the end may move"
    );
    assert_eq!(
        ledger.booking().and_then(|booking| booking.until),
        Some(at(300))
    );
    assert_eq!(release(&mut ledger, Some("ann"), 3), Ok(true));
    assert_eq!(release(&mut ledger, Some("ann"), 4), Ok(false));
    assert_eq!(release(&mut ledger, None, 5), Ok(false));
}

#[test]
fn a_release_without_an_id_ends_whatever_holds() {
    let mut ledger = Ledger::default();
    book(&mut ledger, "ann", None, 0).expect("a free bay");

    assert_eq!(release(&mut ledger, None, 1), Ok(true));
    assert_eq!(ledger.booking(), None);
}

#[test]
fn bookings_end_by_themselves() {
    let mut ledger = Ledger::default();
    book(&mut ledger, "ann", Some(100), 0).expect("a free bay");

    assert_eq!(ledger.expire(at(99)), None);
    let change = ledger.expire(at(100)).expect("it is over");
    assert_eq!((change.booking(), change.changes()), (None, true));
    assert_eq!(
        book(&mut ledger.clone(), "bob", None, 100),
        Ok(true),
        "an end that nobody has noticed yet is an end"
    );
    ledger.commit(change);
    assert_eq!(ledger.booking(), None);
}

#[test]
fn a_booking_that_is_over_cannot_begin() {
    let mut ledger = Ledger::default();

    assert_eq!(
        book(&mut ledger, "ann", Some(10), 10),
        Err(Refusal::Over { now: at(10) })
    );
    assert_eq!(ledger, Ledger::default());
}

#[test]
fn a_restart_forgets_what_ended_meanwhile() {
    let booking = Booking {
        booking_id: id("ann"),
        until: Some(at(100)),
    };

    assert_eq!(
        Ledger::restore(Some(booking.clone()), at(50)).booking(),
        Some(&booking)
    );
    assert_eq!(Ledger::restore(Some(booking), at(100)).booking(), None);
}

#[test]
fn refusals_say_what_to_know() {
    assert_eq!(
        Refusal::Booked {
            until: Some(at(100))
        }
        .to_string(),
        "the bay is booked by another until 1970-01-01T00:01:40Z"
    );
    assert_eq!(
        Refusal::Booked { until: None }.to_string(),
        "the bay is booked by another"
    );
}

#[derive(Clone, Debug)]
enum Request {
    Book(u8, Option<u8>),
    Release(Option<u8>),
    Expire,
}

fn request() -> impl Strategy<Value = Request> {
    prop_oneof![
        3 => (0_u8..3, prop::option::of(0_u8..60)).prop_map(|(who, length)| Request::Book(who, length)),
        2 => prop::option::of(0_u8..3).prop_map(Request::Release),
        1 => Just(Request::Expire),
    ]
}

proptest! {
    /// Against the rule in one line: whoever holds a booking that is not over keeps it until they
    /// release it, or somebody releases whatever holds.
    #[test]
    fn nobody_loses_a_booking_to_another(requests in prop::collection::vec((request(), 0_i64..20), 1..40)) {
        let mut ledger = Ledger::default();
        let mut holder: Option<(u8, Option<i64>)> = None;
        let mut now = 0;
        for (request, passed) in requests {
            now += passed;
            holder = holder.filter(|(_, until)| until.is_none_or(|until| until > now));
            match request {
                Request::Book(who, length) => {
                    let until = length.map(|length| now + i64::from(length));
                    let allowed = length != Some(0) && holder.is_none_or(|(holder, _)| holder == who);
                    prop_assert_eq!(book(&mut ledger, &who.to_string(), until, now).is_ok(), allowed);
                    if allowed {
                        holder = Some((who, until));
                    }
                }
                Request::Release(who) => {
                    let allowed = who.is_none_or(|who| holder.is_none_or(|(holder, _)| holder == who));
                    prop_assert_eq!(release(&mut ledger, who.map(|who| who.to_string()).as_deref(), now).is_ok(), allowed);
                    if allowed {
                        holder = None;
                    }
                }
                Request::Expire => {
                    if let Some(change) = ledger.expire(at(now)) {
                        ledger.commit(change);
                    }
                }
            }
            let held = ledger.booking().filter(|booking| !booking.is_over(at(now)));
            prop_assert_eq!(held.map(|booking| booking.booking_id.as_str().to_owned()), holder.map(|(who, _)| who.to_string()));
        }
    }
}
