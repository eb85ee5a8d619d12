use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The answer a device gives, among its reported properties, to one writable property.
///
/// Plug and Play convention:
/// <https://learn.microsoft.com/azure/iot-develop/concepts-convention#writable-properties>
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Acknowledgement {
    /// The value in force, which after a refusal is not the one asked for.
    pub value: Value,
    /// The answer's code: [`Self::TAKEN`], [`Self::DEFAULT`] or [`Self::REFUSED`].
    pub ac: u16,
    /// The answer in words.
    pub ad: String,
    /// The version of the desired properties that is answered; 0 when nobody asked.
    pub av: u64,
}

impl Acknowledgement {
    /// The value asked for is in force.
    pub const TAKEN: u16 = 200;
    /// Nobody asked, and the device works with a value of its own.
    pub const DEFAULT: u16 = 203;
    /// The value asked for cannot be; another one stays in force.
    pub const REFUSED: u16 = 400;

    /// The answer to a value that is now in force.
    #[must_use]
    pub fn taken(value: Value, version: u64) -> Self {
        Self {
            value,
            ac: Self::TAKEN,
            ad: "taken".to_owned(),
            av: version,
        }
    }

    /// What is reported for a value nobody asked for.
    #[must_use]
    pub fn default(value: Value, why: impl Into<String>) -> Self {
        Self {
            value,
            ac: Self::DEFAULT,
            ad: why.into(),
            av: 0,
        }
    }

    /// The answer to a value that was refused for the reason `why`.
    #[must_use]
    pub fn refused(still_in_use: Value, why: impl Into<String>, version: u64) -> Self {
        Self {
            value: still_in_use,
            ac: Self::REFUSED,
            ad: why.into(),
            av: version,
        }
    }
}
