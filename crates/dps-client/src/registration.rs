//! What a device registers with, and what it gets.

use std::fmt;
use std::time::Duration;

use hub_proto::dps::registration::{RegistrationId, Substatus};
use hub_proto::sas::SymmetricKey;
use serde_json::Value;
use transport::{ClientCertificate, Trust};

use crate::endpoint::Endpoint;

/// Who registers, where, and with what proof. Its `Debug` shows no secret.
#[derive(Debug, Clone)]
pub struct Registration {
    /// The provisioning service's scope, such as `0ne00AA12BC`.
    pub id_scope: String,
    /// The name of an individual enrolment, or of one device of a group.
    pub registration_id: RegistrationId,
    /// Where the service is.
    pub global_endpoint: Endpoint,
    /// What proves the device.
    pub attestation: Attestation,
    /// What a custom allocation is told; `{"modelId": …}` announces the device's model.
    pub payload: Option<Value>,
    /// Whose certificates count.
    pub trust: Trust,
    /// How to speak with the service.
    pub protocol: Protocol,
    /// Who this is, for the service's statistics: `name/version`.
    pub product: String,
}

impl Registration {
    /// At the global endpoint over MQTT, trusting whom the system trusts, without a payload.
    #[must_use]
    pub fn new(
        id_scope: impl Into<String>,
        registration_id: RegistrationId,
        attestation: Attestation,
    ) -> Self {
        Self {
            id_scope: id_scope.into(),
            registration_id,
            global_endpoint: Endpoint::default(),
            attestation,
            payload: None,
            trust: Trust::System,
            protocol: Protocol::Mqtt,
            product: concat!("dps-client/", env!("CARGO_PKG_VERSION")).to_owned(),
        }
    }
}

/// What proves a device.
#[derive(Debug, Clone)]
pub enum Attestation {
    /// Its own key: of an individual enrolment, or derived for it from a group's.
    SymmetricKey(SymmetricKey),
    /// Its certificate, whose common name is the registration id.
    X509(ClientCertificate),
}

/// How to speak with the service.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Protocol {
    /// MQTT 3.1.1 over TLS, one connection for all of it.
    #[default]
    Mqtt,
    /// A request at a time, where only port 443 is open.
    Https,
}

/// How long a registration may take, and how patiently it asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// When to give up altogether. Waiting that would last longer is not begun.
    pub give_up_after: Duration,
    /// How long one request may take, with the connection it needs.
    pub answer_within: Duration,
    /// How long to wait before asking again when the service does not say.
    pub ask_again_after: Duration,
    /// The wait after the first failure. It doubles with each further one in a row, and each is shortened
    /// by a random part of up to half, so that a fleet does not come back in step.
    pub back_off_first: Duration,
    /// The longest wait after a failure, apart from what the service asks for.
    pub back_off_cap: Duration,
}

impl Default for Limits {
    /// Five minutes; 30 s a request, as the Python SDK has it; 2 s between questions, as C# has it.
    fn default() -> Self {
        Self {
            give_up_after: Duration::from_secs(300),
            answer_within: Duration::from_secs(30),
            ask_again_after: Duration::from_secs(2),
            back_off_first: Duration::from_secs(1),
            back_off_cap: Duration::from_secs(30),
        }
    }
}

/// Where a device belongs.
#[derive(Debug, Clone, PartialEq)]
pub struct Assignment {
    /// The hub's host name.
    pub hub: String,
    /// The device's id in that hub, which may differ from the registration id.
    pub device_id: String,
    /// Who registered, as the service writes it; it may leave it out.
    pub registration_id: Option<RegistrationId>,
    /// How the device came to its hub.
    pub substatus: Option<Substatus>,
    /// What the allocation has for the device.
    pub payload: Option<Value>,
}

/// How far a registration is, for whoever watches it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Progress {
    /// The device asks to be registered, for the first time or once more.
    Registering {
        /// 1 at first.
        attempt: u32,
    },
    /// Nothing is to be done for a while.
    Waiting {
        /// How long.
        wait: Duration,
        /// What for.
        why: Waiting,
    },
    /// It is done.
    Assigned {
        /// The hub's host name.
        hub: String,
        /// The device's id in that hub.
        device_id: String,
    },
}

/// What a registration waits for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Waiting {
    /// The service is choosing a hub.
    Assigning,
    /// The service put it off: throttled, or in trouble.
    PutOff {
        /// The HTTP status, also used over MQTT: 429 or 5xx.
        status: u16,
    },
    /// The service was not reached, or did not answer.
    NoAnswer {
        /// What was met, for people.
        why: String,
    },
}

impl fmt::Display for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Registering { attempt: 1 } => f.write_str("registering"),
            Self::Registering { attempt } => write!(f, "registering again, attempt {attempt}"),
            Self::Waiting { wait, why } => write!(f, "{why}; asking again in {wait:.1?}"),
            Self::Assigned { hub, device_id } => write!(f, "assigned to {hub} as {device_id}"),
        }
    }
}

impl fmt::Display for Waiting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Assigning => f.write_str("the service is choosing a hub"),
            Self::PutOff { status } => write!(f, "the service is busy ({status})"),
            Self::NoAnswer { why } => f.write_str(why),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_registration_shows_no_key() {
        let key = SymmetricKey::from_bytes(*b"0123456789abcdef");
        let secret = key.to_base64();
        let id = "r1".parse().expect("an id");
        let registration = Registration::new("0ne00AA", id, Attestation::SymmetricKey(key));
        assert!(!format!("{registration:?}").contains(&secret));
    }
}
