//! The provisioning service's own API, as operators use it.

use serde_json::{Value, json};

use super::{Given, Told};

const KEY: &str = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";
const ANYWAY: &[(&str, &str)] = &[("if-match", "*")];
const PAGES: &[(&str, &str)] = &[
    ("x-ms-max-item-count", "1"),
    ("x-ms-continuation", "ZnJvbTow"),
];

/// A document with what both kinds of enrolment have in common.
fn with_terms(mut document: Value) -> Value {
    let terms = json!({
        "attestation": {"type": "symmetricKey", "symmetricKey": {"primaryKey": KEY, "secondaryKey": KEY}},
        "capabilities": {"iotEdge": false}, "iotHubHostName": "localhost", "iotHubs": ["localhost"],
        "initialTwin": {"tags": {"a": 1}, "properties": {"desired": {"b": {"c": 2}}}},
        "provisioningStatus": "enabled", "allocationPolicy": "hashed",
        "reprovisionPolicy": {"updateHubAssignment": true, "migrateDeviceData": true},
        "optionalDeviceInformation": {"line": 3}, "etag": "\"AAAA\"",
    });
    for (name, value) in terms.as_object().expect("an object") {
        document[name] = value.clone();
    }
    document
}

pub(super) fn enrolment() -> Value {
    with_terms(json!({"registrationId": "r1", "deviceId": "pump1"}))
}

pub(super) fn group() -> Value {
    with_terms(json!({"enrollmentGroupId": "g1"}))
}

fn one() -> Given {
    ("PUT", "/enrollments/r1", enrolment())
}

fn many() -> Given {
    ("PUT", "/enrollmentGroups/g1", group())
}

pub(super) fn told() -> Vec<Told> {
    let query = || json!({"query": "SELECT * FROM enrollments"});
    let certificates = json!({"primary": {"certificate": "AAAA"}, "secondary": null});
    let by_certificate = json!({"registrationId": "r2", "attestation": {"type": "x509",
        "x509": {"clientCertificates": certificates}}});
    let asking = json!({"registrationId": "r3", "attestation": {"type": "symmetricKey"}, "allocationPolicy": "custom",
        "customAllocationDefinition": {"webhookUrl": "https://localhost/f", "apiVersion": "2021-10-01"}});
    let mut all = vec![
        Told::of("PUT", "/enrollments/r2", by_certificate).answered(400),
        Told::of("PUT", "/enrollments/r3", asking).given([(
            "DELETE",
            "/enrollments/r3",
            Value::Null,
        )]),
        Told::of("GET", "/registrations/r1", Value::Null).answered(404),
        Told::of("DELETE", "/registrations/r1", Value::Null)
            .with(ANYWAY)
            .answered(404),
        Told::of("POST", "/registrations/g1/query", query())
            .with(PAGES)
            .given([many()]),
        Told::of(
            "POST",
            "/enrollments",
            json!({"mode": "update", "enrollments": [enrolment()]}),
        )
        .given([one()]),
        Told::of(
            "POST",
            "/enrollmentGroups",
            json!({"mode": "updateIfMatchETag", "enrollmentGroups": [group()]}),
        )
        .given([many()]),
        Told::of("POST", "/enrollments/query", query())
            .with(PAGES)
            .given([one()]),
        Told::of("POST", "/enrollmentGroups/query", query())
            .with(PAGES)
            .given([many()]),
        Told::of("POST", "/enrollments/r1/attestationmechanism", Value::Null).given([one()]),
        Told::of(
            "POST",
            "/enrollmentGroups/g1/attestationmechanism",
            Value::Null,
        )
        .given([many()]),
    ];
    for (_, place, body) in [one(), many()] {
        let is_there = || [("PUT", place, body.clone())];
        all.push(
            Told::of("PUT", place, body.clone())
                .with(ANYWAY)
                .given(is_there()),
        );
        all.push(Told::of("GET", place, Value::Null).given(is_there()));
        all.push(
            Told::of("DELETE", place, Value::Null)
                .with(ANYWAY)
                .given(is_there())
                .answered(204),
        );
    }
    all
}
