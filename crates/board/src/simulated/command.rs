use std::time::Duration;

use serde::{Deserialize, Serialize};

/// What can happen to a simulated bay. As JSON: `{"command":"carArrives","vehicle":"van"}`; every
/// field but the one that gives the command its point may be left out.
///
/// Commands say how the world shall be, so giving one twice does no harm: a car that is in the bay
/// cannot arrive, rain that falls cannot begin.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(
    tag = "command",
    rename_all = "camelCase",
    rename_all_fields = "camelCase"
)]
pub enum Command {
    /// A vehicle drives in and parks under the sensor. One that is on its way out turns back.
    CarArrives {
        /// Its silhouette.
        #[serde(default)]
        vehicle: Vehicle,
        /// From the kerb to standing still; 0 puts it there at once.
        #[serde(default = "default_drive_seconds")]
        over_seconds: f64,
    },
    /// The vehicle in the bay, if there is one, backs out.
    CarLeaves {
        /// From standing still to out of sight; 0 takes it away at once.
        #[serde(default = "default_drive_seconds")]
        over_seconds: f64,
    },
    /// Somebody walks under the sensor.
    Pedestrian {
        /// How long they are in the beam.
        #[serde(default = "default_pedestrian_seconds")]
        seconds: f64,
    },
    /// Sets the rain.
    Rain {
        /// How hard it falls.
        level: Rain,
    },
    /// The echo line hangs high, or is let go.
    SensorStuck {
        /// Whether it hangs.
        on: bool,
    },
    /// The sensor's cable is cut, or mended.
    CableCut {
        /// Whether it is cut.
        on: bool,
    },
    /// The air warms or cools, evenly over the given time.
    Temperature {
        /// Where it ends, −60 to 80.
        celsius: f64,
        /// How long it takes; 0 is at once.
        #[serde(default)]
        over_seconds: f64,
    },
    /// Changes the battery. What is left out stays.
    Battery {
        /// Charge, 0 to 100.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        charge_percent: Option<f64>,
        /// Current into the pack: negative drains it, positive charges it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        current_ma: Option<i32>,
        /// How many of a hundred reads fail.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        failing_reads_percent: Option<u8>,
        /// How many of a hundred reads succeed with nonsense.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        nonsense_reads_percent: Option<u8>,
    },
    /// Hangs the sensor higher or lower over the bay's floor.
    FloorDistance {
        /// From the sensor to the floor, 300 to 6000. Above 4000 an empty bay gives no echo.
        mm: u32,
    },
}

impl Command {
    /// How long a drive takes when nobody says otherwise.
    pub const DRIVE_SECONDS: f64 = 1.5;
    /// How long a pedestrian takes when nobody says otherwise.
    pub const PEDESTRIAN_SECONDS: f64 = 2.0;

    /// A car drives in at its usual pace.
    pub fn car_arrives() -> Self {
        Self::CarArrives {
            vehicle: Vehicle::Car,
            over_seconds: Self::DRIVE_SECONDS,
        }
    }

    /// Whatever stands in the bay drives out at its usual pace.
    pub fn car_leaves() -> Self {
        Self::CarLeaves {
            over_seconds: Self::DRIVE_SECONDS,
        }
    }
}

/// Whose silhouette passes under the sensor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Vehicle {
    /// 4.3 m long, 1.45 m high.
    #[default]
    Car,
    /// 5.3 m long, 2.0 m high.
    Van,
    /// 2.1 m long, 1.1 m high: little to reflect from.
    Motorcycle,
}

/// How hard it rains on the sensor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Rain {
    /// Dry.
    #[default]
    None,
    /// Some noise, few echoes missing.
    Light,
    /// Much noise, a quarter of the echoes missing, drops taken for obstacles.
    Heavy,
}

fn default_drive_seconds() -> f64 {
    Command::DRIVE_SECONDS
}

fn default_pedestrian_seconds() -> f64 {
    Command::PEDESTRIAN_SECONDS
}

/// A time from a number that came over the network: nonsense is no time, a day is the longest.
pub(crate) fn seconds(value: f64) -> Duration {
    const DAY_SECONDS: f64 = 86_400.0;
    Duration::try_from_secs_f64(value.min(DAY_SECONDS)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_short_to_write() {
        let read = |json: &str| serde_json::from_str::<Command>(json).expect(json);
        assert_eq!(read(r#"{"command":"carArrives"}"#), Command::car_arrives());
        assert_eq!(read(r#"{"command":"carLeaves"}"#), Command::car_leaves());
        assert_eq!(
            read(r#"{"command":"rain","level":"heavy"}"#),
            Command::Rain { level: Rain::Heavy }
        );
        assert_eq!(
            read(r#"{"command":"battery","chargePercent":9}"#),
            Command::Battery {
                charge_percent: Some(9.0),
                current_ma: None,
                failing_reads_percent: None,
                nonsense_reads_percent: None,
            }
        );
    }

    #[test]
    fn nonsense_times_are_no_time() {
        for nonsense in [-1.0, f64::NAN, f64::NEG_INFINITY] {
            assert!(seconds(nonsense) <= Duration::from_secs(86_400));
        }
        assert_eq!(seconds(-1.0), Duration::ZERO);
        assert_eq!(seconds(f64::INFINITY), Duration::from_secs(86_400));
        assert_eq!(seconds(1.5), Duration::from_millis(1500));
    }
}
