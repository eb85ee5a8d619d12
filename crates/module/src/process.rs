use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use tracing::{error, info};

use crate::environment::{Environment, Lookup, Problems};
use crate::logging;
use crate::memory;
use crate::stop::Stop;

/// A module is connected well before; one that is not yet will touch again what it needs.
const STARTED_WITHIN: Duration = Duration::from_secs(2);

/// Runs a module as a process of its own, to its end.
///
/// Reads the environment, starts to log, runs `run` on one thread, and stops it in order at SIGTERM
/// or SIGINT. Exit codes: 0 stopped as asked, 1 failed, 2 set up wrongly, with every mistake on the
/// standard error stream.
pub fn run_process<C, F>(
    name: &str,
    version: &str,
    configure: impl FnOnce(&Lookup<'_>) -> Result<C, Problems>,
    run: impl FnOnce(C, Stop) -> F,
) -> ExitCode
where
    F: Future<Output = anyhow::Result<()>>,
{
    let lookup = |name: &str| std::env::var(name).ok();
    let mut environment = Environment::new(&lookup);
    let level = logging::level(&mut environment);
    let level = environment.finish(Some(level));
    let config = configure(&lookup);
    let (level, config) = match (level, config) {
        (Ok(level), Ok(config)) => (level, config),
        (level, config) => {
            let problems = [level.err(), config.err()].into_iter().flatten();
            let lines: Vec<_> = problems.map(|problems| problems.to_string()).collect();
            eprintln!("{name} is set up wrongly:\n{}", lines.join("\n"));
            return ExitCode::from(2);
        }
    };
    logging::start(level);
    info!(module = name, version, "starting");

    match run_to_end(config, run) {
        Ok(()) => {
            info!(module = name, "stopped");
            ExitCode::SUCCESS
        }
        Err(error) => {
            error!(module = name, error = format!("{error:#}"), "cannot go on");
            ExitCode::FAILURE
        }
    }
}

fn run_to_end<C, F>(config: C, run: impl FnOnce(C, Stop) -> F) -> anyhow::Result<()>
where
    F: Future<Output = anyhow::Result<()>>,
{
    // Another provider installed before this one, by the program a module runs inside, does as
    // well.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("the runtime cannot be started")?;
    runtime.block_on(async {
        let stop = Stop::at_signal().context("signals cannot be caught")?;
        let started = async {
            tokio::time::sleep(STARTED_WITHIN).await;
            memory::give_back_start();
            std::future::pending::<()>().await;
        };
        tokio::select! {
            ended = run(config, stop) => ended,
            () = started => unreachable!("it never ends"),
        }
    })
}
