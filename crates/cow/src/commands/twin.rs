use clap::Subcommand;
use serde_json::{Map, Value, json};

use crate::control::{Control, ControlArgs};
use crate::output::{self, JsonArgs};
use crate::target::{Target, json_object};

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Print a twin
    Get {
        /// DEVICE or DEVICE/MODULE
        target: Target,
        #[command(flatten)]
        control: ControlArgs,
        #[command(flatten)]
        json: JsonArgs,
    },
    /// Merge a JSON object into a twin's desired properties and print the twin; null removes a key
    #[command(after_help = "Example: cow twin patch bay-01/light '{\"brightnessPercent\": 40}'")]
    Patch {
        /// DEVICE or DEVICE/MODULE
        target: Target,
        /// What to merge
        #[arg(value_name = "JSON", value_parser = json_object)]
        patch: Map<String, Value>,
        /// Merge into the tags instead
        #[arg(long)]
        tags: bool,
        #[command(flatten)]
        control: ControlArgs,
        #[command(flatten)]
        json: JsonArgs,
    },
}

pub(crate) async fn run(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Get {
            target,
            control,
            json,
        } => {
            let twin = Control::new(control).get(&target.path("twins")).await?;
            output::document(&twin, json)
        }
        Command::Patch {
            target,
            patch,
            tags,
            control,
            json,
        } => {
            let section = if tags { "tags" } else { "desired" };
            let twin = Control::new(control)
                .patch(&target.path("twins"), &json!({ section: patch }))
                .await?;
            output::document(&twin, json)
        }
    }
}
