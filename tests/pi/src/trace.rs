//! What is written to lines, by the kernel's trace event `gpio_value`: every write, however short the pulse, and whoever
//! writes. An output of the chip has no interrupt that could tell of it.

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Read};
use std::os::unix::fs::OpenOptionsExt;

use anyhow::{Context, Result};
use rustix::fs::OFlags;

const INSTANCES: &str = "/sys/kernel/tracing/instances";

/// The levels written to some lines.
pub(crate) struct Watch {
    pipe: File,
    text: String,
}

impl Watch {
    /// Watches lines, by the kernel's own numbers, from now on. Whoever else watches has another name.
    pub(crate) fn new(name: &str, lines: &[u32]) -> Result<Self> {
        let trace = format!("{INSTANCES}/{name}");
        fs::create_dir_all(&trace).context("tracefs")?;
        let event = format!("{trace}/events/gpio/gpio_value");
        let lines: Vec<String> = lines.iter().map(|line| format!("gpio == {line}")).collect();
        fs::write(
            format!("{event}/filter"),
            format!("get == 0 && ({})", lines.join(" || ")),
        )?;
        fs::write(format!("{event}/enable"), "1")?;
        let pipe = OpenOptions::new()
            .read(true)
            .custom_flags(OFlags::NONBLOCK.bits().cast_signed())
            .open(format!("{trace}/trace_pipe"))?;
        Ok(Self {
            pipe,
            text: String::new(),
        })
    }

    /// Some of what was written since, each with its line. Nothing when there is nothing new.
    pub(crate) fn levels(&mut self) -> Result<Vec<(u32, bool)>> {
        let mut room = [0; 4096];
        match self.pipe.read(&mut room) {
            Ok(read) => self.text.push_str(&String::from_utf8_lossy(&room[..read])),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(error) => return Err(error.into()),
        }
        let mut levels = Vec::new();
        while let Some(end) = self.text.find('\n') {
            let line: String = self.text.drain(..=end).collect();
            let event = line.split_once("gpio_value: ");
            let event = event.and_then(|(_, event)| event.split_once(" set "));
            if let Some((line, level)) = event {
                levels.push((line.parse()?, level.trim() == "1"));
            }
        }
        Ok(levels)
    }
}
