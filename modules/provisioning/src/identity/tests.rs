mod ways;

use hub_proto::sas::SymmetricKey;
use jiff::Timestamp;

use super::*;
use crate::edge_config::Endpoint;
use crate::view::StepState;

fn identity(scope: &str, key: u8) -> DpsIdentity {
    DpsIdentity {
        global_endpoint: Endpoint::default(),
        id_scope: scope.to_owned(),
        registration_id: "10000000a1b2c3d4".parse().expect("an id"),
        symmetric_key: SymmetricKey::from_bytes([key; 32]),
    }
}

fn stock() -> DpsIdentity {
    identity("0neStock", 1)
}

fn project() -> DpsIdentity {
    identity("0neProject", 2)
}

fn assigned() -> Assigned {
    Assigned {
        hub: "hub.example".to_owned(),
        device_id: "10000000a1b2c3d4".to_owned(),
    }
}

fn at(seconds: u64) -> Moment {
    let elapsed = Duration::from_secs(seconds);
    Moment {
        elapsed,
        wall: Timestamp::UNIX_EPOCH + elapsed,
    }
}

fn failure() -> Failure {
    Failure::new(502, "broken", "it broke")
}

fn stocked() -> Identity {
    Identity::new(Current::Dps(stock()), Some(stock()), None)
}

/// Tells the machine that the step it wants succeeded; gives what it wanted.
fn succeed(machine: &mut Identity, now: Moment) -> Output {
    let output = machine.poll_output().expect("something to do");
    match &output {
        Output::Begin(..) => machine.handle_done(Step::Check, Ok(()), now),
        Output::Register(_) => machine.handle_registered(Ok(assigned()), now),
        Output::Connect(..) => machine.handle_done(Step::Connect, Ok(()), now),
        Output::Backup => machine.handle_done(Step::Backup, Ok(()), now),
        Output::Write(_) => machine.handle_done(Step::Write, Ok(()), now),
        Output::Answer(_) => machine.handle_done(Step::Answer, Ok(()), now),
        Output::Apply => machine.handle_done(Step::Apply, Ok(()), now),
        Output::Reboot => machine.handle_done(Step::Reboot, Ok(()), now),
        Output::Confirm { .. } => machine.handle_done(Step::Confirm, Ok(()), now),
        Output::Undo(_) => machine.handle_undone(Ok(()), now),
        Output::Ended(_) => {}
    }
    output
}

/// Succeeds until the machine is at `step`, which it wants done then.
fn go_to(machine: &mut Identity, step: Step, now: Moment) {
    while machine.step() != Some(step) {
        succeed(machine, now);
    }
}

#[test]
fn a_setup_step_by_step() {
    let mut machine = stocked();
    assert_eq!(machine.mode(), Mode::Stock);
    assert_eq!(machine.handle_setup(project(), at(0)), Ok(Reception::Waits));

    assert_eq!(
        succeed(&mut machine, at(0)),
        Output::Begin(ChangeKind::Setup, project())
    );
    assert_eq!(succeed(&mut machine, at(3)), Output::Register(project()));
    assert_eq!(
        succeed(&mut machine, at(4)),
        Output::Connect(project(), assigned())
    );
    assert_eq!(succeed(&mut machine, at(4)), Output::Backup);
    assert_eq!(succeed(&mut machine, at(4)), Output::Write(project()));
    let Output::Answer(Ok(answer)) = succeed(&mut machine, at(4)) else {
        panic!("the answer comes when it is written, and before the restart");
    };
    assert_eq!(answer.outcome, ChangeOutcome::Running);
    assert_eq!(answer.hub.as_deref(), Some("hub.example"));
    assert_eq!(
        machine.last().map(|report| report.outcome),
        Some(ChangeOutcome::Running)
    );
    assert_eq!(succeed(&mut machine, at(6)), Output::Apply);
    assert_eq!(succeed(&mut machine, at(6)), Output::Reboot);
    assert_eq!(
        succeed(&mut machine, at(7)),
        Output::Confirm {
            identity: project(),
            stock: None,
        }
    );

    let Some(Output::Ended(report)) = machine.poll_output() else {
        panic!("it has ended");
    };
    assert_eq!(
        (report.kind, report.outcome, report.step),
        (ChangeKind::Setup, ChangeOutcome::Done, None)
    );
    assert_eq!(report.ended_at, Some(at(7).wall));
    assert_eq!(machine.mode(), Mode::Project);
    assert_eq!(machine.poll_output(), None);
}

#[test]
fn progress_has_every_step_with_its_time() {
    let mut machine = stocked();
    machine.handle_setup(project(), at(0)).expect("it begins");
    succeed(&mut machine, at(0));
    succeed(&mut machine, at(3));
    let progress = machine.progress(at(5)).expect("a change");

    let seen: Vec<_> = progress
        .steps
        .iter()
        .map(|one| (one.step, one.state, one.took_ms))
        .collect();
    assert_eq!(
        seen[..4],
        [
            (Step::Check, StepState::Done, Some(0)),
            (Step::Register, StepState::Done, Some(3000)),
            (Step::Connect, StepState::Running, Some(2000)),
            (Step::Backup, StepState::Waiting, None),
        ]
    );
    assert_eq!(seen.len(), Step::ALL.len());
}

/// Every step, and what its failure leads to.
#[test]
fn a_failure_at_any_step_keeps_the_old_identity_and_names_the_step() {
    for (step, restore, reapply, again, answered) in [
        (Step::Check, false, false, false, false),
        (Step::Register, false, false, false, false),
        (Step::Connect, false, false, true, false),
        (Step::Backup, false, false, true, false),
        (Step::Write, true, false, true, false),
        (Step::Answer, true, false, true, true),
        (Step::Apply, true, true, true, true),
        (Step::Reboot, true, true, true, true),
        (Step::Confirm, true, true, true, true),
    ] {
        let mut machine = stocked();
        machine.handle_setup(project(), at(0)).expect("it begins");
        go_to(&mut machine, step, at(1));
        machine.poll_output().expect("the step");
        machine.handle_done(step, Err(failure()), at(2));

        let undo = Undo {
            restore,
            reapply,
            register_again: again.then(stock),
        };
        assert_eq!(machine.poll_output(), Some(Output::Undo(undo)), "{step:?}");
        assert!(
            machine.handle_setup(project(), at(2)).is_err(),
            "busy until it is undone"
        );
        machine.handle_undone(Ok(()), at(3));
        if !answered {
            let Some(Output::Answer(Err(refusal))) = machine.poll_output() else {
                panic!("whoever asked is told");
            };
            assert_eq!(
                (refusal.status, refusal.reason.as_str(), refusal.step),
                (502, "broken", Some(step))
            );
        }
        let Some(Output::Ended(report)) = machine.poll_output() else {
            panic!("it has ended");
        };
        assert_eq!(
            (report.outcome, report.step, report.message.as_str()),
            (ChangeOutcome::Failed, Some(step), "it broke")
        );
        assert_eq!(machine.mode(), Mode::Stock);
        assert_eq!(machine.poll_output(), None);
        assert_eq!(
            machine.handle_setup(project(), at(9)),
            Ok(Reception::Waits),
            "and again"
        );
    }
}

#[test]
fn an_old_identity_of_another_id_is_not_registered_again() {
    let other = DpsIdentity {
        registration_id: "other".parse().expect("an id"),
        ..stock()
    };
    let mut machine = Identity::new(Current::Dps(other), None, None);
    machine.handle_setup(project(), at(0)).expect("it begins");
    go_to(&mut machine, Step::Connect, at(0));
    machine.poll_output().expect("the step");
    machine.handle_done(Step::Connect, Err(failure()), at(1));

    let Some(Output::Undo(undo)) = machine.poll_output() else {
        panic!("it is undone");
    };
    assert_eq!(undo.register_again, None);
}

#[test]
fn one_change_at_a_time() {
    let mut machine = stocked();
    machine.handle_setup(project(), at(0)).expect("it begins");

    assert_eq!(
        machine.handle_setup(project(), at(1)),
        Ok(Reception::Waits),
        "the same again waits for the same answer"
    );
    let busy = machine
        .handle_setup(identity("0neOther", 3), at(1))
        .expect_err("another one");
    assert_eq!((busy.status, busy.reason.as_str()), (409, "busy"));
    assert_eq!(
        machine.handle_reset(at(1)).expect_err("another one").status,
        409
    );

    go_to(&mut machine, Step::Reboot, at(2));
    let Ok(Reception::Answered(answer)) = machine.handle_setup(project(), at(3)) else {
        panic!("the answer is known by then");
    };
    assert_eq!(answer.outcome, ChangeOutcome::Running);
}

#[test]
fn what_is_done_already_is_answered_at_once() {
    let mut machine = stocked();
    for reception in [
        machine.handle_setup(stock(), at(0)),
        machine.handle_claim(stock(), at(0)),
        machine.handle_reset(at(0)),
    ] {
        let Ok(Reception::Answered(answer)) = reception else {
            panic!("{reception:?}");
        };
        assert_eq!(answer.outcome, ChangeOutcome::Done);
    }
    assert_eq!(machine.poll_output(), None);
}

#[test]
fn news_of_another_step_is_ignored() {
    let mut machine = stocked();
    machine.handle_done(Step::Register, Ok(()), at(0));
    machine.handle_undone(Ok(()), at(0));
    machine.handle_setup(project(), at(0)).expect("it begins");
    machine.handle_done(Step::Write, Err(failure()), at(1));
    assert_eq!(machine.step(), Some(Step::Check));
}
