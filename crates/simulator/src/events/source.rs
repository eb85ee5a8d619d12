//! What an event is about, and what each system calls it.

use serde::{Deserialize, Serialize};

/// Where an event comes from; by the name that the hub's resource has for it in JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Source {
    /// Messages of devices and modules.
    #[serde(rename = "DeviceMessages")]
    Telemetry = 0,
    #[serde(rename = "TwinChangeEvents")]
    TwinChange = 1,
    /// An identity was made or removed.
    #[serde(rename = "DeviceLifecycleEvents")]
    Lifecycle = 2,
    #[serde(rename = "DeviceConnectionStateEvents")]
    ConnectionState = 3,
    #[serde(rename = "DigitalTwinChangeEvents")]
    DigitalTwinChange = 4,
    #[serde(rename = "DeviceJobLifecycleEvents")]
    JobLifecycle = 5,
}

impl Source {
    pub(super) fn from_byte(byte: u8) -> Option<Self> {
        Some(match byte {
            0 => Self::Telemetry,
            1 => Self::TwinChange,
            2 => Self::Lifecycle,
            3 => Self::ConnectionState,
            4 => Self::DigitalTwinChange,
            5 => Self::JobLifecycle,
            _ => return None,
        })
    }

    /// `iothub-message-source`.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Telemetry => "Telemetry",
            Self::TwinChange => "twinChangeEvents",
            Self::Lifecycle => "deviceLifecycleEvents",
            Self::ConnectionState => "deviceConnectionStateEvents",
            Self::DigitalTwinChange => "digitalTwinChangeEvents",
            Self::JobLifecycle => "deviceJobLifecycleEvents",
        }
    }
}
