//! A battery the kernel has a driver for, below `/sys/class/power_supply`.

use std::fs;
use std::path::Path;
use std::str::FromStr;

use crate::{BoardError, GaugeReading};

pub(super) const CLASS: &str = "/sys/class/power_supply";

pub(super) fn read(class: &Path) -> Result<GaugeReading, BoardError> {
    let battery = fs::read_dir(class)
        .ok()
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        // A mouse's battery is one as well, of scope Device.
        .find(|supply| {
            text(supply, "type").as_deref() == Some("Battery")
                && text(supply, "scope").as_deref() != Some("Device")
        })
        .ok_or_else(|| BoardError::Fault {
            reason: format!("there is no battery below {}", class.display()),
        })?;
    let need = |name: &'static str| {
        number::<i64>(&battery, name).ok_or_else(|| BoardError::Fault {
            reason: format!("{} gives no number", battery.join(name).display()),
        })
    };
    let discharging = text(&battery, "status").as_deref() == Some("Discharging");
    let micro_to_milli = |micro: i64| (micro / 1000) as i32;
    Ok(GaugeReading {
        voltage_mv: micro_to_milli(need("voltage_now")?).unsigned_abs(),
        // Drivers disagree on the sign; the status does not.
        current_ma: number::<i64>(&battery, "current_now").map(|current| {
            let current = micro_to_milli(current).saturating_abs();
            if discharging { -current } else { current }
        }),
        charge_percent: need("capacity")?.clamp(0, u8::MAX.into()) as u8,
        minutes_to_empty: number::<u32>(&battery, "time_to_empty_now")
            .filter(|_| discharging)
            .map(|seconds| seconds / 60),
    })
}

fn text(supply: &Path, name: &str) -> Option<String> {
    let text = fs::read_to_string(supply.join(name)).ok()?;
    Some(text.trim().to_owned())
}

fn number<N: FromStr>(supply: &Path, name: &str) -> Option<N> {
    text(supply, name)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn supply(class: &Path, name: &str, files: &[(&str, &str)]) {
        let supply = class.join(name);
        fs::create_dir(&supply).expect("a directory");
        for (name, text) in files {
            fs::write(supply.join(name), format!("{text}\n")).expect("a file");
        }
    }

    #[test]
    fn the_boards_battery_is_read_and_no_mouse() {
        let class = tempfile::tempdir().expect("a directory");
        supply(class.path(), "AC", &[("type", "Mains")]);
        supply(
            class.path(),
            "hid-mouse",
            &[("type", "Battery"), ("scope", "Device")],
        );
        assert!(read(class.path()).is_err());
        supply(
            class.path(),
            "max170xx",
            &[
                ("type", "Battery"),
                ("status", "Discharging"),
                ("voltage_now", "7420000"),
                ("current_now", "310000"),
                ("capacity", "87"),
                ("time_to_empty_now", "24720"),
            ],
        );
        assert_eq!(
            read(class.path()).ok(),
            Some(GaugeReading {
                voltage_mv: 7420,
                current_ma: Some(-310),
                charge_percent: 87,
                minutes_to_empty: Some(412),
            })
        );
    }

    #[test]
    fn what_the_driver_does_not_tell_is_not_invented() {
        let class = tempfile::tempdir().expect("a directory");
        supply(
            class.path(),
            "battery",
            &[("type", "Battery"), ("voltage_now", "3700000")],
        );
        let error = read(class.path()).expect_err("no capacity");
        assert!(error.to_string().contains("capacity"), "{error}");
    }
}
