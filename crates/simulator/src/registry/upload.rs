use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// A file that a device is uploading.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Upload {
    pub(crate) device: String,
    pub(crate) container: String,
    pub(crate) blob: String,
    /// Where the blob is, without what opens it.
    pub(crate) uri: String,
    /// When the signature ends, and with it the upload.
    pub(crate) expires: Timestamp,
}
