//! What can go wrong with the hub, one variant for each thing a caller could do something about.

use std::fmt;
use std::time::Duration;

use hub_proto::connection_string::ConnectionStringError;
use hub_proto::error::ErrorCode;
use serde_json::Value;

/// Why the hub did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum ServiceError {
    /// The connection string cannot be read.
    #[error("the hub's connection string cannot be used")]
    ConnectionString(#[source] ConnectionStringError),
    /// The connection string is a device's, or names no policy or no host.
    #[error(
        "the connection string is not a hub's: it needs HostName, SharedAccessKeyName and SharedAccessKey"
    )]
    NotAService,
    /// The hub was not reached or not trusted, so nothing was done.
    #[error("the hub could not be asked")]
    Unreachable(#[source] transport::Error),
    /// The connection broke or stayed silent after the question was sent. Whether it was done is not known.
    #[error("the hub's answer did not come, and whether it did what it was asked is not known")]
    Broken(#[source] transport::Error),
    /// Status 401 or 403: wrong key or clock, or a policy that may not do this.
    #[error("the hub refused the policy's key, or what the policy may not do: {0}")]
    Unauthorized(Refusal),
    /// Status 404: no such device, module or twin.
    #[error("the hub knows no such device or module: {0}")]
    NotFound(Refusal),
    /// A method's device is not connected within the connect time-out. Nothing was done.
    #[error("the device is not connected: {0}")]
    Offline(Refusal),
    /// A method's device did not answer within the response time-out. Whether it did it is not known.
    #[error("the device did not answer in time: {0}")]
    DeviceSilent(Refusal),
    /// Status 409: it is there already.
    #[error("the hub has it already: {0}")]
    Exists(Refusal),
    /// Status 412: somebody changed it since it was read.
    #[error("it has changed since it was read: {0}")]
    Changed(Refusal),
    /// Status 429: too many requests.
    #[error("the hub is asked too often: {refusal}")]
    Throttled {
        /// When to ask again, if the hub says.
        retry_after: Option<Duration>,
        /// What it says.
        refusal: Refusal,
    },
    /// Any other status.
    #[error("the hub refused: {0}")]
    Refused(Refusal),
    /// An answer makes no sense, or what was to be sent is none.
    #[error("{0} cannot be read or written")]
    Malformed(&'static str),
}

impl ServiceError {
    pub(crate) fn of(status: u16, retry_after: Option<Duration>, body: &[u8]) -> Self {
        let refusal = Refusal::read(status, body);
        let is = |code: ErrorCode| refusal.code == Some(code.number());
        match status {
            401 | 403 => Self::Unauthorized(refusal),
            404 if is(ErrorCode::DeviceNotOnline) => Self::Offline(refusal),
            404 => Self::NotFound(refusal),
            409 => Self::Exists(refusal),
            412 => Self::Changed(refusal),
            429 => Self::Throttled {
                retry_after,
                refusal,
            },
            // The hub in the cloud says 504101 for a device that never answers.
            504 if is(ErrorCode::GatewayTimeout) => Self::DeviceSilent(refusal),
            _ => Self::Refused(refusal),
        }
    }
}

/// What the hub said in place of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The HTTP status.
    pub status: u16,
    /// The service's own number, such as 404103, if it says one.
    pub code: Option<u32>,
    /// A sentence for people.
    pub message: String,
}

impl Refusal {
    /// The hub's bodies are `{"Message": "ErrorCode:Name;E404001: …"}`, and for methods the same with a JSON text as
    /// `Message`.
    fn read(status: u16, body: &[u8]) -> Self {
        let outer: Value = serde_json::from_slice(body).unwrap_or_default();
        let said = outer["Message"]
            .as_str()
            .or_else(|| outer["message"].as_str());
        let said = said.unwrap_or_default();
        let inner: Value = serde_json::from_str(said).unwrap_or_default();
        let message = inner["message"].as_str().unwrap_or(said);
        let code = inner["errorCode"]
            .as_u64()
            .or_else(|| outer["errorCode"].as_u64());
        let code = code.and_then(|code| u32::try_from(code).ok());
        Self {
            status,
            code: code.or_else(|| spelled(said)),
            message: message.chars().take(500).collect(),
        }
    }
}

/// The number in `ErrorCode:DeviceNotFound;E404001: …`.
fn spelled(message: &str) -> Option<u32> {
    let (_, rest) = message
        .strip_prefix("ErrorCode:")?
        .split_once([';', ':'])
        .filter(|(_, rest)| rest.starts_with('E'))?;
    let digits = rest[1..].split(|c: char| !c.is_ascii_digit()).next()?;
    digits.parse().ok()
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "status {}", self.status)?;
        if let Some(code) = self.code {
            write!(f, ", error {code}")?;
        }
        if !self.message.is_empty() {
            write!(f, ", {}", self.message)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use hub_proto::error::Failure;
    use jiff::Timestamp;

    use super::*;

    fn failure(code: ErrorCode) -> Failure {
        Failure {
            code,
            message: "What happened.".to_owned(),
            tracking_id: "0".repeat(32),
            at: Timestamp::UNIX_EPOCH,
        }
    }

    #[test]
    fn bodies_of_the_hub_become_what_can_be_done_about_them() {
        let of = |code: ErrorCode| {
            let body = failure(code).to_service_json().to_string();
            ServiceError::of(code.status(), None, body.as_bytes())
        };
        assert!(matches!(
            of(ErrorCode::DeviceNotFound),
            ServiceError::NotFound(refusal) if refusal.code == Some(404_001)
        ));
        assert!(matches!(
            of(ErrorCode::IotHubUnauthorizedAccess),
            ServiceError::Unauthorized(_)
        ));
        assert!(matches!(
            of(ErrorCode::ThrottlingException),
            ServiceError::Throttled { .. }
        ));
    }

    #[test]
    fn a_method_without_an_answer_is_told_from_one_without_a_device() {
        let of = |code: ErrorCode| {
            let body = failure(code).to_method_json(Duration::from_secs(5));
            ServiceError::of(code.status(), None, body.to_string().as_bytes())
        };
        assert!(matches!(
            of(ErrorCode::DeviceNotOnline),
            ServiceError::Offline(refusal) if refusal.message == "What happened."
        ));
        assert!(matches!(
            of(ErrorCode::GatewayTimeout),
            ServiceError::DeviceSilent(_)
        ));
    }

    #[test]
    fn any_body_is_an_error_and_no_panic() {
        for body in ["", "null", "[1]", "{\"Message\":7}", "ErrorCode:", "\u{e9}"] {
            let error = ServiceError::of(500, None, body.as_bytes());
            assert!(matches!(error, ServiceError::Refused(_)), "{body}");
        }
        for message in [
            "ErrorCode:A;E",
            "ErrorCode:A;Eé",
            "ErrorCode:A;E99999999999",
        ] {
            assert_eq!(spelled(message), None, "{message}");
        }
    }
}
