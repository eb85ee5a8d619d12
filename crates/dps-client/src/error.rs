//! What can go wrong with a registration, one variant for each thing a caller could do something about.

use std::fmt;
use std::time::Duration;

use hub_proto::dps::error::ErrorBody;
use thiserror::Error;

/// Why a device has no hub now.
#[derive(Debug, Error)]
pub enum RegisterError {
    /// The scope cannot be one; nothing was sent.
    #[error(
        "{id_scope:?} cannot be an id scope: copy it from the provisioning service's overview, such as 0ne00AA12BC"
    )]
    IdScope {
        /// What was given.
        id_scope: String,
    },
    /// Nothing answers there: no network, a wrong name, a closed port, or silence.
    #[error(
        "no answer from the provisioning service in {after:.0?}: check the network and the endpoint"
    )]
    Unreachable {
        /// How long it was tried.
        after: Duration,
        /// What the last attempt met; nothing when it met silence.
        #[source]
        source: Option<transport::Error>,
    },
    /// The service, or what answers in its place, cannot be spoken with until a setting, a certificate or
    /// the clock is mended.
    #[error(
        "cannot speak with the provisioning service: check the endpoint, the certificates and the clock"
    )]
    Link(#[source] transport::Error),
    /// Status 401: wrong key, foreign certificate, or wrong clock.
    #[error(
        "the provisioning service refused the key or certificate: check that it belongs to this registration id and scope, and that the clock is right ({0})"
    )]
    Unauthorized(Refusal),
    /// Status 404: no such scope, or no enrolment for this registration id.
    #[error(
        "the provisioning service knows no such id scope or registration id: check both, and that the device is enrolled ({0})"
    )]
    NotFound(Refusal),
    /// The enrolment is disabled.
    #[error("the enrolment of this device is disabled: enable it in the provisioning service")]
    Disabled,
    /// The service took the device but found no hub for it.
    #[error("the provisioning service could not assign a hub: {}", code_and_message(*code, message))]
    Failed {
        /// The service's number.
        code: Option<u32>,
        /// Its reason.
        message: String,
    },
    /// Any other final refusal.
    #[error("the provisioning service refused the registration: {0}")]
    Refused(Refusal),
    /// The service kept putting the device off, throttled (429) or in trouble (5xx).
    #[error("the provisioning service was too busy for {after:.0?}: try again later ({refusal})")]
    Busy {
        /// How long it was tried.
        after: Duration,
        /// Its last answer.
        refusal: Refusal,
    },
    /// The service took the device and did not come to an end with it.
    #[error("the provisioning service was still choosing a hub after {after:.0?}: try again later")]
    StillAssigning {
        /// How long it was tried.
        after: Duration,
    },
    /// An answer makes no sense.
    #[error("the provisioning service's answer cannot be read: {0}")]
    Malformed(&'static str),
}

impl RegisterError {
    /// What a failure means after which no connection is worth trying.
    pub(crate) fn from_permanent(why: transport::Error) -> Self {
        match why {
            transport::Error::CredentialsRefused
            | transport::Error::ClientCertificateRefused { .. } => Self::Unauthorized(Refusal {
                status: 401,
                code: None,
                message: chain(&why),
                tracking_id: None,
            }),
            why => Self::Link(why),
        }
    }

    /// Whether trying again is unlikely to help until somebody mends a setting, an enrolment, a certificate
    /// or a clock.
    #[must_use]
    pub const fn is_permanent(&self) -> bool {
        !matches!(
            self,
            Self::Unreachable { .. } | Self::Busy { .. } | Self::StillAssigning { .. }
        )
    }
}

/// What the service says when it refuses.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The HTTP status, also used over MQTT.
    pub status: u16,
    /// The service's own number; its first three digits are the status.
    pub code: Option<u32>,
    /// A sentence for people; may be empty.
    pub message: String,
    /// What finds the failure in the service's log.
    pub tracking_id: Option<String>,
}

impl Refusal {
    /// Reads a refusal's body; what cannot be read is left out.
    pub(crate) fn read(status: u16, body: &[u8]) -> Self {
        let body = serde_json::from_slice::<ErrorBody>(body).ok();
        let (code, message, tracking_id) = match body {
            Some(body) => (
                Some(body.error_code),
                shortened(body.message),
                Some(shortened(body.tracking_id)),
            ),
            None => (None, String::new(), None),
        };
        Self {
            status,
            code,
            message,
            tracking_id: tracking_id.filter(|id| !id.is_empty()),
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let code = self.code.unwrap_or(self.status.into());
        f.write_str(&code_and_message(Some(code), &self.message))?;
        if let Some(id) = &self.tracking_id {
            write!(f, ", tracking id {id}")?;
        }
        Ok(())
    }
}

fn code_and_message(code: Option<u32>, message: &str) -> String {
    match (code, message) {
        (None, "") => "no reason given".to_owned(),
        (None, message) => message.to_owned(),
        (Some(code), "") => code.to_string(),
        (Some(code), message) => format!("{code} {message}"),
    }
}

/// A text from the network at a length that fits a log line, a page and a twin.
pub(crate) fn shortened(mut text: String) -> String {
    const CHARACTERS: usize = 500;
    if let Some((at, _)) = text.char_indices().nth(CHARACTERS) {
        text.truncate(at);
        text.push('…');
    }
    text
}

/// An error with its causes on one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}
