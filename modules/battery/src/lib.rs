//! Bay module battery: charge and supply health, low-charge alarm.
//!
//! When the gauge is asked, what is believed and when an alarm begins or ends is pure
//! ([`charge::Charge`]). [`prober`] asks the gauge, [`run`] owns the loop, and the crate `module`
//! brings settings, state and the link to the hub.
//!
//! It does *not* switch anything off, and does not guess a charge from a voltage.
//!
//! **Invariant:** a level carries what one plausible reading said, or nothing.

pub mod charge;
pub mod prober;
pub mod quality;
mod run;
pub mod settings;

use std::process::ExitCode;

pub use run::run;

/// What the module is given from outside.
pub type Config = module::Config<settings::Settings>;

/// Runs the module as a process: environment in, exit code out.
pub fn entry() -> ExitCode {
    module::run_process("battery", env!("CARGO_PKG_VERSION"), Config::from_env, run)
}
