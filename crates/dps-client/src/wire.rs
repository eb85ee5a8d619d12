//! How a request of the machine reaches the service: one of two ways, with the same words.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use hub_proto::dps::registration::{POLICY, RegisterBody, audience};
use hub_proto::sas::Unsigned;
use jiff::Timestamp;
use rustls::ClientConfig;

use crate::https::HttpsWire;
use crate::machine::Call;
use crate::mqtt::MqttWire;
use crate::registration::{Attestation, Protocol, Registration};

/// How long a token lives, in seconds: as long as every SDK's.
const TOKEN_LIFE: i64 = 3600;

/// What came of a request.
#[derive(Debug)]
pub(crate) enum Outcome {
    Answered {
        request: u32,
        status: u16,
        retry_after: Option<Duration>,
        body: Bytes,
    },
    Failed {
        request: u32,
        why: transport::Error,
    },
}

#[derive(Debug)]
pub(crate) enum Wire<'a> {
    Mqtt(MqttWire<'a>),
    Https(HttpsWire<'a>),
}

impl<'a> Wire<'a> {
    pub(crate) const fn new(
        registration: &'a Registration,
        tls: Arc<ClientConfig>,
        answer_within: Duration,
    ) -> Self {
        match registration.protocol {
            Protocol::Mqtt => Self::Mqtt(MqttWire::new(registration, tls)),
            Protocol::Https => Self::Https(HttpsWire::new(registration, tls, answer_within)),
        }
    }

    /// Begins a request; the one before it is forgotten.
    pub(crate) fn send(&mut self, request: u32, call: Call) {
        match self {
            Self::Mqtt(wire) => wire.send(request, call),
            Self::Https(wire) => wire.send(request, &call),
        }
    }

    /// Forgets the request, and the connection with it.
    pub(crate) fn abandon(&mut self) {
        match self {
            Self::Mqtt(wire) => wire.abandon(),
            Self::Https(wire) => wire.abandon(),
        }
    }

    /// What came of the request; never while there is none. Nothing is lost when the future is dropped.
    pub(crate) async fn next(&mut self) -> Outcome {
        match self {
            Self::Mqtt(wire) => wire.next().await,
            Self::Https(wire) => wire.next().await,
        }
    }

    /// Takes leave.
    pub(crate) async fn close(self) {
        match self {
            Self::Mqtt(wire) => wire.close().await,
            // Each exchange has ended its own connection.
            Self::Https(_) => {}
        }
    }
}

/// A fresh token, where a key is what proves the device.
pub(crate) fn token(registration: &Registration) -> Option<String> {
    let Attestation::SymmetricKey(key) = &registration.attestation else {
        return None;
    };
    let audience = audience(
        &registration.id_scope,
        registration.registration_id.as_str(),
    );
    let expiry = Timestamp::now().as_second().saturating_add(TOKEN_LIFE);
    Some(
        Unsigned::new(&audience, expiry)
            .with_policy(POLICY)
            .sign(key),
    )
}

/// What the device says of itself when it registers.
pub(crate) fn register_body(registration: &Registration) -> Bytes {
    let body = RegisterBody {
        registration_id: Some(registration.registration_id.clone()),
        payload: registration.payload.clone(),
    };
    // A JSON value and a text are JSON whatever they hold.
    Bytes::from(serde_json::to_vec(&body).unwrap_or_default())
}
