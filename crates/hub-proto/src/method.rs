//! Direct methods as their caller sees them: the REST body, its time-outs, its answer.
//!
//! The device's side is a topic each way, see [`crate::topic`].

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use thiserror::Error;

use crate::error::ErrorCode;

/// The largest payload, each way, in bytes (128 KB).
pub const MAX_PAYLOAD_BYTES: usize = 131_072;

/// The longest method name, in characters.
pub const MAX_NAME_LENGTH: usize = 100;

/// The body of `POST /twins/{d}[/modules/{m}]/methods`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MethodRequest {
    /// Which method.
    pub method_name: String,
    /// Its argument. Python sends `""` and Node `null` when the caller gave none.
    #[serde(default)]
    pub payload: Value,
    /// How long the device may take: 5 to 300 s, by default 30.
    #[serde(default = "default_response_timeout")]
    pub response_timeout_in_seconds: u64,
    /// How long to wait for the device to come online: 0 to 300 s, by default 0.
    #[serde(default)]
    pub connect_timeout_in_seconds: u64,
}

/// The body of the answer, when the device gave one.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MethodResponse {
    /// The device's own number for the outcome.
    pub status: i32,
    /// What it said; null when it said nothing.
    #[serde(default)]
    pub payload: Value,
}

/// Why a request or an answer is not passed on. The service answers 400 with this text.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum MethodError {
    /// The name is empty or too long.
    #[error("methodName must have 1 to {MAX_NAME_LENGTH} characters.")]
    Name,
    /// `responseTimeoutInSeconds` is out of its range.
    #[error("responseTimeoutInSeconds must be within [5; 300].")]
    ResponseTimeout,
    /// `connectTimeoutInSeconds` is out of its range.
    #[error("connectTimeoutInSeconds must be within [0; 300].")]
    ConnectTimeout,
    /// The payload is above [`MAX_PAYLOAD_BYTES`].
    #[error("payload is {0} bytes, more than {MAX_PAYLOAD_BYTES}.")]
    PayloadTooLarge(usize),
    /// What the device answered is not JSON.
    #[error("the device's answer is not JSON.")]
    NotJson,
}

const fn default_response_timeout() -> u64 {
    30
}

impl MethodRequest {
    /// A request with the service's default time-outs.
    #[must_use]
    pub fn new(name: impl Into<String>, payload: Value) -> Self {
        Self {
            method_name: name.into(),
            payload,
            response_timeout_in_seconds: default_response_timeout(),
            connect_timeout_in_seconds: 0,
        }
    }

    /// Checks what the service checks before it looks for the device.
    ///
    /// # Errors
    /// When the name, a time-out or the payload is out of bounds.
    pub fn validate(&self) -> Result<(), MethodError> {
        if self.method_name.is_empty() || self.method_name.chars().count() > MAX_NAME_LENGTH {
            return Err(MethodError::Name);
        }
        if !(5..=300).contains(&self.response_timeout_in_seconds) {
            return Err(MethodError::ResponseTimeout);
        }
        if self.connect_timeout_in_seconds > 300 {
            return Err(MethodError::ConnectTimeout);
        }
        match self.device_payload().len() {
            bytes if bytes > MAX_PAYLOAD_BYTES => Err(MethodError::PayloadTooLarge(bytes)),
            _ => Ok(()),
        }
    }

    /// What the device gets. As from the real hub, a null payload is a body of no bytes; Node's SDK
    /// refuses that with 400 by itself, so a kinder service sends the four bytes `null` instead.
    #[must_use]
    pub fn device_payload(&self) -> Vec<u8> {
        if self.payload.is_null() {
            Vec::new()
        } else {
            self.payload.to_string().into_bytes()
        }
    }

    /// How long the device may take.
    #[must_use]
    pub const fn response_timeout(&self) -> Duration {
        Duration::from_secs(self.response_timeout_in_seconds)
    }

    /// How long to wait for the device to come online.
    #[must_use]
    pub const fn connect_timeout(&self) -> Duration {
        Duration::from_secs(self.connect_timeout_in_seconds)
    }
}

impl MethodResponse {
    /// The caller's answer from the device's: no bytes are null.
    ///
    /// # Errors
    /// When the body is too large or not JSON.
    pub fn from_device(status: i32, body: &[u8]) -> Result<Self, MethodError> {
        if body.len() > MAX_PAYLOAD_BYTES {
            return Err(MethodError::PayloadTooLarge(body.len()));
        }
        let payload = match body {
            [] => Value::Null,
            body => serde_json::from_slice(body).map_err(|_| MethodError::NotJson)?,
        };
        Ok(Self { status, payload })
    }
}

/// What the hub's REST face says when a method got no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoAnswer {
    /// The device did not come online, or did not subscribe, within the connect time-out.
    NotOnline,
    /// The device did not answer within the response time-out.
    TimedOut,
}

impl NoAnswer {
    /// Its number: 404103 or 504101.
    #[must_use]
    pub const fn code(self) -> ErrorCode {
        match self {
            Self::NotOnline => ErrorCode::DeviceNotOnline,
            Self::TimedOut => ErrorCode::GatewayTimeout,
        }
    }

    /// The hub's sentence for it.
    #[must_use]
    pub const fn message(self) -> &'static str {
        match self {
            Self::NotOnline => "Timed out waiting for device to connect.",
            Self::TimedOut => "Timed out waiting for the response from device.",
        }
    }

    /// edgeHub's sentence for it, the `message` of its body; `target` is `device/module`.
    #[must_use]
    pub fn edge_message(self, target: &str, method: &str) -> String {
        match self {
            Self::NotOnline => format!("Client {target} not found"),
            Self::TimedOut => {
                format!("Timed out waiting for device to respond to method request {method}")
            }
        }
    }
}
