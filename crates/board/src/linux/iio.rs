//! A ranger behind the kernel's own driver, `srf04`, which serves an HC-SR04 as well: it reads the edges in the
//! interrupt, and tells a distance.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::{BoardError, Echo};

/// Where the kernel lists its sensors.
pub(crate) const DEVICES: &str = "/sys/bus/iio/devices";

/// What the driver calls itself.
const DRIVER: &str = "srf04";

/// The driver turns an echo's nanoseconds into millimetres by this fraction (drivers/iio/proximity/srf04.c).
const NANOSECONDS_PER_MM: (u64, u64) = (617_176, 106);

/// The file with the distance, of the first such sensor below `devices`.
pub(crate) fn find(devices: &Path) -> Option<PathBuf> {
    let mut entries: Vec<_> = fs::read_dir(devices).ok()?.flatten().collect();
    entries.sort_by_key(fs::DirEntry::file_name);
    entries
        .into_iter()
        .map(|entry| entry.path())
        .find_map(|device| {
            let name = fs::read_to_string(device.join("name")).ok()?;
            let file = device.join("in_distance_raw");
            (name.trim() == DRIVER && file.exists()).then_some(file)
        })
}

/// One measurement; blocks for as long as the driver waits, some 200 ms at most.
pub(crate) fn measure(devices: &Path) -> Result<Echo, BoardError> {
    let file = find(devices).ok_or_else(|| BoardError::Fault {
        reason: format!(
            "no sensor {DRIVER} below {}: is the driver loaded (dtoverlay=srf04), and /sys to be seen here?",
            devices.display()
        ),
    })?;
    match fs::read_to_string(&file) {
        Ok(text) => text
            .trim()
            .parse()
            .map(|mm: u64| Echo::Returned {
                round_trip: Duration::from_nanos(mm * NANOSECONDS_PER_MM.0 / NANOSECONDS_PER_MM.1),
            })
            .map_err(|_| fault(&file, &format!("{:?} is no distance", text.trim()))),
        Err(error) if nothing_heard(&error) => Ok(Echo::NoEcho),
        Err(error) => Err(fault(&file, &error.to_string())),
    }
}

/// The driver has no better words: it waited in vain, or the echo was longer than it believes (EIO).
fn nothing_heard(error: &io::Error) -> bool {
    const EIO: i32 = 5;
    error.kind() == ErrorKind::TimedOut || error.raw_os_error() == Some(EIO)
}

fn fault(file: &Path, why: &str) -> BoardError {
    BoardError::Fault {
        reason: format!("{}: {why}", file.display()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn device(directory: &Path, number: u32, name: &str, distance: &str) {
        let device = directory.join(format!("iio:device{number}"));
        fs::create_dir(&device).expect("a directory");
        fs::write(device.join("name"), format!("{name}\n")).expect("a file");
        fs::write(device.join("in_distance_raw"), distance).expect("a file");
    }

    #[test]
    fn the_drivers_millimetres_become_the_echos_time() {
        let directory = tempfile::tempdir().expect("a directory");
        device(directory.path(), 0, "bme280", "7\n");
        device(directory.path(), 1, "srf04", "1000\n");
        let Ok(Echo::Returned { round_trip }) = measure(directory.path()) else {
            panic!("an echo")
        };
        // 2 m at 343.5 m/s.
        assert_eq!(round_trip.as_micros(), 5822);
    }

    #[test]
    fn without_the_driver_the_cure_is_told() {
        let directory = tempfile::tempdir().expect("a directory");
        let error = measure(directory.path()).expect_err("there is none");
        assert!(error.to_string().contains("dtoverlay=srf04"), "{error}");
        device(directory.path(), 0, "srf04", "far\n");
        assert!(measure(directory.path()).is_err());
    }
}
