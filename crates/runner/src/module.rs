//! The loop that owns one module: supervisor, run, commands, state.

use std::time::{Instant, SystemTime};

use tokio::sync::{broadcast, mpsc, oneshot, watch};

use crate::run::Run;
use crate::runner::Options;
use crate::supervise::{Action, Supervisor};
use crate::{DesiredStatus, Exit, LogLine, ModuleSpec, RuntimeStatus, Workload};

/// What can be seen of a module.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModuleState {
    /// Where it is.
    pub status: RuntimeStatus,
    /// Its process, or the first one of its container, while there is one.
    pub pid: Option<u32>,
    /// What the engine calls its container, where it is run as one.
    pub container: Option<String>,
    /// Why it last could not be started, until it is.
    pub problem: Option<String>,
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
    pub(crate) fn initial(workload: &Workload) -> Self {
        Self {
            container: match workload {
                Workload::Process(_) => None,
                Workload::Container(container) => Some(container.name.clone()),
            },
            status: RuntimeStatus::Stopped,
            pid: None,
            problem: None,
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
            self.spec
                .workload
                .stop_grace()
                .unwrap_or(self.options.stop_grace),
        );
        let mut current = None;
        let mut closing = false;
        if self.spec.status == DesiredStatus::Running {
            supervisor.handle_start(Instant::now());
        }
        self.act(&mut supervisor, &mut current).await;
        // Nobody waits for this when the runner is being dropped.
        let _ = begun.send(());

        while !(closing && current.is_none()) {
            let timeout = supervisor.poll_timeout();
            tokio::select! {
                exit = ended(&mut current) => self.exited(exit, &mut supervisor, &mut current).await,
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
                    if let (Ok(()), Some(run)) = (closed, &mut current) {
                        run.kill().await;
                    }
                }
                () = due(timeout) => supervisor.handle_timeout(Instant::now()),
            }
            self.act(&mut supervisor, &mut current).await;
        }
    }

    /// Does what the supervisor decided and shows the outcome.
    async fn act(&mut self, supervisor: &mut Supervisor, current: &mut Option<Run>) {
        while let Some(action) = supervisor.poll_output() {
            match (action, &mut *current) {
                (Action::Spawn, slot) => self.spawn(supervisor, slot).await,
                (Action::Terminate, Some(run)) => run.terminate().await,
                (Action::Kill, Some(run)) => run.kill().await,
                (Action::Terminate | Action::Kill, None) => {}
            }
        }
        self.state.send_modify(|state| {
            state.status = supervisor.status();
            state.restart_count = supervisor.restart_count();
            state.pid = current.as_ref().and_then(Run::pid);
        });
        self.changes.send_replace(());
    }

    async fn spawn(&mut self, supervisor: &mut Supervisor, slot: &mut Option<Run>) {
        let started = SystemTime::now();
        self.state
            .send_modify(|state| state.last_start_time = Some(started));
        match Run::start(&self.spec, &self.lines).await {
            Ok(run) => {
                tracing::info!(module = self.spec.name, pid = run.pid(), "Module started");
                self.state.send_modify(|state| state.problem = None);
                *slot = Some(run);
            }
            Err(problem) => {
                tracing::warn!(module = self.spec.name, problem, "Module did not start");
                self.note_exit(Exit::NotStarted);
                self.state
                    .send_modify(|state| state.problem = Some(problem));
                supervisor.handle_exited(Exit::NotStarted, Instant::now());
            }
        }
    }

    async fn exited(&mut self, exit: Exit, supervisor: &mut Supervisor, slot: &mut Option<Run>) {
        if let Some(run) = slot.take() {
            run.finish().await;
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

async fn ended(current: &mut Option<Run>) -> Exit {
    match current {
        Some(run) => run.wait().await,
        None => std::future::pending().await,
    }
}

async fn due(timeout: Option<Instant>) {
    match timeout {
        Some(at) => tokio::time::sleep_until(at.into()).await,
        None => std::future::pending().await,
    }
}
