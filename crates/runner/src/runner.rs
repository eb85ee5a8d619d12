use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};
use std::time::Duration;

use tokio::sync::{broadcast, mpsc, oneshot, watch};
use tokio::task::JoinSet;

use crate::module::{Command, Module};
use crate::{Backoff, LogLine, ModuleSpec, ModuleState, Transition, Usage, Workload};

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
    /// The runner is gone, or going.
    #[error("module {0} is being shut down")]
    Closed(String),
}

/// Running modules, and the only one who ends them all: [`Self::shutdown`] stops them in good order, [`Self::kill`]
/// does not, and dropping it kills them without waiting for their end.
#[derive(Debug)]
pub struct Runner {
    modules: Modules,
    options: Options,
    closing: watch::Sender<()>,
    tasks: JoinSet<()>,
}

/// A way to the modules of a [`Runner`], cheap to clone.
#[derive(Clone, Debug)]
pub struct Modules {
    handles: Arc<RwLock<BTreeMap<String, Handle>>>,
    lines: broadcast::Sender<LogLine>,
    changes: watch::Sender<()>,
}

#[derive(Debug)]
struct Handle {
    spec: ModuleSpec,
    commands: mpsc::Sender<Command>,
    state: watch::Receiver<ModuleState>,
}

impl Runner {
    /// Starts a plan's modules in start-up order and returns when each has been started or has failed to.
    ///
    /// The receiver sees every line from the beginning. A module that cannot be started is a state of that module
    /// ([`crate::Exit::NotStarted`]), to which its restart policy applies, and not an error here.
    pub async fn start(
        plan: Vec<ModuleSpec>,
        options: Options,
    ) -> Result<(Self, broadcast::Receiver<LogLine>), PlanError> {
        let (lines, receiver) = broadcast::channel(LOG_BACKLOG);
        Ok((Self::start_logging(plan, options, lines).await?, receiver))
    }

    /// As [`Self::start`], but what modules print goes to listeners that several runners share.
    pub async fn start_logging(
        plan: Vec<ModuleSpec>,
        options: Options,
        lines: broadcast::Sender<LogLine>,
    ) -> Result<Self, PlanError> {
        let mut runner = Self {
            modules: Modules {
                handles: Arc::default(),
                lines,
                changes: watch::Sender::new(()),
            },
            options,
            closing: watch::Sender::new(()),
            tasks: JoinSet::new(),
        };
        runner.apply(plan).await?;
        Ok(runner)
    }

    /// Goes over to another plan: ends modules that are gone or changed, all at the same time, then starts those that are
    /// new or changed in start-up order. Modules that are in both plans as they were are left alone.
    ///
    /// # Errors
    /// When it is no plan; nothing has changed then.
    pub async fn apply(&mut self, plan: Vec<ModuleSpec>) -> Result<(), PlanError> {
        let names: Vec<_> = plan.iter().map(|spec| spec.name.as_str()).collect();
        if let Some(twice) = (1..names.len()).find(|&at| names[..at].contains(&names[at])) {
            return Err(PlanError::Duplicate(names[twice].to_owned()));
        }
        let running = self.modules.plan();
        let transition = Transition::between(&running, plan);
        self.retire(&transition.end).await;
        for spec in transition.begin {
            self.begin(spec).await;
        }
        // Those that have ended are nobody's to wait for.
        while self.tasks.try_join_next().is_some() {}
        Ok(())
    }

    async fn retire(&self, names: &[String]) {
        let mut ending = Vec::new();
        for name in names {
            // Fails only where the module's loop has ended already.
            let _ = self.modules.command(name, Command::Retire).await;
            ending.extend(self.modules.watch(name));
        }
        for mut state in ending {
            // It closes with the loop.
            while state.changed().await.is_ok() {}
        }
        self.modules
            .change(|handles| handles.retain(|name, _| !names.contains(name)));
        self.modules.changes.send_replace(());
    }

    async fn begin(&mut self, spec: ModuleSpec) {
        let (commands, command_receiver) = mpsc::channel(COMMAND_BACKLOG);
        let (state, state_receiver) = watch::channel(ModuleState::initial(&spec.workload));
        let (begun, first_start) = oneshot::channel();
        let handle = Handle {
            spec: spec.clone(),
            commands,
            state: state_receiver,
        };
        let module = Module {
            spec,
            options: self.options,
            commands: command_receiver,
            closing: self.closing.subscribe(),
            state,
            lines: self.modules.lines.clone(),
            changes: self.modules.changes.clone(),
        };
        let name = module.spec.name.clone();
        self.modules.change(|handles| {
            handles.insert(name, handle);
        });
        self.tasks.spawn(module.run(begun));
        // Ends without a message only when the task did, and then there is nothing to wait for.
        let _ = first_start.await;
    }

    /// The way to the modules, for everybody who may watch and command them.
    pub fn modules(&self) -> &Modules {
        &self.modules
    }

    /// Stops all modules at the same time, each with its grace, and returns when none is left.
    pub async fn shutdown(mut self) {
        drop(self.closing);
        while self.tasks.join_next().await.is_some() {}
    }

    /// Kills all modules, as a power cut does, and returns when none is left.
    pub async fn kill(mut self) {
        self.closing.send_replace(());
        while self.tasks.join_next().await.is_some() {}
    }
}

impl Modules {
    /// Names of all modules, in alphabetical order.
    pub fn names(&self) -> Vec<String> {
        self.handles().keys().cloned().collect()
    }

    /// A module's state now.
    pub fn state(&self, module: &str) -> Option<ModuleState> {
        let handles = self.handles();
        let state = handles.get(module)?.state.borrow().clone();
        Some(state)
    }

    /// A module's state, now and whenever it changes.
    pub fn watch(&self, module: &str) -> Option<watch::Receiver<ModuleState>> {
        let handles = self.handles();
        handles.get(module).map(|handle| handle.state.clone())
    }

    /// Told whenever a module comes, goes, or changes its state.
    pub fn changes(&self) -> watch::Receiver<()> {
        self.changes.subscribe()
    }

    /// Another listener to all modules' lines, from now on.
    pub fn lines(&self) -> broadcast::Receiver<LogLine> {
        self.lines.subscribe()
    }

    /// What a module uses of the machine; nothing while it does not run.
    pub async fn usage(&self, module: &str) -> Option<Usage> {
        let (workload, pid) = {
            let handles = self.handles();
            let handle = handles.get(module)?;
            let pid = handle.state.borrow().pid?;
            (handle.spec.workload.clone(), pid)
        };
        match workload {
            Workload::Process(_) => Usage::of_process(pid),
            Workload::Container(container) => container.engine.usage(&container.name).await,
        }
    }

    /// Starts a module that is stopped, failed, or waiting to be restarted.
    pub async fn start(&self, module: &str) -> Result<(), CommandError> {
        self.command(module, Command::Start).await
    }

    /// Ends a module in good order; it stays stopped.
    pub async fn stop(&self, module: &str) -> Result<(), CommandError> {
        self.command(module, Command::Stop).await
    }

    /// Ends a module in good order and starts it again at once.
    pub async fn restart(&self, module: &str) -> Result<(), CommandError> {
        self.command(module, Command::Restart).await
    }

    /// Crashes a module with SIGKILL; its restart policy decides what follows.
    pub async fn kill(&self, module: &str) -> Result<(), CommandError> {
        self.command(module, Command::Kill).await
    }

    async fn command(&self, module: &str, command: Command) -> Result<(), CommandError> {
        let commands = self
            .handles()
            .get(module)
            .map(|handle| handle.commands.clone());
        let commands = commands.ok_or_else(|| CommandError::Unknown(module.to_owned()))?;
        commands
            .send(command)
            .await
            .map_err(|_| CommandError::Closed(module.to_owned()))
    }

    fn plan(&self) -> BTreeMap<String, ModuleSpec> {
        let handles = self.handles();
        let specs = handles
            .iter()
            .map(|(name, handle)| (name.clone(), handle.spec.clone()));
        specs.collect()
    }

    fn change(&self, change: impl FnOnce(&mut BTreeMap<String, Handle>)) {
        change(&mut self.handles.write().unwrap_or_else(PoisonError::into_inner));
    }

    /// Nobody holds this over an await, nor panics with it.
    fn handles(&self) -> RwLockReadGuard<'_, BTreeMap<String, Handle>> {
        self.handles.read().unwrap_or_else(PoisonError::into_inner)
    }
}
