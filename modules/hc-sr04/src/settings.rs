//! What can be set while the module runs: each field is a writable property of the DTDL interface.

use std::time::Duration;

use bay::Distance;
use bay::settings::{Clash, Refusal, Setting, Table, number, seconds, whole, word};
use serde_json::Value;

use crate::sample::Range;

/// The settings of hc-sr04.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Time from one burst to the next.
    pub sample_interval: Duration,
    /// How many measurements the median is taken of; odd.
    pub window_size: usize,
    /// Which pair of thresholds decides.
    pub detection: Detection,
    /// From the sensor to the floor of the empty bay.
    pub floor: Distance,
    /// By floor: occupied when this much nearer than the floor, or more.
    pub occupied_nearer: Distance,
    /// By floor: free again when at most this much nearer.
    pub free_within: Distance,
    /// Absolute: occupied at this distance or nearer.
    pub occupied_at: Distance,
    /// Absolute: free again at this distance or farther.
    pub free_at: Distance,
    /// How long a new state has to last before it counts.
    pub hold_off: Duration,
    /// How many bad measurements in a row make the bay unknown.
    pub unknown_after: u32,
    /// How far the echoes of a window may lie apart.
    pub max_spread: Distance,
    /// The distances the sensor can tell.
    pub range: Range,
    /// The temperature of the air when no thermometer answers.
    pub assumed_celsius: f32,
    /// Longest silence before the state is repeated.
    pub heartbeat: Duration,
    /// Time from one report of output `distance` to the next; `None` for none.
    pub distance_report: Option<Duration>,
}

/// What a car is told apart by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Detection {
    /// By standing nearer than the floor: the sensor hangs over the bay.
    Floor,
    /// By standing nearer than a fixed distance: the sensor faces a wall, or open ground.
    Absolute,
}

impl Detection {
    const WORDS: [(&'static str, Self); 2] = [("floor", Self::Floor), ("absolute", Self::Absolute)];

    fn as_str(self) -> &'static str {
        match self {
            Self::Floor => "floor",
            Self::Absolute => "absolute",
        }
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            sample_interval: Duration::from_millis(100),
            window_size: 5,
            detection: Detection::Floor,
            floor: Distance::from_mm(2500),
            occupied_nearer: Distance::from_mm(200),
            free_within: Distance::from_mm(150),
            occupied_at: Distance::from_mm(1000),
            free_at: Distance::from_mm(1100),
            hold_off: Duration::from_secs(3),
            unknown_after: 30,
            max_spread: Distance::from_mm(300),
            range: Range {
                nearest: Distance::from_mm(20),
                farthest: Distance::from_mm(4000),
            },
            assumed_celsius: 20.0,
            heartbeat: Duration::from_secs(600),
            distance_report: None,
        }
    }
}

impl Settings {
    /// At this distance or nearer, the bay is occupied.
    pub fn occupied_threshold(&self) -> Distance {
        match self.detection {
            Detection::Floor => self.floor.saturating_sub(self.occupied_nearer),
            Detection::Absolute => self.occupied_at,
        }
    }

    /// At this distance or farther, the bay is free.
    pub fn free_threshold(&self) -> Distance {
        match self.detection {
            Detection::Floor => self.floor.saturating_sub(self.free_within),
            Detection::Absolute => self.free_at,
        }
    }
}

/// The name of the setting that `calibrate` learns.
pub const FLOOR: &str = "floorDistanceMm";

impl Table for Settings {
    const SETTINGS: &'static [Setting<Self>] = &[
        Setting {
            name: "sampleIntervalMs",
            read: |settings| millis(settings.sample_interval),
            write: |settings, value| {
                settings.sample_interval = Duration::from_millis(whole(value, 60..=10_000)?.into());
                Ok(())
            },
        },
        Setting {
            name: "windowSize",
            read: |settings| settings.window_size.into(),
            write: |settings, value| {
                let size = whole(value, 1..=15)?;
                if size % 2 == 0 {
                    return Err(Refusal(
                        "must be an odd number, so that the median is one of the measurements"
                            .to_owned(),
                    ));
                }
                settings.window_size = size as usize;
                Ok(())
            },
        },
        Setting {
            name: "detection",
            read: |settings| settings.detection.as_str().into(),
            write: |settings, value| {
                settings.detection = word(value, &Detection::WORDS)?;
                Ok(())
            },
        },
        Setting {
            name: FLOOR,
            read: |settings| settings.floor.mm().into(),
            write: |settings, value| {
                settings.floor = mm(value, 300, 6000)?;
                Ok(())
            },
        },
        Setting {
            name: "occupiedNearerMm",
            read: |settings| settings.occupied_nearer.mm().into(),
            write: |settings, value| {
                settings.occupied_nearer = mm(value, 50, 3000)?;
                Ok(())
            },
        },
        Setting {
            name: "freeWithinMm",
            read: |settings| settings.free_within.mm().into(),
            write: |settings, value| {
                settings.free_within = mm(value, 20, 3000)?;
                Ok(())
            },
        },
        Setting {
            name: "occupiedAtMm",
            read: |settings| settings.occupied_at.mm().into(),
            write: |settings, value| {
                settings.occupied_at = mm(value, 30, 6000)?;
                Ok(())
            },
        },
        Setting {
            name: "freeAtMm",
            read: |settings| settings.free_at.mm().into(),
            write: |settings, value| {
                settings.free_at = mm(value, 30, 6000)?;
                Ok(())
            },
        },
        Setting {
            name: "holdOffMs",
            read: |settings| millis(settings.hold_off),
            write: |settings, value| {
                settings.hold_off = Duration::from_millis(whole(value, 0..=60_000)?.into());
                Ok(())
            },
        },
        Setting {
            name: "unknownAfterSamples",
            read: |settings| settings.unknown_after.into(),
            write: |settings, value| {
                settings.unknown_after = whole(value, 3..=600)?;
                Ok(())
            },
        },
        Setting {
            name: "maxSpreadMm",
            read: |settings| settings.max_spread.mm().into(),
            write: |settings, value| {
                settings.max_spread = mm(value, 20, 2000)?;
                Ok(())
            },
        },
        Setting {
            name: "minDistanceMm",
            read: |settings| settings.range.nearest.mm().into(),
            write: |settings, value| {
                settings.range.nearest = mm(value, 10, 1000)?;
                Ok(())
            },
        },
        Setting {
            name: "maxDistanceMm",
            read: |settings| settings.range.farthest.mm().into(),
            write: |settings, value| {
                settings.range.farthest = mm(value, 300, 6400)?;
                Ok(())
            },
        },
        Setting {
            name: "assumedTemperatureCelsius",
            read: |settings| settings.assumed_celsius.into(),
            write: |settings, value| {
                settings.assumed_celsius = number(value, -40.0..=60.0)? as f32;
                Ok(())
            },
        },
        Setting {
            name: "heartbeatSeconds",
            read: |settings| settings.heartbeat.as_secs().into(),
            write: |settings, value| {
                settings.heartbeat = seconds(value, 10..=86_400)?;
                Ok(())
            },
        },
        Setting {
            name: "distanceReportSeconds",
            read: |settings| {
                settings
                    .distance_report
                    .map_or(0, |every| every.as_secs())
                    .into()
            },
            write: |settings, value| {
                let every = seconds(value, 0..=3600)?;
                settings.distance_report = (!every.is_zero()).then_some(every);
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
        if self.free_within >= self.occupied_nearer {
            return clash(
                &["freeWithinMm", "occupiedNearerMm"],
                "freeWithinMm has to be less than occupiedNearerMm",
            );
        }
        if self.free_at <= self.occupied_at {
            return clash(
                &["freeAtMm", "occupiedAtMm"],
                "freeAtMm has to be more than occupiedAtMm",
            );
        }
        // A threshold at the sensor itself would make the bay free for ever.
        if self.floor.saturating_sub(self.occupied_nearer) <= self.range.nearest {
            return clash(
                &[FLOOR, "occupiedNearerMm", "minDistanceMm"],
                "occupiedNearerMm has to leave room between minDistanceMm and the floor",
            );
        }
        if self.range.farthest <= self.range.nearest {
            return clash(
                &["maxDistanceMm", "minDistanceMm"],
                "maxDistanceMm has to be more than minDistanceMm",
            );
        }
        Ok(())
    }
}

fn mm(value: &Value, least: u32, most: u32) -> Result<Distance, Refusal> {
    whole(value, least..=most).map(Distance::from_mm)
}

fn millis(duration: Duration) -> Value {
    (duration.as_millis() as u64).into()
}

#[cfg(test)]
mod tests;
