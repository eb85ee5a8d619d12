//! Programs of the machine, and what they say.

use std::fs::File;
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, ensure};

/// A program that runs until it is stopped.
#[derive(Debug)]
pub(crate) struct Running(pub(crate) Child);

impl Running {
    pub(crate) fn start(command: &mut Command) -> Result<Self> {
        Self::start_into(command, Stdio::null())
    }

    /// What it prints is written to a file.
    pub(crate) fn start_printing(command: &mut Command, to: &str) -> Result<Self> {
        let file = File::create(to).with_context(|| to.to_owned())?;
        Self::start_into(command, file.into())
    }

    fn start_into(command: &mut Command, output: Stdio) -> Result<Self> {
        let child = command
            .stdin(Stdio::null())
            .stdout(output)
            .stderr(Stdio::null());
        Ok(Self(child.spawn().with_context(|| format!("{command:?}"))?))
    }

    pub(crate) fn stop(&mut self) -> Result<()> {
        self.0.kill()?;
        self.0.wait()?;
        Ok(())
    }
}

/// Runs a program to its end; what it printed, when it was content.
pub(crate) fn ask(command: &mut Command) -> Result<String> {
    let output = command.output().with_context(|| format!("{command:?}"))?;
    let complaint = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{command:?}: {complaint}");
    Ok(String::from_utf8(output.stdout)?)
}

/// `cow` with these words.
pub(crate) fn cow(words: &[&str]) -> Result<String> {
    ask(Command::new("/bin/cow").args(words))
}

/// The machine's loopback, which nobody brought up.
pub(crate) fn bring_up_loopback() -> Result<()> {
    ask(Command::new("/bin/busybox").args(["ip", "link", "set", "lo", "up"])).map(drop)
}
