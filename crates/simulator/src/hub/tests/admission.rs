//! Who may connect, to which face, and what is left when a disk is full.

use super::*;
use crate::amqp::EVENT_HUB;
use crate::connection::End;
use crate::events::PARTITIONS;
use crate::hub::Face;
use crate::routing::BUILT_IN;
use crate::wire::Will;

#[test]
fn only_the_own_unexpired_token_opens() {
    let hub = furnished(None);
    let refused = |id: &str, token: &str| connect_with(&hub, id, token).err().flatten();
    let own = "localhost/devices/pump7";
    assert_eq!(
        refused("pump7", &token(&hub, "pump7", own, -600)),
        Some(ReturnCode::NotAuthorized),
        "expired"
    );
    assert_eq!(
        refused("pump7", &token(&hub, "edge01", own, 600)),
        Some(ReturnCode::NotAuthorized),
        "another's key"
    );
    assert_eq!(
        refused(
            "pump7",
            &token(&hub, "pump7", "localhost/devices/edge01", 600)
        ),
        Some(ReturnCode::NotAuthorized),
        "another's audience"
    );
    assert_eq!(
        refused("pump8", &token(&hub, "pump7", own, 600)),
        Some(ReturnCode::NotAuthorized),
        "unknown"
    );
    hub.enable_device("pump7", false).expect("registered");
    assert_eq!(
        refused("pump7", &token(&hub, "pump7", own, 600)),
        Some(ReturnCode::NotAuthorized),
        "disabled"
    );
    hub.enable_device("pump7", true).expect("registered");
    assert!(connect_with(&hub, "pump7", &token(&hub, "pump7", own, 600)).is_ok());
    let of_device = token(&hub, "edge01", "localhost/devices/edge01", 600);
    assert!(
        connect_with(&hub, "edge01/light", &of_device).is_ok(),
        "an edge device's key opens its modules"
    );
}

#[test]
fn a_policy_opens_devices_only_if_it_may_connect_them() {
    let hub = furnished(None);
    for (policy, opens) in [
        ("iothubowner", true),
        ("device", true),
        ("service", false),
        ("registryRead", false),
        ("registryReadWrite", false),
    ] {
        let key = hub.policy_key(policy).expect("a hub is born with it");
        let token = Unsigned::new("localhost", Timestamp::now().as_second() + 600)
            .with_policy(policy)
            .sign(&key);
        assert_eq!(
            connect_with(&hub, "pump7", &token).is_ok(),
            opens,
            "{policy}"
        );
    }
}

#[test]
fn a_device_without_an_edge_speaks_to_the_hub_by_whatever_name() {
    let hub = furnished(None);
    let token = token(&hub, "pump7", "localhost/devices/pump7", 600);
    let connect = connect_packet("pump7", &token);
    let pump = hub
        .connect(&connect, Some(Face::Edge), None)
        .expect("a good token");
    let topic = "devices/pump7/messages/events/";
    publish(&hub, &pump, topic, r#"{"sequence":1}"#).expect("a good message");
    assert_eq!(at_hub(&hub), [1]);
}

#[test]
fn a_connection_that_cannot_be_kept_leaves_no_trace() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let hub = furnished(Some(directory.path()));
    let token = token(
        &hub,
        "edge01/light",
        "localhost/devices/edge01/modules/light",
        600,
    );
    hub.lock().journal.fill_disk();
    let refused = connect_with(&hub, "edge01/light", &token).err();
    assert_eq!(refused, Some(Some(ReturnCode::ServerUnavailable)));
    assert!(hub.lock().live.is_empty(), "nobody is connected");
}

#[test]
fn a_call_does_not_take_along_what_the_journal_does_not_hold() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let hub = furnished(Some(directory.path()));
    let pump = connect(&hub, "pump7");
    subscribe(&hub, &pump, &[DESIRED, METHODS]);
    hub.lock().journal.fill_disk();
    let desired = json!({"properties": {"desired": {"interval": 5}}});
    hub.update_twin(&identity("pump7"), desired, false)
        .expect_err("it cannot be kept");
    let request = MethodRequest::new("restart", json!({}));
    let begun = hub
        .lock()
        .begin_call(&identity("pump7"), &request, Caller::Cloud, |_| true)
        .expect("a good request");
    assert!(begun.is_some(), "it is connected and subscribed");
    let topics: Vec<_> = received(&pump)
        .expect("connected")
        .into_iter()
        .map(|delivery| delivery.topic)
        .collect();
    assert_eq!(topics, ["$iothub/methods/POST/restart/?$rid=1"]);
}

#[test]
fn an_identity_made_anew_has_seen_nothing() {
    let hub = furnished(None);
    for life in ["first", "second"] {
        let (sensor, light) = (
            connect(&hub, "edge01/sensor"),
            connect(&hub, "edge01/light"),
        );
        subscribe(&hub, &light, &[INPUTS]);
        sensed(&hub, &sensor, 1);
        let deliveries = received(&light).expect("connected");
        assert_eq!(
            (deliveries.len(), deliveries[0].duplicate),
            (1, false),
            "{life}"
        );
        hub.remove_device("edge01").expect("registered");
        hub.add_device("edge01", true, &[]).expect("a free id");
        hub.apply_deployment("edge01", &deployment())
            .expect("a deployment");
    }
}

#[test]
fn a_will_has_the_properties_its_topic_names() {
    let hub = furnished(None);
    let pump = connect(&hub, "pump7");
    let will = Will {
        topic: "devices/pump7/messages/events/zone=3/".into(),
        payload: Bytes::from_static(b"gone"),
    };
    hub.detach(&pump, &End::Lost("cable".into()), Some(&will));
    let (events, _) = hub.events(1, None, usize::MAX);
    let properties = json!({"zone": "3", "iothub-MessageType": "Will"});
    assert_eq!(events[0]["properties"], properties);
}

#[test]
fn nobody_reads_what_the_journal_does_not_hold() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let hub = furnished(Some(directory.path()));
    let pump = connect(&hub, "pump7");
    hub.lock().journal.fill_disk();
    let mut batch = hub.batch(&pump);
    let topic = "devices/pump7/messages/events/";
    batch
        .publish(topic, &Bytes::from_static(b"{}"), false)
        .expect("its own topic");
    batch.commit().expect_err("it cannot be kept");
    hub.send(&identity("pump7"), Properties::default(), Bytes::new())
        .expect_err("it cannot be kept");
    assert!(hub.events(0, None, 10).0.is_empty());
    let mut read = 0;
    for partition in 0..PARTITIONS {
        hub.read_partition(EVENT_HUB, partition, 0, 10, |_| read += 1);
    }
    assert_eq!(read, 0);
    assert!(
        !hub.has_grown(BUILT_IN, 1),
        "nobody looks for it again and again"
    );
    hub.take_message(&identity("pump7"), Timestamp::now())
        .expect_err("it is not handed out either");
}
