//! When each property was last written.

mod children;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use self::children::Children;
use super::Object;
use crate::time;

/// When a section, or a property within it, was last written, and the same of everything below it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Metadata {
    /// When.
    #[serde(rename = "t")]
    pub last_updated: Timestamp,
    /// The section's version that wrote it; only desired properties keep it.
    #[serde(rename = "v", default, skip_serializing_if = "Option::is_none")]
    pub last_updated_version: Option<u64>,
    /// Of the properties below.
    #[serde(rename = "c", default, skip_serializing_if = "Children::is_empty")]
    pub children: Children,
}

impl Metadata {
    pub(super) const fn new(now: Timestamp, version: Option<u64>) -> Self {
        Self {
            last_updated: now,
            last_updated_version: version,
            children: Children::new(),
        }
    }

    /// Stamps every path the patch touches; deleted properties lose their stamp, their parent gains one.
    pub(super) fn touch(&mut self, patch: &Object, now: Timestamp, version: Option<u64>) {
        self.last_updated = now;
        self.last_updated_version = version;
        for (name, change) in patch {
            match change {
                Value::Null => {
                    self.children.remove(name);
                }
                Value::Object(change) => {
                    self.children
                        .entry(name, || Self::new(now, version))
                        .touch(change, now, version);
                }
                _ => {
                    let stamp = Self::new(now, version);
                    self.children.insert(name, stamp);
                }
            }
        }
    }

    /// The `$metadata` object.
    #[must_use]
    pub fn to_json(&self) -> Value {
        let mut object = Object::new();
        object.insert(
            "$lastUpdated".to_owned(),
            time::format(self.last_updated).into(),
        );
        if let Some(version) = self.last_updated_version {
            object.insert("$lastUpdatedVersion".to_owned(), version.into());
        }
        for (name, child) in self.children.iter() {
            object.insert(name.to_owned(), child.to_json());
        }
        Value::Object(object)
    }
}
