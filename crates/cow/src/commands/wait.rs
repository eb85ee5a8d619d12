use std::time::Duration;

use clap::ValueEnum;
use hub_proto::identity::Identity;
use serde_json::Value;
use tokio::time::{Instant, sleep};

use super::event_filter::EventFilterArgs;
use crate::control::{Control, ControlArgs, ControlError};
use crate::output::{self, JsonArgs};

/// How soon one who waits for the simulator itself looks again.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

#[derive(Debug, clap::Args)]
#[command(after_help = "\
With reported, --property and --pointer speak of the reported properties, otherwise of an event.
Ends with 0 when it is so, and with 1 and what is missing when the time is over.
Examples:
  cow wait ready                                     until the simulator answers
  cow wait connected pump7 --timeout 10
  cow wait event pump7 --pointer /level=3 --json     prints the event, and the moment after it
  cow wait event pump7 --since 152.37                the next one after that moment
  cow wait reported pump7 --pointer /interval/value=5")]
pub(crate) struct Args {
    /// What to wait for
    #[arg(value_enum)]
    what: What,
    /// DEVICE or DEVICE/MODULE, or a registration id
    target: Option<Identity>,
    /// How long, in seconds
    #[arg(long, value_name = "S", default_value_t = 30, value_parser = clap::value_parser!(u16).range(0..=300))]
    timeout: u16,
    /// What happened from this moment on counts; without, everything that is kept
    #[arg(long, value_name = "MOMENT")]
    since: Option<String>,
    #[command(flatten)]
    filter: EventFilterArgs,
    /// How many events
    #[arg(long, value_name = "N")]
    count: Option<u16>,
    #[command(flatten)]
    control: ControlArgs,
    #[command(flatten)]
    json: JsonArgs,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum What {
    Ready,
    Connected,
    Disconnected,
    MethodSubscribed,
    Reported,
    Event,
    Registration,
    QueueEmpty,
}

impl What {
    const fn word(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Connected => "connected",
            Self::Disconnected => "disconnected",
            Self::MethodSubscribed => "method-subscribed",
            Self::Reported => "reported",
            Self::Event => "event",
            Self::Registration => "registration",
            Self::QueueEmpty => "queue-empty",
        }
    }
}

pub(crate) async fn run(args: Args) -> anyhow::Result<()> {
    let (timeout, count) = (args.timeout.to_string(), args.count.map(|n| n.to_string()));
    let mut query = vec![("for", args.what.word()), ("timeout", &timeout)];
    if let Some(target) = &args.target {
        query.push(("device", target.device_id()));
        query.extend(target.module_id().map(|module| ("module", module)));
    }
    let texts = [("since", &args.since), ("count", &count)];
    query.extend(
        texts
            .into_iter()
            .filter_map(|(name, text)| Some((name, text.as_deref()?))),
    );
    query.extend(args.filter.parameters());
    let within = Duration::from_secs(args.timeout.into());
    let deadline = Instant::now() + within;
    let control = Control::new(args.control).with_extra_patience(within);
    let answer = loop {
        match control.find(&["wait"], &query).await {
            // It may be starting only now.
            Err(ControlError::NothingRuns(_))
                if args.what == What::Ready && Instant::now() < deadline =>
            {
                sleep(LOOK_AGAIN).await;
            }
            answer => break answer?,
        }
    };
    if args.json.json {
        return output::document(&answer, args.json);
    }
    match &answer["seen"]["events"] {
        Value::Array(events) => events
            .iter()
            .try_for_each(|event| output::line(&super::monitor::describe(event))),
        _ => output::line(&format!(
            "{}, at {}",
            args.what.word(),
            text(&answer["moment"])
        )),
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
