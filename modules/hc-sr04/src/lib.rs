//! Bay module hc-sr04: echo times in, bay free, occupied or unknown out.
//!
//! The decision is pure: [`occupancy::Bay`] is told measurements and the time, and tells reports
//! and when it wants to be asked again. [`sampler`] drives the ranger, [`run`] owns the loop, and
//! the crate `module` brings settings, state and the link to the hub.
//!
//! It does *not* show anything, does not know about bookings, and never guesses: what the sensor
//! did not tell is unknown, with a reason.
//!
//! **Invariant:** a report is on disk before it is sent, so a sequence number is never used twice.

mod fault;
pub mod occupancy;
mod run;
pub mod sample;
pub mod sampler;
pub mod settings;
pub mod survey;
pub mod window;

use std::process::ExitCode;

pub use run::run;

/// What the module is given from outside.
pub type Config = module::Config<settings::Settings>;

/// Runs the module as a process: environment in, exit code out.
pub fn entry() -> ExitCode {
    module::run_process("hc-sr04", env!("CARGO_PKG_VERSION"), Config::from_env, run)
}
