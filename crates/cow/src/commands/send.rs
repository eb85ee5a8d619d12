use serde_json::{Map, Value, json};

use crate::control::{Control, ControlArgs};
use crate::output::{self, JsonArgs};

#[derive(Debug, clap::Args)]
#[command(after_help = "Prints the id of the message.")]
pub(crate) struct Args {
    /// Id of the device
    device: String,
    /// Body, as it is to arrive
    body: String,
    /// An application property; may be given several times
    #[arg(long = "property", value_name = "NAME=VALUE", value_parser = property)]
    properties: Vec<(String, String)>,
    /// Ask for feedback on what becomes of it; `GET /messages/serviceBound/feedback` of the hub has it
    #[arg(long, value_name = "ENDS", value_parser = ["none", "positive", "negative", "full"])]
    ack: Option<String>,
    #[command(flatten)]
    control: ControlArgs,
    #[command(flatten)]
    json: JsonArgs,
}

pub(crate) async fn run(args: Args) -> anyhow::Result<()> {
    let properties: Map<_, _> = args
        .properties
        .into_iter()
        .map(|(name, value)| (name, Value::String(value)))
        .collect();
    let mut message = json!({ "body": args.body, "properties": properties });
    if let Some(ack) = args.ack {
        message["ack"] = ack.into();
    }
    let taken = Control::new(args.control)
        .post(&["messages", &args.device], &message)
        .await?;
    if args.json.json {
        return output::document(&taken, args.json);
    }
    output::line(taken["messageId"].as_str().unwrap_or_default())
}

fn property(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.into(), value.into())),
        _ => Err("write it as NAME=VALUE".into()),
    }
}
