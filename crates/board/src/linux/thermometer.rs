//! The temperature: of a DS18B20 in the air, or else of the processor, which is warmer than the air.

use std::fs;
use std::path::{Path, PathBuf};

use crate::{BoardError, Thermometer};

/// Where the temperature comes from, as the specification says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum ThermometerSpec {
    /// No thermometer is named.
    None,
    /// A DS18B20 on the kernel's 1-wire bus; by its id, or the only one.
    Ds18b20(Option<String>),
    /// The processor's own.
    Soc,
}

/// The thermometer of a Linux board.
#[derive(Debug)]
pub(crate) struct LinuxThermometer {
    spec: ThermometerSpec,
    /// `/sys`.
    root: PathBuf,
}

impl LinuxThermometer {
    pub(crate) fn new(spec: ThermometerSpec) -> Self {
        Self {
            spec,
            root: PathBuf::from("/sys"),
        }
    }

    fn read(&self) -> Result<f32, BoardError> {
        let file = match &self.spec {
            ThermometerSpec::None => {
                return Err(BoardError::Fault {
                    reason: "the board's specification names no thermometer: add thermometer=ds18b20 or thermometer=soc"
                        .to_owned(),
                });
            }
            ThermometerSpec::Soc => self.root.join("class/thermal/thermal_zone0/temp"),
            ThermometerSpec::Ds18b20(id) => {
                one_wire(&self.root.join("bus/w1/devices"), id.as_deref())?
            }
        };
        let text = fs::read_to_string(&file).map_err(|error| fault(&file, &error.to_string()))?;
        let thousandths: f32 = text
            .trim()
            .parse()
            .map_err(|_| fault(&file, &format!("{:?} is no temperature", text.trim())))?;
        Ok(thousandths / 1000.0)
    }
}

impl Thermometer for LinuxThermometer {
    async fn celsius(&mut self) -> Result<f32, BoardError> {
        self.read()
    }
}

/// What there is to measure a temperature with, or what to do for it.
pub(super) fn probe(root: &Path) -> Vec<Result<String, String>> {
    [
        (ThermometerSpec::Ds18b20(None), "ds18b20"),
        (ThermometerSpec::Soc, "soc"),
    ]
    .into_iter()
    .map(|(spec, name)| {
        let thermometer = LinuxThermometer {
            spec,
            root: root.to_owned(),
        };
        match thermometer.read() {
            Ok(celsius) => Ok(format!("{celsius:.1} °C: thermometer={name}")),
            Err(error) => Err(error.to_string()),
        }
    })
    .collect()
}

/// The file of a DS18B20, whose family code is 28.
fn one_wire(devices: &Path, id: Option<&str>) -> Result<PathBuf, BoardError> {
    let missing = |what: &str| BoardError::Fault {
        reason: format!(
            "{what} below {}: is 1-wire on (dtoverlay=w1-gpio), and /sys to be seen here?",
            devices.display()
        ),
    };
    if let Some(id) = id {
        let device = devices.join(id);
        return if device.exists() {
            Ok(device.join("temperature"))
        } else {
            Err(missing(&format!("no sensor {id}")))
        };
    }
    let mut found = fs::read_dir(devices)
        .ok()
        .into_iter()
        .flatten()
        .flatten()
        .filter(|entry| entry.file_name().to_string_lossy().starts_with("28-"));
    match (found.next(), found.next()) {
        (None, _) => Err(missing("no DS18B20")),
        (Some(one), None) => Ok(one.path().join("temperature")),
        (Some(_), Some(_)) => Err(BoardError::Fault {
            reason: format!(
                "several sensors below {}: name one, as in thermometer=ds18b20/28-0123456789ab",
                devices.display()
            ),
        }),
    }
}

fn fault(file: &Path, why: &str) -> BoardError {
    BoardError::Fault {
        reason: format!("{}: {why}", file.display()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(root: &Path, file: &str, text: &str) {
        let file = root.join(file);
        fs::create_dir_all(file.parent().expect("a parent")).expect("a directory");
        fs::write(file, text).expect("a file");
    }

    fn thermometer(root: &Path, spec: ThermometerSpec) -> LinuxThermometer {
        LinuxThermometer {
            spec,
            root: root.to_owned(),
        }
    }

    #[test]
    fn the_only_sensor_needs_no_name() {
        let root = tempfile::tempdir().expect("a directory");
        let read = |spec| thermometer(root.path(), spec).read();
        assert!(read(ThermometerSpec::Ds18b20(None)).is_err());
        put(
            root.path(),
            "bus/w1/devices/28-00000a/temperature",
            "-3125\n",
        );
        put(root.path(), "bus/w1/devices/w1_bus_master1/name", "w1");
        assert_eq!(read(ThermometerSpec::Ds18b20(None)).ok(), Some(-3.125));
        put(
            root.path(),
            "bus/w1/devices/28-00000b/temperature",
            "21500\n",
        );
        let error = read(ThermometerSpec::Ds18b20(None)).expect_err("which one?");
        assert!(error.to_string().contains("name one"), "{error}");
        let second = ThermometerSpec::Ds18b20(Some("28-00000b".to_owned()));
        assert_eq!(read(second).ok(), Some(21.5));
    }

    #[test]
    fn the_processors_own_is_there_on_every_board() {
        let root = tempfile::tempdir().expect("a directory");
        put(root.path(), "class/thermal/thermal_zone0/temp", "48312\n");
        assert_eq!(
            thermometer(root.path(), ThermometerSpec::Soc).read().ok(),
            Some(48.312)
        );
        put(root.path(), "class/thermal/thermal_zone0/temp", "\n");
        assert!(
            thermometer(root.path(), ThermometerSpec::Soc)
                .read()
                .is_err()
        );
    }
}
