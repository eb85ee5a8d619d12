use super::*;

const NOW: i64 = 1_000_000;

fn at(state: LineState) -> Line {
    Line {
        state,
        ..Line::picked(NOW)
    }
}

fn asked(mut line: Line, heard: Heard, now: i64) -> Line {
    line.handle(heard, now);
    line
}

#[test]
fn from_stock_to_a_project() {
    let mut line = Line::picked(NOW);
    assert_eq!(line.question(), Some(Question::Enrol));
    line.handle(Heard::Enrolled, NOW + 10);
    assert_eq!(
        (line.state, line.next_at),
        (LineState::Enrolled, Some(NOW + 10))
    );
    assert_eq!(line.question(), Some(Question::Become));
    let line = asked(line, Heard::Restarts, NOW + 20);
    assert_eq!(
        (line.state, line.next_at),
        (LineState::Restarting, Some(NOW + 20 + RESTART_MS))
    );
    let line = asked(line, Heard::Offline, NOW + 4_000);
    assert_eq!((line.state, &line.problem), (LineState::Restarting, &None));
    let line = asked(line, Heard::Is, NOW + 9_000);
    assert_eq!((line.state, line.next_at), (LineState::Joined, None));
    assert_eq!(line.question(), None);
}

#[test]
fn a_device_that_is_not_there_is_waited_for_and_given_up_in_the_end() {
    let mut line = at(LineState::Enrolled);
    let mut now = NOW;
    let mut questions = 0;
    while line.state != LineState::Failed {
        line = asked(line, Heard::Offline, now);
        assert_ne!(line.state, LineState::Sent, "nothing was done");
        let next = line.next_at.unwrap_or(now);
        assert!(next - now <= LONGEST_PAUSE_MS);
        now = next;
        questions += 1;
        assert!(questions < 3_000, "it is asked too often");
    }
    assert!(now - NOW >= PATIENCE_MS);
    assert_eq!(line.problem.as_deref(), Some("It is not connected."));
}

#[test]
fn a_device_that_says_no_is_asked_five_times() {
    let mut line = at(LineState::Enrolled);
    for time in 1..=REFUSALS {
        assert!(!line.state.is_over(), "{time}");
        line = asked(line, Heard::Refused(502, "no hub".to_owned()), NOW + time);
    }
    assert_eq!(line.state, LineState::Failed);
    assert_eq!(line.problem.as_deref(), Some("no hub"));
    let line = asked(
        at(LineState::Enrolled),
        Heard::Refused(400, "bad".into()),
        NOW,
    );
    assert_eq!(
        line.state,
        LineState::Failed,
        "a wrong question stays wrong"
    );
}

#[test]
fn a_device_that_always_comes_back_as_it_was_is_given_up() {
    let mut line = asked(at(LineState::Enrolled), Heard::Restarts, NOW);
    for _ in 0..REFUSALS {
        assert_eq!(line.state, LineState::Restarting);
        line = asked(line, Heard::Restarts, NOW);
    }
    assert_eq!(line.state, LineState::Failed);
    assert!(line.problem.expect("a problem").contains("came back"));
}

#[test]
fn silence_is_not_taken_for_no() {
    let line = asked(at(LineState::Enrolled), Heard::Silent, NOW);
    assert!(line.state.may_have_changed());
    // What was not known does not become known by a question that came to nothing.
    let line = asked(line, Heard::Offline, NOW + 1);
    assert!(line.state.may_have_changed());
    assert_eq!(asked(line, Heard::Is, NOW + 2).state, LineState::Joined);
}

#[test]
fn the_hub_says_when_to_ask_again() {
    let why = "busy".to_owned();
    let line = asked(
        at(LineState::Enrolled),
        Heard::Later {
            after_ms: 60_000,
            why,
        },
        NOW,
    );
    assert_eq!(line.next_at, Some(NOW + 60_000));
    assert_eq!(line.state, LineState::Enrolled);
}

#[test]
fn what_is_over_hears_nothing_more() {
    for state in [LineState::Joined, LineState::Failed, LineState::Cancelled] {
        let line = asked(at(state), Heard::Is, NOW);
        assert_eq!(line.state, state);
    }
}

#[test]
fn an_order_is_what_its_lines_are() {
    use LineState::{Cancelled, Failed, Joined, Sent};
    for (lines, state) in [
        (&[Joined, Sent][..], OrderState::Open),
        (&[Joined, Joined], OrderState::Done),
        (&[Joined, Failed], OrderState::Partly),
        (&[Joined, Cancelled], OrderState::Partly),
        (&[Failed, Cancelled], OrderState::Failed),
        (&[Cancelled], OrderState::Cancelled),
    ] {
        assert_eq!(OrderState::from_lines(lines), state, "{lines:?}");
        assert_eq!(OrderState::of(state.as_str()), state);
    }
}

#[test]
fn words_come_back() {
    for (state, word) in WORDS {
        assert_eq!(LineState::of(word), state);
        assert_eq!(state.as_str(), word);
    }
    for kind in [OrderKind::Assign, OrderKind::Rekey, OrderKind::Return] {
        assert_eq!(OrderKind::of(kind.as_str()), kind);
    }
}
