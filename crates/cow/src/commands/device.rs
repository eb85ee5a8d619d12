use std::path::PathBuf;

use clap::Subcommand;
use serde_json::{Value, json};

use crate::control::{Control, ControlArgs};
use crate::output::{self, FAINT, GOOD, JsonArgs, STRONG, paint};
use crate::pem_file::read as pem;

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Add a device, and modules of it, and print their connection strings
    Add {
        /// Id of the device
        id: String,
        /// A module of the device; may be given several times
        #[arg(long = "module", value_name = "MODULE")]
        modules: Vec<String>,
        /// Make it an Edge device: its modules connect through the simulated Edge hub
        #[arg(long)]
        edge: bool,
        /// Let it sign in with this certificate, in PEM, and no key; given twice, with either
        #[arg(long, value_name = "CERT.pem")]
        x509: Vec<PathBuf>,
        #[command(flatten)]
        control: ControlArgs,
        #[command(flatten)]
        json: JsonArgs,
    },
    /// List devices and modules, and whether they are connected
    List {
        #[command(flatten)]
        control: ControlArgs,
        #[command(flatten)]
        json: JsonArgs,
    },
    /// Remove a device with its modules and twins
    Remove {
        /// Id of the device
        id: String,
        #[command(flatten)]
        control: ControlArgs,
    },
}

pub(crate) async fn run(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Add {
            id,
            modules,
            edge,
            x509,
            control,
            json,
        } => {
            let mut body = json!({ "deviceId": id, "edge": edge, "modules": modules });
            if !x509.is_empty() {
                let certificates: Result<Vec<_>, _> = x509.iter().map(|file| pem(file)).collect();
                body["x509"] = json!({ "certificates": certificates? });
            }
            let added = Control::new(control).post(&["devices"], &body).await?;
            show_added(&added, json)
        }
        Command::List { control, json } => {
            let devices = Control::new(control).get(&["devices"]).await?;
            show_list(devices.as_array().map_or(&[], Vec::as_slice), json)
        }
        Command::Remove { id, control } => {
            Control::new(control).delete(&["devices", &id]).await?;
            Ok(())
        }
    }
}

fn show_added(added: &Value, json: JsonArgs) -> anyhow::Result<()> {
    if json.json {
        return output::document(added, json);
    }
    output::line(text(added, "connectionString"))?;
    for module in items(added, "modules") {
        output::line(text(module, "connectionString"))?;
    }
    Ok(())
}

fn show_list(devices: &[Value], json: JsonArgs) -> anyhow::Result<()> {
    for device in devices {
        if json.json {
            output::document(device, json)?;
            continue;
        }
        let kind = if device["edge"] == true {
            "edge device"
        } else {
            "device"
        };
        let name = paint(text(device, "deviceId"), STRONG);
        output::line(&format!(
            "{} {name}  {}",
            connected(device),
            paint(kind, FAINT)
        ))?;
        // The Edge runtime's own, `$edgeAgent` and `$edgeHub`, are part of being an Edge device.
        let modules =
            items(device, "modules").filter(|module| !text(module, "moduleId").starts_with('$'));
        for module in modules {
            output::line(&format!(
                "  {} {}",
                connected(module),
                text(module, "moduleId")
            ))?;
        }
    }
    Ok(())
}

fn connected(identity: &Value) -> String {
    if identity["connected"] == true {
        paint("●", GOOD)
    } else {
        paint("○", FAINT)
    }
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_default()
}

fn items<'a>(value: &'a Value, key: &str) -> impl Iterator<Item = &'a Value> {
    value[key].as_array().into_iter().flatten()
}
