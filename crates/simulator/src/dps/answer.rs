//! What a device is told, over either transport.

use hub_proto::dps::error::{DpsErrorCode, ErrorBody};
use jiff::Timestamp;
use serde::Serialize;

/// One answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// Seconds.
    pub(crate) retry_after: Option<u32>,
    /// JSON.
    pub(crate) body: String,
    /// What to ask with, where a registration has begun.
    pub(crate) operation_id: Option<String>,
}

impl Answer {
    pub(super) fn new(status: u16, retry_after: Option<u32>, body: &impl Serialize) -> Self {
        Self {
            status,
            retry_after,
            // Plain documents: there is nothing in them that JSON could not say.
            body: serde_json::to_string(body).unwrap_or_default(),
            operation_id: None,
        }
    }

    pub(super) fn error(code: DpsErrorCode, message: &str, now: Timestamp) -> Self {
        let body = ErrorBody::new(code, message, crate::tracking_id(), now);
        Self::new(code.status(), None, &body)
    }
}
