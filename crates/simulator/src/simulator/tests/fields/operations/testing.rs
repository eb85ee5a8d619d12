//! What test suites and pages ask for: seeds, states, waits, history, the registry; and the blob store.

use serde_json::{Value, json};

use super::{Given, Told};

fn pump() -> Given {
    ("POST", "/control/devices", json!({"deviceId": "pump7"}))
}

pub(super) fn told() -> Vec<Told> {
    let seed = json!({
        "devices": [
            {"deviceId": "pump7", "tags": {"row": 1}, "desired": {"interval": 5}, "status": "disabled", "statusReason": "in store"},
            {"deviceId": "gateway1", "edge": true, "modules": [{"moduleId": "sensor", "desired": {"also": true}}],
             "deployment": {"modulesContent": {"$edgeAgent": {}, "sensor": {"properties.desired": {"every": 5}}}}},
            {"deviceId": "leaf", "parent": "gateway1"},
        ],
        "enrollments": [{"registrationId": "press5", "attestation": {"type": "symmetricKey"}}],
        "enrollmentGroups": [{"enrollmentGroupId": "stock", "attestation": {"type": "symmetricKey"}}],
    });
    vec![
        Told::of("PUT", "/control/seed", seed).given([("POST", "/control/reset", Value::Null)]),
        Told::of("POST", "/control/reset", Value::Null),
        Told::of("GET", "/control/snapshot", Value::Null),
        Told::of(
            "PUT",
            "/control/snapshot",
            json!({"format": 1, "hub": {"registry": {"devices": {}}}, "dps": {}}),
        )
        .refused(),
        Told::of("GET", "/control/moment", Value::Null),
        Told::of(
            "GET",
            "/control/wait?for=disconnected&device=pump7&timeout=1",
            Value::Null,
        )
        .given([pump()]),
        Told::of(
            "GET",
            "/control/wait?for=queue-empty&device=pump7&timeout=1",
            Value::Null,
        )
        .given([pump()]),
        Told::of("GET", "/control/connections?device=pump7", Value::Null).given([pump()]),
        Told::of("GET", "/control/twins/pump7/history", Value::Null).given([pump()]),
        Told::of("GET", "/control/registry?search=pump", Value::Null).given([pump()]),
        Told::of("GET", "/control/queues/pump7", Value::Null).given([pump()]),
        Told::of("DELETE", "/control/queues/pump7", Value::Null).given([pump()]),
        Told::of("GET", "/control/ca.pem", Value::Null),
        Told::of("GET", "/control/blobs", Value::Null),
        Told::of("POST", "/control/blobs/containers/moves", Value::Null).answered(201),
    ]
}

/// A signature of nobody's is as far as a stranger gets.
pub(super) fn blobs() -> Vec<Told> {
    let of = |method, target: &'static str| Told::of(method, target, Value::Null).refused();
    vec![
        of("PUT", "/blob/moves/devices.txt?sv=2021-12-02&sr=c&sp=rcwdl&se=2036-01-01T00%3A00%3A00Z&sig=AAAA")
            .with(&[("x-ms-blob-type", "BlockBlob")]),
        of("PUT", "/blob/moves/devices.txt?comp=block&blockid=AAAA&sr=b&sp=w&se=2036-01-01T00%3A00%3A00Z&sig=AAAA"),
        of("GET", "/blob/moves/devices.txt?sr=b&sp=r&se=2036-01-01T00%3A00%3A00Z&sig=AAAA").with(&[("range", "bytes=0-3")]),
        of("GET", "/blob/moves?restype=container&comp=list&maxresults=5&sr=c&sp=l&sig=AAAA"),
        of("DELETE", "/blob/moves/devices.txt?sr=b&sp=d&sig=AAAA"),
    ]
}
