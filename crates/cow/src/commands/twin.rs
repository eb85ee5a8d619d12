use clap::Subcommand;
use hub_proto::identity::Identity;
use serde_json::{Map, Value, json};

use crate::control::{Control, ControlArgs, path_of};
use crate::json_arg;
use crate::output::{self, JsonArgs};

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Print a twin
    Get {
        /// DEVICE or DEVICE/MODULE
        target: Identity,
        #[command(flatten)]
        control: ControlArgs,
        #[command(flatten)]
        json: JsonArgs,
    },
    /// Merge a JSON object into a twin's desired properties and print the twin; null removes a key
    #[command(after_help = "Example: cow twin patch bay-01/light '{\"freeColour\": \"blue\"}'")]
    Patch {
        /// DEVICE or DEVICE/MODULE
        target: Identity,
        /// What to merge
        #[arg(value_name = "JSON", value_parser = json_arg::object)]
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
            let twin = Control::new(control)
                .get(&path_of("twins", &target))
                .await?;
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
                .patch(&path_of("twins", &target), &json!({ section: patch }))
                .await?;
            output::document(&twin, json)
        }
    }
}
