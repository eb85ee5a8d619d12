//! Reset, claim, the first identity, and changes that were cut off.

use super::*;

#[test]
fn a_reset_goes_back_in_either_mode_and_needs_something_to_go_back_to() {
    let mut machine = Identity::new(Current::Dps(project()), Some(stock()), None);
    assert_eq!(machine.mode(), Mode::Project);
    machine.handle_reset(at(0)).expect("it begins");
    go_to(&mut machine, Step::Confirm, at(1));
    succeed(&mut machine, at(1));
    assert_eq!(machine.mode(), Mode::Stock);

    // Somebody took the identity out of the configuration: there is still a way back.
    let mut machine = Identity::new(Current::Other, Some(stock()), None);
    machine.handle_reset(at(0)).expect("it begins");

    let mut machine = Identity::new(Current::Dps(project()), None, None);
    let refusal = machine.handle_reset(at(0)).expect_err("nothing to go to");
    assert_eq!((refusal.status, refusal.reason.as_str()), (409, "no-stock"));
}

#[test]
fn a_claim_is_for_a_device_without_an_identity() {
    let mut machine = Identity::new(Current::None, None, None);
    assert_eq!(machine.mode(), Mode::None);
    machine.handle_claim(stock(), at(0)).expect("it begins");
    go_to(&mut machine, Step::Confirm, at(1));
    assert_eq!(
        succeed(&mut machine, at(1)),
        Output::Confirm {
            identity: stock(),
            stock: Some(stock()),
        }
    );
    assert_eq!(machine.mode(), Mode::Stock);

    let refusal = machine
        .handle_claim(project(), at(2))
        .expect_err("it has one");
    assert_eq!(
        (refusal.status, refusal.reason.as_str()),
        (409, "has-identity")
    );
}

#[test]
fn a_device_that_was_never_claimed_goes_back_to_what_it_was() {
    let mut machine = Identity::new(Current::Dps(stock()), None, None);
    assert_eq!(machine.mode(), Mode::Project, "nobody said it was stock");
    machine.handle_setup(project(), at(0)).expect("it begins");
    go_to(&mut machine, Step::Confirm, at(0));
    assert_eq!(
        succeed(&mut machine, at(0)),
        Output::Confirm {
            identity: project(),
            stock: Some(stock()),
        }
    );
    machine.handle_reset(at(1)).expect("there is a way back");
}

#[test]
fn the_first_identity_is_tried_until_it_works() {
    let mut machine = Identity::new(Current::None, None, None);
    machine.handle_first(stock(), at(0));
    let mut now = 0;
    for wait in [5, 10, 20, 40, 80, 160, 320, 600, 600] {
        assert_eq!(machine.poll_timeout(), Some(Duration::from_secs(now)));
        machine.handle_timeout(at(now));
        assert_eq!(
            succeed(&mut machine, at(now)),
            Output::Begin(ChangeKind::Claim, stock())
        );
        assert_eq!(machine.poll_output(), Some(Output::Register(stock())));
        assert_eq!(machine.poll_timeout(), None, "an attempt is under way");
        machine.handle_registered(Err(failure()), at(now));
        while machine.poll_output().is_some() {
            machine.handle_undone(Ok(()), at(now));
        }
        now += wait;
        assert_eq!(machine.retry_at(), Some(Duration::from_secs(now)));
    }
    machine.handle_timeout(at(now - 1));
    assert_eq!(machine.poll_output(), None, "not before its time");
    machine.handle_timeout(at(now));
    go_to(&mut machine, Step::Confirm, at(now));
    succeed(&mut machine, at(now));
    assert_eq!(
        (machine.mode(), machine.poll_timeout()),
        (Mode::Stock, None)
    );
}

#[test]
fn a_person_may_claim_while_the_first_identity_does_not_work() {
    let mut machine = Identity::new(Current::None, None, None);
    machine.handle_first(stock(), at(0));
    machine.handle_timeout(at(0));
    go_to(&mut machine, Step::Register, at(0));
    machine.poll_output().expect("an attempt");
    machine.handle_registered(Err(failure()), at(0));
    machine.handle_undone(Ok(()), at(0));
    while machine.poll_output().is_some() {}

    machine.handle_claim(project(), at(1)).expect("it begins");
    go_to(&mut machine, Step::Confirm, at(1));
    succeed(&mut machine, at(1));
    assert_eq!(
        (machine.mode(), machine.poll_timeout()),
        (Mode::Stock, None)
    );
}

#[test]
fn a_change_that_was_cut_off_goes_on() {
    for (resume, expected) in [
        (Step::Apply, Output::Apply),
        (Step::Reboot, Output::Reboot),
        (
            Step::Confirm,
            Output::Confirm {
                identity: project(),
                stock: None,
            },
        ),
    ] {
        let mut machine = stocked();
        let interrupted = Interrupted {
            kind: ChangeKind::Setup,
            target: project(),
            previous: Current::Dps(stock()),
            assigned: Some(assigned()),
            resume,
            restarted: false,
            started_at: at(0).wall,
            unasked: true,
        };
        machine.handle_interrupted(interrupted, at(100));
        assert_eq!(machine.poll_output(), Some(expected));

        machine.handle_done(resume, Ok(()), at(100));
        while !matches!(machine.poll_output(), Some(Output::Ended(_))) {
            let step = machine.step().expect("it goes on");
            machine.handle_done(step, Ok(()), at(101));
        }
        let report = machine.last().expect("a report");
        assert_eq!(
            (report.outcome, report.interrupted, report.started_at),
            (ChangeOutcome::Done, true, at(0).wall)
        );
        assert_eq!(machine.mode(), Mode::Project);
    }
}

#[test]
fn a_machine_that_has_restarted_does_not_restart_again() {
    let mut machine = stocked();
    let interrupted = Interrupted {
        kind: ChangeKind::Setup,
        target: project(),
        previous: Current::Dps(stock()),
        assigned: None,
        resume: Step::Apply,
        restarted: true,
        started_at: at(0).wall,
        unasked: false,
    };
    machine.handle_interrupted(interrupted, at(100));
    assert_eq!(succeed(&mut machine, at(101)), Output::Apply);
    assert!(matches!(
        succeed(&mut machine, at(101)),
        Output::Confirm { .. }
    ));
    assert_eq!(machine.mode(), Mode::Project);
}

#[test]
fn a_change_that_cannot_be_undone_yet_says_so() {
    let mut machine = stocked();
    machine.handle_setup(project(), at(0)).expect("it begins");
    go_to(&mut machine, Step::Apply, at(0));
    machine.poll_output().expect("the step");
    machine.handle_done(Step::Apply, Err(failure()), at(1));
    machine.poll_output().expect("to be undone");
    machine.handle_undone(Err(Failure::new(500, "disk", "the disk is full")), at(2));

    let report = machine.last().expect("a report");
    assert_eq!(
        report.message,
        "it broke; what was begun could not be cleared away, which the next start does: the disk is full"
    );
}

#[test]
fn nothing_shows_a_key() {
    let mut machine = stocked();
    machine.handle_setup(project(), at(0)).expect("it begins");
    go_to(&mut machine, Step::Answer, at(1));
    let shown = format!(
        "{machine:?} {:?} {:?}",
        machine.progress(at(1)),
        machine.poll_output()
    );
    for key in [stock(), project()] {
        assert!(!shown.contains(&key.symmetric_key.to_base64()));
    }
    assert!(shown.contains("redacted"));
}
