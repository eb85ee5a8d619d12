//! Configurations: what many devices are to have, as a service keeps it in the hub.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// One configuration, whose id is its name in the registry.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Configuration {
    pub(crate) labels: BTreeMap<String, String>,
    /// `modulesContent`, `moduleContent` or `deviceContent`.
    pub(crate) content: Map<String, Value>,
    /// Whom it is for, as the WHERE clause of a query; empty for nobody.
    pub(crate) target_condition: String,
    /// The highest counts.
    pub(crate) priority: u64,
    /// Queries by the name of what they measure.
    pub(crate) metrics: BTreeMap<String, String>,
    pub(crate) created: Timestamp,
    pub(crate) updated: Timestamp,
    pub(crate) revision: u64,
}

impl Configuration {
    /// Takes the place of another, of which no entity tag is to stand for this one.
    pub(crate) fn go_on_from(&mut self, replaced: &Self) {
        if self.revision < replaced.revision {
            self.revision = replaced.revision + 1;
        }
    }

    /// Removed and made again it has another, since it was created at another time.
    pub(crate) fn etag(&self) -> String {
        base64::Engine::encode(
            &base64::engine::general_purpose::STANDARD,
            format!("{}.{}", self.created.as_microsecond(), self.revision),
        )
    }
}
