//! The requests and answers of the socket, both ways. Documented in the parent module.

use serde::{Deserialize, Serialize};

use crate::{Colour, GaugeReading};

/// Longest line either side reads. Every request and answer is far shorter.
pub(crate) const MAX_LINE_BYTES: u64 = 512;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "camelCase")]
pub(crate) enum Request {
    Measure,
    SetLamp { colour: Colour },
    ReadGauge,
    ReadThermometer,
    Reboot,
}

/// Untagged, since each answer is told apart by the keys it has.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub(crate) enum Answer {
    Fault { fault: String },
    Echo(EchoAnswer),
    Lamp { lamp: LampAnswer },
    Gauge(GaugeReading),
    Thermometer { celsius: f32 },
    Power { power: PowerAnswer },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "echo", rename_all = "lowercase")]
pub(crate) enum EchoAnswer {
    Returned {
        #[serde(rename = "roundTripNs")]
        round_trip_ns: u64,
    },
    None,
    Stuck,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LampAnswer {
    Set,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum PowerAnswer {
    Restarting,
}
