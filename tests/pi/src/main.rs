//! The first process of an emulated machine: makes its GPIO, I2C and SPI, plays the sensor, and holds the board's Linux
//! adapters against what it played.
//!
//! Prints one line for each check and `N passed, N failed` as the last one, then turns the machine off. `run` beside
//! this crate builds the machine and starts it; `containers` and `figures` do the same with their names as argument.

mod containers;
mod echoes;
mod figures;
mod gauges;
mod lamps;
mod machine;
mod programs;
mod sensor;
mod strips;
mod trace;

use std::future::Future;
use std::process::ExitCode;

use anyhow::Context;
use machine::Machine;
use rustix::system::{RebootCommand, reboot};

/// Counts what went well.
#[derive(Debug, Default)]
struct Checks {
    passed: u32,
    failed: u32,
}

impl Checks {
    async fn check(&mut self, name: &str, check: impl Future<Output = anyhow::Result<()>>) {
        match check.await {
            Ok(()) => {
                println!("ok: {name}");
                self.passed += 1;
            }
            Err(error) => {
                println!("FAILED: {name}: {error:#}");
                self.failed += 1;
            }
        }
    }
}

fn main() -> ExitCode {
    if std::process::id() != 1 {
        eprintln!("this is the first process of an emulated machine: start tests/pi/run");
        return ExitCode::from(2);
    }
    let checks = run().unwrap_or_else(|error| {
        println!("FAILED: the machine: {error:#}");
        Checks {
            passed: 0,
            failed: 1,
        }
    });
    println!("{} passed, {} failed", checks.passed, checks.failed);
    // Nothing is left to do for a machine that cannot be turned off: whoever started it has a time limit.
    let _ = reboot(RebootCommand::PowerOff);
    ExitCode::FAILURE
}

fn run() -> anyhow::Result<Checks> {
    let machine = Machine::set_up()?;
    let what = std::env::args().nth(1);
    if what.as_deref() == Some("figures") {
        figures::print(&machine)?;
        return Ok(Checks {
            passed: 1,
            failed: 0,
        });
    }
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("a runtime")?
        .block_on(async {
            let mut checks = Checks::default();
            if what.as_deref() == Some("containers") {
                containers::check(&machine, &mut checks).await?;
                return Ok(checks);
            }
            echoes::check(&machine, &mut checks).await?;
            lamps::check(&machine, &mut checks).await;
            strips::check(&machine, &mut checks).await;
            gauges::check(&machine, &mut checks).await;
            Ok(checks)
        })
}
