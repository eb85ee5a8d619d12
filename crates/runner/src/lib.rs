//! Runs the modules of a deployment manifest on this machine, each as a process or as a container.
//!
//! It does what edgeAgent does once it has decided *what* should run: start in start-up order, restart by policy with
//! back-off, pass on what modules print, go over to another plan without disturbing those it leaves alone, stop cleanly.
//! It does not read manifests or make identities: it is handed a [`ModuleSpec`] per module, complete with command or
//! create options, and environment. It also does not probe health: `on-unhealthy` restarts in the same cases as
//! `on-failure`.
//!
//! The decisions are in [`supervise`], which is told the time and touches nothing; `run` is one run of a module, and the
//! only place that knows there are two ways: `process` owns the operating system, `container` and [`Engine`] speak to the
//! container engine.
//!
//! **Invariant:** no process started here outlives the runner, even when the runner is killed with SIGKILL; see
//! `leash` for how. **Invariant:** a container that does is marked, and removed when the next [`Engine`] is opened.

pub mod supervise;

mod backoff;
mod container;
mod engine;
mod leash;
mod log;
mod module;
mod plan;
mod process;
mod run;
mod runner;

pub use backoff::Backoff;
pub use container::{ContainerSpec, Host, Mount, OptionsError, Stand, Wishes};
pub use engine::{Absent, Credentials, Engine, EngineError, ImageError, Session, Usage};
pub use log::{LogLine, LogStream};
pub use module::ModuleState;
pub use plan::{DesiredStatus, ModuleSpec, ProcessSpec, RestartPolicy, Transition, Workload};
pub use runner::{CommandError, Modules, Options, PlanError, Runner};
pub use supervise::{Exit, RuntimeStatus};
