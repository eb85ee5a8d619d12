//! What goes on by itself: jobs, import and export, notices, files; and how messages are routed.

use serde_json::{Value, json};

use super::{Given, Told};

const NO_TOKEN: &str = "00000000-0000-4000-8000-000000000000";

fn pump() -> Given {
    ("PUT", "/devices/pump7", json!({"deviceId": "pump7"}))
}

/// For nobody, so that what it does in its own time is little.
fn job(id: &str, kind: &str) -> Value {
    let method = json!({"methodName": "open", "payload": {"a": 1}, "responseTimeoutInSeconds": 5,
        "connectTimeoutInSeconds": 0});
    let twin = json!({"etag": "*", "tags": {"a": 1}, "properties": {"desired": {"b": {"c": 2}}}});
    json!({
        "jobId": id, "type": kind, "cloudToDeviceMethod": method, "updateTwin": twin,
        "queryCondition": "deviceId = 'nobody'", "startTime": "2026-01-01T00:00:00Z", "maxExecutionTimeInSeconds": 60,
    })
}

/// On the hub's own face, as the owner.
pub(super) fn told() -> Vec<Told> {
    let twins: Given = ("PUT", "/jobs/v2/twins", job("twins", "scheduleUpdateTwin"));
    let import = json!({
        "type": "import", "inputBlobContainerUri": "https://localhost/c?sig=a", "inputBlobName": "devices.txt",
        "outputBlobContainerUri": "https://localhost/c?sig=a", "excludeKeysInExport": false,
        "includeConfigurations": true, "configurationsBlobName": "c.txt", "storageAuthenticationType": "keyBased",
    });
    let report = json!({"correlationId": "none", "isSuccess": true, "statusCode": 200, "statusDescription": "done"});
    let held = |rest: &str| -> &'static str { format!("/{rest}/{NO_TOKEN}").leak() };
    let abandoned = |rest: &str| -> &'static str { format!("/{rest}/{NO_TOKEN}/abandon").leak() };
    vec![
        Told::of("PUT", "/jobs/v2/twins", job("twins", "scheduleUpdateTwin")),
        Told::of(
            "PUT",
            "/jobs/v2/calls",
            job("calls", "scheduleDeviceMethod"),
        ),
        Told::of("GET", "/jobs/v2/twins", Value::Null).given([twins.clone()]),
        Told::of(
            "GET",
            "/jobs/v2/query?jobType=scheduleUpdateTwin&jobStatus=completed",
            Value::Null,
        )
        .with(&[("x-ms-max-item-count", "1"), ("x-ms-continuation", "")])
        .given([twins]),
        Told::of("POST", "/jobs/v2/none/cancel", Value::Null).refused(),
        Told::of("POST", "/jobs/create", import),
        Told::of("GET", "/jobs", Value::Null),
        Told::of("GET", "/jobs/none", Value::Null).refused(),
        Told::of("DELETE", "/jobs/none", Value::Null).refused(),
        Told::of("GET", "/messages/serviceBound/feedback", Value::Null).answered(204),
        Told::of(
            "GET",
            "/messages/serviceBound/filenotifications",
            Value::Null,
        )
        .answered(204),
        Told::of(
            "DELETE",
            held("messages/serviceBound/feedback"),
            Value::Null,
        )
        .refused(),
        Told::of(
            "POST",
            abandoned("messages/serviceBound/feedback"),
            Value::Null,
        )
        .refused(),
        Told::of(
            "POST",
            "/devices/pump7/files",
            json!({"blobName": "logs/a.txt"}),
        )
        .given([pump()]),
        Told::of("POST", "/devices/pump7/files/notifications", report)
            .given([pump()])
            .refused(),
        Told::of("GET", "/devices/pump7/messages/deviceBound", Value::Null)
            .given([pump()])
            .answered(204),
        Told::of(
            "DELETE",
            held("devices/pump7/messages/deviceBound"),
            Value::Null,
        )
        .given([pump()])
        .refused(),
        Told::of(
            "POST",
            abandoned("devices/pump7/messages/deviceBound"),
            Value::Null,
        )
        .given([pump()])
        .refused(),
    ]
}

/// On the control API.
pub(super) fn of_control() -> Vec<Told> {
    let route = json!({"name": "all", "source": "DeviceMessages", "condition": "a = 'b'", "endpointNames": ["more"],
        "isEnabled": true});
    let routing = json!({
        "endpoints": {"eventHubs": [{"name": "more"}]}, "routes": [route],
        "fallbackRoute": {"name": "$fallback", "source": "DeviceMessages", "condition": "true",
            "endpointNames": ["events"], "isEnabled": true},
        "enrichments": [{"key": "floor", "value": "$twin.tags.floor", "endpointNames": ["more"]}],
    });
    let message = json!({"body": "{\"a\":1}", "appProperties": {"a": "b"},
        "systemProperties": {"contentType": "application/json"}});
    vec![
        Told::of("GET", "/control/routing", Value::Null),
        Told::of("PUT", "/control/routing", routing),
        Told::of(
            "POST",
            "/control/routing/test",
            json!({"message": message, "route": route}),
        ),
        Told::of("GET", "/control/blobs", Value::Null),
        Told::of("POST", "/control/blobs/containers/exports", Value::Null).answered(201),
    ]
}
