//! The loop that owns one module: supervisor, process, commands, state.

use std::time::{Instant, SystemTime};

use tokio::sync::{broadcast, mpsc, oneshot, watch};

use crate::process::Process;
use crate::runner::Options;
use crate::supervise::{Action, Supervisor};
use crate::{DesiredStatus, Exit, LogLine, ModuleSpec, RuntimeStatus};

/// What can be seen of a module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModuleState {
    /// Where it is.
    pub status: RuntimeStatus,
    /// Its process, while there is one.
    pub pid: Option<u32>,
    /// How its last run ended, once one has.
    pub last_exit: Option<Exit>,
    /// When that was.
    pub last_exit_time: Option<SystemTime>,
    /// When it was last started, or last could not be.
    pub last_start_time: Option<SystemTime>,
    /// Restarts in a row, as the back-off counts them.
    pub restart_count: u32,
}

impl ModuleState {
    pub(crate) fn initial() -> Self {
        Self {
            status: RuntimeStatus::Stopped,
            pid: None,
            last_exit: None,
            last_exit_time: None,
            last_start_time: None,
            restart_count: 0,
        }
    }
}

/// What an operator can ask of a module.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Command {
    Start,
    Stop,
    Restart,
    Kill,
    /// It is no longer in the plan: to be ended in good order, and its loop with it.
    Retire,
}

pub(crate) struct Module {
    pub(crate) spec: ModuleSpec,
    pub(crate) options: Options,
    pub(crate) commands: mpsc::Receiver<Command>,
    /// It closes when the runner does; what is sent before that means at once.
    pub(crate) closing: watch::Receiver<()>,
    pub(crate) state: watch::Sender<ModuleState>,
    pub(crate) lines: broadcast::Sender<LogLine>,
    /// Told after each change of any module's state.
    pub(crate) changes: watch::Sender<()>,
}

impl Module {
    /// Runs until the runner closes, then stops the module in good order. `begun` is told once the
    /// first start has been tried.
    pub(crate) async fn run(mut self, begun: oneshot::Sender<()>) {
        let mut supervisor = Supervisor::new(
            self.spec.restart_policy,
            self.options.backoff,
            self.options.stop_grace,
        );
        let mut process = None;
        let mut closing = false;
        if self.spec.status == DesiredStatus::Running {
            supervisor.handle_start(Instant::now());
        }
        self.act(&mut supervisor, &mut process);
        // Nobody waits for this when the runner is being dropped.
        let _ = begun.send(());

        while !(closing && process.is_none()) {
            let timeout = supervisor.poll_timeout();
            tokio::select! {
                exit = ended(&mut process) => self.exited(exit, &mut supervisor, &mut process).await,
                Some(command) = self.commands.recv(), if !closing => match command {
                    Command::Start => supervisor.handle_start(Instant::now()),
                    Command::Stop => supervisor.handle_stop(Instant::now()),
                    Command::Restart => supervisor.handle_restart(Instant::now()),
                    Command::Kill => supervisor.handle_kill(),
                    Command::Retire => {
                        closing = true;
                        supervisor.handle_stop(Instant::now());
                    }
                },
                closed = self.closing.changed(), if !closing => {
                    closing = true;
                    supervisor.handle_stop(Instant::now());
                    if let (Ok(()), Some(process)) = (closed, &mut process) {
                        process.kill();
                    }
                }
                () = due(timeout) => supervisor.handle_timeout(Instant::now()),
            }
            self.act(&mut supervisor, &mut process);
        }
    }

    /// Does what the supervisor decided and shows the outcome.
    fn act(&mut self, supervisor: &mut Supervisor, process: &mut Option<Process>) {
        while let Some(action) = supervisor.poll_output() {
            match (action, &mut *process) {
                (Action::Spawn, slot) => self.spawn(supervisor, slot),
                (Action::Terminate, Some(process)) => process.terminate(),
                (Action::Kill, Some(process)) => process.kill(),
                (Action::Terminate | Action::Kill, None) => {}
            }
        }
        self.state.send_modify(|state| {
            state.status = supervisor.status();
            state.restart_count = supervisor.restart_count();
            state.pid = process.as_ref().and_then(Process::pid);
        });
        self.changes.send_replace(());
    }

    fn spawn(&mut self, supervisor: &mut Supervisor, slot: &mut Option<Process>) {
        let started = SystemTime::now();
        self.state
            .send_modify(|state| state.last_start_time = Some(started));
        match Process::spawn(&self.spec, &self.lines) {
            Ok(process) => {
                tracing::info!(
                    module = self.spec.name,
                    pid = process.pid(),
                    "Module started"
                );
                *slot = Some(process);
            }
            Err(error) => {
                let cause = std::error::Error::source(&error).map(ToString::to_string);
                tracing::warn!(module = self.spec.name, %error, cause, "Module did not start");
                self.note_exit(Exit::NotStarted);
                supervisor.handle_exited(Exit::NotStarted, Instant::now());
            }
        }
    }

    async fn exited(
        &mut self,
        exit: Exit,
        supervisor: &mut Supervisor,
        slot: &mut Option<Process>,
    ) {
        if let Some(process) = slot.take() {
            process.finish().await;
        }
        self.note_exit(exit);
        supervisor.handle_exited(exit, Instant::now());
        let status = supervisor.status().as_str();
        tracing::info!(
            module = self.spec.name,
            code = exit.code(),
            next = status,
            "Module ended"
        );
    }

    fn note_exit(&self, exit: Exit) {
        self.state.send_modify(|state| {
            state.last_exit = Some(exit);
            state.last_exit_time = Some(SystemTime::now());
        });
    }
}

async fn ended(process: &mut Option<Process>) -> Exit {
    match process {
        Some(process) => process.wait().await,
        None => std::future::pending().await,
    }
}

async fn due(timeout: Option<Instant>) {
    match timeout {
        Some(at) => tokio::time::sleep_until(at.into()).await,
        None => std::future::pending().await,
    }
}
