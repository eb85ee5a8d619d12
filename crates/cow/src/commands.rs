//! One file per command: its arguments, and what it does with them.

pub(crate) mod bench;
pub(crate) mod board;
pub(crate) mod completion;
pub(crate) mod deployment;
pub(crate) mod device;
pub(crate) mod dps;
mod event_filter;
pub(crate) mod fleet;
pub(crate) mod image;
pub(crate) mod manifest;
pub(crate) mod manual;
pub(crate) mod method;
pub(crate) mod module;
pub(crate) mod monitor;
pub(crate) mod reset;
pub(crate) mod route;
pub(crate) mod seed;
pub(crate) mod send;
pub(crate) mod serve;
pub(crate) mod sim;
pub(crate) mod snapshot;
pub(crate) mod twin;
pub(crate) mod up;
pub(crate) mod wait;

use std::process::ExitCode;

use anyhow::Context;
use tokio::runtime;

use crate::cli::Command;

/// A desk's simulator leaves most of the machine to whoever is at the desk.
const WORKERS: usize = 2;

/// Runs a command on the runtime that suits it: whoever serves gets workers, whoever asks does not pay for them.
pub(crate) fn run(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Up(args) => serve(up::run(args)),
        Command::Sim(args) => serve(sim::run(args)),
        Command::Fleet(args) => serve(fleet::run(args)),
        Command::Module(args) => Ok(module::run(args.name)),
        Command::Manifest(command) => manifest::run(command),
        Command::Completion(args) => completion::run(&args),
        Command::Manual(args) => manual::run(&args),
        Command::Route(command) => route::run(command),
        Command::Bench(command) => serve(bench::run(command)),
        Command::Board(command) => ask(board::run(command)),
        Command::Deployment(command) => ask(deployment::run(command)),
        Command::Device(command) => ask(device::run(command)),
        Command::Dps(command) => ask(dps::run(command)),
        Command::Image(command) => ask(image::run(command)),
        Command::Monitor(args) => ask(monitor::run(args)),
        Command::Twin(command) => ask(twin::run(command)),
        Command::Method(args) => ask(method::run(args)),
        Command::Send(args) => ask(send::run(args)),
        Command::Wait(args) => ask(wait::run(args)),
        Command::Seed(args) => ask(seed::run(args)),
        Command::Reset(args) => ask(reset::run(args)),
        Command::Snapshot(command) => ask(snapshot::run(command)),
    }
}

fn serve(command: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<ExitCode> {
    runtime::Builder::new_multi_thread()
        .worker_threads(WORKERS)
        .enable_all()
        .build()
        .context("cannot start the async runtime")?
        .block_on(command)?;
    Ok(ExitCode::SUCCESS)
}

fn ask(command: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<ExitCode> {
    runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the async runtime")?
        .block_on(command)?;
    Ok(ExitCode::SUCCESS)
}
