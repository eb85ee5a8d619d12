use std::path::PathBuf;

use anyhow::Context;
use serde_json::Value;

use crate::control::{Control, ControlArgs};
use crate::output::{self, JsonArgs};

#[derive(Debug, clap::Args)]
#[command(after_help = "\
What is there stays, what is missing is made. When something is there otherwise, or the file has a mistake, nothing \
changes, and every place of it is told.")]
pub(crate) struct Args {
    /// JSON, as docs/testing.md describes it
    file: PathBuf,
    #[command(flatten)]
    control: ControlArgs,
    #[command(flatten)]
    json: JsonArgs,
}

pub(crate) async fn run(args: Args) -> anyhow::Result<()> {
    let text = std::fs::read_to_string(&args.file)
        .with_context(|| format!("cannot read the seed {}", args.file.display()))?;
    let answer = Control::new(args.control)
        .put_text(&["seed"], text)
        .await
        .with_context(|| format!("{} changes nothing", args.file.display()))?;
    if args.json.json {
        return output::document(&answer, args.json);
    }
    let made: Vec<&str> = answer["made"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    match made.is_empty() {
        true => output::line("everything was there"),
        false => made
            .iter()
            .try_for_each(|entry| output::line(&format!("made {entry}"))),
    }
}
