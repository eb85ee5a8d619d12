//! What is reported for an Edge device's agent, by the hub itself and by whoever plays it.

use std::sync::Arc;

use super::*;
use crate::agent::{ModuleState, Report, Status};
use crate::hub::EdgeAgent;

fn desired(modules: Value) -> Value {
    json!({
        "schemaVersion": "1.1",
        "runtime": {"type": "docker", "settings": {}},
        "systemModules": {
            "edgeAgent": {"type": "docker", "settings": {"image": "agent:1.5"}},
            "edgeHub": {"type": "docker", "status": "running", "restartPolicy": "always", "settings": {"image": "hub:1.5"}},
        },
        "modules": modules,
    })
}

fn module(status: &str) -> Value {
    json!({"type": "docker", "status": status, "restartPolicy": "always", "settings": {"image": "m:1"}})
}

fn deploy(hub: &Hub, desired: &Value) {
    let content =
        json!({"modulesContent": {"$edgeAgent": {"properties.desired": desired}, "$edgeHub": {}}});
    hub.apply_deployment("edge01", &content)
        .expect("a deployment");
}

fn agent(hub: &Hub) -> Value {
    hub.twin(&identity("edge01/$edgeAgent"))
        .expect("registered")["properties"]
        .clone()
}

fn status_of(hub: &Hub, module: &str) -> Value {
    agent(hub)["reported"]["modules"][module]["runtimeStatus"].clone()
}

#[test]
fn where_nobody_runs_modules_they_are_as_their_connections_are() {
    let hub = hub(None);
    hub.add_device("edge01", true, &[]).expect("a fresh id");
    assert_eq!(agent(&hub)["reported"]["lastDesiredVersion"], Value::Null);
    deploy(
        &hub,
        &desired(json!({"sensor": module("running"), "light": module("stopped")})),
    );
    let first = agent(&hub);
    assert_eq!(
        first["reported"]["lastDesiredVersion"],
        first["desired"]["$version"]
    );
    assert_eq!(first["reported"]["lastDesiredStatus"]["code"], 200);
    assert_eq!(status_of(&hub, "sensor"), "unknown");
    assert_eq!(status_of(&hub, "light"), "stopped");
    let sensor = connect(&hub, "edge01/sensor");
    assert_eq!(status_of(&hub, "sensor"), "running");
    hub.detach(&sensor, &crate::connection::End::Disconnect, None);
    assert_eq!(status_of(&hub, "sensor"), "unknown");

    // What is wrong is told, and nothing else changes.
    deploy(&hub, &desired(json!({"sensor": {"type": "docker"}})));
    let refused = agent(&hub)["reported"].clone();
    assert_eq!(refused["lastDesiredStatus"]["code"], 400);
    assert_eq!(refused["modules"]["light"]["runtimeStatus"], "stopped");
    let mut other = desired(json!({}));
    other["schemaVersion"] = "3.0".into();
    deploy(&hub, &other);
    assert_eq!(agent(&hub)["reported"]["lastDesiredStatus"]["code"], 412);
    deploy(&hub, &json!({}));
    assert_eq!(agent(&hub)["reported"]["lastDesiredStatus"]["code"], 417);
    // Modules that are gone are gone.
    deploy(&hub, &desired(json!({"light": module("stopped")})));
    let last = agent(&hub)["reported"].clone();
    assert_eq!(last["lastDesiredStatus"]["code"], 200);
    assert_eq!(
        last["modules"].as_object().map(serde_json::Map::len),
        Some(1)
    );
}

#[test]
fn a_client_that_is_the_agent_speaks_for_itself() {
    let hub = hub(None);
    hub.add_device("edge01", true, &[]).expect("a fresh id");
    let key = hub
        .module_key(&identity("edge01/$edgeAgent"))
        .expect("registered");
    let audience = identity("edge01/$edgeAgent").audience("localhost");
    let token = Unsigned::new(&audience, Timestamp::now().as_second() + 60).sign(&key);
    let _real = connect_with(&hub, "edge01/$edgeAgent", &token).expect("a good token");
    deploy(&hub, &desired(json!({"sensor": module("running")})));
    assert_eq!(agent(&hub)["reported"]["lastDesiredStatus"], Value::Null);
}

#[tokio::test]
async fn whoever_plays_the_agent_hears_answers_and_reports() {
    let hub = Arc::new(hub(None));
    hub.add_device("edge01", true, &[]).expect("a fresh id");
    let (played, mut calls) = EdgeAgent::take_seat(&hub, "edge01").expect("an id");
    let (seen, empty) = played.desired().expect("registered");
    assert!(empty.is_empty());
    deploy(&hub, &desired(json!({"sensor": module("running")})));
    let (version, told) = played.desired_after(Some(seen)).await;
    assert!(told["modules"]["sensor"].is_object());
    assert_eq!(agent(&hub)["reported"]["lastDesiredStatus"], Value::Null);

    let status = Status::done();
    let report = |runtime_status| Report {
        version,
        status: &status,
        applied: &told,
        since: Timestamp::UNIX_EPOCH,
        modules: [(
            "sensor".to_owned(),
            ModuleState {
                runtime_status,
                ..ModuleState::default()
            },
        )]
        .into(),
    };
    played.report(&report("running")).expect("in memory");
    assert_eq!(status_of(&hub, "sensor"), "running");
    let reported = agent(&hub)["reported"]["$version"].clone();
    played.report(&report("running")).expect("in memory");
    assert_eq!(
        agent(&hub)["reported"]["$version"],
        reported,
        "no news is no report"
    );

    let target = identity("edge01/$edgeAgent");
    let request: MethodRequest = serde_json::from_value(
        json!({"methodName": "ping", "payload": null, "responseTimeoutInSeconds": 5}),
    )
    .expect("a request");
    let caller = hub.clone();
    let called = tokio::spawn({
        let (target, request) = (target.clone(), request.clone());
        async move { caller.invoke(&target, &request, Caller::Cloud).await }
    });
    let call = calls.recv().await.expect("a call");
    assert_eq!(call.method, "ping");
    call.answer(200, &Value::Null);
    assert_eq!(
        called.await.expect("no panic").expect("an answer").status,
        200
    );

    // Behind a cut it is told nothing new, cannot be called, and what it reports waits.
    let cut = |state| {
        hub.pull(&Target::Everybody, Lever::Upstream(state))
            .expect("in memory");
    };
    cut(LinkState::Cut);
    deploy(&hub, &desired(json!({})));
    assert_eq!(played.desired().map(|(version, _)| version), Some(version));
    assert!(hub.invoke(&target, &request, Caller::Cloud).await.is_err());
    played.report(&report("backoff")).expect("in memory");
    assert_eq!(status_of(&hub, "sensor"), "running");
    cut(LinkState::Up);
    assert_eq!(status_of(&hub, "sensor"), "backoff");
    let (_, told) = played.desired_after(Some(version)).await;
    assert_eq!(told["modules"], json!({}));
    // Without it the hub speaks for the device again.
    drop(played);
    deploy(&hub, &desired(json!({"sensor": module("running")})));
    assert_eq!(status_of(&hub, "sensor"), "unknown");
}
