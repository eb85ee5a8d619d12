//! When the service is asked, in invented time.

use hub_proto::identity::Identity;

use super::*;

const LIMITS: BackoffLimits = BackoffLimits {
    first: Duration::from_secs(20),
    cap: Duration::from_secs(60),
};

fn place(hub: &str) -> Arc<Place> {
    Arc::new(Place {
        identity: Identity::device("d").expect("a plain id"),
        hub: hub.to_owned(),
        host: hub.to_owned(),
    })
}

fn refused() -> LinkError {
    transport::Error::CredentialsRefused.into()
}

fn unreachable() -> LinkError {
    let (host, port) = ("a".to_owned(), 8883);
    transport::Error::TimedOut { host, port }.into()
}

/// A device that was assigned to `a` just now.
fn at_a() -> (Standing, Instant) {
    let now = Instant::now();
    let mut standing = Standing::assigned(LIMITS, now);
    assert_eq!(standing.step(now), Step::Register);
    assert!(standing.handle_assigned(&place("a"), 0.0, now));
    (standing, now)
}

#[test]
fn a_given_place_is_never_asked_for() {
    let now = Instant::now();
    let mut standing = Standing::given(place("a"));
    for _ in 0..=2 * UNREACHED {
        assert_eq!(standing.step(now), Step::Connect(place("a")));
        standing.handle_down(&refused(), 0.0, now);
        standing.handle_down(&unreachable(), 0.0, now);
    }
    assert_eq!(standing.wait(now), Duration::ZERO);
}

#[test]
fn an_assigned_place_lasts_until_the_hub_refuses() {
    let (mut standing, now) = at_a();
    standing.handle_up(now);
    let later = now + Duration::from_secs(1000);
    standing.handle_down(&transport::Error::Closed.into(), 0.0, later);
    standing.handle_down(&transport::Error::ServerBusy.into(), 0.0, later);
    assert_eq!(standing.step(later), Step::Connect(place("a")));
    standing.handle_down(&refused(), 0.0, later);
    assert_eq!(standing.step(later), Step::Register);
    assert!(standing.handle_assigned(&place("b"), 0.0, later));
    assert_eq!(standing.step(later), Step::Connect(place("b")));
}

#[test]
fn a_refusal_right_after_an_assignment_waits_longer_each_time() {
    let (mut standing, mut now) = at_a();
    for wait in [20, 40, 60, 60] {
        standing.handle_down(&refused(), 0.0, now);
        assert_eq!(standing.step(now), Step::Connect(place("a")), "not yet");
        now += Duration::from_secs(wait) - Duration::from_millis(1);
        assert_eq!(standing.step(now), Step::Connect(place("a")), "{wait}");
        now += Duration::from_millis(1);
        assert_eq!(standing.step(now), Step::Register, "{wait}");
        assert!(!standing.handle_assigned(&place("a"), 0.0, now));
    }
    standing.handle_up(now);
    standing.handle_down(&refused(), 0.0, now);
    assert_eq!(standing.step(now), Step::Register, "the hub had taken it");
    standing.handle_assigned(&place("a"), 0.0, now);
    standing.handle_down(&refused(), 0.0, now);
    now += Duration::from_secs(20);
    assert_eq!(standing.step(now), Step::Register, "and it begins anew");
}

#[test]
fn a_service_that_says_no_is_left_alone_and_one_that_is_silent_is_not() {
    let now = Instant::now();
    let mut standing = Standing::assigned(LIMITS, now);
    let silent = RegisterError::Unreachable {
        after: Duration::from_secs(60),
        source: None,
    };
    standing.handle_down(&silent.into(), 0.0, now);
    assert_eq!(standing.wait(now), Duration::ZERO);
    standing.handle_down(&RegisterError::Disabled.into(), 0.0, now);
    assert_eq!(standing.wait(now), Duration::from_secs(20));
    assert_eq!(
        standing.step(now),
        Step::Register,
        "there is nothing else to do"
    );
}

#[test]
fn the_hub_gets_its_turn_when_the_service_does_not_help() {
    let (mut standing, now) = at_a();
    standing.handle_up(now);
    let later = now + Duration::from_secs(1000);
    for _ in 0..3 {
        standing.handle_down(&refused(), 0.0, later);
        assert_eq!(standing.step(later), Step::Register);
        let silent = RegisterError::Unreachable {
            after: Duration::from_secs(60),
            source: None,
        };
        standing.handle_down(&silent.into(), 0.0, later);
        assert_eq!(standing.step(later), Step::Connect(place("a")));
    }
    assert_eq!(standing.wait(later), Duration::ZERO);
}

#[test]
fn a_hub_that_is_not_reached_for_long_is_asked_about() {
    let (mut standing, now) = at_a();
    let later = now + Duration::from_secs(1000);
    for _ in 1..UNREACHED {
        standing.handle_down(&unreachable(), 0.0, later);
        assert_eq!(standing.step(later), Step::Connect(place("a")));
    }
    standing.handle_up(later);
    for _ in 1..UNREACHED {
        standing.handle_down(&unreachable(), 0.0, later);
    }
    assert_eq!(standing.step(later), Step::Connect(place("a")), "in a row");
    standing.handle_down(&unreachable(), 0.0, later);
    assert_eq!(standing.step(later), Step::Register);
}
