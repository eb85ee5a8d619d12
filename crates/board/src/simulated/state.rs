use serde::{Deserialize, Serialize};

use super::command::{Rain, Vehicle};
use crate::{Colour, GaugeReading};

/// A simulated bay as it is at one moment. Times are relative to that moment, so that a reader
/// needs no clock in common with the board.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BoardState {
    /// From the sensor to the empty bay's floor.
    pub floor_distance_mm: u32,
    /// What stands in the bay or moves through it.
    pub vehicle: Option<VehicleState>,
    /// Who walks under the sensor.
    pub pedestrian: Option<PedestrianState>,
    /// How hard it rains.
    pub rain: Rain,
    /// Whether the echo line hangs high.
    pub sensor_stuck: bool,
    /// Whether the sensor's cable is cut.
    pub cable_cut: bool,
    /// The air.
    pub temperature: TemperatureState,
    /// The battery.
    pub battery: BatteryState,
    /// The lamp's pins.
    pub lamp: LampState,
    /// The newest measurement, if any port ever measured.
    pub sample: Option<Sample>,
    /// Measurements taken since the board started.
    pub samples: u64,
    /// How often the machine on the board was restarted by itself.
    pub restarts: u64,
}

/// A vehicle in or near the bay.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct VehicleState {
    /// Its silhouette.
    pub vehicle: Vehicle,
    /// Where it is heading.
    pub motion: Motion,
    /// Its middle from the sensor's axis: negative towards the street, 0 when parked.
    pub offset_mm: i32,
    /// Until it stands, or is out of sight.
    pub remaining_ms: u32,
}

/// What a vehicle is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Motion {
    /// Driving in.
    Arriving,
    /// Standing in the bay.
    Parked,
    /// Backing out.
    Leaving,
}

/// Somebody under the sensor.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PedestrianState {
    /// How far through the beam they are, 0 to 1.
    pub progress: f64,
    /// Until they have left it.
    pub remaining_ms: u32,
}

/// The air's temperature.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TemperatureState {
    /// Now.
    pub celsius: f64,
    /// Where a ramp ends; the same as `celsius` when there is none.
    pub target_celsius: f64,
    /// Until it is there.
    pub remaining_ms: u32,
}

/// The battery as it really is, and how badly it can be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BatteryState {
    /// The registers.
    #[serde(flatten)]
    pub registers: GaugeReading,
    /// How many of a hundred reads fail.
    pub failing_reads_percent: u8,
    /// How many of a hundred reads succeed with nonsense.
    pub nonsense_reads_percent: u8,
}

/// The lamp's pins, read back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LampState {
    /// What shines now.
    pub colour: Colour,
    /// Since when it does; `None` when it was never set.
    pub changed_ms_ago: Option<u64>,
    /// Changes since the board started.
    pub changes: u64,
    /// The newest changes, oldest first: enough to see a pattern in.
    pub history: Vec<PastColour>,
}

/// A colour the lamp showed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PastColour {
    /// The colour.
    pub colour: Colour,
    /// How long ago it was set.
    pub ms_ago: u64,
}

/// One measurement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Sample {
    /// What became of it.
    pub outcome: Outcome,
    /// The distance its echo time means in this air, noise included. Only with
    /// [`Outcome::Returned`].
    pub distance_mm: Option<u16>,
    /// How long ago it was taken.
    pub ms_ago: u64,
}

/// What became of a measurement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// An echo came back.
    Returned,
    /// None did.
    None,
    /// The echo line hung.
    Stuck,
    /// The sensor could not be reached.
    Fault,
}
