use serde_json::Value;

use crate::control::{Control, ControlArgs};
use crate::output::{self, JsonArgs};

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Connections end, levers come to rest, and whoever waits for an answer hears that there is none.")]
pub(crate) struct Args {
    #[command(flatten)]
    control: ControlArgs,
    #[command(flatten)]
    json: JsonArgs,
}

pub(crate) async fn run(args: Args) -> anyhow::Result<()> {
    let answer = Control::new(args.control)
        .post(&["reset"], &Value::Null)
        .await?;
    if args.json.json {
        output::document(&answer, args.json)
    } else {
        output::line("everything is as it began")
    }
}
