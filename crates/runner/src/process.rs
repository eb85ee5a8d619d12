//! One run of a module as a process.

use std::io;
use std::os::unix::process::ExitStatusExt;
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio::process::{Child, Command};
use tokio::sync::broadcast;
use tokio::task::JoinSet;

use crate::leash::Leash;
use crate::log::{LogLine, LogStream, forward};
use crate::{Exit, ProcessSpec};

/// Inherited variables that would tell a module it is somebody else: identities (of the Edge runtime, its simulator,
/// plain devices) and this project's own settings come from the plan or not at all.
const WITHHELD_PREFIXES: [&str; 6] = [
    "IOTEDGE_",
    "EdgeHub",
    "EdgeModule",
    "IotHub",
    "IOTHUB_",
    "BAY_",
];

/// How long an output may stay open after its process group is gone; only a process that escaped the group holds it.
const OUTPUT_LINGER: Duration = Duration::from_millis(500);

/// Why a process could not be started.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SpawnError {
    #[error("cannot start /bin/sh, which guards the module")]
    Leash(#[source] io::Error),
    #[error("cannot start {0}")]
    Program(String, #[source] io::Error),
}

/// A started module. Dropping it kills it.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    leash: Leash,
    outputs: JoinSet<()>,
}

impl Process {
    pub(crate) fn spawn(
        module: &str,
        spec: &ProcessSpec,
        lines: &broadcast::Sender<LogLine>,
    ) -> Result<Self, SpawnError> {
        let leash = Leash::new().map_err(SpawnError::Leash)?;
        let mut command = Command::new(&spec.program);
        command
            .args(&spec.args)
            .process_group(leash.group())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        for (name, _) in std::env::vars_os() {
            if name
                .to_str()
                .is_some_and(|name| WITHHELD_PREFIXES.iter().any(|own| name.starts_with(own)))
            {
                command.env_remove(name);
            }
        }
        command.envs(spec.env.iter().map(|(name, value)| (name, value)));
        let mut child = command
            .spawn()
            .map_err(|error| SpawnError::Program(spec.program.display().to_string(), error))?;

        let module: Arc<str> = module.into();
        let mut outputs = JoinSet::new();
        if let Some(output) = child.stdout.take() {
            outputs.spawn(forward(
                output,
                Arc::clone(&module),
                LogStream::Stdout,
                lines.clone(),
            ));
        }
        if let Some(output) = child.stderr.take() {
            outputs.spawn(forward(output, module, LogStream::Stderr, lines.clone()));
        }
        Ok(Self {
            child,
            leash,
            outputs,
        })
    }

    /// The process id, until its end has been seen by [`Self::wait`].
    pub(crate) fn pid(&self) -> Option<u32> {
        self.child.id()
    }

    /// Asks it to end: only the module's own process, as Docker asks only a container's first.
    pub(crate) fn terminate(&self) {
        let pid = self.pid().and_then(|pid| Pid::from_raw(pid.cast_signed()));
        if let Some(pid) = pid {
            // It is ours and was not waited for yet, so this can reach nobody else, and fails for no reason of use.
            let _ = kill_process(pid, Signal::TERM);
        }
    }

    /// Ends it.
    pub(crate) fn kill(&mut self) {
        // Fails only when it has ended already.
        let _ = self.child.start_kill();
    }

    /// Waits for its end. May be dropped and called again.
    pub(crate) async fn wait(&mut self) -> Exit {
        match self.child.wait().await {
            Ok(status) => exit(status),
            Err(error) => {
                tracing::error!(%error, "Cannot wait for a module's process");
                Exit::NotStarted
            }
        }
    }

    /// Clears up after the end: whatever the module left running is killed, and what it printed is passed on whole.
    pub(crate) async fn finish(mut self) {
        self.leash.release().await;
        let drained = async { while self.outputs.join_next().await.is_some() {} };
        let _ = tokio::time::timeout(OUTPUT_LINGER, drained).await;
    }
}

fn exit(status: ExitStatus) -> Exit {
    match (status.code(), status.signal()) {
        (Some(code), _) => Exit::Code(code),
        (None, Some(signal)) => Exit::Signal(signal),
        (None, None) => Exit::NotStarted,
    }
}
