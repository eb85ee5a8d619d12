//! Refusals and documents as the hub writes them.

use std::io;

use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use hub_proto::error::{ErrorCode, Failure};
use jiff::Timestamp;
use serde_json::Value;

use crate::hub::{IdentityFault, TwinFault};
use crate::rest::{document, json, status_of};
use crate::with_causes;

const ERROR_CODE: HeaderName = HeaderName::from_static("iothub-errorcode");

/// A refusal: the hub's number, and a sentence.
#[derive(Debug)]
pub(crate) struct Fault {
    pub(super) code: ErrorCode,
    pub(super) message: String,
}

impl Fault {
    pub(crate) fn new(code: ErrorCode, message: impl Into<String>) -> Self {
        Self {
            code,
            // The SDK for Node reads a message up to its first semicolon.
            message: message.into().replace(';', ","),
        }
    }

    /// What was asked is not what can be: 400004.
    pub(crate) fn argument(message: impl Into<String>) -> Self {
        Self::new(ErrorCode::ArgumentInvalid, message)
    }

    pub(super) fn failure(&self) -> Failure {
        Failure {
            code: self.code,
            message: self.message.clone(),
            tracking_id: crate::tracking_id(),
            at: Timestamp::now(),
        }
    }
}

impl IntoResponse for Fault {
    fn into_response(self) -> Response {
        refusal(self.code, &self.failure().to_service_json())
    }
}

/// A refusal with a body of its own.
pub(super) fn refusal(code: ErrorCode, body: &Value) -> Response {
    let mut response = json(status_of(code.status()), body.to_string());
    let name = HeaderValue::from_static(code.name());
    response.headers_mut().insert(ERROR_CODE, name);
    response
}

/// A document with its entity tag, which clients of digital twins read from the header.
pub(super) fn tagged(found: &Value) -> Response {
    let mut response = document(found);
    let tag = found["etag"].as_str().unwrap_or_default();
    if let Ok(tag) = HeaderValue::try_from(format!("\"{tag}\"")) {
        response.headers_mut().insert(header::ETAG, tag);
    }
    response
}

pub(super) fn nothing() -> Response {
    StatusCode::NO_CONTENT.into_response()
}

impl From<IdentityFault> for Fault {
    fn from(fault: IdentityFault) -> Self {
        Self::new(fault.code(), with_causes(&fault))
    }
}

impl From<TwinFault> for Fault {
    fn from(fault: TwinFault) -> Self {
        Self::new(fault.code(), with_causes(&fault))
    }
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Self {
        let message = format!("the journal cannot be written: {}", with_causes(&error));
        Self::new(ErrorCode::ServerError, message)
    }
}
