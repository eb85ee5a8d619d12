//! What a kill leaves of a hub, whatever happened to it before.

use hub_proto::message::SystemProperty;
use proptest::prelude::*;

use super::super::administration::Step::{Put, Remove};
use super::super::administration::Wanted;
use super::*;
use crate::journal::{Journal, JournalError, Kind};
use crate::notices::Channel;
use crate::precondition::Precondition;
use crate::registry::{Device, StoredKey};

/// One thing that can happen to a hub, chosen by a generator.
#[derive(Debug, Clone)]
enum Step {
    Sense(u32),
    Upstream(bool),
    Desire(i32),
    Report(i32),
    Send,
    Acknowledge,
    Purge,
    /// A back end takes a notice, and settles it or not.
    Collect(bool),
    /// What a service makes of a device: whether it is enabled, has a key of its own, and is an edge device.
    Settle(bool, bool, bool),
    Remove,
    Module(bool),
    Configure(u64),
    Unconfigure(u64),
    /// Every event to a custom endpoint, or as usual.
    Route(bool),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..1000u32).prop_map(Step::Sense),
        1 => any::<bool>().prop_map(Step::Upstream),
        1 => (0..5i32).prop_map(Step::Desire),
        1 => (0..5i32).prop_map(Step::Report),
        1 => Just(Step::Send),
        2 => Just(Step::Acknowledge),
        1 => Just(Step::Purge),
        1 => any::<bool>().prop_map(Step::Collect),
        2 => any::<(bool, bool, bool)>().prop_map(|(enabled, key, edge)| Step::Settle(enabled, key, edge)),
        1 => Just(Step::Remove),
        1 => any::<bool>().prop_map(Step::Module),
        1 => (0..3u64).prop_map(Step::Configure),
        1 => (0..3u64).prop_map(Step::Unconfigure),
        2 => any::<bool>().prop_map(Step::Route),
    ]
}

fn take(hub: &Hub, step: &Step) {
    let (sensor, light) = (connect(hub, "edge01/sensor"), connect(hub, "edge01/light"));
    subscribe(hub, &light, &[INPUTS, DESIRED, TWIN]);
    match step {
        Step::Sense(number) => sensed(hub, &sensor, *number),
        Step::Upstream(up) => {
            let state = if *up { LinkState::Up } else { LinkState::Cut };
            hub.pull(&Target::Everybody, Lever::Upstream(state))
                .expect("moved");
        }
        Step::Desire(value) => {
            let document = json!({"properties": {"desired": {"a": {"b": value}}}});
            hub.update_twin(&identity("edge01/light"), document, false)
                .expect("valid");
        }
        Step::Report(value) => {
            let body = json!({"c": value, "gone": null}).to_string();
            publish(
                hub,
                &light,
                "$iothub/twin/PATCH/properties/reported/?$rid=1",
                &body,
            )
            .expect("taken");
        }
        Step::Send => {
            // A full queue is an answer too.
            let mut properties = Properties::new();
            properties.set(SystemProperty::Ack, "full");
            let _ = hub.send(&identity("pump7"), properties, "hello".into());
        }
        Step::Purge => {
            hub.purge(&identity("pump7")).expect("it is there");
        }
        Step::Collect(settled) => {
            let now = Timestamp::now();
            let handed = hub.next_notice(Channel::Feedback, now).expect("it writes");
            if let Some(handed) = handed.filter(|_| *settled) {
                let settled = hub.settle_notice(Channel::Feedback, handed.token, now);
                assert!(settled.expect("it writes"));
            }
        }
        Step::Settle(enabled, key, edge) => {
            let wanted = Wanted {
                primary: key.then(StoredKey::generate),
                enabled: Some(*enabled),
                status_reason: Some("a test".to_owned()),
                edge: Some(*edge),
                ..Wanted::default()
            };
            let step = Put(Box::new(wanted), Precondition::None);
            hub.administer(&identity("leaf"), step).expect("taken");
        }
        // What is not there is an answer too.
        Step::Remove => {
            let _ = hub.administer(&identity("leaf"), Remove(Precondition::None));
        }
        Step::Module(made) => {
            let step = if *made {
                Put(Box::default(), Precondition::None)
            } else {
                Remove(Precondition::None)
            };
            let _ = hub.administer(&identity("leaf/m"), step);
        }
        Step::Configure(priority) => {
            // Each priority is another configuration, since the content of one never changes.
            let configuration = serde_json::from_value(json!({
                "labels": {}, "targetCondition": "deviceId != 'edge01'", "content": {
                    "deviceContent": {"properties.desired.a": {"p": priority}}}, "priority": priority, "metrics": {},
                "created": Timestamp::UNIX_EPOCH, "updated": Timestamp::UNIX_EPOCH, "revision": 0,
            }));
            let configuration = configuration.expect("a configuration");
            hub.put_configuration(
                &format!("winter{priority}"),
                configuration,
                Precondition::None,
            )
            .expect("taken");
        }
        Step::Unconfigure(priority) => {
            let _ = hub.remove_configuration(&format!("winter{priority}"), Precondition::None);
        }
        Step::Route(all) => {
            let usual = json!({});
            let document = if *all {
                routing::everything_to_all()
            } else {
                usual
            };
            routing::set(hub, document);
        }
        Step::Acknowledge => {
            for settles in received(&light)
                .expect("connected")
                .iter()
                .filter_map(|delivery| delivery.settles)
            {
                acknowledge(hub, &light, settles);
            }
        }
    }
}

fn everything(hub: &Hub) -> (Value, [Vec<Value>; 2]) {
    let core = hub.lock();
    let registry = serde_json::to_value(&core.registry).expect("plain data");
    drop(core);
    let routed = hub.events_at("all", 1, None, usize::MAX);
    let routed = routed.map_or_else(Vec::new, |(events, _)| events);
    (registry, [hub.events(1, None, usize::MAX).0, routed])
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    /// Dropping the hub without a word is what a kill does to it.
    #[test]
    fn a_killed_hub_comes_back_as_it_was(steps in proptest::collection::vec(step(), 1..25)) {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let hub_before = furnished(Some(directory.path()));
        for step in &steps {
            take(&hub_before, step);
        }
        let before = everything(&hub_before);
        drop(hub_before);
        prop_assert_eq!(everything(&hub(Some(directory.path()))), before);
    }
}

#[test]
fn feedback_survives_a_kill_and_is_not_handed_out_twice() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let now = Timestamp::now();
    let before = furnished(Some(directory.path()));
    let mut properties = Properties::new();
    properties.set(SystemProperty::MessageId, "m1");
    properties.set(SystemProperty::Ack, "full");
    before
        .send(&identity("pump7"), properties, "hello".into())
        .expect("there is room");
    before.purge(&identity("pump7")).expect("it is there");
    let seen = before.next_notice(Channel::Feedback, now);
    let seen = seen.expect("it writes").expect("feedback").body;
    drop(before);
    let after = hub(Some(directory.path()));
    let again = after.next_notice(Channel::Feedback, now);
    let again = again.expect("it writes").expect("nobody settled it");
    assert_eq!((&again.body, again.deliveries), (&seen, 1));
    assert_eq!(again.body[0]["originalMessageId"], "m1");
    let settled = after.settle_notice(Channel::Feedback, again.token, now);
    assert!(settled.expect("it writes"));
    drop(after);
    let last = hub(Some(directory.path()));
    let none = last.next_notice(Channel::Feedback, now);
    assert_eq!(none.expect("it writes"), None);
}

#[test]
fn a_journal_from_before_the_service_api_is_understood() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let mut journal = Journal::open(directory.path(), |_, _| {}).expect("an empty directory");
    let device = Device::new(super::super::identities::new_client(), false);
    let mut device = serde_json::to_value(&device).expect("plain data");
    let client = device["client"].as_object_mut().expect("a client");
    client.shift_remove("revision").expect("a new field");
    for change in [
        json!({"change": "devicePut", "id": "pump7", "device": device}),
        json!({"change": "deviceEnabled", "id": "pump7", "enabled": false}),
    ] {
        journal.stage(Kind::Change, change.to_string().as_bytes());
    }
    journal.commit().expect("it writes");
    drop(journal);
    let hub = hub(Some(directory.path()));
    let document = hub
        .identity_document(&identity("pump7"))
        .expect("it is there");
    assert_eq!(document["status"], "disabled");
    assert_eq!(document["statusUpdatedTime"], hub_proto::time::NEVER);
}

#[test]
fn a_journal_of_another_version_is_refused_and_left_alone() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let mut journal = Journal::open(directory.path(), |_, _| {}).expect("an empty directory");
    journal.stage(Kind::Change, br#"{"change":"inventedLater"}"#);
    journal.commit().expect("it writes");
    drop(journal);
    let names = Names {
        hub: "localhost".into(),
        gateway: "localhost".into(),
        accepted: vec!["localhost".into()],
    };
    for _ in 0..2 {
        let refused = Hub::open(Some(directory.path()), names.clone());
        assert!(matches!(refused, Err(JournalError::Foreign { .. })));
    }
}
