//! The hub's service API.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::{Given, Told};

const KEY: &str = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";
const THUMBPRINT: &str = "0123456789abcdef0123456789abcdef01234567";
const ANYWAY: &[(&str, &str)] = &[("if-match", "*")];

fn identity(id: &str) -> Value {
    json!({
        "deviceId": id, "status": "enabled", "statusReason": "new", "capabilities": {"iotEdge": false},
        "authentication": {
            "type": "sas", "symmetricKey": {"primaryKey": KEY, "secondaryKey": KEY},
            "x509Thumbprint": {"primaryThumbprint": null, "secondaryThumbprint": null},
        },
        "deviceScope": "", "parentScopes": [], "etag": "AAAA", "generationId": "1",
    })
}

fn by_certificate() -> Value {
    let thumbprints = json!({"primaryThumbprint": THUMBPRINT, "secondaryThumbprint": THUMBPRINT});
    json!({"deviceId": "pump7", "authentication": {"type": "selfSigned", "x509Thumbprint": thumbprints}})
}

fn deployment() -> Value {
    let system = |image: &str| json!({"type": "docker", "settings": {"image": image, "createOptions": "{}"}});
    let light = json!({
        "version": "1.0", "type": "docker", "status": "running", "restartPolicy": "always", "imagePullPolicy": "on-create",
        "startupOrder": 2, "env": {"A": {"value": "b"}}, "settings": {"image": "light:1", "createOptions": "{}"},
    });
    let agent = json!({
        "schemaVersion": "1.1", "runtime": {"type": "docker", "settings": {"minDockerVersion": "v1.25"}},
        "systemModules": {"edgeAgent": system("agent:1"), "edgeHub": system("hub:1")}, "modules": {"light": light},
    });
    let hub = json!({
        "schemaVersion": "1.2", "storeAndForwardConfiguration": {"timeToLiveSecs": 7200},
        "routes": {
            "up": "FROM /messages/* INTO $upstream",
            "in": {"route": "FROM /messages/modules/a/* INTO BrokeredEndpoint(\"/modules/b/inputs/c\")", "priority": 0,
                "timeToLiveSecs": 60},
        },
    });
    json!({"modulesContent": {
        "$edgeAgent": {"properties.desired": agent}, "$edgeHub": {"properties.desired": hub},
        "light": {"properties.desired": {"interval": 5}},
    }})
}

fn configuration(id: &str) -> Value {
    json!({
        "id": id, "schemaVersion": "1.0", "labels": {"for": "winter"},
        "content": {"modulesContent": {"light": {"properties.desired.interval": 5}}},
        "targetCondition": "tags.site = 'north'", "priority": 7, "etag": "AAAA",
        "metrics": {"queries": {"all": "SELECT deviceId FROM devices"}, "results": {}},
        "systemMetrics": {"queries": {}, "results": {}},
    })
}

fn twin() -> Value {
    json!({
        "deviceId": "pump7", "etag": "AAAAAAAAAAE=", "version": 2,
        "tags": {"site": "north", "place": {"row": 7, "lit": true, "at": [1.5, "a", {"b": null}]}},
        "properties": {"desired": {"interval": 10, "lamp": {"shown": "green"}, "gone": null}, "reported": {"a": 1}},
    })
}

fn bulk() -> Value {
    json!([
        {"id": "bulk1", "importMode": "create", "status": "enabled", "tags": {"a": 1},
            "properties": {"desired": {"b": 2}}, "authentication": {"symmetricKey": {"primaryKey": KEY}}},
        {"id": "pump7", "moduleId": "valve", "importMode": "createOrUpdate", "managedBy": "me"},
        {"id": "pump7", "importMode": "updateIfMatchETag", "eTag": "*", "statusReason": "why"},
        {"id": "pump7", "importMode": "updateTwinIfMatchETag", "twinETag": "*", "tags": {"a": null}},
        {"id": "bulk1", "importMode": "deleteIfMatchETag", "eTag": "*"},
    ])
}

fn method() -> Value {
    json!({"methodName": "open", "payload": {"a": 1}, "responseTimeoutInSeconds": 5, "connectTimeoutInSeconds": 0})
}

fn edge() -> Given {
    let body = json!({"deviceId": "edge01", "capabilities": {"iotEdge": true}});
    ("PUT", "/devices/edge01", body)
}

fn pump() -> Given {
    ("PUT", "/devices/pump7", json!({"deviceId": "pump7"}))
}

fn valve() -> Given {
    let body = json!({"deviceId": "pump7", "moduleId": "valve"});
    ("PUT", "/devices/pump7/modules/valve", body)
}

fn winter() -> Given {
    ("PUT", "/configurations/winter", configuration("winter"))
}

pub(super) fn told() -> Vec<Told> {
    let mut all = identities();
    all.extend(twins());
    all.extend(the_rest());
    all
}

fn identities() -> Vec<Told> {
    let none = ("DELETE", "/devices/new1", Value::Null);
    let module = json!({"deviceId": "pump7", "moduleId": "valve", "managedBy": "me",
        "authentication": identity("pump7")["authentication"]});
    vec![
        Told::of("PUT", "/devices/new1", identity("new1")).given([none]),
        Told::of("PUT", "/devices/pump7", identity("pump7"))
            .with(ANYWAY)
            .given([pump()]),
        Told::of("PUT", "/devices/pump7", by_certificate())
            .with(ANYWAY)
            .given([pump()]),
        Told::of("GET", "/devices/pump7", Value::Null).given([pump()]),
        Told::of("DELETE", "/devices/pump7", Value::Null)
            .with(ANYWAY)
            .given([pump()])
            .answered(204),
        Told::of("GET", "/devices?top=10", Value::Null).given([pump()]),
        Told::of("POST", "/devices", bulk()).given([pump()]),
        Told::of("GET", "/devices/pump7/modules", Value::Null).given([pump()]),
        Told::of("PUT", "/devices/pump7/modules/valve", module)
            .with(ANYWAY)
            .given([pump(), valve()]),
        Told::of("GET", "/devices/pump7/modules/valve", Value::Null).given([pump(), valve()]),
        Told::of("DELETE", "/devices/pump7/modules/valve", Value::Null)
            .with(ANYWAY)
            .given([pump(), valve()])
            .answered(204),
        Told::of("DELETE", "/devices/pump7/commands", Value::Null).given([pump()]),
        Told::of("GET", "/statistics/devices", Value::Null),
        Told::of("GET", "/statistics/service", Value::Null),
    ]
}

fn twins() -> Vec<Told> {
    let routes = json!({"up": "FROM /messages/* INTO $upstream"});
    let routes = json!({"routes": routes, "storeAndForwardConfiguration": {"timeToLiveSecs": 60}});
    let agent = deployment()["modulesContent"]["$edgeAgent"]["properties.desired"].take();
    let desired = |desired: Value| json!({"properties": {"desired": desired}});
    let patch = json!([
        {"op": "add", "path": "/lamp", "value": {"colour": "red", "$metadata": {}}},
        {"op": "replace", "path": "/interval", "value": 7},
    ]);
    let pages = Box::leak(Box::new([
        ("x-ms-max-item-count", "1"),
        ("x-ms-continuation", continuation()),
    ]));
    let query = |text: &str| json!({"query": text});
    let sorted =
        query("SELECT deviceId, tags.a AS x FROM devices WHERE tags.a != 3 ORDER BY deviceId");
    vec![
        Told::of("GET", "/twins/pump7", Value::Null).given([pump()]),
        Told::of("PATCH", "/twins/pump7", twin())
            .with(ANYWAY)
            .given([pump()]),
        Told::of("PUT", "/twins/pump7", twin())
            .with(ANYWAY)
            .given([pump()]),
        Told::of("PATCH", "/twins/pump7/modules/valve", twin())
            .with(ANYWAY)
            .given([pump(), valve()]),
        Told::of("PATCH", "/twins/edge01/modules/$edgeHub", desired(routes)).given([edge()]),
        Told::of("PATCH", "/twins/edge01/modules/$edgeAgent", desired(agent)).given([edge()]),
        Told::of("GET", "/digitaltwins/pump7", Value::Null).given([pump()]),
        Told::of("PATCH", "/digitaltwins/pump7", patch)
            .with(ANYWAY)
            .given([pump()])
            .answered(202),
        Told::of("POST", "/devices/query", sorted)
            .with(&[("x-ms-max-item-count", "1")])
            .given([pump()]),
        Told::of(
            "POST",
            "/devices/query",
            query("SELECT * FROM devices.modules"),
        )
        .with(pages)
        .given([pump(), edge()]),
    ]
}

fn the_rest() -> Vec<Told> {
    let tested = json!({"targetCondition": "tags.a = 1", "customMetricQueries": {"m": "SELECT * FROM devices"}});
    let times = "connectTimeoutInSeconds=0&responseTimeoutInSeconds=5";
    let command: &str =
        Box::leak(format!("/digitaltwins/pump7/commands/open?{times}").into_boxed_str());
    vec![
        Told::of("POST", "/twins/pump7/methods", method())
            .given([pump()])
            .answered(404),
        Told::of("POST", "/twins/pump7/modules/valve/methods", method())
            .given([pump(), valve()])
            .answered(404),
        Told::of("POST", command, json!({"a": 1}))
            .given([pump()])
            .answered(404),
        Told::of(
            "POST",
            "/digitaltwins/pump7/components/lamp/commands/open",
            json!("a"),
        )
        .given([pump()])
        .answered(404),
        // As one module calls another; the token is a service's.
        Told::of("POST", "/twins/pump7/methods", method())
            .with(&[("x-ms-edge-moduleid", "edge01/light")])
            .given([pump()])
            .answered(401),
        Told::of("PUT", "/configurations/winter", configuration("winter"))
            .with(ANYWAY)
            .given([winter()]),
        Told::of("GET", "/configurations/winter", Value::Null).given([winter()]),
        Told::of("DELETE", "/configurations/winter", Value::Null)
            .with(ANYWAY)
            .given([winter()])
            .answered(204),
        Told::of("GET", "/configurations?top=5", Value::Null).given([winter()]),
        Told::of("POST", "/configurations/testQueries", tested),
        Told::of(
            "POST",
            "/devices/edge01/applyConfigurationContent",
            deployment(),
        )
        .given([edge()])
        .answered(204),
    ]
}

/// Behind a module, as a page before would have said.
fn continuation() -> &'static str {
    let place = json!({"After": ["edge01", "$edgeAgent", 1]});
    Box::leak(URL_SAFE_NO_PAD.encode(place.to_string()).into_boxed_str())
}
