use std::ffi::OsString;
use std::path::PathBuf;

/// One module of the plan: what to run, with what, when, and what to do when it ends.
#[derive(Clone, Debug)]
pub struct ModuleSpec {
    /// The module's name in the manifest, unique in a plan.
    pub name: String,
    /// The program: a path, or a name looked up in `PATH`.
    pub program: PathBuf,
    /// Arguments after the program's name.
    pub args: Vec<OsString>,
    /// Set on top of the inherited environment; of a name given twice the later value holds, as edgeAgent relies on
    /// when it appends a module's identity to the manifest's own variables.
    pub env: Vec<(String, String)>,
    /// Smaller starts first; equal ones start in the plan's order. Nobody waits for health.
    pub startup_order: u32,
    /// What to do when the module ends by itself.
    pub restart_policy: RestartPolicy,
    /// Whether the manifest wants it running at all.
    pub status: DesiredStatus,
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
