//! One run of a module, from its start to its end, whichever way it is run.

use std::error::Error;
use std::time::Duration;

use tokio::sync::broadcast;

use crate::container::Container;
use crate::process::Process;
use crate::{Exit, LogLine, ModuleSpec, Workload};

/// A started module. Dropping a process kills it; a dropped container goes on until its engine is closed or swept.
#[derive(Debug)]
pub(crate) enum Run {
    Process(Box<Process>),
    Container(Box<Container>),
}

impl Run {
    /// # Errors
    /// Why it did not start, as one sentence.
    pub(crate) async fn start(
        spec: &ModuleSpec,
        lines: &broadcast::Sender<LogLine>,
    ) -> Result<Self, String> {
        match &spec.workload {
            Workload::Process(process) => Process::spawn(&spec.name, process, lines)
                .map(|process| Self::Process(Box::new(process)))
                .map_err(|error| sentence(&error)),
            Workload::Container(container) => Container::start(&spec.name, container, lines)
                .await
                .map(|container| Self::Container(Box::new(container)))
                .map_err(|error| sentence(&error)),
        }
    }

    /// The process id, until its end has been seen by [`Self::wait`].
    pub(crate) fn pid(&self) -> Option<u32> {
        match self {
            Self::Process(process) => process.pid(),
            Self::Container(container) => container.pid(),
        }
    }

    /// Asks it to end.
    pub(crate) async fn terminate(&mut self) {
        match self {
            Self::Process(process) => process.terminate(),
            Self::Container(container) => container.terminate().await,
        }
    }

    /// Ends it.
    pub(crate) async fn kill(&mut self) {
        match self {
            Self::Process(process) => process.kill(),
            Self::Container(container) => container.kill().await,
        }
    }

    /// Waits for its end. May be dropped and called again.
    pub(crate) async fn wait(&mut self) -> Exit {
        match self {
            Self::Process(process) => process.wait().await,
            Self::Container(container) => container.wait().await,
        }
    }

    /// Clears up after the end, and sees that what it printed is passed on whole.
    pub(crate) async fn finish(self) {
        match self {
            Self::Process(process) => process.finish().await,
            Self::Container(container) => container.finish().await,
        }
    }
}

impl Workload {
    /// The time between asking it to end and killing it, where it has its own.
    pub(crate) fn stop_grace(&self) -> Option<Duration> {
        match self {
            Self::Process(_) => None,
            Self::Container(container) => container.stop_grace(),
        }
    }
}

fn sentence(error: &dyn Error) -> String {
    let causes = std::iter::successors(error.source(), |error| (*error).source());
    causes.fold(error.to_string(), |sentence, cause| {
        format!("{sentence}: {cause}")
    })
}
