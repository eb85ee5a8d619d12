//! What the process of every bay module does alike, so that a module's own code is about its bay.
//!
//! - [`run_process`]: logging, the stop signal, the runtime, the exit code.
//! - [`Config`], [`Environment`] and [`Station`]: settings from outside, every mistake told at once.
//! - [`StateDir`] and [`StateFile`]: what a restart must find again.
//! - [`Link`]: the hub, with settings taken and answered the Plug and Play way.
//! - [`Answer`]: what a method's caller is told.
//! - [`Clock`]: the one place that knows what time it is.
//!
//! It is *not* a framework: a module has its own loop and owns its own state. Nothing here knows
//! what a bay, a lamp or a battery does.
//!
//! **Invariant:** the time, the environment, the file system and the network reach a module through
//! this crate and the board, and nowhere else.

mod boot;
mod clock;
mod config;
mod environment;
mod fault;
mod link;
mod logging;
mod memory;
mod method;
mod process;
mod reporter;
mod state;
mod stop;

pub use boot::Boot;
pub use clock::Clock;
pub use config::Config;
pub use environment::{Environment, Lookup, Problems, Station};
pub use hub_client::error_chain;
pub use link::{About, Connection, Link, News};
pub use method::{Answer, argument, bounded};
pub use process::run_process;
pub use state::{StateDir, StateError, StateFile};
pub use stop::Stop;
