//! `cow bench fleet`: how soon the operator's service is ready, and what it holds in memory while nothing happens.

use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::time::sleep;

use super::servers::{memory, simulator};
use crate::commands::fleet;
use crate::output::{JsonArgs, line};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// How often to start it, each time with a new database
    #[arg(long, default_value_t = 5)]
    starts: usize,
    #[command(flatten)]
    json: JsonArgs,
}

/// After this, what starting needed has been given back, and the hub's events are being read.
const SETTLED: Duration = Duration::from_secs(5);

pub(crate) async fn run(args: Args) -> Result<()> {
    let directory = tempfile::tempdir().context("cannot make a temporary directory")?;
    let (mut hub, ready) = simulator(&directory.path().join("hub")).await?;
    let mut times = Vec::with_capacity(args.starts);
    let mut last = None;
    for number in 0..args.starts.max(1) {
        if let Some(process) = last.take() {
            stop(process).await?;
        }
        let database = directory.path().join(format!("{number}.db"));
        let begun = Instant::now();
        last = Some(start(&ready, &database).await?);
        times.push(begun.elapsed());
    }
    let process = last.context("none was started")?;
    sleep(SETTLED).await;
    let (resident, share) = memory(process.id().context("the service has ended")?)?;
    stop(process).await?;
    hub.kill().await.context("cannot end the simulator")?;
    times.sort_unstable();
    let median = times[times.len() / 2].as_secs_f64();
    let longest = times[times.len() - 1].as_secs_f64();
    if args.json.json {
        let figures = json!({
            "readySeconds": median, "longestSeconds": longest, "residentKib": resident, "shareKib": share,
        });
        return line(&figures.to_string());
    }
    let mib = |kib: u64| kib as f64 / 1024.0;
    line(&format!(
        "From start to ready with a new database, {} starts: median {median:.2} s, longest {longest:.2} s",
        times.len()
    ))?;
    line(&format!(
        "Idle, reading events: {:.1} MiB resident, {:.1} MiB of it its own share",
        mib(resident),
        mib(share)
    ))
}

async fn start(ready: &Value, database: &Path) -> Result<Child> {
    let program = std::env::current_exe().context("cannot tell where this program is")?;
    let mut process = Command::new(program)
        .args(["fleet", "--json", "--listen", "127.0.0.1:0"])
        .envs(fleet::environment(ready)?)
        .env(
            "COW_FLEET_DATABASE",
            format!("sqlite:{}", database.display()),
        )
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    let stdout = process.stdout.take().context("it has no standard output")?;
    let mut text = String::new();
    BufReader::new(stdout).read_line(&mut text).await?;
    let _: fleet::Ready = serde_json::from_str(&text).context("`cow fleet` did not come up")?;
    Ok(process)
}

async fn stop(mut process: Child) -> Result<()> {
    process.kill().await.context("cannot end the service")
}
