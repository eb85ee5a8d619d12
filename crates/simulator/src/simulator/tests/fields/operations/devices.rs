//! The provisioning service's API for devices: each signs its own token.

use hub_proto::dps::enrollment::IndividualEnrollment;
use hub_proto::dps::registration::audience;
use hub_proto::sas::{SymmetricKey, Unsigned};
use jiff::Timestamp;
use serde_json::json;

use super::{Face, Operation, Told};
use crate::simulator::Simulator;

/// What a device asks, whose enrolment is there from the start.
pub(super) fn registering(simulator: &Simulator) -> Vec<Operation> {
    let key = SymmetricKey::from_bytes(*b"0123456789abcdef0123456789abcdef");
    let keys = json!({"primaryKey": key.to_base64(), "secondaryKey": key.to_base64()});
    let attestation = json!({"type": "symmetricKey", "symmetricKey": keys});
    let enrolment = json!({"registrationId": "own1", "attestation": attestation});
    let enrolment: IndividualEnrollment = serde_json::from_value(enrolment).expect("an enrolment");
    let id = enrolment.registration_id.clone();
    simulator.enroll(enrolment).expect("it is in order");
    let scope = simulator.info().id_scope;
    let expiry = Timestamp::now().as_second() + 3600;
    let token = Unsigned::new(&audience(&scope, id.as_str()), expiry)
        .with_policy("registration")
        .sign(&key);
    let device = format!("/{scope}/registrations/own1");
    let body = json!({"registrationId": "own1", "payload": {"a": 1}, "tpm": null});
    let told = [
        ("PUT", format!("{device}/register"), body.clone(), 202),
        ("GET", format!("{device}/operations/none"), json!(null), 404),
        ("POST", device, body, 404),
    ];
    told.map(|(method, target, body, status)| {
        let told = Told::of(method, target.leak(), body).answered(status);
        told.on(Face::Https, &token)
    })
    .into()
}
