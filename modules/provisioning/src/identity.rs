//! Who the device is, and how that changes: a pure state machine, told the time.
//!
//! A change goes through the steps of [`Step`] in their order. Everything that can go wrong with the new
//! identity itself is found out before the first byte is written: the provisioning service has to assign
//! it to a hub, and that hub has to let the device in. Whoever asked is answered when the new
//! configuration is on disk and before the device restarts; what comes of it is told afterwards.
//!
//! The machine says what to do next ([`Identity::poll_output`]) and is told how it went. It does *not*
//! do anything itself, and remembers nothing across a restart: the journal does, and
//! [`Identity::handle_interrupted`] takes up from there.
//!
//! **Invariant:** there is one change at a time, and one that fails ends with [`Output::Undo`], after
//! which the device has the identity it had.

mod change;
mod exchange;
mod first;

use std::collections::VecDeque;
use std::time::Duration;

use bay::Moment;
use bay::message::{ChangeAnswer, ChangeKind, ChangeOutcome, ChangeReport, Mode, Step};

use crate::desk::Refusal;
use crate::edge_config::DpsIdentity;
use crate::view::ChangeProgress;
use change::Change;
pub use exchange::{Assigned, Current, Failure, Interrupted, Output, Reception, Undo};
use first::First;
pub use first::RETRY_AT_MOST;

/// The identity machine.
#[derive(Debug)]
pub struct Identity {
    current: Current,
    stock: Option<DpsIdentity>,
    change: Option<Change>,
    first: Option<First>,
    last: Option<ChangeReport>,
    outputs: VecDeque<Output>,
}

impl Identity {
    /// A device as it is found at start.
    pub fn new(current: Current, stock: Option<DpsIdentity>, last: Option<ChangeReport>) -> Self {
        Self {
            current,
            stock,
            change: None,
            first: None,
            last,
            outputs: VecDeque::new(),
        }
    }

    /// The identity the device has.
    pub fn current(&self) -> &Current {
        &self.current
    }

    /// What kind of identity that is.
    pub fn mode(&self) -> Mode {
        match &self.current {
            Current::None => Mode::None,
            Current::Other => Mode::Other,
            Current::Dps(identity) if Some(identity) == self.stock.as_ref() => Mode::Stock,
            Current::Dps(_) => Mode::Project,
        }
    }

    /// How the last change ended, or how the one goes that waits for its restart.
    pub fn last(&self) -> Option<&ChangeReport> {
        self.last.as_ref()
    }

    /// The change in progress.
    pub fn progress(&self, now: Moment) -> Option<ChangeProgress> {
        self.change.as_ref().map(|change| change.progress(now))
    }

    /// The step the change in progress is at.
    pub fn step(&self) -> Option<Step> {
        self.change.as_ref().map(Change::step)
    }

    /// Why the change in progress is being undone, and at which step it failed.
    pub fn failure(&self) -> Option<(Step, &Failure)> {
        let change = self.change.as_ref()?;
        Some((change.step(), change.failed.as_ref()?))
    }

    /// What another process, or a person with an editor, made of the configuration meanwhile. During a
    /// change it is looked at in the end.
    pub fn handle_facts(
        &mut self,
        current: Current,
        stock: Option<DpsIdentity>,
        last: Option<ChangeReport>,
    ) {
        if self.change.is_none() {
            self.current = current;
            self.stock = stock;
            self.last = last;
        }
    }

    /// A request for the device's first identity.
    ///
    /// # Errors
    ///
    /// Why it cannot be taken now.
    pub fn handle_claim(&mut self, target: DpsIdentity, now: Moment) -> Result<Reception, Refusal> {
        if self.change.is_none() && self.mode() != Mode::None && !self.is(&target) {
            return Err(Refusal::new(
                409,
                "has-identity",
                "the device has an identity already: reset it, or set it up for a project",
            ));
        }
        self.handle_request(ChangeKind::Claim, target, now)
    }

    /// A request for a project's identity.
    ///
    /// # Errors
    ///
    /// Why it cannot be taken now.
    pub fn handle_setup(&mut self, target: DpsIdentity, now: Moment) -> Result<Reception, Refusal> {
        self.handle_request(ChangeKind::Setup, target, now)
    }

    /// A request for the stock identity.
    ///
    /// # Errors
    ///
    /// Why it cannot be taken now.
    pub fn handle_reset(&mut self, now: Moment) -> Result<Reception, Refusal> {
        let Some(stock) = self.stock.clone() else {
            return Err(Refusal::new(
                409,
                "no-stock",
                "the device keeps no stock identity, so there is nothing to go back to: set it up for a project, \
                 or claim it anew with an identity file",
            ));
        };
        self.handle_request(ChangeKind::Reset, stock, now)
    }

    /// A request that makes no sense, while no change is under way: it is over before it began.
    pub fn handle_refused(&mut self, kind: ChangeKind, refusal: &Refusal, now: Moment) {
        self.end(ChangeReport {
            kind,
            outcome: ChangeOutcome::Failed,
            step: refusal.step,
            message: refusal.message.clone(),
            started_at: now.wall,
            ended_at: Some(now.wall),
            interrupted: false,
        });
    }

    /// The device's first identity, as it was found on the card: taken now, and tried again for as long as
    /// it does not work, because nobody may be there to ask for it a second time. Whoever can write on the
    /// card may also give a device a new one that has one already.
    pub fn handle_first(&mut self, target: DpsIdentity, now: Moment) {
        self.first = Some(First::new(target, now));
    }

    /// A change that was cut off after its configuration was written goes on.
    pub fn handle_interrupted(&mut self, interrupted: Interrupted, now: Moment) {
        let step = interrupted.resume;
        self.change = Some(Change::resumed(interrupted, now));
        self.begin(step, now);
    }

    /// A change that was cut off before that was rolled back.
    pub fn handle_rolled_back(&mut self, report: ChangeReport) {
        self.end(report);
    }

    /// How registering went.
    pub fn handle_registered(&mut self, result: Result<Assigned, Failure>, now: Moment) {
        let assigned = match result {
            Ok(assigned) => assigned,
            Err(failure) => return self.handle_done(Step::Register, Err(failure), now),
        };
        if let Some(change) = self.at(Step::Register) {
            change.assigned = Some(assigned);
            self.handle_done(Step::Register, Ok(()), now);
        }
    }

    /// How a step went. News of a step the change is not at comes too late, and is ignored.
    pub fn handle_done(&mut self, step: Step, result: Result<(), Failure>, now: Moment) {
        let Some(change) = self.at(step) else {
            return;
        };
        change.end_step(result.as_ref().err(), now);
        match (result, next(step)) {
            (Err(failure), _) => {
                let undo = change.undo(step);
                change.failed = Some(failure);
                self.outputs.push_back(Output::Undo(undo));
            }
            (Ok(()), Some(next)) => self.begin(next, now),
            (Ok(()), None) => self.succeed(now),
        }
    }

    /// How putting back went. If it did not work, a restart tries again, by the journal.
    pub fn handle_undone(&mut self, result: Result<(), Failure>, now: Moment) {
        let Some(change) = self.change.take_if(|change| change.failed.is_some()) else {
            return;
        };
        let report = change.failure_report(result.err(), now);
        if !change.answered {
            let refusal = change.refusal(&report);
            self.outputs.push_back(Output::Answer(Err(refusal)));
        }
        self.end(report);
        if let Some(first) = &mut self.first {
            first.handle_failure(now);
        }
    }

    /// When [`Identity::handle_timeout`] has to be called, by the monotonic clock.
    pub fn poll_timeout(&self) -> Option<Duration> {
        let first = self.first.as_ref()?;
        self.change.is_none().then(|| first.due())
    }

    /// The time has come.
    pub fn handle_timeout(&mut self, now: Moment) {
        if self.poll_timeout().is_none_or(|due| due > now.elapsed) {
            return;
        }
        let Some(target) = self.first.as_ref().map(|first| first.target.clone()) else {
            return;
        };
        let previous = self.current.clone();
        self.change = Some(Change::begun(ChangeKind::Claim, target, previous, now));
        self.begin(Step::Check, now);
    }

    /// When the first identity is tried again.
    pub fn retry_at(&self) -> Option<Duration> {
        self.first
            .as_ref()
            .filter(|first| self.change.is_none() && first.has_failed())
            .map(First::due)
    }

    /// What is to be done next.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    fn handle_request(
        &mut self,
        kind: ChangeKind,
        target: DpsIdentity,
        now: Moment,
    ) -> Result<Reception, Refusal> {
        match &self.change {
            Some(change) if change.target == target && change.failed.is_none() => {
                Ok(if change.answered {
                    Reception::Answered(change.answer())
                } else {
                    Reception::Waits
                })
            }
            Some(change) => Err(change.busy()),
            None if self.is(&target) => Ok(Reception::Answered(ChangeAnswer {
                kind,
                outcome: ChangeOutcome::Done,
                registration_id: target.registration_id.to_string(),
                hub: None,
                device_id: None,
                message: "the device has that identity already, so nothing was changed".to_owned(),
            })),
            None => {
                self.change = Some(Change::begun(kind, target, self.current.clone(), now));
                self.begin(Step::Check, now);
                Ok(Reception::Waits)
            }
        }
    }

    fn is(&self, target: &DpsIdentity) -> bool {
        matches!(&self.current, Current::Dps(identity) if identity == target)
    }

    fn at(&mut self, step: Step) -> Option<&mut Change> {
        self.change
            .as_mut()
            .filter(|change| change.step() == step && change.failed.is_none())
    }

    /// Begins a step of the change in progress.
    fn begin(&mut self, step: Step, now: Moment) {
        let Some(change) = &mut self.change else {
            return;
        };
        change.begin_step(step, now);
        let target = change.target.clone();
        let output = match step {
            Step::Check => Output::Begin(change.kind, target),
            Step::Register => Output::Register(target),
            Step::Connect => match change.assigned.clone() {
                Some(assigned) => Output::Connect(target, assigned),
                // Only registering leads here, and it assigns.
                None => return,
            },
            Step::Backup => Output::Backup,
            Step::Write => Output::Write(target),
            Step::Answer => {
                change.answered = true;
                let answer = change.answer();
                self.last = Some(change.running_report());
                Output::Answer(Ok(answer))
            }
            Step::Apply => Output::Apply,
            Step::Reboot if change.restarted => return self.handle_done(step, Ok(()), now),
            Step::Reboot => Output::Reboot,
            Step::Confirm => Output::Confirm {
                stock: change.stock_to_keep(self.stock.as_ref()),
                identity: target,
            },
        };
        self.outputs.push_back(output);
    }

    fn succeed(&mut self, now: Moment) {
        let Some(change) = self.change.take() else {
            return;
        };
        if let Some(stock) = change.stock_to_keep(self.stock.as_ref()) {
            self.stock = Some(stock);
        }
        self.current = Current::Dps(change.target.clone());
        self.first = None;
        self.end(change.success_report(now));
    }

    fn end(&mut self, report: ChangeReport) {
        self.last = Some(report.clone());
        self.outputs.push_back(Output::Ended(report));
    }
}

fn next(step: Step) -> Option<Step> {
    let place = Step::ALL.iter().position(|one| *one == step)?;
    Step::ALL.get(place + 1).copied()
}

#[cfg(test)]
mod tests;
