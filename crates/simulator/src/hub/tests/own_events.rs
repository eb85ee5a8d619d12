//! What the hub tells by itself: of identities, twins and connections.

use super::super::administration::Step::{Put, Remove};
use super::super::administration::Wanted;
use super::routing::{at, everything_to_all, leave, set, told};
use super::*;
use crate::precondition::Precondition;

#[test]
fn identities_are_told_of_as_they_come_and_go() {
    let hub = furnished(None);
    set(&hub, everything_to_all());
    hub.add_device("leaf", false, &["m".to_owned()])
        .expect("new");
    let put = |wanted| Put(Box::new(wanted), Precondition::None);
    let who = identity("leaf");
    hub.administer(&who, put(Wanted::default()))
        .expect("settled");
    hub.administer(&identity("leaf/n"), put(Wanted::default()))
        .expect("made");
    hub.administer(&identity("leaf/m"), Remove(Precondition::None))
        .expect("removed");
    hub.remove_device("leaf").expect("it is there");
    let expected = [
        ("createDeviceIdentity", "leaf"),
        ("createModuleIdentity", "leaf/m"),
        ("createModuleIdentity", "leaf/n"),
        ("deleteModuleIdentity", "leaf/m"),
        ("deleteModuleIdentity", "leaf/n"),
        ("deleteDeviceIdentity", "leaf"),
    ];
    let expected = expected
        .map(|(operation, who)| ["deviceLifecycleEvents", operation, who].map(str::to_owned));
    assert_eq!(told(&hub), expected);
    let event = &at(&hub, "all")[1];
    let properties = &event["properties"];
    assert_eq!(
        properties["iothub-message-schema"],
        "moduleLifecycleNotification"
    );
    assert_eq!(properties["hubName"], "localhost");
    assert_eq!(
        (&properties["deviceId"], &properties["moduleId"]),
        (&json!("leaf"), &json!("m"))
    );
    assert_eq!(event["systemProperties"]["contentType"], "application/json");
    assert_eq!(event["systemProperties"]["userId"], "localhost");
    let body = &event["body"];
    assert_eq!(
        (&body["moduleId"], &body["version"]),
        (&json!("m"), &json!(1))
    );
    assert_eq!(body["properties"]["desired"]["$version"], 1);
}

#[test]
fn a_device_made_anew_is_another_one() {
    let hub = furnished(None);
    set(&hub, everything_to_all());
    hub.remove_device("pump7").expect("it is there");
    hub.add_device("pump7", true, &[]).expect("new");
    let operations: Vec<String> = told(&hub)
        .into_iter()
        .map(|[_, operation, who]| format!("{operation} {who}"))
        .collect();
    assert_eq!(
        operations,
        [
            "deleteDeviceIdentity pump7",
            "createDeviceIdentity pump7",
            "createModuleIdentity pump7/$edgeAgent",
            "createModuleIdentity pump7/$edgeHub",
            // An edge hub reports what it makes of its routes.
            "updateTwin pump7/$edgeHub",
        ]
    );
}

#[test]
fn a_twin_s_change_is_told_with_its_metadata() {
    let hub = furnished(None);
    set(&hub, everything_to_all());
    let who = identity("pump7");
    let document = json!({"tags": {"floor": 3}, "properties": {"desired": {"a": {"b": 1}, "gone": null, "$version": 7}}});
    let after = hub.update_twin(&who, document, false).expect("a twin");
    let event = at(&hub, "all").pop().expect("an event");
    assert_eq!(event["properties"]["opType"], "updateTwin");
    assert_eq!(
        event["properties"]["iothub-message-schema"],
        "twinChangeNotification"
    );
    assert_eq!(
        event["properties"]["floor"], "3",
        "the twin as it is after the change"
    );
    let (body, metadata) = (&event["body"], &after["properties"]["desired"]["$metadata"]);
    assert_eq!(body["version"], after["version"]);
    assert_eq!(body["tags"], json!({"floor": 3}));
    assert_eq!(
        body["properties"]["desired"],
        json!({"a": {"b": 1}, "gone": null, "$metadata": metadata, "$version": 2})
    );

    // Metadata of what was named, and of nothing else.
    hub.update_twin(&who, json!({"properties": {"desired": {"c": 1}}}), false)
        .expect("a twin");
    let event = at(&hub, "all").pop().expect("an event");
    let metadata = event["body"]["properties"]["desired"]["$metadata"]
        .as_object()
        .expect("metadata")
        .clone();
    assert_eq!(
        metadata.keys().collect::<Vec<_>>(),
        ["$lastUpdated", "$lastUpdatedVersion", "c"]
    );

    let replaced = hub.update_twin(
        &who,
        json!({"tags": {"x": 1}, "properties": {"desired": {}}}),
        true,
    );
    let replaced = replaced.expect("a twin");
    let event = at(&hub, "all").pop().expect("an event");
    assert_eq!(event["properties"]["opType"], "replaceTwin");
    let body = &event["body"];
    assert_eq!(
        (&body["deviceId"], &body["etag"]),
        (&json!("pump7"), &replaced["etag"])
    );
    assert_eq!(
        (&body["tags"], &body["properties"]),
        (&replaced["tags"], &replaced["properties"])
    );

    // What is refused changed nothing.
    let count = at(&hub, "all").len();
    hub.update_twin(&who, json!({"tags": {"$x": 1}}), false)
        .expect_err("a reserved name");
    assert_eq!(at(&hub, "all").len(), count);
}

#[test]
fn a_device_with_a_model_has_a_digital_twin() {
    let hub = furnished(None);
    set(&hub, everything_to_all());
    let model = "dtmi:com:example:Thermostat;1";
    let mut packet = connect_packet(
        "pump7",
        &token(&hub, "pump7", &identity("pump7").audience("localhost"), 600),
    );
    packet.user_name = Some(user_name::hub(
        "localhost",
        &identity("pump7"),
        "test",
        Some(model),
    ));
    let pump = hub.connect(&packet, None, None).expect("let in");
    let report = |patch: &str| {
        publish(
            &hub,
            &pump,
            "$iothub/twin/PATCH/properties/reported/?$rid=1",
            patch,
        )
        .expect("taken");
        let events = at(&hub, "all");
        let [twin, digital] = events.last_chunk().expect("two events").clone();
        assert_eq!(
            twin["systemProperties"]["correlationId"],
            digital["systemProperties"]["correlationId"]
        );
        assert_eq!(
            digital["systemProperties"]["contentType"],
            "application/json-patch+json"
        );
        assert_eq!(
            digital["properties"]["iothub-message-schema"],
            "digitalTwinChangeNotification"
        );
        assert_eq!(digital["properties"].get("floor"), None, "no enrichment");
        assert_eq!(
            twin["body"]["properties"]["reported"]["$version"].as_u64(),
            Some(events.len() as u64 / 2 + 1)
        );
        digital["body"].clone()
    };
    let updated = |patch: &Value, at: usize| patch[at]["value"]["lastUpdateTime"].clone();
    let first = report(r#"{"max":10.96}"#);
    assert_eq!(
        first,
        json!([
            {"op": "add", "path": "/$metadata/max", "value": {"lastUpdateTime": updated(&first, 0)}},
            {"op": "add", "path": "/max", "value": 10.96},
        ])
    );
    let component = report(r#"{"thermostat1":{"__t":"c","max":98.34}}"#);
    assert_eq!(component[0]["path"], "/thermostat1");
    assert_eq!(component[0]["value"]["max"], 98.34);
    assert_eq!(component.as_array().map(Vec::len), Some(1));
    let changed = report(r#"{"max":11,"thermostat1":null}"#);
    let paths: Vec<&str> = changed
        .as_array()
        .expect("a patch")
        .iter()
        .map(|step| step["path"].as_str().expect("a path"))
        .collect();
    assert_eq!(
        paths,
        ["/$metadata/max/lastUpdateTime", "/max", "/thermostat1"]
    );
    // A tag is none of it.
    let count = at(&hub, "all").len();
    hub.update_twin(&identity("pump7"), json!({"tags": {"x": 1}}), false)
        .expect("a twin");
    assert_eq!(at(&hub, "all").len(), count + 1);
}

#[test]
fn connections_are_told_of_when_their_state_changes() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let before = furnished(Some(directory.path()));
    set(&before, everything_to_all());
    let first = connect(&before, "pump7");
    let second = connect(&before, "pump7");
    leave(&before, &first);
    leave(&before, &second);
    let sensor = connect(&before, "edge01/sensor");
    let upstream = |state| {
        before
            .pull(&Target::Everybody, Lever::Upstream(state))
            .expect("moved");
    };
    upstream(LinkState::Cut);
    let light = connect(&before, "edge01/light");
    leave(&before, &sensor);
    upstream(LinkState::Up);
    leave(&before, &light);
    let events: Vec<_> = told(&before)
        .into_iter()
        .filter(|[source, ..]| source == "deviceConnectionStateEvents")
        .collect();
    let expected = [
        ("deviceConnected", "pump7"),
        ("deviceDisconnected", "pump7"),
        ("moduleConnected", "edge01/sensor"),
        ("moduleDisconnected", "edge01/sensor"),
        ("moduleConnected", "edge01/light"),
        ("moduleDisconnected", "edge01/light"),
    ];
    let told_of: Vec<_> = events
        .iter()
        .map(|[_, operation, who]| (operation.as_str(), who.as_str()))
        .collect();
    assert_eq!(told_of, expected);
    drop(before);

    let after = hub(Some(directory.path()));
    connect(&after, "pump7");
    let numbers: Vec<String> = at(&after, "all")
        .iter()
        .filter_map(|event| event["body"]["sequenceNumber"].as_str().map(str::to_owned))
        .collect();
    assert_eq!(numbers.len(), 7);
    assert!(numbers.iter().all(|number| number.len() == 64 && number.bytes().all(|byte| byte.is_ascii_hexdigit())));
    assert!(
        numbers.windows(2).all(|pair| pair[0] < pair[1]),
        "{numbers:?}"
    );
}
