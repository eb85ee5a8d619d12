use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;

use crate::ContainerSpec;

/// One module of the plan: what to run, with what, when, and what to do when it ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ModuleSpec {
    /// The module's name in the manifest, unique in a plan.
    pub name: String,
    /// What is run for it.
    pub workload: Workload,
    /// Smaller starts first; equal ones start in the plan's order. Nobody waits for health.
    pub startup_order: u32,
    /// What to do when the module ends by itself.
    pub restart_policy: RestartPolicy,
    /// Whether the manifest wants it running at all.
    pub status: DesiredStatus,
}

/// What is run for a module. One plan may have both kinds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Workload {
    /// A process of this machine.
    Process(ProcessSpec),
    /// A container of this machine's engine.
    Container(Box<ContainerSpec>),
}

/// A program to run as a process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProcessSpec {
    /// The program: a path, or a name looked up in `PATH`.
    pub program: PathBuf,
    /// Arguments after the program's name.
    pub args: Vec<OsString>,
    /// Set on top of the inherited environment; of a name given twice the later value holds, as edgeAgent relies on
    /// when it appends a module's identity to the manifest's own variables.
    pub env: Vec<(String, String)>,
}

/// The manifest's `restartPolicy`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RestartPolicy {
    /// Once ended, it stays so.
    Never,
    /// Restart after a non-zero exit or a signal.
    OnFailure,
    /// As `OnFailure`, and when a health probe fails; processes have no probe. edgeAgent's default.
    #[default]
    OnUnhealthy,
    /// Restart whatever the exit was.
    Always,
}

/// The manifest's `status`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DesiredStatus {
    /// Keep it running.
    #[default]
    Running,
    /// Know it, but leave it stopped until told otherwise.
    Stopped,
}

/// What leads from one plan to another.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Transition {
    /// Modules to be ended, by name: those that are gone, and those that change.
    pub end: Vec<String>,
    /// Modules to be started, in start-up order: those that are new, and those that changed.
    pub begin: Vec<ModuleSpec>,
}

impl Transition {
    /// Compares what runs with what is wanted. A module that is to run as it does is left alone; when it would be started
    /// is no difference once it has been.
    pub(crate) fn between(running: &BTreeMap<String, ModuleSpec>, wanted: Vec<ModuleSpec>) -> Self {
        let is_same = |one: &ModuleSpec, other: &ModuleSpec| {
            let startup_order = one.startup_order;
            *one == ModuleSpec {
                startup_order,
                ..other.clone()
            }
        };
        let stays = |name: &str, spec: &ModuleSpec| {
            let found = wanted.iter().find(|wanted| wanted.name == name);
            found.is_some_and(|wanted| is_same(spec, wanted))
        };
        let ending = running.iter().filter(|(name, spec)| !stays(name, spec));
        let end: Vec<String> = ending.map(|(name, _)| name.clone()).collect();
        let mut begin = wanted;
        begin.retain(|spec| !running.contains_key(&spec.name) || end.contains(&spec.name));
        begin.sort_by_key(|spec| spec.startup_order);
        Self { end, begin }
    }
}

#[cfg(test)]
mod tests;
