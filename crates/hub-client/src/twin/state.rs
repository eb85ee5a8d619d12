//! The twin as the application gets it.

use hub_proto::twin::Object;
use serde_json::Value;

/// Both sections of properties.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TwinState {
    /// What the cloud wants.
    pub desired: TwinSection,
    /// What this client has reported.
    pub reported: TwinSection,
}

/// One section of properties.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TwinSection {
    /// The properties, without `$version`.
    pub properties: Object,
    /// Raised by every change.
    pub version: u64,
}

impl TwinState {
    /// Reads `{"desired":{…,"$version":n},"reported":{…,"$version":n}}`.
    pub(super) fn parse(body: &[u8]) -> Option<Self> {
        let mut twin: Object = serde_json::from_slice(body).ok()?;
        let mut section = |name| {
            let Some(Value::Object(mut properties)) = twin.remove(name) else {
                return None;
            };
            let version = take_version(&mut properties)?;
            Some(TwinSection {
                properties,
                version,
            })
        };
        Some(Self {
            desired: section("desired")?,
            reported: section("reported")?,
        })
    }
}

pub(super) fn take_version(properties: &mut Object) -> Option<u64> {
    properties.shift_remove("$version")?.as_u64()
}
