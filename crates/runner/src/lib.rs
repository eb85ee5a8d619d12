//! Runs the modules of a deployment manifest on this machine, one process each.
//!
//! It does what edgeAgent does once it has decided *what* should run: start in start-up order, restart by policy with
//! back-off, pass on what modules print, go over to another plan without disturbing those it leaves alone, stop cleanly. It does not read manifests, resolve images or make identities:
//! it is handed a [`ModuleSpec`] per module, complete with command and environment. It also does not probe health:
//! a process has no `HEALTHCHECK`, so `on-unhealthy` restarts in the same cases as `on-failure`.
//!
//! The decisions are in [`supervise`], which is told the time and touches nothing; `process` owns the operating
//! system. A backend for containers replaces `process` (spawn, terminate, kill, wait) and nothing else.
//!
//! **Invariant:** no process started here outlives the runner, even when the runner is killed with SIGKILL; see
//! `leash` for how.

pub mod supervise;

mod backoff;
mod leash;
mod log;
mod module;
mod plan;
mod process;
mod runner;

pub use backoff::Backoff;
pub use log::{LogLine, LogStream};
pub use module::ModuleState;
pub use plan::{DesiredStatus, ModuleSpec, RestartPolicy, Transition};
pub use runner::{CommandError, Modules, Options, PlanError, Runner};
pub use supervise::{Exit, RuntimeStatus};
