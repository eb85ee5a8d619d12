//! Configurations over many devices, and over restarts.

use super::*;
use crate::precondition::Precondition;
use crate::registry::Configuration;

fn configuration(condition: &str, content: Value) -> Configuration {
    let configuration = serde_json::from_value(json!({
        "labels": {}, "content": content, "targetCondition": condition, "priority": 1, "metrics": {},
        "created": Timestamp::UNIX_EPOCH, "updated": Timestamp::UNIX_EPOCH, "revision": 0,
    }));
    configuration.expect("a configuration")
}

fn put(hub: &Hub, id: &str, condition: &str, content: Value) {
    let configuration = configuration(condition, json!({"deviceContent": content}));
    hub.put_configuration(id, configuration, Precondition::None)
        .expect("taken");
}

fn results(hub: &Hub, id: &str) -> Value {
    let found = (id.to_owned(), hub.configuration(id).expect("it is there"));
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    let described = runtime.expect("a runtime").block_on(hub.describe(&[found]));
    described.expect("nothing to write")[0]["systemMetrics"]["results"].clone()
}

fn desired(hub: &Hub, id: &str) -> Value {
    hub.twin(&identity(id)).expect("registered")["properties"]["desired"].clone()
}

fn work_off(hub: &Hub) -> usize {
    let mut rounds = 0;
    while hub.assign_more().expect("nothing to write") {
        rounds += 1;
        assert!(rounds < 1000, "it never ends");
    }
    rounds
}

#[test]
fn many_devices_take_their_turn() {
    let hub = hub(None);
    for number in 0..1000 {
        hub.add_device(&format!("d{number}"), false, &[])
            .expect("a fresh id");
    }
    put(&hub, "all", "*", json!({"properties.desired.a": 1}));
    // Some are looked at in each round, and no round looks at all of them.
    let soon = results(&hub, "all")["appliedCount"]
        .as_u64()
        .expect("a number");
    assert!(0 < soon && soon < 1000, "{soon}");
    assert!(work_off(&hub) >= 1);
    assert_eq!(
        results(&hub, "all"),
        json!({"targetedCount": 1000, "appliedCount": 1000})
    );
    // A new one does not wait for anybody.
    hub.add_device("new", false, &[]).expect("a fresh id");
    assert_eq!(desired(&hub, "new")["a"], 1);
    hub.remove_device("d7").expect("it was there");
    hub.remove_configuration("all", Precondition::None)
        .expect("it was there");
    work_off(&hub);
    assert_eq!(desired(&hub, "d999")["a"], Value::Null);
}

#[test]
fn a_kill_leaves_devices_that_had_not_had_their_turn_and_they_get_it() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let before = hub(Some(directory.path()));
    for number in 0..600 {
        before
            .add_device(&format!("d{number}"), false, &[])
            .expect("a fresh id");
    }
    put(&before, "all", "*", json!({"properties.desired.a": 1}));
    drop(before);
    let after = hub(Some(directory.path()));
    work_off(&after);
    assert_eq!(results(&after, "all")["appliedCount"], 600);
    // Removed, and killed before anybody's turn.
    after
        .remove_configuration("all", Precondition::None)
        .expect("it was there");
    drop(after);
    let last = hub(Some(directory.path()));
    work_off(&last);
    assert_eq!(desired(&last, "d0")["a"], Value::Null);
    let versions = ["d0", "d599"].map(|id| desired(&last, id)["$version"].clone());
    assert_eq!(versions, [json!(3), json!(3)]);
}

#[test]
fn configurations_that_move_one_another_do_not_hold_the_hub_up() {
    let hub = hub(None);
    hub.add_device("pump7", false, &[]).expect("a fresh id");
    let content = json!({"properties.desired.a": 1});
    put(
        &hub,
        "never-content",
        "NOT is_defined(properties.desired.a)",
        content,
    );
    assert_eq!(work_off(&hub), 0);
    let before = desired(&hub, "pump7")["$version"].clone();
    assert_eq!(before, 2);
    // With the next second it has its next turn, and not before.
    for _ in 0..3 {
        hub.lock().commit().expect("in memory");
    }
    assert_eq!(desired(&hub, "pump7")["$version"], before);
    hub.tick().expect("in memory");
    assert_eq!(desired(&hub, "pump7")["$version"], 3);
}

#[test]
fn what_a_twin_cannot_take_is_targeted_and_not_applied() {
    let hub = hub(None);
    hub.add_device("pump7", false, &[]).expect("a fresh id");
    let text = "x".repeat(4000);
    let full: serde_json::Map<_, _> = (0..7).map(|n| (format!("k{n}"), json!(text))).collect();
    let document = json!({"properties": {"desired": full}});
    hub.update_twin(&identity("pump7"), document, false)
        .expect("it fits");
    let more = json!({"properties.desired.more": {"a": text, "b": text}});
    put(&hub, "more", "*", more);
    assert_eq!(
        results(&hub, "more"),
        json!({"targetedCount": 1, "appliedCount": 0})
    );
    let twin = hub.twin(&identity("pump7")).expect("registered");
    assert_eq!(twin["configurations"]["more"]["status"], "Targeted");
    // There is room for it again.
    let document = json!({"properties": {"desired": {"k0": null, "k1": null}}});
    hub.update_twin(&identity("pump7"), document, false)
        .expect("it fits");
    assert_eq!(results(&hub, "more")["appliedCount"], 1);
}
