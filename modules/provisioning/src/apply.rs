//! Having the Edge runtime take a configuration.

use std::path::Path;
use std::process::Stdio;
use std::str::FromStr;
use std::time::Duration;

use tokio::process::Command;
use tokio::time::timeout;

use crate::edge_config::Format;
use crate::identity::Failure;

/// `iotedge config apply` stops and starts five services, and a Raspberry Pi's card is slow.
const PATIENCE: Duration = Duration::from_secs(120);

/// How the Edge runtime is made to take a configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Apply {
    /// `iotedge config apply`; for a `config.yaml`, which its daemon reads itself, a restart of that.
    Iotedge,
    /// The host's own service does it when the machine comes up again.
    AtBoot,
    /// Whatever reads the configuration does so by itself.
    None,
    /// A command of the shell.
    Run(String),
}

/// A text that says nothing about applying.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be iotedge, at-boot, none, or run:COMMAND")]
pub struct NoApply;

impl FromStr for Apply {
    type Err = NoApply;

    fn from_str(text: &str) -> Result<Self, NoApply> {
        match text.split_once(':') {
            Some(("run", command)) if !command.trim().is_empty() => {
                Ok(Self::Run(command.to_owned()))
            }
            None if text == "iotedge" => Ok(Self::Iotedge),
            None if text == "at-boot" => Ok(Self::AtBoot),
            None if text == "none" => Ok(Self::None),
            _ => Err(NoApply),
        }
    }
}

impl Apply {
    /// Has the runtime take the configuration at `path`.
    ///
    /// What a command writes is thrown away: it may quote the configuration, and with it a key.
    ///
    /// # Errors
    ///
    /// The command could not be run, failed, or came to no end.
    pub async fn run(&self, path: &Path, format: Format) -> Result<(), Failure> {
        let (program, arguments) = match (self, format) {
            (Self::AtBoot | Self::None, _) => return Ok(()),
            (Self::Iotedge, Format::Toml) => {
                let path = path.display().to_string();
                (
                    "iotedge",
                    vec![
                        "config".to_owned(),
                        "apply".to_owned(),
                        "-c".to_owned(),
                        path,
                    ],
                )
            }
            (Self::Iotedge, Format::Yaml) => (
                "systemctl",
                vec!["restart".to_owned(), "iotedge".to_owned()],
            ),
            (Self::Run(command), _) => ("/bin/sh", vec!["-c".to_owned(), command.clone()]),
        };
        let shown = match self {
            Self::Run(command) => command.clone(),
            _ => format!("{program} {}", arguments.join(" ")),
        };
        let failed = |what: String| {
            let message = format!(
                "the Edge runtime did not take the configuration: `{shown}` {what}; run it by hand to see why"
            );
            Failure::new(500, "apply-failed", message)
        };
        let running = Command::new(program)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .status();
        match timeout(PATIENCE, running).await {
            Err(_) => Err(failed(format!(
                "came to no end within {} s",
                PATIENCE.as_secs()
            ))),
            Ok(Err(error)) => Err(failed(format!("could not be run: {error}"))),
            Ok(Ok(status)) if status.success() => Ok(()),
            Ok(Ok(status)) => Err(failed(format!("failed ({status})"))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words() {
        for (text, expected) in [
            ("iotedge", Ok(Apply::Iotedge)),
            ("at-boot", Ok(Apply::AtBoot)),
            ("none", Ok(Apply::None)),
            ("run:a:b", Ok(Apply::Run("a:b".to_owned()))),
            ("run:", Err(NoApply)),
            ("run", Err(NoApply)),
            ("", Err(NoApply)),
        ] {
            assert_eq!(text.parse(), expected, "{text}");
        }
    }

    #[tokio::test]
    async fn a_command_says_by_its_end_how_it_went() {
        let path = Path::new("/x/config.toml");
        let run = async |command: &str| {
            let apply: Apply = command.parse().expect("a way to apply");
            apply.run(path, Format::Toml).await
        };
        assert_eq!(run("none").await, Ok(()));
        assert_eq!(run("at-boot").await, Ok(()));
        assert_eq!(run("run:true").await, Ok(()));

        let failure = run("run:echo c2VjcmV0 >&2; exit 3")
            .await
            .expect_err("it failed");
        assert_eq!((failure.status, failure.reason), (500, "apply-failed"));
        assert!(
            failure.message.contains("(exit status: 3)"),
            "{}",
            failure.message
        );
    }
}
