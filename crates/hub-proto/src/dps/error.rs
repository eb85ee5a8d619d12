//! The provisioning service's error numbers. They differ from the hub's where both have one for the same thing.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::time;

/// A failure the provisioning service has a number for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DpsErrorCode {
    /// Bad body, id or parameter.
    BadRequest,
    /// The credential opens nothing: wrong key, foreign audience, expired token, unverified certificate.
    Unauthorized,
    /// The registration's enrolment is disabled.
    Disabled,
    /// No such enrolment, group, scope or registration.
    NotFound,
    /// The enrolment is there already, or changed at the same moment.
    Conflict,
    /// The entity tag does not match.
    PreconditionFailed,
    /// Too many requests: come back when `retry-after` is over.
    Throttled,
    /// The service failed.
    Internal,
    /// The hub that was to take the device did not.
    HubUnavailable,
    /// The allocation webhook did not answer as it should.
    CustomAllocationFailed,
}

impl DpsErrorCode {
    /// The service's number: the HTTP status, then three digits.
    #[must_use]
    pub const fn number(self) -> u32 {
        match self {
            Self::BadRequest => 400_004,
            Self::Unauthorized => 401_002,
            Self::Disabled => 403_004,
            Self::NotFound => 404_201,
            Self::Conflict => 409_201,
            Self::PreconditionFailed => 412_001,
            Self::Throttled => 429_001,
            Self::Internal => 500_001,
            Self::HubUnavailable => 500_207,
            Self::CustomAllocationFailed => 400_207,
        }
    }

    /// The HTTP status, also that of MQTT answers.
    #[must_use]
    pub const fn status(self) -> u16 {
        (self.number() / 1000) as u16
    }
}

/// The body of a refusal, over MQTT and HTTPS alike.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ErrorBody {
    /// The service's number; see [`DpsErrorCode`] for those known here.
    pub error_code: u32,
    /// What finds the failure in the service's log.
    #[serde(default)]
    pub tracking_id: String,
    /// A sentence for people.
    #[serde(default)]
    pub message: String,
    /// More about it, where there is more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub info: Option<Value>,
    /// When it happened, as text: services write it in more than one form.
    #[serde(default)]
    pub timestamp_utc: String,
}

impl ErrorBody {
    /// The body for a failure at a moment.
    #[must_use]
    pub fn new(
        code: DpsErrorCode,
        message: impl Into<String>,
        tracking_id: impl Into<String>,
        at: Timestamp,
    ) -> Self {
        Self {
            error_code: code.number(),
            tracking_id: tracking_id.into(),
            message: message.into(),
            info: None,
            timestamp_utc: time::format(at),
        }
    }
}
