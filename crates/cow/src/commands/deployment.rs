use std::path::PathBuf;

use clap::Subcommand;
use hub_proto::identity::Identity;
use serde_json::{Value, json};

use crate::control::{Control, ControlArgs, path_of};
use crate::deployment;
use crate::output::{self, BAD, FAINT, GOOD, JsonArgs, paint};

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Put a deployment on an Edge device
    #[command(after_help = "Example: cow deployment apply bay-01 deployment.template.json")]
    Apply {
        /// Id of the device
        device: String,
        /// Template or manifest
        #[arg(value_name = "FILE")]
        manifest: PathBuf,
        #[command(flatten)]
        control: ControlArgs,
    },
    /// Print what an Edge device was told to run, and how that is, as its agent reports it
    Show {
        /// Id of the device
        device: String,
        #[command(flatten)]
        control: ControlArgs,
        #[command(flatten)]
        json: JsonArgs,
    },
}

pub(crate) async fn run(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Apply {
            device,
            manifest,
            control,
        } => {
            let content = deployment::load(Some(&manifest))?.content;
            Control::new(control)
                .post(&["devices", &device, "deployment"], &content)
                .await?;
            Ok(())
        }
        Command::Show {
            device,
            control,
            json,
        } => {
            let agent = Identity::module(device.as_str(), "$edgeAgent")?;
            let twin = Control::new(control).get(&path_of("twins", &agent)).await?;
            let state = state(&twin);
            if json.json {
                return output::document(&state, json);
            }
            show(&state)
        }
    }
}

/// The part of an agent's twin that says how far the device is.
fn state(twin: &Value) -> Value {
    let (desired, reported) = (
        &twin["properties"]["desired"],
        &twin["properties"]["reported"],
    );
    let version = &desired["$version"];
    let modules = reported["modules"].as_object().into_iter().flatten();
    let modules = modules.map(|(name, module)| {
        json!({
            "moduleId": name,
            "image": module["settings"]["image"],
            "runtimeStatus": module["runtimeStatus"],
            "statusDescription": module["statusDescription"],
            "restartCount": module["restartCount"],
        })
    });
    json!({
        "deviceId": twin["deviceId"],
        "desiredVersion": version,
        "lastDesiredVersion": reported["lastDesiredVersion"],
        "lastDesiredStatus": reported["lastDesiredStatus"],
        "upToDate": reported["lastDesiredVersion"] == *version,
        "configurations": twin["configurations"],
        "modules": modules.collect::<Vec<_>>(),
    })
}

fn show(state: &Value) -> anyhow::Result<()> {
    let status = &state["lastDesiredStatus"];
    let description = status["description"].as_str().unwrap_or_default();
    let said = match (&state["upToDate"], status["code"].as_i64()) {
        (_, None) => "the agent has not reported yet".to_owned(),
        (Value::Bool(true), Some(200)) => "in effect".to_owned(),
        (Value::Bool(true), Some(code)) => format!("refused or failed with {code}: {description}"),
        (_, Some(code)) => format!("not looked at yet; the one before had {code}"),
    };
    output::line(&format!("version {}: {said}", state["desiredVersion"]))?;
    for module in state["modules"].as_array().into_iter().flatten() {
        let text = |key: &str| module[key].as_str().unwrap_or_default();
        let dot = match text("runtimeStatus") {
            "running" => paint("●", GOOD),
            "failed" | "backoff" => paint("●", BAD),
            _ => paint("○", FAINT),
        };
        let about = paint(
            &format!("{}, {}", text("runtimeStatus"), text("statusDescription")),
            FAINT,
        );
        output::line(&format!("  {dot} {}  {about}", text("moduleId")))?;
    }
    Ok(())
}
