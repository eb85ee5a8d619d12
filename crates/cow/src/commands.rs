//! One file per command: its arguments, and what it does with them.

pub(crate) mod device;
pub(crate) mod method;
pub(crate) mod monitor;
pub(crate) mod send;
pub(crate) mod twin;

use std::process::ExitCode;

use anyhow::Context;
use tokio::runtime;

use crate::cli::Command;

/// Runs a command on the runtime that suits it: whoever serves gets workers, whoever asks does not pay for them.
pub(crate) fn run(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Device(command) => ask(device::run(command)),
        Command::Monitor(args) => ask(monitor::run(args)),
        Command::Twin(command) => ask(twin::run(command)),
        Command::Method(args) => ask(method::run(args)),
        Command::Send(args) => ask(send::run(args)),
    }
}

fn ask(command: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<ExitCode> {
    runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the async runtime")?
        .block_on(command)?;
    Ok(ExitCode::SUCCESS)
}
