//! What this machine has for a bay, and what is missing. Only reads: whoever else uses a part is not disturbed.

use std::fs::{self, OpenOptions};
use std::path::Path;

use gpiocdev::chip::{Chip as GpioChip, chips};
use serde::Serialize;

use super::gauge::{self, Bus, Chip};
use super::{iio, thermometer};

/// One part of a board: where it is, or what to do about it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    /// `machine`, `lines`, `ranger`, `lamp`, `gauge` or `thermometer`.
    pub part: &'static str,
    /// Whether it is there and may be used.
    pub found: bool,
    /// What was found, or what is missing and how to get it, fit for a person.
    pub text: String,
}

/// The names of the lines on a Pi's header that are free for everything.
const HEADER: [&str; 4] = ["GPIO17", "GPIO23", "GPIO24", "GPIO27"];

/// Looks for everything a bay can use.
pub fn probe() -> Vec<Finding> {
    let root = Path::new("/sys");
    let mut findings = vec![machine()];
    findings.extend(lines());
    findings.push(match iio::find(Path::new(iio::DEVICES)) {
        Some(file) => found(
            "ranger",
            format!("the kernel's driver, at {}: ranger=iio", file.display()),
        ),
        None => missing(
            "ranger",
            "no driver srf04, which is no fault: two lines do as well (trigger=GPIO23,echo=GPIO24)",
        ),
    });
    findings.extend(strips());
    findings.extend(gauges());
    findings.extend(
        thermometer::probe(root)
            .into_iter()
            .map(|result| match result {
                Ok(text) => found("thermometer", text),
                Err(text) => missing("thermometer", text),
            }),
    );
    findings
}

fn machine() -> Finding {
    let model = fs::read_to_string("/proc/device-tree/model").unwrap_or_default();
    match model.trim_end_matches('\0') {
        "" => missing(
            "machine",
            "no device tree: not a board with pins, or /proc is not to be seen here",
        ),
        model => found("machine", model),
    }
}

fn lines() -> Vec<Finding> {
    let paths = chips().unwrap_or_default();
    if paths.is_empty() {
        return vec![missing(
            "lines",
            "no /dev/gpiochip: is this a board with pins, and does the container get the device?",
        )];
    }
    paths
        .iter()
        .map(
            |path| match GpioChip::from_path(path).and_then(|chip| Ok((chip.info()?, chip))) {
                Err(error) => missing(
                    "lines",
                    format!(
                        "{}: {error}; the user has to be in the device's group, gpio",
                        path.display()
                    ),
                ),
                Ok((info, chip)) => {
                    let header: Vec<String> = HEADER
                        .iter()
                        .filter_map(|name| chip.find_line_info(name))
                        .map(|line| match (line.used, line.consumer.as_str()) {
                            (false, _) => format!("{} free", line.name),
                            (true, user) => format!("{} used by {user:?}", line.name),
                        })
                        .collect();
                    let header = if header.is_empty() {
                        "none of the header's names".to_owned()
                    } else {
                        header.join(", ")
                    };
                    found(
                        "lines",
                        format!(
                            "{} ({}), {} lines: {header}",
                            path.display(),
                            info.label,
                            info.num_lines
                        ),
                    )
                }
            },
        )
        .collect()
}

/// Opening a bus sends nothing: whatever hangs on it shows what it showed.
fn strips() -> Vec<Finding> {
    let devices = nodes("spidev");
    if devices.is_empty() {
        return vec![missing(
            "lamp",
            "no /dev/spidev*, which is no fault: LEDs do on lines (green=GPIO17,red=GPIO27); a strip needs dtparam=spi=on",
        )];
    }
    devices
        .iter()
        .map(|device| {
            let path = Path::new("/dev").join(format!("spidev{device}"));
            match OpenOptions::new().write(true).open(&path) {
                Ok(_) => found(
                    "lamp",
                    format!(
                        "{}, for a strip: strip=spidev{device},leds=8",
                        path.display()
                    ),
                ),
                Err(error) => missing(
                    "lamp",
                    format!(
                        "{}: {error}; for a strip, the user has to be in the device's group, spi",
                        path.display()
                    ),
                ),
            }
        })
        .collect()
}

/// What follows a prefix in the names of `/dev`, sorted.
fn nodes(prefix: &str) -> Vec<String> {
    let entries = fs::read_dir("/dev").into_iter().flatten().flatten();
    let mut nodes: Vec<String> = entries
        .filter_map(|entry| Some(entry.file_name().to_str()?.strip_prefix(prefix)?.to_owned()))
        .collect();
    nodes.sort_unstable();
    nodes
}

fn gauges() -> Vec<Finding> {
    let mut findings = Vec::new();
    if let Ok(reading) = gauge::kernel() {
        findings.push(found(
            "gauge",
            format!(
                "the kernel's, {} %, {} mV: gauge=power-supply",
                reading.charge_percent, reading.voltage_mv
            ),
        ));
    }
    let mut buses: Vec<u32> = nodes("i2c-")
        .iter()
        .filter_map(|bus| bus.parse().ok())
        .collect();
    buses.sort_unstable();
    for bus in &buses {
        for (name, chip) in Chip::PROBED {
            match Bus::open(*bus, chip.address()).and_then(|mut bus| chip.read(&mut bus)) {
                Ok(reading) => findings.push(found(
                    "gauge",
                    format!(
                        "something answers like {name} at {:#04x} on /dev/i2c-{bus}, {} %, {} mV: gauge={name},bus={bus}",
                        chip.address(),
                        reading.charge_percent,
                        reading.voltage_mv
                    ),
                )),
                Err(error) if findings.is_empty() => findings.push(missing("gauge", error.to_string())),
                Err(_) => {}
            }
        }
    }
    if findings.is_empty() {
        findings.push(missing(
            "gauge",
            "no /dev/i2c-*: I2C has to be on (dtparam=i2c_arm=on), and the container needs the device",
        ));
    }
    findings
}

fn found(part: &'static str, text: impl Into<String>) -> Finding {
    Finding {
        part,
        found: true,
        text: text.into(),
    }
}

fn missing(part: &'static str, text: impl Into<String>) -> Finding {
    Finding {
        part,
        found: false,
        text: text.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// On a machine without pins, which the tests' usually is, every part is told of with what to do.
    #[test]
    fn every_part_is_told_of() {
        let findings = probe();
        for part in ["machine", "lines", "ranger", "lamp", "gauge", "thermometer"] {
            assert!(
                findings.iter().any(|finding| finding.part == part),
                "{part}"
            );
        }
        assert!(findings.iter().all(|finding| !finding.text.is_empty()));
    }
}
