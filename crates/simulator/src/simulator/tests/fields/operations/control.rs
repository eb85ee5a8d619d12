//! The control API.

use serde_json::{Value, json};

use super::enrolling::{enrolment, group};
use super::{Given, Told};

const THUMBPRINT: &str = "0123456789abcdef0123456789abcdef01234567";

fn edge() -> Given {
    let body = json!({"deviceId": "edge01", "edge": true, "modules": ["light"]});
    ("POST", "/control/devices", body)
}

fn pump() -> Given {
    ("POST", "/control/devices", json!({"deviceId": "pump7"}))
}

fn enrolled() -> Given {
    ("PUT", "/control/dps/enrollments/r1", enrolment())
}

fn grouped() -> Given {
    ("PUT", "/control/dps/groups/g1", group())
}

pub(super) fn told() -> Vec<Told> {
    let mut all = devices();
    all.extend(provisioning());
    all.extend(levers());
    all
}

fn devices() -> Vec<Told> {
    let new = json!({
        "deviceId": "new1", "edge": true, "modules": ["a", {"moduleId": "b", "x509": {"ca": true}}],
        "x509": {"thumbprints": [THUMBPRINT, THUMBPRINT]},
    });
    let pem = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----";
    let routes =
        json!({"properties.desired": {"routes": {"up": "FROM /messages/* INTO $upstream"}}});
    let deployment = json!({"$edgeHub": routes, "light": {"properties.desired": {"a": 1}}});
    let method = json!({"methodName": "open", "payload": {"a": 1}, "responseTimeoutInSeconds": 5,
        "connectTimeoutInSeconds": 0});
    let patch = json!({"desired": {"a": {"b": [1, 2.5, "c"]}, "d": null}, "tags": {"e": true}});
    let message = json!({"body": {"a": 1}, "properties": {"b": "c", "d": 2, "e": {}}});
    let gone = |place| ("DELETE", place, Value::Null);
    vec![
        Told::of("GET", "/control/info", Value::Null),
        Told::of("GET", "/control/devices", Value::Null).given([pump()]),
        Told::of("POST", "/control/devices", new)
            .given([gone("/control/devices/new1")])
            .answered(201),
        Told::of(
            "POST",
            "/control/devices",
            json!({"deviceId": "new2", "x509": {"certificates": ["AAAA"]}}),
        )
        .answered(400),
        Told::of("GET", "/control/devices/pump7", Value::Null).given([pump()]),
        Told::of("PATCH", "/control/devices/pump7", json!({"enabled": true}))
            .given([pump()])
            .answered(204),
        Told::of("DELETE", "/control/devices/pump7", Value::Null)
            .given([pump()])
            .answered(204),
        Told::of(
            "POST",
            "/control/devices/edge01/deployment",
            json!({"modulesContent": deployment}),
        )
        .given([edge()])
        .answered(204),
        Told::of("GET", "/control/twins/pump7", Value::Null).given([pump()]),
        Told::of("PATCH", "/control/twins/pump7", patch.clone()).given([pump()]),
        Told::of("PATCH", "/control/twins/edge01/modules/light", patch).given([edge()]),
        Told::of("POST", "/control/methods/pump7", method)
            .given([pump()])
            .answered(404),
        Told::of("POST", "/control/messages/pump7", message)
            .given([gone("/control/devices/pump7"), pump()])
            .answered(202),
        Told::of("GET", "/control/certificates", Value::Null),
        Told::of(
            "POST",
            "/control/certificates",
            json!({"name": "root", "certificate": pem}),
        )
        .answered(400),
        Told::of("DELETE", "/control/certificates/root", Value::Null).answered(404),
        Told::of(
            "GET",
            "/control/events?device=pump7&from=earliest&follow=false",
            Value::Null,
        ),
        Told::of("GET", "/control/trace", Value::Null),
    ]
}

fn provisioning() -> Vec<Told> {
    vec![
        Told::of("GET", "/control/dps", Value::Null).given([enrolled(), grouped()]),
        Told::of("GET", "/control/dps/enrollments/r1", Value::Null).given([enrolled()]),
        Told::of("PUT", "/control/dps/enrollments/r1", enrolment()),
        Told::of("DELETE", "/control/dps/enrollments/r1", Value::Null)
            .given([enrolled()])
            .answered(204),
        Told::of("GET", "/control/dps/enrollments/r1/keys", Value::Null).given([enrolled()]),
        Told::of("GET", "/control/dps/groups/g1", Value::Null).given([grouped()]),
        Told::of("PUT", "/control/dps/groups/g1", group()),
        Told::of("DELETE", "/control/dps/groups/g1", Value::Null)
            .given([grouped()])
            .answered(204),
        Told::of("GET", "/control/dps/groups/g1/keys", Value::Null).given([grouped()]),
        Told::of("GET", "/control/dps/groups/g1/keys/d1", Value::Null).given([grouped()]),
        Told::of("GET", "/control/dps/registrations?group=g1", Value::Null).given([grouped()]),
        Told::of("GET", "/control/dps/registrations/r1", Value::Null).answered(404),
        Told::of("DELETE", "/control/dps/registrations/r1", Value::Null).answered(404),
        Told::of(
            "GET",
            "/control/dps/attempts?registrationId=r1",
            Value::Null,
        ),
    ]
}

/// At rest, so that what is asked next is answered.
fn levers() -> Vec<Told> {
    let of_hub = json!({
        "target": {"deviceId": "edge01", "moduleId": "light"}, "link": "up", "upstream": "up", "refuseTokens": false,
        "expireTokens": false, "delayAcksMs": 0, "dropNextAck": false,
    });
    let of_dps = json!({"target": "dps", "refuse": false, "hold": false, "throttleSeconds": 0, "unreachable": false});
    vec![
        Told::of("GET", "/control/levers", Value::Null),
        Told::of("POST", "/control/levers", of_hub).given([edge()]),
        Told::of("POST", "/control/levers", of_dps),
    ]
}
