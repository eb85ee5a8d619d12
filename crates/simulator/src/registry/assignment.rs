//! Which configurations a twin is held to.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// One configuration whose target condition a twin fulfils.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Assignment {
    pub(crate) configuration: String,
    /// When that was made: one that was made later under the same id has another content.
    pub(crate) made: Timestamp,
    /// Whether the twin has what it says, and not what a stronger one says.
    pub(crate) applied: bool,
    /// Which parts of the desired properties it has set, to be taken out when it no longer counts. Those that a
    /// deployment has set stay until there is another deployment.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) set: Vec<String>,
}

/// The section `configurations` of a twin.
pub(crate) fn section(assigned: &[Assignment]) -> Value {
    let statuses: Map<String, Value> = assigned
        .iter()
        .map(|assignment| {
            let status = if assignment.applied {
                "Applied"
            } else {
                "Targeted"
            };
            (assignment.configuration.clone(), json!({"status": status}))
        })
        .collect();
    Value::Object(statuses)
}
