//! The device: its machine, its files, and whoever waits for an answer, owned by one loop.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use bay::message::{ChangeAnswer, ChangeOutcome, IdentityReport, SetupRequest, Step};
use hub_client::Responder;
use jiff::Timestamp;
use module::{Answer, Clock};
use serde_json::json;
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tracing::{debug, info, warn};

use crate::apply::Apply;
use crate::cloud::Cloud;
use crate::desk::Refusal;
use crate::disk::Disk;
use crate::edge_config::{DpsIdentity, Endpoint};
use crate::files::{Files, Found, Stamps};
use crate::identity::{Assigned, Failure, Identity, Interrupted, Output, Reception, Undo};
use crate::journal::{Mark, Record};
use crate::reboot::Reboot;
use crate::registration::check;
use crate::report;
use crate::serial::Serial;
use crate::view::{ERRORS_SHOWN, Trouble};

/// How long a machine that was asked to restart may take to begin.
const RESTARTS_WITHIN: Duration = Duration::from_secs(180);

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
    /// Whether there is something to tell the hub.
    pub(crate) news: bool,
    pub(crate) clock: Clock,
    cloud: Arc<C>,
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

/// Whoever asked.
#[derive(Debug)]
pub(crate) enum Waiter {
    Desk(oneshot::Sender<Result<ChangeAnswer, Refusal>>),
    Method(Responder),
    /// A claim from elsewhere: it is told by the view.
    Nobody,
}

/// What came of something that took its time.
#[derive(Debug)]
pub(crate) enum Done {
    Registered(DpsIdentity, Result<Assigned, Failure>),
    Connected(Result<(), Failure>),
    Applied(Result<(), Failure>),
    Rebooted(Result<bool, Failure>),
    NotRestarted,
    Undone(Result<(), Failure>),
    RegisteredAgain(Result<Assigned, Failure>),
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
        let mut device = Self {
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

    /// Takes up what a restart came upon, unless that is somebody else's.
    pub(crate) async fn recover(&mut self) {
        let wall = self.clock.now().wall;
        if self.is_the_hosts() {
            info!("the host's service finishes the last change");
            return;
        }
        let mut troubles = Vec::new();
        let found = match self.files.recover(wall, &mut troubles) {
            Ok(found) => found,
            Err(error) => {
                self.trouble(None, error.to_string());
                return;
            }
        };
        for trouble in troubles {
            self.trouble(None, trouble);
        }
        match found {
            Found::Nothing => {}
            Found::Others => {
                debug!("another process works on the last change");
                return;
            }
            Found::RolledBack => self.tell_recovered("the last change was rolled back"),
            Found::Undoing => {
                self.tell_recovered("the last change is being undone");
                let applied = self
                    .apply
                    .run(self.files.config(), self.files.format())
                    .await;
                let undone = match applied {
                    Ok(()) => self.files.undone(self.clock.now().wall),
                    Err(failure) => {
                        self.files.abandon();
                        Err(failure)
                    }
                };
                if let Err(failure) = undone {
                    self.trouble(None, failure.message);
                }
            }
            Found::Goes {
                record,
                target,
                previous,
            } => {
                self.look();
                self.tell_recovered("the last change goes on");
                let interrupted = Interrupted {
                    kind: record.kind,
                    assigned: self.files.kept.assigned(&target.who()),
                    target,
                    previous,
                    resume: resume(&record),
                    restarted: record.has(Mark::Rebooting),
                    started_at: record.begun_at(),
                    unasked: record.interrupted,
                };
                self.others = false;
                self.identity
                    .handle_interrupted(interrupted, self.clock.now());
                return;
            }
        }
        self.look();
    }

    /// Goes on with what another process left in the middle, should that have ended. One that waits for its
    /// restart is in the middle of nothing.
    pub(crate) async fn take_over(&mut self) {
        let waits = |last: &Record| last.has(Mark::Rebooting);
        if self.others && self.is_idle() && !self.files.last().as_ref().is_some_and(waits) {
            self.recover().await;
        }
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
                self.refused(&refusal);
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

    /// What came of something that took its time; for ever where nothing is under way.
    pub(crate) async fn done(&mut self) -> Result<Done, tokio::task::JoinError> {
        match self.jobs.join_next().await {
            Some(done) => done,
            None => std::future::pending().await,
        }
    }

    /// Takes what came of it.
    pub(crate) fn take(&mut self, done: Done) {
        let now = self.clock.now();
        match done {
            Done::Registered(identity, result) => {
                let written = result.and_then(|assigned| {
                    info!(
                        hub = assigned.hub,
                        device_id = assigned.device_id,
                        "registered"
                    );
                    self.files
                        .registered(identity.who(), &assigned, now.wall)
                        .map(|()| assigned)
                });
                self.identity.handle_registered(written, now);
            }
            Done::Connected(result) => self.identity.handle_done(Step::Connect, result, now),
            Done::Applied(result) => {
                // What the host does at boot is not done yet.
                let result = match self.apply {
                    Apply::AtBoot => result,
                    _ => result.and_then(|()| self.files.applied(now.wall)),
                };
                self.identity.handle_done(Step::Apply, result, now);
            }
            Done::Rebooted(Ok(true)) => {
                info!("the machine restarts");
                self.jobs.spawn(async {
                    tokio::time::sleep(RESTARTS_WITHIN).await;
                    Done::NotRestarted
                });
            }
            // The host's service confirms, after whatever restart there will be.
            Done::Rebooted(Ok(false)) if self.apply == Apply::AtBoot => {
                info!("the change waits for the machine to restart");
            }
            Done::Rebooted(result) => {
                self.identity
                    .handle_done(Step::Reboot, result.map(|_| ()), now);
            }
            Done::NotRestarted => {
                let message = "the machine was asked to restart, and does not";
                let failure = Failure::new(500, "reboot-failed", message);
                self.identity.handle_done(Step::Reboot, Err(failure), now);
            }
            Done::Undone(result) => {
                let result = match result {
                    Ok(()) => self.files.undone(now.wall),
                    Err(failure) => {
                        self.files.abandon();
                        Err(failure)
                    }
                };
                self.identity.handle_undone(result, now);
            }
            Done::RegisteredAgain(Ok(_)) => info!("the old identity is registered again"),
            Done::RegisteredAgain(Err(failure)) => {
                let message = format!(
                    "the old identity could not be registered again, which the Edge runtime does by itself when it \
                     has to: {}",
                    failure.message
                );
                self.trouble(None, message);
            }
        }
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
        let cloud = Arc::clone(&self.cloud);
        self.jobs.spawn(async move {
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
            let cloud = Arc::clone(&self.cloud);
            self.jobs
                .spawn(async move { Done::RegisteredAgain(cloud.register(&old).await) });
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

    /// Whether the last change waits for the host's service, which takes the configuration at boot.
    fn is_the_hosts(&self) -> bool {
        let last = self.files.last();
        self.apply == Apply::AtBoot
            && last.is_some_and(|last| !last.is_over() && last.has(Mark::Rebooting))
    }

    fn tell_recovered(&self, what: &'static str) {
        let last = self.files.last().as_ref().map(report::of);
        let kind = last.as_ref().map(|report| report.kind.as_str());
        let message = last.as_ref().map(|report| report.message.as_str());
        info!(
            kind,
            message, what, "a restart came upon a change of identity"
        );
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
            facts.last.as_ref().map(report::of)
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

impl Waiter {
    fn answer(self, answer: Result<ChangeAnswer, Refusal>) {
        match (self, answer) {
            // Whoever hung up has no need of it.
            (Self::Desk(waiter), answer) => drop(waiter.send(answer)),
            (Self::Method(responder), Ok(answer)) => responder.done(&answer),
            (Self::Method(responder), Err(refusal)) => refuse(responder, &refusal),
            (Self::Nobody, _) => {}
        }
    }
}

/// Answers a method as every module does, with the step and the fields besides.
pub(crate) fn refuse(responder: Responder, refusal: &Refusal) {
    responder.respond(refusal.status.into(), json!(refusal));
}

/// The step at which a change goes on whose configuration is in its place.
fn resume(record: &Record) -> Step {
    match (record.has(Mark::Applied), record.has(Mark::Rebooting)) {
        (false, _) => Step::Apply,
        (true, false) => Step::Reboot,
        (true, true) => Step::Confirm,
    }
}
