//! What can be set while the module runs: each field is a writable property of the DTDL interface.

use std::time::Duration;

use bay::Alarm;
use bay::settings::{Clash, Setting, Table, seconds, whole};
use board::GaugeReading;

/// The settings of battery.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Longest time from one level to the next.
    pub report_every: Duration,
    /// Time from one reading of the gauge to the next.
    pub sample_every: Duration,
    /// The charge at which the alarm is low.
    pub low_percent: u8,
    /// The charge at which the alarm is critical.
    pub critical_percent: u8,
    /// How far above its threshold the charge has to rise to end an alarm.
    pub hysteresis_percent: u8,
    /// How many readings in a row have to agree before the alarm changes.
    pub consecutive_readings: u32,
    /// How often the gauge is asked for one reading before it counts as silent.
    pub attempts: u32,
    /// Readings below are not believed.
    pub min_voltage_mv: u32,
    /// Readings above are not believed.
    pub max_voltage_mv: u32,
    /// Readings of a larger current, either way, are not believed.
    pub max_current_ma: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            report_every: Duration::from_secs(3 * 3600),
            sample_every: Duration::from_secs(60),
            low_percent: 20,
            critical_percent: 10,
            hysteresis_percent: 5,
            consecutive_readings: 3,
            attempts: 10,
            min_voltage_mv: 2500,
            max_voltage_mv: 30_000,
            max_current_ma: 15_000,
        }
    }
}

impl Settings {
    /// Whether a reading can be what a battery says.
    ///
    /// A bus that nobody drives reads as all ones, which as a current is -1 mA; a running board
    /// never draws so little.
    pub fn believes(&self, registers: &GaugeReading) -> bool {
        registers.charge_percent <= 100
            && (self.min_voltage_mv..=self.max_voltage_mv).contains(&registers.voltage_mv)
            && registers.current_ma.is_none_or(|current| {
                current.unsigned_abs() <= self.max_current_ma && current != -1
            })
    }

    /// The alarm a charge asks for while `alarm` is on.
    pub fn alarm_at(&self, percent: u8, alarm: Alarm) -> Alarm {
        let on = |threshold: u8, level: Alarm| {
            percent <= threshold
                || (alarm >= level && percent < threshold.saturating_add(self.hysteresis_percent))
        };
        if on(self.critical_percent, Alarm::Critical) {
            Alarm::Critical
        } else if on(self.low_percent, Alarm::Low) {
            Alarm::Low
        } else {
            Alarm::None
        }
    }
}

impl Table for Settings {
    const SETTINGS: &'static [Setting<Self>] = &[
        Setting {
            name: "reportEverySeconds",
            read: |settings| settings.report_every.as_secs().into(),
            write: |settings, value| {
                settings.report_every = seconds(value, 10..=604_800)?;
                Ok(())
            },
        },
        Setting {
            name: "sampleEverySeconds",
            read: |settings| settings.sample_every.as_secs().into(),
            write: |settings, value| {
                settings.sample_every = seconds(value, 1..=3600)?;
                Ok(())
            },
        },
        Setting {
            name: "lowPercent",
            read: |settings| settings.low_percent.into(),
            write: |settings, value| {
                settings.low_percent = whole(value, 1..=95)? as u8;
                Ok(())
            },
        },
        Setting {
            name: "criticalPercent",
            read: |settings| settings.critical_percent.into(),
            write: |settings, value| {
                settings.critical_percent = whole(value, 0..=90)? as u8;
                Ok(())
            },
        },
        Setting {
            name: "hysteresisPercent",
            read: |settings| settings.hysteresis_percent.into(),
            write: |settings, value| {
                settings.hysteresis_percent = whole(value, 0..=50)? as u8;
                Ok(())
            },
        },
        Setting {
            name: "consecutiveReadings",
            read: |settings| settings.consecutive_readings.into(),
            write: |settings, value| {
                settings.consecutive_readings = whole(value, 1..=100)?;
                Ok(())
            },
        },
        Setting {
            name: "attempts",
            read: |settings| settings.attempts.into(),
            write: |settings, value| {
                settings.attempts = whole(value, 1..=50)?;
                Ok(())
            },
        },
        Setting {
            name: "minVoltageMv",
            read: |settings| settings.min_voltage_mv.into(),
            write: |settings, value| {
                settings.min_voltage_mv = whole(value, 0..=60_000)?;
                Ok(())
            },
        },
        Setting {
            name: "maxVoltageMv",
            read: |settings| settings.max_voltage_mv.into(),
            write: |settings, value| {
                settings.max_voltage_mv = whole(value, 1..=60_000)?;
                Ok(())
            },
        },
        Setting {
            name: "maxCurrentMa",
            read: |settings| settings.max_current_ma.into(),
            write: |settings, value| {
                settings.max_current_ma = whole(value, 1..=32_767)?;
                Ok(())
            },
        },
    ];

    fn check(&self) -> Result<(), Clash> {
        let clash = |settings: &[&'static str], reason: &str| {
            Err(Clash {
                settings: settings.to_vec(),
                reason: reason.to_owned(),
            })
        };
        if self.critical_percent >= self.low_percent {
            return clash(
                &["criticalPercent", "lowPercent"],
                "criticalPercent has to be less than lowPercent",
            );
        }
        if self.low_percent + self.hysteresis_percent > 100 {
            return clash(
                &["lowPercent", "hysteresisPercent"],
                "lowPercent and hysteresisPercent together have to be 100 at most, or no charge could end the alarm",
            );
        }
        if self.min_voltage_mv >= self.max_voltage_mv {
            return clash(
                &["minVoltageMv", "maxVoltageMv"],
                "minVoltageMv has to be less than maxVoltageMv",
            );
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use bay::model;
    use bay::settings::{answers, disagreements};
    use serde_json::json;

    use super::*;

    #[test]
    fn interface_and_readme_tell_of_every_setting() {
        let readme = include_str!("../README.md");
        assert_eq!(
            disagreements(&Settings::default(), &model::BATTERY, readme),
            Vec::<String>::new()
        );
    }

    #[test]
    fn every_value_read_can_be_written_back() {
        let settings = Settings {
            report_every: Duration::from_secs(60),
            low_percent: 30,
            attempts: 20,
            max_voltage_mv: 20_000,
            ..Settings::default()
        };
        let mut copy = Settings::default();
        for setting in Settings::SETTINGS {
            (setting.write)(&mut copy, &(setting.read)(&settings)).expect(setting.name);
        }

        assert_eq!(copy, settings);
        assert_eq!(settings.check(), Ok(()));
    }

    #[test]
    fn wishes_and_answers() {
        for (wish, code, words) in [
            (json!({"reportEverySeconds": 60}), 200, "taken"),
            (
                json!({"reportEverySeconds": 9}),
                400,
                "must be a whole number from 10 to 604800",
            ),
            (
                json!({"lowPercent": 10}),
                400,
                "criticalPercent has to be less than lowPercent",
            ),
            (
                json!({"lowPercent": 10, "criticalPercent": 5}),
                200,
                "taken",
            ),
            (
                json!({"lowPercent": 95, "hysteresisPercent": 6}),
                400,
                "lowPercent and hysteresisPercent together have to be 100 at most, or no charge could end the alarm",
            ),
            (
                json!({"maxVoltageMv": 2500}),
                400,
                "minVoltageMv has to be less than maxVoltageMv",
            ),
            (json!({"attempts": {"value": 20}}), 200, "taken"),
            (
                json!({"attempts": 0}),
                400,
                "must be a whole number from 1 to 50",
            ),
            (json!({"sampleEverySeconds": null}), 203, "default"),
        ] {
            let wishes = wish.as_object().expect("a patch").len();
            let expected = vec![(code, words.to_owned()); wishes];
            assert_eq!(answers(Settings::default(), &wish), expected, "{wish}");
        }
    }

    /// Readings field reports tell of: nothing at all, all ones, 120 %, a wrong shunt.
    #[test]
    fn nonsense_is_not_believed() {
        let good = GaugeReading {
            voltage_mv: 7420,
            current_ma: Some(-310),
            charge_percent: 87,
            minutes_to_empty: Some(412),
        };
        let settings = Settings::default();

        assert!(settings.believes(&good));
        let gauge_without_a_meter = GaugeReading {
            current_ma: None,
            ..good
        };
        assert!(settings.believes(&gauge_without_a_meter));
        assert!(settings.believes(&GaugeReading {
            charge_percent: 0,
            current_ma: Some(0),
            ..good
        }));
        for nonsense in [
            GaugeReading {
                voltage_mv: 0,
                ..good
            },
            GaugeReading {
                voltage_mv: 65_535,
                ..good
            },
            GaugeReading {
                current_ma: Some(-1),
                ..good
            },
            GaugeReading {
                current_ma: Some(-30_000),
                ..good
            },
            GaugeReading {
                current_ma: Some(i32::MIN),
                ..good
            },
            GaugeReading {
                charge_percent: 120,
                ..good
            },
        ] {
            assert!(!settings.believes(&nonsense), "{nonsense:?}");
        }
    }

    #[test]
    fn alarms_begin_at_their_threshold_and_end_well_above_it() {
        let settings = Settings::default();
        for (percent, off, low, critical) in [
            (100, Alarm::None, Alarm::None, Alarm::None),
            (25, Alarm::None, Alarm::None, Alarm::None),
            (24, Alarm::None, Alarm::Low, Alarm::Low),
            (21, Alarm::None, Alarm::Low, Alarm::Low),
            (20, Alarm::Low, Alarm::Low, Alarm::Low),
            (15, Alarm::Low, Alarm::Low, Alarm::Low),
            (14, Alarm::Low, Alarm::Low, Alarm::Critical),
            (11, Alarm::Low, Alarm::Low, Alarm::Critical),
            (10, Alarm::Critical, Alarm::Critical, Alarm::Critical),
            (0, Alarm::Critical, Alarm::Critical, Alarm::Critical),
        ] {
            let wanted = [Alarm::None, Alarm::Low, Alarm::Critical]
                .map(|alarm| settings.alarm_at(percent, alarm));
            assert_eq!(wanted, [off, low, critical], "{percent} %");
        }
    }
}
