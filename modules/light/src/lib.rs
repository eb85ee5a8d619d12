//! Bay module light: occupancy, booking and health in, colour and pattern out.
//!
//! What the lamp says is a pure function ([`sign::sign`]); how it looks through time is a pure
//! state machine ([`lamp::Lamp`]); who the bay is kept for is a pure ledger ([`booking::Ledger`]).
//! [`run`] owns the loop, [`painter`] the board's lamp, and the crate `module` brings settings,
//! state and the link to the hub.
//!
//! It does *not* measure anything and does not know where its messages come from: routes bring
//! them.
//!
//! **Invariants:** a bay nobody knows about never looks free. A booking is on disk before it is
//! answered.

pub mod booking;
pub mod kept;
pub mod lamp;
pub mod painter;
mod run;
pub mod settings;
pub mod sign;

use std::process::ExitCode;

pub use run::run;

/// What the module is given from outside.
pub type Config = module::Config<settings::Settings>;

/// Runs the module as a process: environment in, exit code out.
pub fn entry() -> ExitCode {
    module::run_process("light", env!("CARGO_PKG_VERSION"), Config::from_env, run)
}
