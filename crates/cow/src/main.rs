//! `cow`: the one command line. It starts the street, the simulator or a module, and talks to a running simulator.
//!
//! It is *not* where anything of the product happens: commands read arguments, call a crate, print. Two parts carry
//! weight of their own: `street` (assembles what `cow up` runs) and `page` (what a browser sees).
//!
//! **Invariant:** standard output holds what was asked for and nothing else; logs and complaints go to standard error.
//! Exit codes are 0 (done), 1 (failed) and 2 (used wrongly).

mod banner;
mod card;
mod cli;
mod commands;
mod control;
mod deployment;
mod enrolment_arg;
mod json_arg;
mod logging;
mod output;
mod page;
mod pem_file;
mod place;
mod ports;
mod program;
mod stop;
mod street;

use std::io;
use std::process::ExitCode;

use clap::Parser;

fn main() -> ExitCode {
    // Before anything else is touched, because what was touched stays in a module's memory.
    if let Some(name) = commands::module::only_argument(std::env::args_os()) {
        return commands::module::run(name);
    }
    match commands::run(cli::Cli::parse().command) {
        Ok(code) => code,
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            let used_wrongly = error.is::<output::UsedWrongly>();
            output::complain(&error);
            ExitCode::from(if used_wrongly { 2 } else { 1 })
        }
    }
}

/// Whether whoever read the output has seen enough: `cow monitor | head -1` is no failure.
fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error
        .downcast_ref::<io::Error>()
        .is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}
