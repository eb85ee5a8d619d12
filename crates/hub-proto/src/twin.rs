//! Twins: the settings the cloud wants (`desired`), what the device says is so (`reported`), and the
//! cloud's own notes (`tags`).
//!
//! A patch merges: null deletes a key, objects merge, everything else replaces. Each section of
//! properties has a version of its own which every patch raises; the twin's version counts changes of
//! tags and desired properties.

mod envelope;
mod limits;
mod merge;
mod metadata;
mod section;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

pub use envelope::Envelope;
pub use limits::{
    LimitError, MAX_DEPTH, MAX_INTEGER, MAX_NAME_BYTES, MAX_SECTION_BYTES, MAX_STRING_BYTES,
    MAX_TAGS_BYTES, MIN_INTEGER,
};
pub use merge::{diff, merge};
pub use metadata::{Children, Metadata};
pub use section::{Kind, Section};

/// A JSON object.
pub type Object = Map<String, Value>;

/// The twin of a device or module, in a form a store can keep.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Twin {
    tags: Object,
    desired: Section,
    reported: Section,
    version: u64,
}

/// Why a twin was left as it was.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TwinError {
    /// The document is not an object where one has to be.
    #[error("{0} must be a JSON object.")]
    NotAnObject(&'static str),
    /// A name, a value or a section is out of bounds.
    #[error(transparent)]
    Limit(#[from] LimitError),
}

/// How a service's document is applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Update {
    /// PATCH: merge into what is there.
    Merge,
    /// PUT: the sections that are named become this.
    Replace,
}

impl Twin {
    /// The empty twin of a new identity; versions start at 1.
    #[must_use]
    pub fn new(now: Timestamp) -> Self {
        Self {
            tags: Object::new(),
            desired: Section::new(Kind::Desired, now),
            reported: Section::new(Kind::Reported, now),
            version: 1,
        }
    }

    /// The cloud's notes.
    #[must_use]
    pub const fn tags(&self) -> &Object {
        &self.tags
    }

    /// What the cloud wants.
    #[must_use]
    pub const fn desired(&self) -> &Section {
        &self.desired
    }

    /// What the device says.
    #[must_use]
    pub const fn reported(&self) -> &Section {
        &self.reported
    }

    /// Counts changes of tags and desired properties.
    #[must_use]
    pub const fn version(&self) -> u64 {
        self.version
    }

    /// The entity tag that goes with [`Twin::version`]: base64 of eight big-endian bytes.
    #[must_use]
    pub fn etag(&self) -> String {
        use base64::Engine as _;
        base64::engine::general_purpose::STANDARD.encode(self.version.to_be_bytes())
    }

    /// Takes the place of another twin of the same identity, as when a former state is brought back: where that was ahead,
    /// versions go on from it, so that none that a client or a service has seen comes again for something else.
    pub fn go_on_from(&mut self, replaced: &Self) {
        self.desired.go_on_from(&replaced.desired);
        self.reported.go_on_from(&replaced.reported);
        if self.version < replaced.version {
            self.version = replaced.version + 1;
        }
    }

    /// Merges a device's patch into the reported section and gives its new version.
    ///
    /// # Errors
    /// When the patch is no object or breaks a limit; the twin is then unchanged.
    pub fn report(&mut self, patch: &Value, now: Timestamp) -> Result<u64, TwinError> {
        let patch = patch
            .as_object()
            .ok_or(TwinError::NotAnObject("The reported patch"))?;
        self.reported.merge(patch, now)?;
        Ok(self.reported.version())
    }

    /// Merges into the desired section and gives what the device is to be told: the patch.
    ///
    /// # Errors
    /// When the patch breaks a limit; the twin is then unchanged.
    pub fn desire(&mut self, patch: &Object, now: Timestamp) -> Result<Object, TwinError> {
        self.desired.merge(patch, now)?;
        self.version += 1;
        Ok(self.notification(patch.clone()))
    }

    /// Applies a service's document, `{"tags":{…},"properties":{"desired":{…}}}` with every part optional.
    ///
    /// `$version`, `$metadata` and reported properties in it are passed over, so that a twin that was read
    /// can be changed and sent back.
    /// Gives the notification for the device when desired properties were named: for a replacement, a
    /// patch with explicit nulls that leads from the old section to the new one.
    ///
    /// # Errors
    /// When a part is no object or breaks a limit; the twin is then unchanged.
    pub fn update(
        &mut self,
        document: &Value,
        update: Update,
        now: Timestamp,
    ) -> Result<Option<Object>, TwinError> {
        let document = document
            .as_object()
            .ok_or(TwinError::NotAnObject("The twin"))?;
        let mut next = self.clone();
        if let Some(tags) = object_in(document, "tags")? {
            let mut merged = if update == Update::Merge {
                next.tags
            } else {
                Object::new()
            };
            limits::validate(&tags)?;
            merge(&mut merged, &tags);
            limits::validate_size(&merged, MAX_TAGS_BYTES)?;
            next.tags = merged;
        }
        let properties = object_in(document, "properties")?.unwrap_or_default();
        let notification = match object_in(&properties, "desired")? {
            None => None,
            Some(desired) if update == Update::Merge => {
                next.desired.merge(&desired, now)?;
                Some(desired)
            }
            Some(desired) => {
                next.desired.replace(&desired, now)?;
                Some(diff(self.desired.value(), next.desired.value()))
            }
        };
        next.version += 1;
        *self = next;
        Ok(notification.map(|patch| self.notification(patch)))
    }

    /// What the device gets for a GET: `{"desired":{…,"$version":n},"reported":{…,"$version":n}}`.
    #[must_use]
    pub fn to_device_json(&self) -> Value {
        json!({ "desired": self.desired.to_device_json(), "reported": self.reported.to_device_json() })
    }

    /// What a service gets: the envelope of the identity's state around tags and both sections.
    #[must_use]
    pub fn to_service_json(&self, envelope: &Envelope<'_>) -> Value {
        envelope.render(self)
    }

    fn notification(&self, mut patch: Object) -> Object {
        patch.insert("$version".to_owned(), self.desired.version().into());
        patch
    }
}

/// An object by name, without the service's own `$version` and `$metadata`. Null is as good as absent.
fn object_in(document: &Object, name: &'static str) -> Result<Option<Object>, TwinError> {
    match document.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::Object(object)) => {
            let mut object = object.clone();
            object.shift_remove("$version");
            object.shift_remove("$metadata");
            Ok(Some(object))
        }
        Some(_) => Err(TwinError::NotAnObject(name)),
    }
}
