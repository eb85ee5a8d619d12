//! One channel of the kernel's pulse-width modulation, through `/sys/class/pwm`.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use crate::BoardError;

/// 1 kHz: no eye sees it, and every controller can.
const PERIOD_NS: u32 = 1_000_000;

/// A channel that is on.
#[derive(Debug)]
pub(crate) struct Pwm {
    directory: PathBuf,
}

impl Pwm {
    /// Takes channel `channel` of chip `chip` below `class`, dark.
    pub(crate) fn open(class: &Path, chip: u32, channel: u32) -> Result<Self, BoardError> {
        let chip = class.join(format!("pwmchip{chip}"));
        let directory = chip.join(format!("pwm{channel}"));
        let set_up = || -> io::Result<()> {
            if !directory.exists() {
                match fs::write(chip.join("export"), channel.to_string()) {
                    // Somebody was faster.
                    Err(error) if error.kind() == ErrorKind::ResourceBusy => {}
                    other => other?,
                }
            }
            // The duty may never be longer than the period, so it goes first.
            fs::write(directory.join("duty_cycle"), "0")?;
            fs::write(directory.join("period"), PERIOD_NS.to_string())?;
            fs::write(directory.join("enable"), "1")
        };
        set_up().map_err(|error| BoardError::Fault {
            reason: format!(
                "{} cannot be used: {error}; it needs dtoverlay=pwm or pwm-2chan, and /sys/class/pwm to be writable here",
                directory.display()
            ),
        })?;
        Ok(Self { directory })
    }

    /// Shines with `share` of 255.
    pub(crate) fn set(&self, share: u8) -> Result<(), BoardError> {
        let duty = PERIOD_NS / 255 * u32::from(share);
        let file = self.directory.join("duty_cycle");
        fs::write(&file, duty.to_string()).map_err(|error| BoardError::Fault {
            reason: format!("{} cannot be written: {error}", file.display()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_becomes_a_duty_cycle() {
        let class = tempfile::tempdir().expect("a directory");
        let channel = class.path().join("pwmchip0/pwm1");
        fs::create_dir_all(&channel).expect("a directory");
        let pwm = Pwm::open(class.path(), 0, 1).expect("the channel is there");
        let read = |name: &str| fs::read_to_string(channel.join(name)).expect("a file");
        assert_eq!(
            (read("period"), read("enable")),
            ("1000000".to_owned(), "1".to_owned())
        );
        pwm.set(51).expect("it can be written");
        assert_eq!(read("duty_cycle"), "199971");
        pwm.set(0).expect("it can be written");
        assert_eq!(read("duty_cycle"), "0");
    }

    #[test]
    fn a_chip_that_is_not_there_names_the_overlay() {
        let class = tempfile::tempdir().expect("a directory");
        let error = Pwm::open(class.path(), 0, 0).expect_err("there is no chip");
        assert!(error.to_string().contains("dtoverlay=pwm"), "{error}");
    }
}
