//! `cow bench street`: how fast a street is ready, and what its processes hold in memory.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::time::sleep;

use super::servers::memory;
use crate::control::Control;
use crate::output::{JsonArgs, STRONG, line, paint};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// How often to start a street
    #[arg(long, default_value_t = 5)]
    starts: usize,
    /// Run modules by the binaries in this directory, as their containers do, instead of by this one
    #[arg(long, value_name = "DIR")]
    binaries: Option<PathBuf>,
    #[command(flatten)]
    json: JsonArgs,
}

/// After this, what starting needed has been given back.
const SETTLED: Duration = Duration::from_secs(3);

pub(crate) async fn run(args: Args) -> Result<()> {
    let mut times = Vec::with_capacity(args.starts);
    let mut last = None;
    for _ in 0..args.starts.max(1) {
        if let Some((process, _)) = last.take() {
            stop(process).await?;
        }
        let begun = Instant::now();
        last = Some(start(args.binaries.as_deref()).await?);
        times.push(begun.elapsed());
    }
    let (process, ready) = last.context("no street was started")?;
    sleep(SETTLED).await;
    let figures = figures(&process, &ready).await;
    stop(process).await?;
    times.sort_unstable();
    let median = times[times.len() / 2].as_secs_f64();
    let longest = times[times.len() - 1].as_secs_f64();
    if args.json.json {
        return line(
            &json!({"readySeconds": median, "longestSeconds": longest, "processes": figures?})
                .to_string(),
        );
    }
    line(&format!(
        "From start to {}, {} starts: median {median:.2} s, longest {longest:.2} s",
        // Whether a program that is not cow's own ever says something, cow cannot know.
        if args.binaries.is_none() {
            "every module's first message at the hub"
        } else {
            "every module's process"
        },
        times.len()
    ))?;
    line(&paint("process            resident   its share", STRONG))?;
    for process in figures? {
        let mib = |name: &str| process[name].as_f64().unwrap_or_default() / 1024.0;
        let name = process["name"].as_str().unwrap_or_default();
        line(&format!(
            "{name:<16}  {:>5.1} MiB   {:>5.1} MiB",
            mib("residentKib"),
            mib("shareKib")
        ))?;
    }
    line(
        "Its share counts what several processes map of one file for each in part, as the kernel's PSS does.",
    )
}

async fn start(binaries: Option<&Path>) -> Result<(Child, Value)> {
    let mut command =
        Command::new(std::env::current_exe().context("cannot tell where this program is")?);
    command.args(["up", "--headless", "--json", "--port-base", "0"]);
    for module in ["hc-sr04", "light", "battery", "provisioning"] {
        if let Some(directory) = binaries {
            let program = directory.join(module).canonicalize().with_context(|| {
                format!(
                    "{} is not there: build it with `cargo build --release -p {module}`",
                    directory.join(module).display()
                )
            })?;
            // Without `exec` the shell would stay between, and be measured.
            command
                .arg("--exec")
                .arg(format!("{module}=exec {}", program.display()));
        }
    }
    let mut process = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    let stdout = process
        .stdout
        .take()
        .context("the street has no standard output")?;
    let mut text = String::new();
    BufReader::new(stdout).read_line(&mut text).await?;
    let ready = serde_json::from_str(&text).context("`cow up` did not come up")?;
    Ok((process, ready))
}

async fn figures(street: &Child, ready: &Value) -> Result<Vec<Value>> {
    let control = ready["control"].as_str().context("no control URL")?;
    let processes = Control::at(control.to_owned()).get(&["processes"]).await?;
    let own = street.id().context("the street has ended")?;
    let mut figures = vec![figure("cow up", own)?];
    for process in processes.as_array().into_iter().flatten() {
        let pid = process["pid"]
            .as_u64()
            .and_then(|pid| u32::try_from(pid).ok());
        let name = process["module"].as_str().unwrap_or_default();
        figures.push(figure(
            name,
            pid.with_context(|| format!("{name} does not run"))?,
        )?);
    }
    Ok(figures)
}

fn figure(name: &str, process: u32) -> Result<Value> {
    let (resident, share) = memory(process)?;
    Ok(json!({"name": name, "residentKib": resident, "shareKib": share}))
}

async fn stop(mut process: Child) -> Result<()> {
    // The street ends its modules when it goes, however it goes.
    process.kill().await.context("cannot end the street")
}
