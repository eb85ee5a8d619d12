//! The board's serial number, which is what a bay goes by.
//!
//! A Raspberry Pi tells it as `Serial : 10000000a1b2c3d4` in `/proc/cpuinfo`, and as the device tree's
//! `serial-number`, which ends with a NUL byte. Other boards have the latter only, in forms of their own.

use std::fmt;
use std::fs;
use std::io::Read;
use std::path::Path;

use hub_proto::dps::registration::RegistrationId;

/// Longest file looked at: a board of many cores says a lot about each.
const MAX_BYTES: u64 = 256 * 1024;
const CPUINFO: &str = "proc/cpuinfo";
const DEVICE_TREE: [&str; 2] = [
    "proc/device-tree/serial-number",
    "sys/firmware/devicetree/base/serial-number",
];

/// A serial number that can be a registration id: lower case, on a Raspberry Pi 16 hexadecimal digits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Serial(String);

/// Why there is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "this board tells no serial number: /proc/cpuinfo has no Serial line, and the device tree no serial-number; \
     set BAY_SERIAL, or enter a registration id by hand"
)]
pub struct NoSerial;

/// A text given as a serial number that cannot be one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("must be a serial number: letters, digits and - . _ : only, as in 10000000a1b2c3d4")]
pub struct BadSerial;

impl Serial {
    /// Asks the board whose file system is mounted at `root`.
    ///
    /// # Errors
    ///
    /// The board tells none.
    pub fn find(root: &Path) -> Result<Self, NoSerial> {
        let read = |path: &str| {
            let file = fs::File::open(root.join(path)).ok()?;
            let mut content = Vec::new();
            file.take(MAX_BYTES).read_to_end(&mut content).ok()?;
            Some(String::from_utf8_lossy(&content).into_owned())
        };
        let told = read(CPUINFO).and_then(|text| from_cpuinfo(&text));
        let told = told.or_else(|| {
            DEVICE_TREE
                .iter()
                .find_map(|path| from_device_tree(&read(path)?))
        });
        told.ok_or(NoSerial)
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::str::FromStr for Serial {
    type Err = BadSerial;

    fn from_str(text: &str) -> Result<Self, BadSerial> {
        plausible(text).ok_or(BadSerial)
    }
}

impl fmt::Display for Serial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Any number of blanks may stand around the colon: not every kernel uses tabs.
fn from_cpuinfo(text: &str) -> Option<Serial> {
    text.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        let value = value.trim();
        let is_serial = name.trim().eq_ignore_ascii_case("serial");
        let is_hex = value.len() == 16 && value.bytes().all(|byte| byte.is_ascii_hexdigit());
        (is_serial && is_hex).then(|| plausible(value)).flatten()
    })
}

fn from_device_tree(text: &str) -> Option<Serial> {
    plausible(text.trim_end_matches('\0'))
}

/// A number of nothing but zeros is what a board says that was never given one.
fn plausible(text: &str) -> Option<Serial> {
    let text = text.trim().to_ascii_lowercase();
    let is_blank = text.bytes().all(|byte| byte == b'0');
    let is_id = text.parse::<RegistrationId>().is_ok();
    (is_id && !is_blank).then_some(Serial(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn board(files: &[(&str, &str)]) -> tempfile::TempDir {
        let root = tempfile::tempdir().expect("a temporary directory");
        for (path, content) in files {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().expect("a directory")).expect("room on disk");
            fs::write(path, content).expect("room on disk");
        }
        root
    }

    fn serial(files: &[(&str, &str)]) -> Result<String, NoSerial> {
        Serial::find(board(files).path()).map(|serial| serial.to_string())
    }

    #[test]
    fn boards_and_what_they_say() {
        let pi = "processor\t: 0\nBogoMIPS\t: 108.00\n\nHardware\t: BCM2835\nRevision\t: c03114\n\
                  Serial\t\t: 10000000a1b2c3d4\nModel\t\t: Raspberry Pi 4 Model B Rev 1.4\n";
        let pc = "processor\t: 0\nmodel name\t: Some CPU\n";
        for (files, expected) in [
            (&[("proc/cpuinfo", pi)][..], Ok("10000000a1b2c3d4")),
            (
                &[("proc/cpuinfo", "Serial:10000000A1B2C3D4")],
                Ok("10000000a1b2c3d4"),
            ),
            (
                &[("proc/cpuinfo", "Serial \t :\t 10000000a1b2c3d4 ")],
                Ok("10000000a1b2c3d4"),
            ),
            (
                &[
                    ("proc/cpuinfo", pc),
                    ("proc/device-tree/serial-number", "10000000a1b2c3d4\0"),
                ],
                Ok("10000000a1b2c3d4"),
            ),
            (
                &[(
                    "sys/firmware/devicetree/base/serial-number",
                    "1421618047733\0",
                )],
                Ok("1421618047733"),
            ),
            (&[("proc/cpuinfo", pc)], Err(NoSerial)),
            (&[], Err(NoSerial)),
            (
                &[("proc/cpuinfo", "Serial\t\t: 0000000000000000")],
                Err(NoSerial),
            ),
            (&[("proc/cpuinfo", "Serial\t\t: a1b2c3d4")], Err(NoSerial)),
            (
                &[("proc/device-tree/serial-number", "not given yet\0")],
                Err(NoSerial),
            ),
        ] {
            assert_eq!(serial(files), expected.map(str::to_owned), "{files:?}");
        }
    }

    #[test]
    fn a_serial_given_from_outside() {
        assert_eq!(
            "10000000A1B2C3D4".parse::<Serial>().map(|serial| serial.0),
            Ok("10000000a1b2c3d4".to_owned())
        );
        assert_eq!("no serial".parse::<Serial>(), Err(BadSerial));
    }
}
