use super::*;

const GRACE: Duration = Duration::from_secs(5);
const CRASH: Exit = Exit::Signal(9);
const FAILURE: Exit = Exit::Code(1);
const SUCCESS: Exit = Exit::Code(0);

/// A supervisor with a clock in milliseconds.
struct Bench {
    supervisor: Supervisor,
    epoch: Instant,
}

impl Bench {
    fn started(policy: RestartPolicy, backoff: Backoff) -> Self {
        let mut bench = Self {
            supervisor: Supervisor::new(policy, backoff, GRACE),
            epoch: Instant::now(),
        };
        bench.supervisor.handle_start(bench.epoch);
        assert_eq!(bench.actions(), [Action::Spawn]);
        bench
    }

    fn at(&self, ms: u64) -> Instant {
        self.epoch + Duration::from_millis(ms)
    }

    fn exits(&mut self, ms: u64, exit: Exit) -> (RuntimeStatus, Vec<Action>) {
        let now = self.at(ms);
        self.supervisor.handle_exited(exit, now);
        (self.supervisor.status(), self.actions())
    }

    /// Lets time run to the next timeout and returns when that was.
    fn wait(&mut self) -> Option<u64> {
        let due = self.supervisor.poll_timeout()?;
        self.supervisor.handle_timeout(due);
        u64::try_from(due.duration_since(self.epoch).as_millis()).ok()
    }

    fn actions(&mut self) -> Vec<Action> {
        std::iter::from_fn(|| self.supervisor.poll_output()).collect()
    }
}

#[test]
fn the_policy_decides_what_follows_an_exit() {
    use RestartPolicy::{Always, Never, OnFailure, OnUnhealthy};
    use RuntimeStatus::{Backoff as Waiting, Failed, Stopped};

    for (policy, exit, expected) in [
        (Never, SUCCESS, Stopped),
        (Never, FAILURE, Failed),
        (Never, CRASH, Failed),
        (Never, Exit::NotStarted, Failed),
        (OnFailure, SUCCESS, Stopped),
        (OnFailure, FAILURE, Waiting),
        (OnFailure, CRASH, Waiting),
        (OnFailure, Exit::NotStarted, Waiting),
        (OnUnhealthy, SUCCESS, Stopped),
        (OnUnhealthy, FAILURE, Waiting),
        (Always, SUCCESS, Waiting),
        (Always, CRASH, Waiting),
    ] {
        let mut bench = Bench::started(policy, Backoff::EDGE_AGENT);
        assert_eq!(
            bench.exits(1_000, exit),
            (expected, vec![]),
            "{policy:?} after {exit:?}"
        );
    }
}

#[test]
fn waits_grow_with_each_restart_in_a_row() {
    let mut bench = Bench::started(RestartPolicy::Always, Backoff::EDGE_AGENT);
    for (exit_at, restart_at) in [(1_000, 11_000), (12_000, 32_000), (33_000, 73_000)] {
        assert_eq!(bench.exits(exit_at, CRASH).0, RuntimeStatus::Backoff);
        assert_eq!(bench.wait(), Some(restart_at));
        assert_eq!(bench.actions(), [Action::Spawn]);
    }
    assert_eq!(bench.supervisor.restart_count(), 3);
}

#[test]
fn a_desk_restarts_the_first_time_at_once() {
    let mut bench = Bench::started(RestartPolicy::Always, Backoff::DESK);
    assert_eq!(
        bench.exits(50, CRASH),
        (RuntimeStatus::Running, vec![Action::Spawn])
    );
    assert_eq!(bench.exits(60, CRASH), (RuntimeStatus::Backoff, vec![]));
    assert_eq!(bench.wait(), Some(260));
}

#[test]
fn enough_restarts_in_a_row_are_a_failure() {
    let backoff = Backoff {
        max_restarts: Some(2),
        ..Backoff::DESK
    };
    let mut bench = Bench::started(RestartPolicy::Always, backoff);
    bench.exits(10, CRASH);
    bench.exits(20, CRASH);
    bench.wait();
    assert_eq!(bench.exits(400, CRASH).0, RuntimeStatus::Failed);
    assert_eq!(bench.supervisor.poll_timeout(), None);
}

#[test]
fn being_well_for_long_enough_forgives_earlier_restarts() {
    let mut bench = Bench::started(RestartPolicy::Always, Backoff::DESK);
    bench.exits(100, CRASH);
    assert_eq!(bench.supervisor.restart_count(), 1);
    assert_eq!(bench.wait(), Some(10_100));
    assert_eq!(bench.supervisor.restart_count(), 0);
    assert_eq!(
        bench.exits(10_200, CRASH),
        (RuntimeStatus::Running, vec![Action::Spawn])
    );
}

#[test]
fn a_stop_asks_first_and_then_insists() {
    let mut bench = Bench::started(RestartPolicy::Always, Backoff::DESK);
    bench.supervisor.handle_stop(bench.at(1_000));
    assert_eq!(bench.actions(), [Action::Terminate]);
    assert_eq!(bench.wait(), Some(6_000));
    assert_eq!(bench.actions(), [Action::Kill]);
    assert_eq!(bench.supervisor.poll_timeout(), None, "it is killed once");
    assert_eq!(bench.exits(6_001, CRASH), (RuntimeStatus::Stopped, vec![]));
}

#[test]
fn a_restart_by_hand_neither_waits_nor_counts() {
    let mut bench = Bench::started(RestartPolicy::Never, Backoff::EDGE_AGENT);
    bench.supervisor.handle_restart(bench.at(1_000));
    assert_eq!(bench.actions(), [Action::Terminate]);
    assert_eq!(
        bench.exits(1_100, SUCCESS),
        (RuntimeStatus::Running, vec![Action::Spawn])
    );
    assert_eq!(bench.supervisor.restart_count(), 0);
}

#[test]
fn the_last_wish_holds_while_it_is_ending() {
    let mut bench = Bench::started(RestartPolicy::Always, Backoff::DESK);
    bench.supervisor.handle_restart(bench.at(0));
    bench.supervisor.handle_stop(bench.at(1));
    assert_eq!(bench.actions(), [Action::Terminate]);
    assert_eq!(bench.exits(2, SUCCESS), (RuntimeStatus::Stopped, vec![]));

    bench.supervisor.handle_start(bench.at(3));
    bench.supervisor.handle_stop(bench.at(4));
    bench.supervisor.handle_start(bench.at(5));
    assert_eq!(bench.actions(), [Action::Spawn, Action::Terminate]);
    assert_eq!(
        bench.exits(6, SUCCESS),
        (RuntimeStatus::Running, vec![Action::Spawn])
    );
}

#[test]
fn commands_end_a_wait() {
    let mut bench = Bench::started(RestartPolicy::Always, Backoff::EDGE_AGENT);
    bench.exits(10, CRASH);
    bench.supervisor.handle_start(bench.at(20));
    assert_eq!(bench.actions(), [Action::Spawn]);

    bench.exits(30, CRASH);
    bench.supervisor.handle_stop(bench.at(40));
    assert_eq!(bench.supervisor.status(), RuntimeStatus::Stopped);
    assert_eq!(bench.wait(), None);
}

#[test]
fn a_crash_by_hand_is_answered_by_the_policy() {
    let mut bench = Bench::started(RestartPolicy::OnFailure, Backoff::DESK);
    bench.supervisor.handle_kill();
    assert_eq!(bench.actions(), [Action::Kill]);
    assert_eq!(
        bench.exits(10, CRASH),
        (RuntimeStatus::Running, vec![Action::Spawn])
    );
}
