//! Whether and when a module's process is started, ended and restarted.
//!
//! Told the time, told what happened; says what to do. [`Supervisor::poll_output`] is to be drained after every
//! `handle_…`, in order.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::{Backoff, RestartPolicy};

/// What the shell is to do with the module's process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Start one. Its failure to start is reported as [`Exit::NotStarted`].
    Spawn,
    /// Ask it to end (SIGTERM).
    Terminate,
    /// End it (SIGKILL).
    Kill,
}

/// How a module's process ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// It returned this code.
    Code(i32),
    /// This signal ended it.
    Signal(i32),
    /// It could not be started.
    NotStarted,
}

impl Exit {
    /// The number Docker and shells report: the code, 128 + signal, or 127 for what could not be started.
    pub fn code(self) -> i32 {
        match self {
            Self::Code(code) => code,
            Self::Signal(signal) => 128 + signal,
            Self::NotStarted => 127,
        }
    }
}

/// edgeAgent's `runtimeStatus`, as far as processes have it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RuntimeStatus {
    /// It runs, or is being asked to end.
    Running,
    /// It ended and will be restarted after a wait.
    Backoff,
    /// It is not running, and nothing went wrong.
    Stopped,
    /// It ended badly and will not be restarted.
    Failed,
}

impl RuntimeStatus {
    /// The word edgeAgent reports.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Backoff => "backoff",
            Self::Stopped => "stopped",
            Self::Failed => "failed",
        }
    }
}

/// The decisions about one module.
#[derive(Debug)]
pub struct Supervisor {
    policy: RestartPolicy,
    backoff: Backoff,
    grace: Duration,
    phase: Phase,
    restarts: u32,
    actions: VecDeque<Action>,
}

#[derive(Debug)]
enum Phase {
    Stopped,
    Failed,
    Running {
        since: Instant,
    },
    Backoff {
        until: Instant,
    },
    /// Asked to end; `kill_at` is gone once patience has ended.
    Stopping {
        kill_at: Option<Instant>,
        start_again: bool,
    },
}

impl Supervisor {
    /// A module that is not running yet. `grace` is the time between SIGTERM and SIGKILL.
    pub fn new(policy: RestartPolicy, backoff: Backoff, grace: Duration) -> Self {
        Self {
            policy,
            backoff,
            grace,
            phase: Phase::Stopped,
            restarts: 0,
            actions: VecDeque::new(),
        }
    }

    /// An operator, or the plan, wants it running. Ends a wait, and forgets earlier restarts.
    pub fn handle_start(&mut self, now: Instant) {
        match &mut self.phase {
            Phase::Running { .. } => {}
            Phase::Stopping { start_again, .. } => *start_again = true,
            Phase::Stopped | Phase::Failed | Phase::Backoff { .. } => {
                self.restarts = 0;
                self.spawn(now);
            }
        }
    }

    /// An operator wants it ended, and to stay so.
    pub fn handle_stop(&mut self, now: Instant) {
        match &mut self.phase {
            Phase::Running { .. } => self.terminate(now, false),
            Phase::Stopping { start_again, .. } => *start_again = false,
            Phase::Backoff { .. } | Phase::Failed => self.phase = Phase::Stopped,
            Phase::Stopped => {}
        }
    }

    /// An operator wants a fresh one: ended in good order if it runs, started in any case.
    pub fn handle_restart(&mut self, now: Instant) {
        match &mut self.phase {
            Phase::Running { .. } => self.terminate(now, true),
            _ => self.handle_start(now),
        }
    }

    /// An operator crashes it. What follows is the policy's business, as after any other crash.
    pub fn handle_kill(&mut self) {
        match &mut self.phase {
            Phase::Running { .. } => self.actions.push_back(Action::Kill),
            Phase::Stopping { kill_at, .. } => {
                *kill_at = None;
                self.actions.push_back(Action::Kill);
            }
            Phase::Stopped | Phase::Failed | Phase::Backoff { .. } => {}
        }
    }

    /// Its process has ended.
    pub fn handle_exited(&mut self, exit: Exit, now: Instant) {
        self.forgive(now);
        match self.phase {
            Phase::Stopping {
                start_again: true, ..
            } => {
                self.restarts = 0;
                self.spawn(now);
            }
            Phase::Stopping { .. } => self.phase = Phase::Stopped,
            _ => self.restart_by_policy(exit, now),
        }
    }

    /// The time of [`Self::poll_timeout`] has come.
    pub fn handle_timeout(&mut self, now: Instant) {
        self.forgive(now);
        match &mut self.phase {
            Phase::Backoff { until } if *until <= now => self.spawn(now),
            Phase::Stopping { kill_at, .. } if kill_at.is_some_and(|at| at <= now) => {
                *kill_at = None;
                self.actions.push_back(Action::Kill);
            }
            _ => {}
        }
    }

    /// What to do next, oldest first.
    pub fn poll_output(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// When to call [`Self::handle_timeout`], if nothing else happens before.
    pub fn poll_timeout(&self) -> Option<Instant> {
        match self.phase {
            Phase::Running { since } if self.restarts > 0 => {
                Some(since + self.backoff.healthy_after)
            }
            Phase::Backoff { until } => Some(until),
            Phase::Stopping { kill_at, .. } => kill_at,
            _ => None,
        }
    }

    /// Where the module is.
    pub fn status(&self) -> RuntimeStatus {
        match self.phase {
            Phase::Running { .. } | Phase::Stopping { .. } => RuntimeStatus::Running,
            Phase::Backoff { .. } => RuntimeStatus::Backoff,
            Phase::Stopped => RuntimeStatus::Stopped,
            Phase::Failed => RuntimeStatus::Failed,
        }
    }

    /// Restarts in a row, since it was last started by hand or was well for long enough.
    pub fn restart_count(&self) -> u32 {
        self.restarts
    }

    fn restart_by_policy(&mut self, exit: Exit, now: Instant) {
        let went_well = exit == Exit::Code(0);
        let wanted = match self.policy {
            RestartPolicy::Never => false,
            RestartPolicy::OnFailure | RestartPolicy::OnUnhealthy => !went_well,
            RestartPolicy::Always => true,
        };
        if !wanted && went_well {
            self.phase = Phase::Stopped;
            return;
        }
        let delay = self.backoff.delay(self.restarts).filter(|_| wanted);
        let Some(delay) = delay else {
            self.phase = Phase::Failed;
            return;
        };
        self.restarts = self.restarts.saturating_add(1);
        if delay.is_zero() {
            self.spawn(now);
        } else {
            self.phase = Phase::Backoff { until: now + delay };
        }
    }

    fn spawn(&mut self, now: Instant) {
        self.phase = Phase::Running { since: now };
        self.actions.push_back(Action::Spawn);
    }

    fn terminate(&mut self, now: Instant, start_again: bool) {
        self.phase = Phase::Stopping {
            kill_at: Some(now + self.grace),
            start_again,
        };
        self.actions.push_back(Action::Terminate);
    }

    fn forgive(&mut self, now: Instant) {
        if let Phase::Running { since } = self.phase
            && now.duration_since(since) >= self.backoff.healthy_after
        {
            self.restarts = 0;
        }
    }
}

#[cfg(test)]
mod tests;
