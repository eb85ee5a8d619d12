use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::Context;
use clap::Subcommand;
use serde_json::{Value, json};

use crate::control::{Control, ControlArgs};
use crate::output::{self, JsonArgs};

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Write the whole state of a running simulator to a file; it holds keys
    Save {
        /// Where to
        file: PathBuf,
        #[command(flatten)]
        control: ControlArgs,
        #[command(flatten)]
        json: JsonArgs,
    },
    /// Put a saved state in the place of what is there; connections end
    Restore {
        /// Where from
        file: PathBuf,
        #[command(flatten)]
        control: ControlArgs,
        #[command(flatten)]
        json: JsonArgs,
    },
}

pub(crate) async fn run(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Save {
            file,
            control,
            json,
        } => {
            let snapshot = Control::new(control).get(&["snapshot"]).await?;
            write(&file, &snapshot).with_context(|| format!("cannot write {}", file.display()))?;
            said(
                &json!({"file": file}),
                &format!("saved in {}", file.display()),
                json,
            )
        }
        Command::Restore {
            file,
            control,
            json,
        } => {
            let text = std::fs::read(&file)
                .with_context(|| format!("cannot read the snapshot {}", file.display()))?;
            let snapshot: Value = serde_json::from_slice(&text)
                .with_context(|| format!("{} is no snapshot", file.display()))?;
            let answer = Control::new(control).put(&["snapshot"], &snapshot).await?;
            said(&answer, &format!("restored from {}", file.display()), json)
        }
    }
}

fn said(answer: &Value, text: &str, json: JsonArgs) -> anyhow::Result<()> {
    match json.json {
        true => output::document(answer, json),
        false => output::line(text),
    }
}

/// Whole or not at all, and for its owner only: a new file has mode 0600.
fn write(file: &Path, snapshot: &Value) -> std::io::Result<()> {
    let directory = file
        .parent()
        .filter(|parent| !parent.as_os_str().is_empty());
    let mut new = tempfile::NamedTempFile::new_in(directory.unwrap_or(Path::new(".")))?;
    new.write_all(snapshot.to_string().as_bytes())?;
    new.persist(file)?;
    Ok(())
}
