//! `cow bench hub-service`: the simulated hub as back ends use it.
//!
//! Requests go over kept TLS connections to a simulator with a journal. Their peer is the same server asked for what it
//! does not have: what TLS, HTTP and this load cost by themselves. Queries, events, memory and start have no peer that
//! runs offline.

mod events;
mod fleet;
mod queries;
mod requests;

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use probe::Place;
use serde_json::{Value, json};
use tokio::process::Child;

use super::servers::{memory, simulator};
use crate::output::{JsonArgs, line};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// How many connections ask at the same time, one number for each measurement
    #[arg(long, value_delimiter = ',', default_value = "1,10")]
    connections: Vec<usize>,
    /// Seconds per measurement
    #[arg(long, default_value_t = 3)]
    seconds: u64,
    /// Devices in the registry that is weighed, queried and started with
    #[arg(long, default_value_t = 100_000)]
    devices: usize,
    #[command(flatten)]
    json: JsonArgs,
}

impl Args {
    fn length(&self) -> Duration {
        Duration::from_secs(self.seconds)
    }

    /// Prints figures for a program, or else the words for a person.
    fn print(&self, figures: &Value, words: &str) -> Result<()> {
        if self.json.json {
            line(&figures.to_string())
        } else {
            line(words)
        }
    }

    fn heading(&self, words: &str) -> Result<()> {
        if self.json.json {
            return Ok(());
        }
        line(&crate::output::paint(words, crate::output::STRONG))
    }
}

pub(crate) async fn run(args: Args) -> Result<()> {
    let directory = tempfile::tempdir().context("cannot make a temporary directory")?;
    requests::measure(&args, &directory.path().join("requests")).await?;
    events::measure(&args, &directory.path().join("events")).await?;
    let state = directory.path().join("fleet");
    let hub = fleet::weigh(&args, &state).await?;
    queries::measure(&args, &hub.place).await?;
    hub.stop().await?;
    start(&args, &state).await
}

/// A simulator under load.
struct Running {
    process: Child,
    place: Place,
    ready: Value,
}

impl Running {
    async fn start(state: &Path) -> Result<Self> {
        let (process, ready) = simulator(state).await?;
        let place = Place::of(&ready).await?;
        Ok(Self {
            process,
            place,
            ready,
        })
    }

    fn resident_kib(&self) -> Result<u64> {
        let id = self.process.id().context("the simulator has ended")?;
        Ok(memory(id)?.0)
    }

    /// Ends it as a crash would.
    async fn stop(mut self) -> Result<()> {
        self.process
            .kill()
            .await
            .context("cannot end the simulator")
    }
}

/// How soon a simulator is ready that finds all those devices in its state.
async fn start(args: &Args, state: &Path) -> Result<()> {
    const STARTS: usize = 3;
    let mut times = Vec::new();
    let mut resident = 0;
    for _ in 0..STARTS {
        let begun = Instant::now();
        let hub = Running::start(state).await?;
        times.push(begun.elapsed());
        resident = hub.resident_kib()?;
        hub.stop().await?;
    }
    times.sort_unstable();
    let (median, mib) = (times[STARTS / 2].as_secs_f64(), resident as f64 / 1024.0);
    let figures = json!({
        "measure": "start", "devices": args.devices, "readySeconds": median, "residentKib": resident,
    });
    let words = format!(
        "Start with {} devices in --state, {STARTS} times: median {median:.2} s, then {mib:.1} MiB",
        args.devices
    );
    args.print(&figures, &words)
}
