use std::time::Duration;

use anyhow::bail;
use clap::ValueEnum;
use serde_json::Value;

use super::event_filter::EventFilterArgs;
use crate::control::{Control, ControlArgs};
use crate::output::{self, FAINT, JsonArgs, STRONG, paint};

#[derive(Debug, clap::Args)]
#[command(
    after_help = "Runs until interrupted. With --count and --timeout it fails when fewer messages came in time."
)]
pub(crate) struct Args {
    /// Only this device and its modules
    #[arg(long, value_name = "ID")]
    device: Option<String>,
    /// What arrives at a custom endpoint of the hub's routing, not at the built-in one
    #[arg(long, value_name = "NAME")]
    endpoint: Option<String>,
    /// Only this module, of the device or of any
    #[arg(long, value_name = "ID")]
    module: Option<String>,
    #[command(flatten)]
    filter: EventFilterArgs,
    /// Only what came at this time or later, like 2026-11-21T18:20:00Z
    #[arg(long, value_name = "TIME")]
    after: Option<String>,
    /// Only what came before this time
    #[arg(long, value_name = "TIME")]
    before: Option<String>,
    /// Where to begin: with the next message, or with the oldest kept
    #[arg(long, value_enum, default_value_t = From::Latest)]
    from: From,
    /// End after this many messages
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    count: Option<u64>,
    /// End after this many seconds
    #[arg(long, value_name = "S")]
    timeout: Option<u32>,
    #[command(flatten)]
    control: ControlArgs,
    #[command(flatten)]
    json: JsonArgs,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum From {
    Latest,
    Earliest,
}

pub(crate) async fn run(args: Args) -> anyhow::Result<()> {
    let mut seen = 0;
    let timeout = args
        .timeout
        .map(|seconds| Duration::from_secs(seconds.into()));
    let count = args.count;
    tokio::select! {
        ended = follow(args, &mut seen) => return ended,
        interrupted = tokio::signal::ctrl_c() => return Ok(interrupted?),
        () = expire(timeout) => {}
    }
    match count {
        Some(count) => bail!("{seen} of {count} messages came in time"),
        None => Ok(()),
    }
}

async fn follow(args: Args, seen: &mut u64) -> anyhow::Result<()> {
    let from = match args.from {
        From::Latest => "latest",
        From::Earliest => "earliest",
    };
    let mut query = vec![("from", from)];
    if let Some(device) = &args.device {
        query.push(("device", device));
    }
    if let Some(endpoint) = &args.endpoint {
        query.push(("endpoint", endpoint));
    }
    let texts = [
        ("module", &args.module),
        ("after", &args.after),
        ("before", &args.before),
    ];
    query.extend(
        texts
            .into_iter()
            .filter_map(|(name, text)| Some((name, text.as_deref()?))),
    );
    query.extend(args.filter.parameters());
    let mut events = Control::new(args.control)
        .follow(&["events"], &query)
        .await?;
    while let Some(event) = events.next().await? {
        if args.json.json {
            output::document(&event, args.json)?;
        } else {
            output::line(&describe(&event))?;
        }
        *seen += 1;
        if args.count.is_some_and(|count| *seen >= count) {
            return Ok(());
        }
    }
    bail!("the simulator has ended");
}

async fn expire(after: Option<Duration>) {
    match after {
        Some(after) => tokio::time::sleep(after).await,
        None => std::future::pending().await,
    }
}

pub(crate) fn describe(event: &Value) -> String {
    let mut line = paint(event["enqueuedTime"].as_str().unwrap_or_default(), FAINT);
    let mut sender = event["deviceId"].as_str().unwrap_or_default().to_owned();
    if let Some(module) = event["moduleId"].as_str() {
        sender = format!("{sender}/{module}");
    }
    line = format!("{line} {} ", paint(&sender, STRONG));
    match &event["body"] {
        Value::String(text) => line.push_str(text),
        body => line.push_str(&body.to_string()),
    }
    for (name, value) in event["properties"].as_object().into_iter().flatten() {
        let value = value.as_str().unwrap_or_default();
        line = format!("{line} {}", paint(&format!("{name}={value}"), FAINT));
    }
    line
}
