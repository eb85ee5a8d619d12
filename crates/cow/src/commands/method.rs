use std::time::Duration;

use hub_proto::identity::Identity;
use serde_json::{Value, json};

use crate::control::{Control, ControlArgs, path_of};
use crate::json_arg;
use crate::output::{self, JsonArgs, STRONG, paint};

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example: cow method bay-01/light book '{\"bookingId\": \"b-1\", \"until\": \"2030-01-01T12:00:00Z\"}'

The exit code says whether there was an answer, not whether the module liked the request: that is the status.")]
pub(crate) struct Args {
    /// DEVICE or DEVICE/MODULE
    target: Identity,
    /// Name of the method
    name: String,
    /// Payload; null when left out
    #[arg(value_name = "JSON", value_parser = json_arg::any)]
    payload: Option<Value>,
    /// How long the method may take to answer, in seconds
    #[arg(long, value_name = "S", default_value_t = 30, value_parser = clap::value_parser!(u16).range(5..=300))]
    response_timeout: u16,
    /// How long to wait for the target to be connected, in seconds
    #[arg(long, value_name = "S", default_value_t = 0, value_parser = clap::value_parser!(u16).range(0..=300))]
    connect_timeout: u16,
    #[command(flatten)]
    control: ControlArgs,
    #[command(flatten)]
    json: JsonArgs,
}

pub(crate) async fn run(args: Args) -> anyhow::Result<()> {
    let timeouts = args.response_timeout + args.connect_timeout;
    let answer = Control::new(args.control)
        .with_extra_patience(Duration::from_secs(timeouts.into()))
        .post(
            &path_of("methods", &args.target),
            &json!({
                "methodName": args.name,
                "payload": args.payload,
                "responseTimeoutInSeconds": args.response_timeout,
                "connectTimeoutInSeconds": args.connect_timeout,
            }),
        )
        .await?;
    if args.json.json {
        return output::document(&answer, args.json);
    }
    output::line(&paint(&format!("status {}", answer["status"]), STRONG))?;
    match &answer["payload"] {
        Value::Null => Ok(()),
        payload => output::document(payload, args.json),
    }
}
