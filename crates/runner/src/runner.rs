use std::collections::BTreeMap;
use std::time::Duration;

use tokio::sync::{broadcast, mpsc, oneshot, watch};
use tokio::task::JoinSet;

use crate::module::{Command, Module};
use crate::{Backoff, LogLine, ModuleSpec, ModuleState};

/// Log lines kept for a listener that is behind; older ones are lost to it, and it is told how many.
const LOG_BACKLOG: usize = 512;

/// Commands that may wait for one module.
const COMMAND_BACKLOG: usize = 8;

/// How modules are treated.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Waits between restarts.
    pub backoff: Backoff,
    /// Time between asking a module to end and killing it.
    pub stop_grace: Duration,
}

impl Default for Options {
    /// edgeAgent's back-off, and 5 s of grace.
    fn default() -> Self {
        Self {
            backoff: Backoff::EDGE_AGENT,
            stop_grace: Duration::from_secs(5),
        }
    }
}

/// Why a plan cannot be run.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// Two modules have one name.
    #[error("module {0} is in the plan twice")]
    Duplicate(String),
}

/// Why a command did not reach a module.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum CommandError {
    /// No module of the plan has this name.
    #[error("there is no module {0}")]
    Unknown(String),
    /// The module's loop is gone: the runner is being dropped.
    #[error("module {0} is being shut down")]
    Closed(String),
}

/// Running modules. Dropping it kills them; [`Self::shutdown`] stops them in good order.
#[derive(Debug)]
pub struct Runner {
    modules: BTreeMap<String, Handle>,
    lines: broadcast::Sender<LogLine>,
    tasks: JoinSet<()>,
}

#[derive(Debug)]
struct Handle {
    commands: mpsc::Sender<Command>,
    state: watch::Receiver<ModuleState>,
}

impl Runner {
    /// Starts a plan's modules in start-up order and returns when each has been started or has failed to.
    ///
    /// The receiver sees every line from the beginning. A module that cannot be started is a state of that module
    /// ([`crate::Exit::NotStarted`]), to which its restart policy applies, and not an error here.
    pub async fn start(
        mut plan: Vec<ModuleSpec>,
        options: Options,
    ) -> Result<(Self, broadcast::Receiver<LogLine>), PlanError> {
        plan.sort_by_key(|spec| spec.startup_order);
        let (lines, receiver) = broadcast::channel(LOG_BACKLOG);
        let mut runner = Self {
            modules: BTreeMap::new(),
            lines,
            tasks: JoinSet::new(),
        };
        let names: Vec<_> = plan.iter().map(|spec| spec.name.as_str()).collect();
        if let Some(twice) = (1..names.len()).find(|&at| names[..at].contains(&names[at])) {
            return Err(PlanError::Duplicate(names[twice].to_owned()));
        }
        for spec in plan {
            runner.add(spec, options).await;
        }
        Ok((runner, receiver))
    }

    /// Names of all modules, in alphabetical order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.modules.keys().map(String::as_str)
    }

    /// A module's state, now and whenever it changes.
    pub fn watch(&self, module: &str) -> Option<watch::Receiver<ModuleState>> {
        self.modules.get(module).map(|handle| handle.state.clone())
    }

    /// Another listener to all modules' lines, from now on.
    pub fn lines(&self) -> broadcast::Receiver<LogLine> {
        self.lines.subscribe()
    }

    /// Starts a module that is stopped, failed, or waiting to be restarted.
    pub async fn start_module(&self, module: &str) -> Result<(), CommandError> {
        self.command(module, Command::Start).await
    }

    /// Ends a module in good order; it stays stopped.
    pub async fn stop_module(&self, module: &str) -> Result<(), CommandError> {
        self.command(module, Command::Stop).await
    }

    /// Ends a module in good order and starts it again at once.
    pub async fn restart_module(&self, module: &str) -> Result<(), CommandError> {
        self.command(module, Command::Restart).await
    }

    /// Crashes a module with SIGKILL; its restart policy decides what follows.
    pub async fn kill_module(&self, module: &str) -> Result<(), CommandError> {
        self.command(module, Command::Kill).await
    }

    /// Stops all modules at the same time, each with its grace, and returns when none is left.
    pub async fn shutdown(mut self) {
        self.modules.clear();
        while self.tasks.join_next().await.is_some() {}
    }

    async fn add(&mut self, spec: ModuleSpec, options: Options) {
        let (commands, receiver) = mpsc::channel(COMMAND_BACKLOG);
        let (state, state_receiver) = watch::channel(ModuleState::initial());
        let (begun, first_start) = oneshot::channel();
        self.modules.insert(
            spec.name.clone(),
            Handle {
                commands,
                state: state_receiver,
            },
        );
        let module = Module {
            spec,
            options,
            commands: receiver,
            state,
            lines: self.lines.clone(),
        };
        self.tasks.spawn(module.run(begun));
        // Ends without a message only when the task did, and then there is nothing to wait for.
        let _ = first_start.await;
    }

    async fn command(&self, module: &str, command: Command) -> Result<(), CommandError> {
        let handle = self
            .modules
            .get(module)
            .ok_or_else(|| CommandError::Unknown(module.to_owned()))?;
        handle
            .commands
            .send(command)
            .await
            .map_err(|_| CommandError::Closed(module.to_owned()))
    }
}
