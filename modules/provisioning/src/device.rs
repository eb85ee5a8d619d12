//! The device: its machine, its files, and whoever waits for an answer, owned by one loop.

mod done;
mod recovery;
mod waiter;

use std::collections::VecDeque;
use std::sync::Arc;

use bay::message::{ChangeKind, ChangeOutcome, IdentityReport, SetupRequest, Step};
use jiff::Timestamp;
use module::Clock;
use tokio::sync::Mutex;
use tokio::task::JoinSet;
use tracing::{info, warn};

use crate::apply::Apply;
use crate::cloud::Cloud;
use crate::desk::Refusal;
use crate::disk::Disk;
use crate::edge_config::{DpsIdentity, Endpoint};
use crate::files::{Files, Stamps};
use crate::identity::{Assigned, Identity, Output, Reception, Undo};
use crate::journal::{Mark, Record};
use crate::reboot::Reboot;
use crate::registration::check;
use crate::report;
use crate::serial::Serial;
use crate::view::{ERRORS_SHOWN, Trouble};
pub(crate) use done::Done;
pub(crate) use waiter::{Waiter, refuse};

/// What a device is made of.
pub(crate) struct Device<C, D: Disk> {
    pub(crate) identity: Identity,
    pub(crate) files: Files<D>,
    pub(crate) serial: Option<Serial>,
    /// What the Edge runtime says, which knows better than the last assignment.
    pub(crate) runtime: Option<Assigned>,
    pub(crate) troubles: VecDeque<Trouble>,
    /// Whether another process works on a change.
    pub(crate) others: bool,
    /// When the change was begun whose restart brought this process up.
    pub(crate) restarted_for: Option<Timestamp>,
    /// Whether there is something to tell the hub.
    pub(crate) news: bool,
    pub(crate) clock: Clock,
    cloud: Arc<C>,
    /// Held while registering. Of two registrations of one id at once, the service forgets one.
    registering: Arc<Mutex<()>>,
    apply: Apply,
    reboot: Reboot,
    endpoint: Endpoint,
    waiters: Vec<Waiter>,
    jobs: JoinSet<Done>,
    stamps: Stamps,
}

/// What a device does its work with.
pub(crate) struct Tools<C> {
    pub(crate) cloud: C,
    pub(crate) apply: Apply,
    pub(crate) reboot: Reboot,
    pub(crate) endpoint: Endpoint,
}

/// What was asked for.
pub(crate) enum Wish {
    Claim(SetupRequest),
    Setup(SetupRequest),
    Reset,
}

/// What only the loop can do.
#[derive(Debug)]
pub(crate) enum Act {
    /// See to it that the answer is out before the machine restarts.
    Flush,
}

impl<C: Cloud, D: Disk + Clone> Device<C, D> {
    pub(crate) fn new(
        files: Files<D>,
        tools: Tools<C>,
        serial: Option<Serial>,
        runtime: Option<Assigned>,
    ) -> Self {
        let facts = files.facts();
        let stamps = files.stamps();
        let restarted = facts.last.as_ref().filter(|last| last.has(Mark::Rebooting));
        let mut device = Self {
            restarted_for: restarted.map(Record::begun_at),
            identity: Identity::new(
                facts.current,
                facts.stock,
                facts.last.as_ref().map(report::of),
            ),
            files,
            serial,
            runtime,
            troubles: VecDeque::new(),
            others: facts.last.is_some_and(|last| report::is_open(&last)),
            news: true,
            clock: Clock::start(),
            cloud: Arc::new(tools.cloud),
            registering: Arc::default(),
            apply: tools.apply,
            reboot: tools.reboot,
            endpoint: tools.endpoint,
            waiters: Vec::new(),
            jobs: JoinSet::new(),
            stamps,
        };
        for trouble in facts.troubles {
            device.trouble(None, trouble);
        }
        device
    }

    /// Looks at the files again, if somebody else may have changed them.
    pub(crate) fn look_around(&mut self) {
        if self.is_idle() && self.files.stamps() != self.stamps {
            self.look();
        }
    }

    /// Takes a wish; whoever has it is answered now or later.
    pub(crate) fn ask(&mut self, wish: Wish, waiter: Waiter) {
        let now = self.clock.now();
        self.look_around();
        let kind = match &wish {
            Wish::Claim(_) => ChangeKind::Claim,
            Wish::Setup(_) => ChangeKind::Setup,
            Wish::Reset => ChangeKind::Reset,
        };
        let reception = match wish {
            Wish::Claim(request) => check(&request, &self.endpoint)
                .and_then(|target| self.identity.handle_claim(target, now)),
            Wish::Setup(request) => check(&request, &self.endpoint)
                .and_then(|target| self.identity.handle_setup(target, now)),
            Wish::Reset => self.identity.handle_reset(now),
        };
        match reception {
            Ok(Reception::Waits) => self.waiters.push(waiter),
            Ok(Reception::Answered(answer)) => waiter.answer(Ok(answer)),
            Err(refusal) => {
                self.refused_change(kind, &refusal);
                waiter.answer(Err(refusal));
            }
        }
    }

    /// Does what the machine wants done, up to what only the loop can do.
    pub(crate) fn act(&mut self) -> Option<Act> {
        while let Some(output) = self.identity.poll_output() {
            let now = self.clock.now();
            let wall = now.wall;
            match output {
                Output::Begin(kind, identity) => {
                    info!(kind = kind.as_str(), to = %identity.who(), "a change of identity begins");
                    let begun = self.files.begin(kind, &identity, wall);
                    self.identity.handle_done(Step::Check, begun, now);
                }
                Output::Register(identity) => self.register(identity),
                Output::Connect(identity, assigned) => {
                    let cloud = Arc::clone(&self.cloud);
                    self.jobs.spawn(async move {
                        Done::Connected(cloud.connect(&identity, &assigned).await)
                    });
                }
                Output::Backup => {
                    let kept = self.files.back_up(wall);
                    self.identity.handle_done(Step::Backup, kept, now);
                }
                Output::Write(_) => {
                    let written = self.files.write(wall);
                    self.identity.handle_done(Step::Write, written, now);
                }
                Output::Answer(answer) => {
                    let done = answer.is_ok();
                    for waiter in self.waiters.drain(..) {
                        waiter.answer(answer.clone());
                    }
                    self.news = true;
                    if done {
                        return Some(Act::Flush);
                    }
                }
                Output::Apply => {
                    let (apply, config, format) = self.to_apply();
                    self.jobs
                        .spawn(async move { Done::Applied(apply.run(&config, format).await) });
                }
                Output::Reboot => self.restart(wall),
                Output::Confirm { identity, stock } => {
                    let confirmed = self.files.confirm(&identity, stock.as_ref(), wall);
                    self.identity.handle_done(Step::Confirm, confirmed, now);
                }
                Output::Undo(undo) => self.undo(undo),
                Output::Ended(ended) => {
                    let (kind, outcome) = (ended.kind.as_str(), ended.outcome.as_str());
                    if ended.outcome == ChangeOutcome::Done {
                        info!(
                            kind,
                            outcome,
                            what = ended.message,
                            "the change of identity is over"
                        );
                    } else {
                        let step = ended.step.map(Step::as_str);
                        warn!(
                            kind,
                            outcome,
                            step,
                            why = ended.message,
                            "the change of identity is over"
                        );
                        self.note(ended.step, ended.message);
                    }
                    self.look();
                    self.news = true;
                }
            }
        }
        None
    }

    /// The answer is out.
    pub(crate) fn flushed(&mut self) {
        self.identity
            .handle_done(Step::Answer, Ok(()), self.clock.now());
    }

    /// Takes the identity that an identity file gave the device.
    pub(crate) fn take_first(&mut self, first: DpsIdentity) {
        self.identity.handle_first(first, self.clock.now());
    }

    /// Remembers and logs that something went wrong.
    pub(crate) fn trouble(&mut self, step: Option<Step>, message: String) {
        warn!(
            step = step.map(Step::as_str),
            why = message,
            "something is wrong with this device's identity"
        );
        self.note(step, message);
    }

    /// Remembers and logs that somebody asked for a change that could not be. One that makes no sense is told
    /// as one that failed.
    pub(crate) fn refused_change(&mut self, kind: ChangeKind, refusal: &Refusal) {
        if self.is_idle() && refusal.step == Some(Step::Check) {
            let now = self.clock.now();
            self.identity.handle_refused(kind, refusal, now);
        } else {
            self.refused(refusal);
        }
    }

    /// Remembers and logs that somebody asked for what could not be.
    pub(crate) fn refused(&mut self, refusal: &Refusal) {
        info!(
            reason = refusal.reason,
            why = refusal.message,
            "a request was refused"
        );
        self.note(refusal.step, refusal.message.clone());
    }

    /// Who the device is.
    pub(crate) fn report(&self) -> IdentityReport {
        let who = report::who(self.identity.current());
        let assigned = self
            .runtime
            .clone()
            .or_else(|| self.files.kept.assigned(&who));
        report::identity(&self.identity, self.serial.as_ref(), assigned)
    }

    /// Whether no change is under way here.
    pub(crate) fn is_idle(&self) -> bool {
        self.identity.step().is_none()
    }

    fn register(&mut self, identity: DpsIdentity) {
        let (cloud, turn) = (Arc::clone(&self.cloud), Arc::clone(&self.registering));
        self.jobs.spawn(async move {
            let _turn = turn.lock().await;
            let registered = cloud.register(&identity).await;
            Done::Registered(identity, registered)
        });
    }

    fn restart(&mut self, wall: Timestamp) {
        // A restart must be known to have been asked for, so that it is not taken for a power cut.
        if let Err(failure) = self.files.rebooting(wall) {
            let now = self.clock.now();
            return self.identity.handle_done(Step::Reboot, Err(failure), now);
        }
        let reboot = self.reboot.clone();
        self.jobs
            .spawn(async move { Done::Rebooted(reboot.run().await) });
    }

    fn undo(&mut self, undo: Undo) {
        let now = self.clock.now();
        if let Some(old) = undo.register_again {
            let (cloud, turn) = (Arc::clone(&self.cloud), Arc::clone(&self.registering));
            self.jobs.spawn(async move {
                let _turn = turn.lock().await;
                Done::RegisteredAgain(cloud.register(&old).await)
            });
        }
        let (step, why) = self
            .identity
            .failure()
            .map_or((Step::Check, String::new()), |(step, failure)| {
                (step, failure.message.clone())
            });
        match self.files.undo(step, &why, now.wall) {
            Ok(true) if undo.reapply => {
                let (apply, config, format) = self.to_apply();
                self.jobs
                    .spawn(async move { Done::Undone(apply.run(&config, format).await) });
            }
            Ok(true) => {
                let undone = self.files.undone(now.wall);
                self.identity.handle_undone(undone, now);
            }
            Ok(false) => self.identity.handle_undone(Ok(()), now),
            Err(failure) => self.identity.handle_undone(Err(failure), now),
        }
    }

    fn to_apply(&self) -> (Apply, std::path::PathBuf, crate::edge_config::Format) {
        (
            self.apply.clone(),
            self.files.config().to_owned(),
            self.files.format(),
        )
    }

    /// Looks at the files.
    fn look(&mut self) {
        let facts = self.files.facts();
        self.stamps = self.files.stamps();
        for trouble in facts.troubles {
            self.trouble(None, trouble);
        }
        let before = self.identity.last().cloned();
        let last = if self.files.is_unsettled() {
            before.clone()
        } else {
            self.others = facts.last.as_ref().is_some_and(report::is_open);
            report::latest(facts.last.as_ref().map(report::of), before.as_ref())
        };
        self.identity.handle_facts(facts.current, facts.stock, last);
        if before.as_ref() != self.identity.last() {
            self.news = true;
        }
    }

    fn note(&mut self, step: Option<Step>, message: String) {
        self.troubles
            .retain(|trouble| (trouble.step, &trouble.message) != (step, &message));
        self.troubles.push_front(Trouble {
            at: self.clock.now().wall,
            step,
            message,
        });
        self.troubles.truncate(ERRORS_SHOWN);
    }
}
