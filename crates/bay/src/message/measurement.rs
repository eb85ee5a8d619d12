use serde::{Deserialize, Serialize};

use crate::{Distance, UnknownReason};

/// Output `distance` of hc-sr04, off unless asked for: what the sensor hears at this moment.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DistanceReport {
    /// The last measurement as it came; `null` when it gave no distance.
    pub raw_mm: Option<Distance>,
    /// The median of the last measurements; `null` when it cannot be trusted.
    pub filtered_mm: Option<Distance>,
    /// What was wrong with the last measurement; `null` when nothing was.
    pub trouble: Option<UnknownReason>,
    /// The temperature of the air the distance was worked out with.
    pub temperature_celsius: f32,
}

impl DistanceReport {
    /// The output's name, and its value of the `kind` property.
    pub const OUTPUT: &'static str = "distance";
}

/// Argument of method `measure`; nothing at all means the default.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MeasureRequest {
    /// How many bursts to send, 1 to 50.
    pub count: Option<u32>,
}

/// Answer of method `measure`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Measurement {
    /// The median of the echoes.
    pub distance_mm: Distance,
    /// How many bursts were sent.
    pub burst_count: u32,
    /// How many of them came back from within the range.
    pub echo_count: u32,
    /// How far the echoes lie apart, without the nearest and the farthest when there are five or
    /// more.
    pub spread_mm: Distance,
    /// The temperature of the air the distance was worked out with.
    pub temperature_celsius: f32,
}

/// Answer of method `calibrate`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Calibration {
    /// The distance to the floor of the empty bay, now in force.
    pub floor_distance_mm: Distance,
    /// The floor distance that was in force before.
    pub previous_floor_distance_mm: Distance,
    /// What it was learned from.
    #[serde(flatten)]
    pub measurement: Measurement,
}
