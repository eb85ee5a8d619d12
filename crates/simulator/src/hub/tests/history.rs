//! What can be looked up afterwards: why a client was refused, and how a twin became what it is.

use hub_proto::twin::Object;
use proptest::prelude::*;

use super::*;
use crate::history::{ConnectionState, RevisionSection, TwinRevisions};

/// State, cause and number of each entry about a device, newest first.
fn log(hub: &Hub, device: &str) -> Vec<(ConnectionState, &'static str, u32)> {
    let events = hub.connections.newest(Some(&identity(device)), 99);
    events
        .into_iter()
        .map(|event| (event.state, event.cause.unwrap_or_default(), event.times))
        .collect()
}

#[test]
fn each_refusal_is_kept_with_its_cause() {
    use ConnectionState::{Connected, Refused};
    let hub = furnished(None);
    let own = "localhost/devices/pump7";
    let refuse = |id: &str, token: &str| {
        connect_with(&hub, id, token).expect_err("nothing that opens it");
    };
    refuse("pump7", &token(&hub, "edge01", own, 600));
    refuse("pump7", &token(&hub, "edge01", own, 600));
    refuse("pump7", &token(&hub, "pump7", own, -4000));
    refuse(
        "pump7",
        &token(&hub, "pump7", "localhost/devices/other", 600),
    );
    refuse("pump7", "");
    refuse("pump7", "secret");
    let _attached = connect(&hub, "pump7");
    hub.enable_device("pump7", false).expect("it is registered");
    refuse("pump7", &token(&hub, "pump7", own, 600));
    assert_eq!(
        log(&hub, "pump7"),
        [
            (Refused, "disabled", 1),
            (Connected, "", 1),
            (Refused, "unreadableToken", 1),
            (Refused, "noToken", 1),
            (Refused, "wrongAudience", 1),
            (Refused, "tokenExpired", 1),
            (Refused, "wrongKey", 2),
        ]
    );
    let events = hub.connections.newest(Some(&identity("pump7")), 99);
    assert!(
        events[5]
            .reason
            .starts_with("the token expired 1 h 6 min ago, at "),
        "{}",
        events[5].reason
    );
    assert!(events.iter().all(|event| !event.reason.contains("secret")));
    let cured = events.iter().filter(|event| event.cure.is_some());
    assert_eq!(cured.count(), 6, "each refusal names what helps");
}

#[test]
fn strangers_are_in_the_log_too() {
    let hub = furnished(None);
    connect_with(&hub, "nobody", &token(&hub, "pump7", "localhost", 600))
        .expect_err("it is not registered");
    assert_eq!(
        log(&hub, "nobody"),
        [(ConnectionState::Refused, "unknownIdentity", 1)]
    );
    let unnamed = Connect {
        client_id: "no identity at all".to_owned(),
        user_name: None,
        ..connect_packet("pump7", "")
    };
    hub.connect(&unnamed, None, None)
        .map(drop)
        .expect_err("it has no user name");
    let newest = &hub.connections.newest(None, 1)[0];
    assert_eq!(newest.client.as_deref(), Some("no identity at all"));
    assert_eq!(newest.cause, Some("userName"));
}

#[test]
fn a_take_over_is_told_with_what_helps() {
    let hub = furnished(None);
    let first = connect(&hub, "pump7");
    let _second = connect(&hub, "pump7");
    hub.detach(
        &first,
        &crate::connection::End::Hub(EndReason::TakenOver),
        None,
    );
    let newest = &hub.connections.newest(None, 1)[0];
    assert_eq!(
        (newest.state, newest.cause),
        (ConnectionState::Disconnected, Some("takenOver"))
    );
    assert!(
        newest
            .cure
            .is_some_and(|cure| cure.contains("identity of its own"))
    );
}

fn object(value: Value) -> Object {
    serde_json::from_value(value).expect("an object")
}

fn history(hub: &Hub) -> TwinRevisions {
    hub.twin_history(&identity("pump7"))
        .expect("it is registered")
}

#[test]
fn versions_are_compared() {
    let hub = furnished(None);
    let target = identity("pump7");
    let desire = |desired: Value| {
        let document = json!({"properties": {"desired": desired}});
        hub.update_twin(&target, document, false).expect("a patch")
    };
    desire(json!({"a": {"b": 1, "c": [1, 2]}}));
    desire(json!({"a": {"b": 2}, "d": "x"}));
    desire(json!({"a": null}));
    desire(json!({"d": "x"}));
    hub.update_twin(&target, json!({"tags": {"site": "north"}}), false)
        .expect("a patch");
    let history = history(&hub);
    assert_eq!(history.desired_version, 5);
    let versions: Vec<_> = history
        .revisions
        .iter()
        .map(|one| (one.section, one.version, one.changes.len()))
        .collect();
    use RevisionSection::{Desired, Tags};
    assert_eq!(
        versions,
        [
            (Tags, 6, 1),
            (Desired, 5, 0),
            (Desired, 4, 1),
            (Desired, 3, 2),
            (Desired, 2, 1)
        ]
    );
    let shown = |from, to| {
        let changes = history.between(Desired, from, to).expect("remembered");
        serde_json::to_value(changes).expect("plain data")
    };
    assert_eq!(
        shown(2, 3),
        json!([{"path": ["a", "b"], "before": 1, "after": 2}, {"path": ["d"], "after": "x"}])
    );
    assert_eq!(
        shown(3, 2),
        json!([{"path": ["a", "b"], "before": 2, "after": 1}, {"path": ["d"], "before": "x"}])
    );
    assert_eq!(shown(1, 5), json!([{"path": ["d"], "after": "x"}]));
    assert_eq!(
        history.between(Desired, 1, 6),
        None,
        "there is no version 6"
    );
    assert_eq!(history.at(Tags, 5), Some(object(json!({}))));
}

#[test]
fn a_device_made_again_has_no_past() {
    let hub = furnished(None);
    let target = identity("pump7");
    hub.update_twin(&target, json!({"tags": {"a": 1}}), false)
        .expect("a patch");
    assert_eq!(history(&hub).revisions.len(), 1);
    hub.remove_device("pump7").expect("it is there");
    hub.add_device("pump7", false, &[]).expect("the id is free");
    assert!(history(&hub).revisions.is_empty());
}

#[test]
fn a_refused_patch_leaves_no_revision() {
    let hub = furnished(None);
    hub.update_twin(&identity("pump7"), json!({"tags": {"$no": 1}}), false)
        .expect_err("no name begins so");
    assert!(history(&hub).revisions.is_empty());
}

#[test]
fn the_oldest_versions_are_forgotten_and_said_to_be() {
    let hub = furnished(None);
    let target = identity("pump7");
    for n in 0..200 {
        let document = json!({"properties": {"desired": {"n": n}}});
        hub.update_twin(&target, document, false).expect("a patch");
    }
    let history = history(&hub);
    assert_eq!(history.revisions.len(), 64);
    assert_eq!(history.at(RevisionSection::Desired, 10), None);
    assert_eq!(
        history.at(RevisionSection::Desired, 190),
        Some(object(json!({"n": 188})))
    );
}

/// Documents with few names, so that patches meet.
fn documents() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        (0..3).prop_map(Value::from),
        Just(json!([1, {"x": 2}])),
    ];
    let value = leaf.prop_recursive(3, 12, 3, |inner| {
        prop::collection::btree_map("[ab]", inner, 0..3)
            .prop_map(|map| Value::Object(map.into_iter().collect()))
    });
    prop::collection::btree_map("[abc]", value, 0..3)
        .prop_map(|map| Value::Object(map.into_iter().collect()))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Against the naive way: to keep every version whole.
    #[test]
    fn any_version_is_what_it_was(patches in prop::collection::vec((0..4, documents(), any::<bool>()), 1..12)) {
        let hub = furnished(None);
        let target = identity("pump7");
        let mut seen = Vec::new();
        let mut note = |hub: &Hub, tags: bool| {
            let now = history(hub);
            if tags {
                seen.push((RevisionSection::Tags, now.tags_version, now.tags));
            }
            seen.push((RevisionSection::Desired, now.desired_version, now.desired));
            seen.push((RevisionSection::Reported, now.reported_version, now.reported));
        };
        note(&hub, false);
        for (kind, patch, replace) in patches {
            let document = match kind {
                0 => json!({"tags": patch}),
                1 => json!({"properties": {"desired": patch}}),
                2 => json!({"tags": patch, "properties": {"desired": patch}}),
                _ => {
                    let mut core = hub.lock();
                    core.report(&target, patch, Timestamp::now()).expect("a patch");
                    drop(core);
                    note(&hub, false);
                    continue;
                }
            };
            hub.update_twin(&target, document, replace).expect("a patch");
            note(&hub, kind != 1);
        }
        let history = history(&hub);
        for (section, version, then) in seen {
            prop_assert_eq!(history.at(section, version), Some(then), "{:?} {}", section, version);
        }
    }
}
