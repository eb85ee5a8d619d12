//! One section of properties.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::limits::{self, LimitError, MAX_SECTION_BYTES};
use super::{Metadata, Object, merge};

/// Which section this is: desired properties also keep the version that wrote each of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Kind {
    /// Written by services.
    Desired,
    /// Written by the device.
    Reported,
}

/// Properties with their version and the moment each was written.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Section {
    kind: Kind,
    value: Object,
    version: u64,
    metadata: Metadata,
}

impl Section {
    /// An empty section at version 1.
    #[must_use]
    pub fn new(kind: Kind, now: Timestamp) -> Self {
        let mut section = Self {
            kind,
            value: Object::new(),
            version: 1,
            metadata: Metadata::new(now, None),
        };
        section.metadata.last_updated_version = section.stamp();
        section
    }

    /// The properties, without `$version` and `$metadata`.
    #[must_use]
    pub const fn value(&self) -> &Object {
        &self.value
    }

    /// Raised by every change.
    #[must_use]
    pub const fn version(&self) -> u64 {
        self.version
    }

    /// When each property was written.
    #[must_use]
    pub const fn metadata(&self) -> &Metadata {
        &self.metadata
    }

    /// Merges a patch and raises the version, also when nothing changes by it.
    ///
    /// # Errors
    /// When the patch or the section it would lead to breaks a limit; nothing is then changed.
    pub fn merge(&mut self, patch: &Object, now: Timestamp) -> Result<(), LimitError> {
        limits::validate(patch)?;
        let mut value = self.value.clone();
        merge(&mut value, patch);
        limits::validate_size(&value, MAX_SECTION_BYTES)?;
        self.value = value;
        self.version += 1;
        self.metadata.touch(patch, now, self.stamp());
        Ok(())
    }

    /// Puts a new section in the place of this one and raises the version. Nulls are left out.
    ///
    /// # Errors
    /// As [`Section::merge`].
    pub fn replace(&mut self, value: &Object, now: Timestamp) -> Result<(), LimitError> {
        let empty = Self {
            kind: self.kind,
            value: Object::new(),
            version: self.version,
            metadata: Metadata::new(now, None),
        };
        let mut next = empty;
        next.merge(value, now)?;
        *self = next;
        Ok(())
    }

    /// `{…,"$version":n}`, as the device gets it.
    #[must_use]
    pub fn to_device_json(&self) -> Value {
        let mut object = self.value.clone();
        object.insert("$version".to_owned(), self.version.into());
        Value::Object(object)
    }

    /// `{…,"$metadata":{…},"$version":n}`, as a service gets it.
    #[must_use]
    pub fn to_service_json(&self) -> Value {
        let mut object = self.value.clone();
        object.insert("$metadata".to_owned(), self.metadata.to_json());
        object.insert("$version".to_owned(), self.version.into());
        Value::Object(object)
    }

    /// Goes on from the version of a section that this one takes the place of: versions that were seen do not come again
    /// for something else.
    pub(super) fn go_on_from(&mut self, replaced: &Self) {
        if self.version < replaced.version {
            self.version = replaced.version + 1;
        }
    }

    const fn stamp(&self) -> Option<u64> {
        match self.kind {
            Kind::Desired => Some(self.version),
            Kind::Reported => None,
        }
    }
}
