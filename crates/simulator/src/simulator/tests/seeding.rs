//! Seeds: what they make, that a second time makes nothing, and what they are told.

use serde_json::json;

use super::*;
use crate::seed::SeedError;
use crate::simulator::pending::Intent;

async fn start(directory: &std::path::Path) -> Arc<Simulator> {
    Simulator::start(Options {
        state: Some(directory.join("hub")),
        ..Options::on_free_ports(directory)
    })
    .await
    .expect("it starts")
}

fn key() -> String {
    hub_proto::sas::SymmetricKey::from_bytes([7; 32]).to_base64()
}

fn seed() -> Value {
    json!({
        "devices": [
            {"deviceId": "child", "parent": "edge01", "tags": {"row": 1}},
            {
                "deviceId": "edge01",
                "edge": true,
                "deployment": {"modulesContent": {
                    "$edgeHub": {"properties.desired": {"routes": {"up": "FROM /* INTO $upstream"}}},
                    "sensor": {"properties.desired": {"every": 5}},
                }},
                "modules": [{"moduleId": "sensor", "desired": {"also": true}}],
            },
            {
                "deviceId": "pump7",
                "status": "disabled",
                "statusReason": "in store",
                "authentication": {"symmetricKey": {"primaryKey": key()}},
                "modules": [{"moduleId": "m"}],
                "desired": {"a": {"b": 2}},
            },
        ],
        "enrollmentGroups": [{
            "enrollmentGroupId": "stock",
            "attestation": {"type": "symmetricKey", "symmetricKey": {"primaryKey": key()}},
        }],
        "enrollments": [{"registrationId": "press4", "attestation": {"type": "symmetricKey"}}],
    })
}

fn text(seed: &Value) -> String {
    format!("{seed:#}")
}

fn problems(simulator: &Simulator, seed: &str) -> Vec<String> {
    match simulator.seed(seed) {
        Err(SeedError::Problems(problems)) => problems
            .iter()
            .map(|problem| format!("{} {}: {}", problem.line, problem.field, problem.message))
            .collect(),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_seed_makes_what_is_missing_and_nothing_twice() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let simulator = start(directory.path()).await;
    let made = simulator.seed(&text(&seed())).expect("a good seed").made;
    assert!(made.contains(&"device pump7".to_owned()), "{made:?}");
    assert!(made.contains(&"module pump7/m".to_owned()), "{made:?}");
    assert!(made.contains(&"group stock".to_owned()), "{made:?}");
    let pump = simulator
        .twin(&"pump7".parse().expect("an id"))
        .expect("it is there");
    assert_eq!(pump["status"], "disabled");
    assert_eq!(pump["properties"]["desired"]["a"]["b"], 2);
    let sensor = simulator
        .twin(&"edge01/sensor".parse().expect("an id"))
        .expect("it is there");
    assert_eq!(sensor["properties"]["desired"]["every"], 5);
    assert_eq!(sensor["properties"]["desired"]["also"], true);
    let child = simulator
        .twin(&"child".parse().expect("an id"))
        .expect("it is there");
    assert!(
        child["deviceScope"]
            .as_str()
            .is_some_and(|scope| scope.contains("edge01"))
    );
    let string = simulator.credentials("pump7").expect("it is there");
    assert!(string.connection_string.contains(&key()));

    let again = simulator
        .seed(&text(&seed()))
        .expect("nothing is otherwise");
    assert_eq!(again.made, [""; 0]);
    simulator.remove_device("child").expect("it is there");
    let again = simulator
        .seed(&text(&seed()))
        .expect("nothing is otherwise");
    assert_eq!(again.made, ["device child"]);
}

#[tokio::test]
async fn what_is_otherwise_is_told_with_its_place_and_nothing_is_made() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let simulator = start(directory.path()).await;
    simulator.seed(&text(&seed())).expect("a good seed");
    let other = json!({"devices": [
        {"deviceId": "new"},
        {"deviceId": "pump7", "status": "enabled", "edge": true,
         "authentication": {"symmetricKey": {"primaryKey": hub_proto::sas::SymmetricKey::from_bytes([8; 32]).to_base64()}},
         "desired": {"a": {"b": 3, "c": 4}}},
    ], "enrollmentGroups": [{"enrollmentGroupId": "stock", "attestation": {"type": "symmetricKey"}, "provisioningStatus": "disabled"}]});
    let told = problems(&simulator, &text(&other));
    let fields: Vec<&str> = told
        .iter()
        .filter_map(|line| line.split([' ', ':']).nth(1))
        .collect();
    assert_eq!(
        fields,
        [
            "/devices/1/status",
            "/devices/1/edge",
            "/devices/1/authentication/symmetricKey/primaryKey",
            "/devices/1/desired/a/b",
            "/enrollmentGroups/0/provisioningStatus",
        ],
        "{told:?}"
    );
    assert!(told[0].starts_with("8 "), "{told:?}");
    assert!(
        !told.iter().any(|line| line.contains(&key())),
        "no key is shown"
    );
    assert!(simulator.credentials("new").is_none(), "all or nothing");
}

#[tokio::test]
async fn a_bad_document_is_told_whole() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let simulator = start(directory.path()).await;
    for (seed, told) in [
        ("{\"devices\": [", "1 : this is no JSON"),
        ("[]", "1 : a seed is a JSON object"),
        (
            "{\"device\": []}",
            "1 /device: device is nothing that can be seeded",
        ),
        ("{\"devices\": {}}", "1 /devices: devices is no list"),
        ("{\"devices\": [{}]}", "1 /devices/0: deviceId is missing"),
        (
            "{\"devices\": [{\"deviceId\": \"a b\"}]}",
            "1 /devices/0/deviceId: device id contains ' '",
        ),
        (
            "{\"devices\": [\n{\"deviceId\": \"a\"},\n{\"deviceId\": \"a\"}]}",
            "3 /devices/1/deviceId: it is in the seed twice",
        ),
        (
            "{\"devices\": [{\"deviceId\": \"a\", \"staus\": 1}]}",
            "1 /devices/0/staus: staus is nothing",
        ),
        (
            "{\"devices\": [{\"deviceId\": \"a\", \"status\": \"on\"}]}",
            "1 /devices/0/status: status must be",
        ),
        (
            "{\"devices\": [{\"deviceId\": \"a\", \"parent\": \"b\"}]}",
            "1 /devices/0/parent: parent is \"b\", which is no Edge device",
        ),
        (
            "{\"devices\": [{\"deviceId\": \"a\", \"deployment\": {\"modulesContent\": {}}}]}",
            "1 /devices/0/deployment: a is not an edge device",
        ),
        (
            "{\"devices\": [{\"deviceId\": \"a\", \"tags\": 5}]}",
            "1 /devices/0/tags: tags is no object",
        ),
        (
            "{\"certificates\": [{\"name\": \"ca\", \"certificate\": \"x\"}]}",
            "1 /certificates/0: the certificate cannot be used",
        ),
        (
            "{\"enrollments\": [{\"registrationId\": \"a\"}]}",
            "1 /enrollments/0: it cannot be read: missing field `attestation`",
        ),
    ] {
        let found = problems(&simulator, seed);
        assert!(found[0].starts_with(told), "{seed}: {found:?}");
    }
    assert_eq!(simulator.devices(), json!([]));
}

/// A seed that a kill interrupts is finished by the next start.
#[tokio::test]
async fn a_seed_is_made_whole_after_a_kill() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let simulator = start(directory.path()).await;
    simulator
        .pending
        .write(&Intent::Seed(seed()))
        .expect("written");
    simulator
        .add_device("edge01", true, &[])
        .expect("so far the kill let it come");
    simulator.shutdown().await;
    let left = Arc::downgrade(&simulator);
    drop(simulator);
    let gone = async {
        while left.strong_count() > 0 {
            tokio::task::yield_now().await;
        }
    };
    timeout(Duration::from_secs(20), gone)
        .await
        .expect("nobody holds it");
    let again = start(directory.path()).await;
    let made = again.seed(&text(&seed())).expect("nothing is otherwise");
    assert_eq!(made.made, [""; 0], "all of it was there");
}
