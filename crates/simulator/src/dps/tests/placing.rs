//! Which hub a device gets, what its twin begins with, and what becomes of it when it registers again.

use super::*;
use crate::hub::IdentityFault;

fn site(of: &Value) -> &Value {
    &of["tags"]["site"]
}

const NORTH: &str = r#"{"tags":{"site":"north"},"properties":{"desired":{"interval":10}}}"#;

fn initial() -> Value {
    serde_json::from_str(NORTH).expect("JSON")
}

#[test]
fn a_new_device_begins_with_the_initial_twin_and_keeps_what_it_became() {
    let bench = bench(&["localhost"], None);
    bench.enrol("r1", &json!({"initialTwin": initial()}));
    bench.assigned("r1", &key("r1"));
    let twin = bench.twin(0, "r1").expect("a device");
    assert_eq!(site(&twin), "north");
    assert_eq!(twin["properties"]["desired"]["interval"], 10);
    let device = Identity::device("r1").expect("an id");
    let changed = json!({"tags": {"site": "south"}});
    bench.hubs[0]
        .update_twin(&device, changed, false)
        .expect("taken");
    let again = bench.assigned("r1", &key("r1"));
    assert_eq!(
        again.substatus,
        Some(Substatus::ReprovisionedToInitialAssignment)
    );
    assert_eq!(site(&bench.twin(0, "r1").expect("a device")), "south");
    let reset = json!({"initialTwin": initial(),
        "reprovisionPolicy": {"updateHubAssignment": true, "migrateDeviceData": false}});
    bench.enrol("r1", &reset);
    let again = bench.assigned("r1", &key("r1"));
    assert_eq!(again.substatus, Some(Substatus::DeviceDataReset));
    assert_eq!(site(&bench.twin(0, "r1").expect("a device")), "north");
}

#[test]
fn a_device_moves_with_its_twin_without_it_or_not_at_all() {
    for (update, migrate, substatus, tag) in [
        (true, true, Substatus::DeviceDataMigrated, "changed"),
        (true, false, Substatus::DeviceDataReset, "north"),
    ] {
        let bench = bench(&THREE, None);
        let policy = json!({"updateHubAssignment": update, "migrateDeviceData": migrate});
        let at = |hub: &str| json!({"allocationPolicy": "static", "iotHubHostName": hub, "initialTwin": initial(), "reprovisionPolicy": policy});
        bench.enrol("r1", &at("127.0.0.2"));
        let first = bench.assigned("r1", &key("r1"));
        assert_eq!(first.assigned_hub.as_deref(), Some("127.0.0.2"));
        let device = Identity::device("r1").expect("an id");
        let changed = json!({"tags": {"site": "changed"}});
        bench.hubs[1]
            .update_twin(&device, changed, false)
            .expect("taken");
        bench.enrol("r1", &at("127.0.0.3"));
        let second = bench.assigned("r1", &key("r1"));
        assert_eq!(second.assigned_hub.as_deref(), Some("127.0.0.3"));
        assert_eq!(second.substatus, Some(substatus));
        assert_eq!(second.created_date_time_utc, first.created_date_time_utc);
        assert_eq!(bench.twin(1, "r1"), None, "a device is in one hub");
        assert_eq!(site(&bench.twin(2, "r1").expect("moved")), tag);
    }
    let bench = bench(&THREE, None);
    let never = |hub: &str| {
        json!({"allocationPolicy": "static", "iotHubHostName": hub,
            "reprovisionPolicy": {"updateHubAssignment": false, "migrateDeviceData": false}})
    };
    bench.enrol("r1", &never("127.0.0.2"));
    bench.assigned("r1", &key("r1"));
    bench.enrol("r1", &never("127.0.0.3"));
    let second = bench.assigned("r1", &key("r1"));
    assert_eq!(second.assigned_hub.as_deref(), Some("127.0.0.2"));
    assert_eq!(bench.twin(2, "r1"), None);
}

#[test]
fn from_stock_to_a_project_and_back_the_hub_takes_the_key_of_the_last() {
    let bench = bench(&["localhost"], None);
    bench.enrol_group("stock", &json!({}));
    bench.enrol_group("north", &json!({"capabilities": {"iotEdge": true}}));
    for group in ["stock", "north", "stock"] {
        let own = key(group).derive("bay1");
        bench.assigned("bay1", &own);
        let credentials = bench.hubs[0].credentials("bay1").expect("there");
        assert!(
            credentials.connection_string.ends_with(&own.to_base64()),
            "{group}"
        );
    }
    assert_eq!(
        bench
            .dps
            .registrations(Some("stock"))
            .expect("a group")
            .len(),
        1
    );
    assert_eq!(
        bench
            .dps
            .registrations(Some("north"))
            .expect("a group")
            .len(),
        0
    );
}

#[test]
fn an_edge_enrolment_makes_an_edge_device_that_runs_its_deployment() {
    let bench = bench(&["localhost"], None);
    let deployment =
        json!({"modulesContent": {"light": {"properties.desired": {"palette": "bright"}}}});
    bench.dps.set_deployment(Some(deployment));
    bench.enrol_group("stock", &json!({"capabilities": {"iotEdge": true}}));
    bench.assigned("bay1", &key("stock").derive("bay1"));
    let modules = |device: &Value| -> Vec<String> {
        let modules = device["modules"].as_array().expect("a list");
        modules
            .iter()
            .filter_map(|m| Some(m["moduleId"].as_str()?.to_owned()))
            .collect()
    };
    let devices = bench.hubs[0].devices();
    assert_eq!(devices[0]["edge"], true);
    assert_eq!(modules(&devices[0]), ["$edgeAgent", "$edgeHub", "light"]);
    let light = Identity::module("bay1", "light").expect("an id");
    let before = bench.hubs[0].twin(&light).expect("a module");
    assert_eq!(before["properties"]["desired"]["palette"], "bright");
    let changed = json!({"properties": {"desired": {"palette": "dim"}}});
    bench.hubs[0]
        .update_twin(&light, changed, false)
        .expect("taken");
    bench.assigned("bay1", &key("stock").derive("bay1"));
    let after = bench.hubs[0].twin(&light).expect("a module");
    assert_eq!(
        after["properties"]["desired"]["palette"], "dim",
        "it is deployed once"
    );
}

#[test]
fn a_reset_edge_device_begins_anew_with_its_modules() {
    let bench = bench(&["localhost"], None);
    let deployment =
        json!({"modulesContent": {"light": {"properties.desired": {"palette": "bright"}}}});
    bench.dps.set_deployment(Some(deployment));
    let edge = json!({"capabilities": {"iotEdge": true},
        "reprovisionPolicy": {"updateHubAssignment": true, "migrateDeviceData": false}});
    bench.enrol_group("stock", &edge);
    let own = key("stock").derive("bay1");
    bench.assigned("bay1", &own);
    let light = Identity::module("bay1", "light").expect("an id");
    let changed = json!({"properties": {"desired": {"palette": "dim"}}});
    bench.hubs[0]
        .update_twin(&light, changed, false)
        .expect("taken");
    let device = Identity::device("bay1").expect("an id");
    let generation = bench.hubs[0].generation(&device);
    let again = bench.assigned("bay1", &own);
    assert_eq!(again.substatus, Some(Substatus::DeviceDataReset));
    assert_ne!(bench.hubs[0].generation(&device), generation);
    let light = bench.hubs[0].twin(&light).expect("deployed again");
    assert_eq!(light["properties"]["desired"]["palette"], "bright");
}

#[test]
fn a_deployment_that_breaks_a_rule_fails_the_registration_and_says_so() {
    let bench = bench(&["localhost"], None);
    bench
        .dps
        .set_deployment(Some(json!({"modulesContent": {"bad id": {}}})));
    bench.enrol_group("stock", &json!({"capabilities": {"iotEdge": true}}));
    let state = bench.settle("bay1", &key("stock").derive("bay1"));
    assert_eq!(
        (state.status, state.error_code),
        (Status::Failed, Some(500_207))
    );
    assert!(state.error_message.expect("why").contains("module id"));
    assert!(crate::hub::check_deployment(&json!({})).is_err());
    let _: IdentityFault = crate::hub::check_deployment(&json!([])).expect_err("no object");
}

#[test]
fn a_device_deleted_from_its_hub_is_made_again() {
    let bench = bench(&["localhost"], None);
    bench.enrol("r1", &json!({"initialTwin": initial()}));
    bench.assigned("r1", &key("r1"));
    bench.hubs[0].remove_device("r1").expect("there");
    bench.assigned("r1", &key("r1"));
    assert_eq!(site(&bench.twin(0, "r1").expect("a device")), "north");
}
