//! What is published.

use bytes::Bytes;

/// A publish, without its quality of service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Packet {
    pub(crate) topic: String,
    pub(crate) payload: Bytes,
}
