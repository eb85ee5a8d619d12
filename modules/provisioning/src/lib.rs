//! Bay module provisioning: who this device is; stock to project and back.
//!
//! A change of identity is a pure state machine ([`identity::Identity`]); what it does to the disk goes
//! through the [`journal`], so that a power cut at any instant leaves the old identity or the new one.
//! [`run`] owns the loop. It runs twice on a device, and is the same program both times: as a service of
//! the host, which is there before the device has any identity, takes the first one, serves the [`portal`]
//! and has the Edge runtime take what was written; and as a module of the Edge runtime, which hears the
//! hub's methods and asks the bay's other modules. Both work on the same files, under one lock.
//!
//! It does *not* decide who a device may become: whoever hands it a registration does. It never connects as
//! the device but once, to see whether a new identity is let in.
//!
//! **Invariants:** whenever the power goes, the device comes up with the old or the new identity, whole,
//! and the journal says which. No key is in any log, answer, report or page.

pub mod apply;
pub mod card;
pub mod cloud;
pub mod config;
pub mod desk;
mod device;
pub mod disk;
pub mod edge_config;
pub mod files;
pub mod identity;
pub mod journal;
pub mod kept;
pub mod neighbour;
pub mod parts;
pub mod portal;
pub mod reboot;
pub mod registration;
pub mod report;
mod run;
pub mod serial;
pub mod settings;
pub mod sign_in;
pub mod view;

use std::process::ExitCode;

pub use config::Config;
pub use run::{Surroundings, run, run_in};

/// Runs the module as a process: environment in, exit code out.
pub fn entry() -> ExitCode {
    module::run_process(
        "provisioning",
        env!("CARGO_PKG_VERSION"),
        Config::from_env,
        run,
    )
}
