//! One change of identity: what was asked for, how far it is, and what is said about it.

use std::time::Duration;

use bay::Moment;
use bay::message::{ChangeAnswer, ChangeKind, ChangeOutcome, ChangeReport, Step};
use jiff::Timestamp;

use super::{Assigned, Current, Failure, Interrupted, Undo};
use crate::desk::Refusal;
use crate::edge_config::DpsIdentity;
use crate::view::{ChangeProgress, StepProgress, StepState};

#[derive(Debug)]
pub(super) struct Change {
    pub(super) kind: ChangeKind,
    pub(super) target: DpsIdentity,
    pub(super) assigned: Option<Assigned>,
    previous: Current,
    pub(super) answered: bool,
    pub(super) failed: Option<Failure>,
    /// It has restarted already, and need not do so again.
    pub(super) restarted: bool,
    interrupted: bool,
    started_at: Timestamp,
    step: Step,
    step_began: Duration,
    steps: Vec<StepProgress>,
}

impl Change {
    pub(super) fn begun(
        kind: ChangeKind,
        target: DpsIdentity,
        previous: Current,
        now: Moment,
    ) -> Self {
        Self {
            kind,
            target,
            assigned: None,
            previous,
            answered: false,
            failed: None,
            restarted: false,
            interrupted: false,
            started_at: now.wall,
            step: Step::Check,
            step_began: now.elapsed,
            steps: Step::ALL.map(waiting).into(),
        }
    }

    pub(super) fn resumed(interrupted: Interrupted, now: Moment) -> Self {
        let Interrupted {
            kind,
            target,
            previous,
            assigned,
            resume,
            restarted,
            started_at,
            unasked,
        } = interrupted;
        let mut change = Self {
            assigned,
            answered: true,
            restarted,
            interrupted: unasked,
            started_at,
            ..Self::begun(kind, target, previous, now)
        };
        for progress in &mut change.steps {
            if progress.step < resume {
                progress.state = StepState::Done;
                progress.took_ms = None;
            }
        }
        change
    }

    pub(super) fn step(&self) -> Step {
        self.step
    }

    pub(super) fn begin_step(&mut self, step: Step, now: Moment) {
        self.step = step;
        self.step_began = now.elapsed;
        self.note(StepState::Running, None, None);
    }

    pub(super) fn end_step(&mut self, failure: Option<&Failure>, now: Moment) {
        let took = now.elapsed.saturating_sub(self.step_began).as_millis() as u64;
        let state = match failure {
            None => StepState::Done,
            Some(_) => StepState::Failed,
        };
        let message = failure.map(|failure| failure.message.clone());
        self.note(state, Some(took), message);
    }

    fn note(&mut self, state: StepState, took_ms: Option<u64>, message: Option<String>) {
        let step = self.step;
        if let Some(progress) = self.steps.iter_mut().find(|one| one.step == step) {
            *progress = StepProgress {
                step,
                state,
                took_ms,
                message,
            };
        }
    }

    /// What has to be put back when `step` failed.
    pub(super) fn undo(&self, step: Step) -> Undo {
        let register_again = match &self.previous {
            Current::Dps(previous)
                if step > Step::Register
                    && previous != &self.target
                    && previous.registration_id == self.target.registration_id =>
            {
                Some(previous.clone())
            }
            _ => None,
        };
        Undo {
            restore: step >= Step::Write,
            reapply: step >= Step::Apply,
            register_again,
        }
    }

    /// The identity to come back to at a reset, where this change decides that: a claim gives the device
    /// its stock identity, and a device that was set up without ever having been claimed goes back to
    /// what it was before.
    pub(super) fn stock_to_keep(&self, kept: Option<&DpsIdentity>) -> Option<DpsIdentity> {
        match (self.kind, kept, &self.previous) {
            (ChangeKind::Claim, _, _) => Some(self.target.clone()),
            (ChangeKind::Setup, None, Current::Dps(previous)) => Some(previous.clone()),
            _ => None,
        }
    }

    pub(super) fn progress(&self, now: Moment) -> ChangeProgress {
        let mut steps = self.steps.clone();
        for progress in &mut steps {
            if progress.state == StepState::Running {
                let running = now.elapsed.saturating_sub(self.step_began);
                progress.took_ms = Some(running.as_millis() as u64);
            }
        }
        ChangeProgress {
            kind: self.kind,
            registration_id: self.target.registration_id.to_string(),
            id_scope: self.target.id_scope.clone(),
            started_at: self.started_at,
            steps,
        }
    }

    pub(super) fn answer(&self) -> ChangeAnswer {
        let id = &self.target.registration_id;
        ChangeAnswer {
            kind: self.kind,
            outcome: ChangeOutcome::Running,
            registration_id: id.to_string(),
            hub: self.assigned.as_ref().map(|assigned| assigned.hub.clone()),
            device_id: self
                .assigned
                .as_ref()
                .map(|assigned| assigned.device_id.clone()),
            message: format!(
                "registered and written; the device restarts now, and comes up as {id}"
            ),
        }
    }

    pub(super) fn busy(&self) -> Refusal {
        Refusal::new(
            409,
            "busy",
            format!(
                "another {} is under way, at the step {}: ask again when it is over",
                self.kind.as_str(),
                self.step.as_str()
            ),
        )
    }

    pub(super) fn refusal(&self, report: &ChangeReport) -> Refusal {
        let (status, reason) = self.failed.as_ref().map_or((500, "internal"), |failure| {
            (failure.status, failure.reason)
        });
        Refusal::new(status, reason, report.message.clone()).at(self.step)
    }

    /// What is to be told when the device comes back before it can say more.
    pub(super) fn running_report(&self) -> ChangeReport {
        let message = "the new configuration is written, and the device restarts with it";
        self.report(ChangeOutcome::Running, message.to_owned(), None)
    }

    pub(super) fn success_report(&self, now: Moment) -> ChangeReport {
        let message = format!("the device is {}", self.target.who());
        self.report(ChangeOutcome::Done, message, Some(now))
    }

    pub(super) fn failure_report(&self, undo: Option<Failure>, now: Moment) -> ChangeReport {
        let mut message = self
            .failed
            .as_ref()
            .map_or_else(String::new, |failure| failure.message.clone());
        if let Some(undo) = undo {
            message.push_str(
                "; what was begun could not be cleared away, which the next start does: ",
            );
            message.push_str(&undo.message);
        }
        self.report(ChangeOutcome::Failed, message, Some(now))
    }

    fn report(
        &self,
        outcome: ChangeOutcome,
        message: String,
        ended: Option<Moment>,
    ) -> ChangeReport {
        ChangeReport {
            kind: self.kind,
            outcome,
            step: (outcome != ChangeOutcome::Done).then_some(self.step),
            message,
            started_at: self.started_at,
            ended_at: ended.map(|now| now.wall),
            interrupted: self.interrupted,
        }
    }
}

fn waiting(step: Step) -> StepProgress {
    StepProgress {
        step,
        state: StepState::Waiting,
        took_ms: None,
        message: None,
    }
}
