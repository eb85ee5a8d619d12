//! The hub without sockets: what packets do to it, and what a restart leaves of it.

use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use hub_proto::connection_string::{ConnectionString, Credential};
use hub_proto::identity::Identity;
use hub_proto::message::Properties;
use hub_proto::method::MethodRequest;
use hub_proto::sas::Unsigned;
use hub_proto::user_name;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::{Attached, Caller, Hub, Names};
use crate::levers::{Lever, LinkState, Target};
use crate::mailbox::{Delivery, EndReason, Settles};
use crate::wire::{Connect, QoS, ReturnCode};

mod admission;
mod agents;
mod assigning;
mod calls;
mod certificates;
mod history;
mod inventory;
mod jobs;
mod kills;
mod own_events;
mod pipelining;
mod provisioning;
mod queries;
mod routing;
mod topics;

const INPUTS: &str = "devices/edge01/modules/light/inputs/#";
const DESIRED: &str = "$iothub/twin/PATCH/properties/desired/#";
const METHODS: &str = "$iothub/methods/POST/#";
const TWIN: &str = "$iothub/twin/res/#";

fn hub(state: Option<&Path>) -> Hub {
    let names = Names {
        hub: "localhost".into(),
        gateway: "localhost".into(),
        accepted: vec!["localhost".into()],
    };
    Hub::open(state, names).expect("the state can be read")
}

/// An edge device with the modules `sensor` and `light`, and `pump7`, a device without edge.
fn furnished(state: Option<&Path>) -> Hub {
    let hub = hub(state);
    hub.ensure_policies()
        .expect("in memory or a fresh directory");
    hub.add_device("pump7", false, &[]).expect("a fresh id");
    hub.add_device("edge01", true, &[]).expect("a fresh id");
    hub.apply_deployment("edge01", &deployment())
        .expect("a deployment");
    hub
}

fn deployment() -> Value {
    json!({"modulesContent": {
        "$edgeHub": {"properties.desired": {"routes": {
            "toLight": "FROM /messages/modules/sensor/outputs/occupancy INTO BrokeredEndpoint(\"/modules/light/inputs/occupancy\")",
            "up": {"route": "FROM /messages/modules/sensor/* INTO $upstream", "priority": 1},
        }}},
        "sensor": {"properties.desired": {"holdOffMs": 3000}},
        "light": {"properties.desired": {}},
    }})
}

fn identity(id: &str) -> Identity {
    id.parse().expect("ids in tests are valid")
}

fn connect_packet(id: &str, token: &str) -> Connect {
    Connect {
        client_id: id.to_owned(),
        clean_session: false,
        keep_alive: 60,
        user_name: Some(user_name::hub("localhost", &identity(id), "test", None)),
        password: Some(Bytes::copy_from_slice(token.as_bytes())),
        will: None,
    }
}

fn connect_with(hub: &Hub, id: &str, token: &str) -> Result<Attached, Option<ReturnCode>> {
    hub.connect(&connect_packet(id, token), None, None)
        .map_err(|refusal| refusal.code)
}

fn token(hub: &Hub, id: &str, audience: &str, expires_in: i64) -> String {
    let identity = identity(id);
    let credentials = hub.credentials(identity.device_id()).expect("registered");
    let string = match identity.module_id() {
        None => credentials.connection_string,
        Some(module) => {
            let found = credentials
                .modules
                .into_iter()
                .find(|known| known.module_id == module);
            found.expect("registered").connection_string
        }
    };
    let string: ConnectionString = string.parse().expect("the hub writes valid strings");
    let Credential::Key { key, .. } = string.credential else {
        panic!("a key")
    };
    Unsigned::new(audience, Timestamp::now().as_second() + expires_in).sign(&key)
}

fn connect(hub: &Hub, id: &str) -> Attached {
    let token = token(hub, id, &identity(id).audience("localhost"), 600);
    connect_with(hub, id, &token).expect("a good token")
}

fn publish(hub: &Hub, from: &Attached, topic: &str, body: &str) -> Result<(), String> {
    let mut batch = hub.batch(from);
    let published = batch.publish(topic, &Bytes::copy_from_slice(body.as_bytes()), false);
    batch.commit().expect("the journal can be written");
    published
}

fn subscribe(hub: &Hub, who: &Attached, filters: &[&str]) {
    let mut batch = hub.batch(who);
    let filters: Vec<_> = filters
        .iter()
        .map(|filter| ((*filter).to_owned(), QoS::AtLeastOnce))
        .collect();
    batch.subscribe(&filters).expect("the client's own filters");
    batch.commit().expect("the journal can be written");
}

fn received(who: &Attached) -> Result<Vec<Delivery>, EndReason> {
    let mut deliveries = Vec::new();
    who.mailbox.take(&mut deliveries).map(|()| deliveries)
}

fn acknowledge(hub: &Hub, who: &Attached, settles: Settles) {
    let mut batch = hub.batch(who);
    batch.acknowledged(settles);
    batch.commit().expect("the journal can be written");
}

fn sensed(hub: &Hub, sensor: &Attached, number: u32) {
    let topic = "devices/edge01/modules/sensor/messages/events/%24.on=occupancy&%24.ct=application%2Fjson&%24.ce=utf-8";
    publish(hub, sensor, topic, &json!({"sequence": number}).to_string()).expect("a good message");
}

fn at_hub(hub: &Hub) -> Vec<u64> {
    let (events, _) = hub.events(1, None, usize::MAX);
    events
        .iter()
        .map(|event| {
            event["body"]["sequence"]
                .as_u64()
                .expect("numbered by the test")
        })
        .collect()
}

#[test]
fn the_second_connection_wins_and_the_first_has_no_say() {
    let hub = furnished(None);
    let first = connect(&hub, "pump7");
    let second = connect(&hub, "pump7");
    assert_eq!(
        received(&first).expect_err("it is ended"),
        EndReason::TakenOver
    );
    hub.detach(&first, &crate::connection::End::Disconnect, None);
    subscribe(&hub, &second, &["devices/pump7/messages/devicebound/#"]);
    hub.send(&identity("pump7"), Properties::new(), "x".into())
        .expect("it is there");
    assert_eq!(received(&second).expect("still connected").len(), 1);
}

#[test]
fn subscriptions_outlive_connections_and_messages_wait_until_acknowledged() {
    let hub = furnished(None);
    let first = connect(&hub, "pump7");
    assert!(!first.session_present);
    subscribe(&hub, &first, &["devices/pump7/messages/devicebound/#"]);
    hub.send(&identity("pump7"), Properties::new(), "one".into())
        .expect("room");
    assert_eq!(received(&first).expect("connected").len(), 1);
    let again = connect(&hub, "pump7");
    assert!(again.session_present);
    let deliveries = received(&again).expect("connected");
    assert!(
        deliveries.len() == 1 && deliveries[0].duplicate,
        "sent again, and says so"
    );
    acknowledge(&hub, &again, deliveries[0].settles.expect("QoS 1"));
    assert_eq!(
        received(&connect(&hub, "pump7")).expect("connected").len(),
        0
    );
}

#[test]
fn a_message_nobody_acknowledges_is_sent_again_after_a_minute() {
    let hub = furnished(None);
    let pump = connect(&hub, "pump7");
    subscribe(&hub, &pump, &["devices/pump7/messages/devicebound/#"]);
    hub.send(&identity("pump7"), Properties::new(), "one".into())
        .expect("room");
    assert_eq!(received(&pump).expect("connected").len(), 1);
    hub.tick().expect("nothing to write");
    assert_eq!(received(&pump).expect("connected").len(), 0, "too early");
    for live in hub.lock().live.values_mut() {
        for sent in live.locked.values_mut() {
            *sent -= Duration::from_secs(60);
        }
    }
    hub.tick().expect("nothing to write");
    let again = received(&pump).expect("connected");
    assert!(again.len() == 1 && again[0].duplicate);
    acknowledge(&hub, &pump, again[0].settles.expect("QoS 1"));
    hub.tick().expect("nothing to write");
    assert_eq!(received(&pump).expect("connected").len(), 0);
}

#[test]
fn what_a_hub_does_not_take_is_named() {
    let hub = furnished(None);
    let pump = connect(&hub, "pump7");
    for topic in [
        "devices/edge01/messages/events/",
        "test",
        "$iothub/twin/POST/x",
        "devices/pump7/messages/events/a=%ff",
    ] {
        assert!(publish(&hub, &pump, topic, "x").is_err(), "{topic}");
    }
    let large = "x".repeat(256 * 1024 + 1);
    assert!(publish(&hub, &pump, "devices/pump7/messages/events/", &large).is_err());
    assert!(
        hub.batch(&pump)
            .subscribe(&[(
                "devices/edge01/messages/devicebound/#".into(),
                QoS::AtLeastOnce
            )])
            .is_err()
    );
    assert_eq!(hub.next_event(), 1, "nothing of it was taken");
}

#[test]
fn an_input_gets_one_message_at_a_time_and_again_until_acknowledged() {
    let hub = furnished(None);
    let (sensor, light) = (
        connect(&hub, "edge01/sensor"),
        connect(&hub, "edge01/light"),
    );
    subscribe(&hub, &light, &[INPUTS]);
    for number in 1..=3 {
        sensed(&hub, &sensor, number);
    }
    let first = received(&light).expect("connected");
    assert_eq!(first.len(), 1);
    assert!(
        first[0]
            .topic
            .starts_with("devices/edge01/modules/light/inputs/occupancy/"),
        "{}",
        first[0].topic
    );
    assert!(
        first[0].topic.ends_with("%24.cdid=edge01&%24.cmid=sensor"),
        "{}",
        first[0].topic
    );
    let light = connect(&hub, "edge01/light");
    let mut bodies = Vec::new();
    loop {
        let deliveries = received(&light).expect("connected");
        let Some(delivery) = deliveries.first() else {
            break;
        };
        assert_eq!(
            (deliveries.len(), delivery.duplicate),
            (1, bodies.is_empty())
        );
        bodies.push(
            serde_json::from_slice::<Value>(&delivery.payload).expect("JSON")["sequence"].clone(),
        );
        acknowledge(&hub, &light, delivery.settles.expect("QoS 1"));
    }
    assert_eq!(bodies, [1, 2, 3]);
    assert_eq!(at_hub(&hub), [1, 2, 3]);
}

#[test]
fn a_cut_upstream_keeps_messages_and_hides_the_hubs_twins() {
    let hub = furnished(None);
    let (sensor, light) = (
        connect(&hub, "edge01/sensor"),
        connect(&hub, "edge01/light"),
    );
    subscribe(&hub, &light, &[DESIRED, TWIN]);
    let edge = Target::One(identity("edge01"));
    hub.pull(&edge, Lever::Upstream(LinkState::Cut))
        .expect("moved");
    sensed(&hub, &sensor, 1);
    sensed(&hub, &sensor, 2);
    assert!(at_hub(&hub).is_empty());
    let desired = json!({"properties": {"desired": {"palette": {"free": "blue"}, "old": null}}});
    hub.update_twin(&identity("edge01/light"), desired, false)
        .expect("a valid patch");
    assert_eq!(
        received(&light).expect("connected").len(),
        0,
        "the edge does not know yet"
    );
    publish(
        &hub,
        &light,
        "$iothub/twin/PATCH/properties/reported/?$rid=1",
        r#"{"lamp":"green"}"#,
    )
    .expect("taken");
    publish(&hub, &light, "$iothub/twin/GET/?$rid=2", " ").expect("taken");
    let seen = received(&light).expect("connected");
    let twin: Value = serde_json::from_slice(&seen[1].payload).expect("JSON");
    assert_eq!(
        (&twin["desired"]["palette"], &twin["reported"]["lamp"]),
        (&Value::Null, &json!("green"))
    );
    let at_service = hub.twin(&identity("edge01/light")).expect("registered");
    assert_eq!(at_service["properties"]["reported"]["lamp"], Value::Null);

    hub.pull(&edge, Lever::Upstream(LinkState::Up))
        .expect("moved");
    assert_eq!(at_hub(&hub), [1, 2]);
    let patches = received(&light).expect("connected");
    let patch: Value = serde_json::from_slice(&patches[0].payload).expect("JSON");
    assert_eq!(patch, json!({"palette": {"free": "blue"}, "$version": 3}));
    let at_service = hub.twin(&identity("edge01/light")).expect("registered");
    assert_eq!(at_service["properties"]["reported"]["lamp"], "green");
}

#[test]
fn wrong_routes_leave_the_ones_before_and_say_so() {
    let hub = furnished(None);
    let broken = json!({"modulesContent": {"$edgeHub": {"properties.desired": {"routes": {"up": "FROM nowhere"}}}}});
    // `sensor` and `light` are not in it, so it would remove them: a deployment says everything.
    let mut whole = deployment();
    whole["modulesContent"]["$edgeHub"] = broken["modulesContent"]["$edgeHub"].clone();
    hub.apply_deployment("edge01", &whole)
        .expect("the service does not look into routes");
    let status = hub.twin(&identity("edge01/$edgeHub")).expect("registered")["properties"]["reported"]
        ["lastDesiredStatus"]
        .clone();
    assert_eq!(status["code"], 400);
    assert!(
        status["description"]
            .as_str()
            .is_some_and(|text| text.contains("route up")),
        "{status}"
    );
    sensed(&hub, &connect(&hub, "edge01/sensor"), 7);
    assert_eq!(at_hub(&hub), [7]);
}

#[test]
fn a_deployment_is_taken_whole_or_not_at_all() {
    let hub = furnished(None);
    let mut broken = deployment();
    broken["modulesContent"]["sensor"]["properties.desired"] = json!({"holdOffMs": 1});
    broken["modulesContent"]["extra"] = json!({"properties.desired": {"a.b": 1}});
    let before = hub.twin(&identity("edge01/sensor")).expect("registered");
    let fault = hub
        .apply_deployment("edge01", &broken)
        .expect_err("a name with a dot");
    assert!(fault.to_string().contains("extra"), "{fault}");
    assert_eq!(hub.twin(&identity("edge01/sensor")).ok(), Some(before));
    assert!(hub.twin(&identity("edge01/extra")).is_err(), "not made");
}
