//! Devices and modules: signing in, links in both directions, and what a client does wrong.

use std::time::Duration;

use hub_proto::connection_string::{ConnectionString, Credential};
use hub_proto::identity::Identity;
use serde_json::json;

use super::*;
use crate::levers::{Lever, LinkState, Target};

mod certificates;
mod hearing;
mod mistakes;

pub(super) const EVENTS: &str = "/devices/pump7/messages/events";
pub(super) const BOUND: &str = "/devices/pump7/messages/devicebound";
pub(super) const METHODS: &str = "/devices/pump7/methods/devicebound";
pub(super) const TWIN: &str = "/devices/pump7/twin";

/// A hub with two devices, of which one has a module.
pub(super) fn furnished() -> Arc<Hub> {
    let hub = hub();
    hub.add_device("pump7", false, &["valve".to_owned()])
        .expect("a fresh id");
    hub.add_device("pump8", false, &[]).expect("a fresh id");
    hub
}

fn identity(id: &str) -> Identity {
    id.parse().expect("ids in tests are valid")
}

/// A token of an identity's own for `audience`.
fn token(hub: &Hub, id: &str, audience: &str, expires_in: i64) -> String {
    let identity = identity(id);
    let credentials = hub.credentials(identity.device_id()).expect("registered");
    let string = match identity.module_id() {
        None => credentials.connection_string,
        Some(module) => {
            let mut modules = credentials.modules.into_iter();
            let found = modules.find(|known| known.module_id == module);
            found.expect("registered").connection_string
        }
    };
    let string: ConnectionString = string.parse().expect("the hub writes valid strings");
    let Credential::Key { key, .. } = string.credential else {
        panic!("a key")
    };
    Unsigned::new(audience, Timestamp::now().as_second() + expires_in).sign(&key)
}

/// Puts a good token of the identity's own; returns the status.
fn sign_in(client: &mut Client, id: &str) -> i64 {
    let audience = identity(id).audience("localhost");
    let token = token(&client.hub, id, &audience, 600);
    client.put_signed(&audience, &token)
}

/// A connection on which `pump7` has signed in.
pub(super) fn pump7(hub: Arc<Hub>) -> Client {
    let mut client = Client::connect(hub);
    assert_eq!(sign_in(&mut client, "pump7"), 200);
    client
}

fn is_connected(hub: &Hub, id: &str) -> bool {
    let twin = hub.twin(&identity(id)).expect("registered");
    twin["connectionState"] == "Connected"
}

/// A message of a body and properties.
fn message(body: &[u8], properties: &[(&str, &str)]) -> BytesMut {
    let mut out = BytesMut::new();
    message::map_section(&mut out, message::APPLICATION_PROPERTIES, |out| {
        for (name, value) in properties {
            encoding::string(out, name);
            encoding::string(out, value);
        }
        properties.len()
    });
    message::data(&mut out, body);
    out
}

/// A request to a twin.
fn question(id: &Value, operation: &str, resource: Option<&str>, body: &[u8]) -> BytesMut {
    let mut out = BytesMut::new();
    message::map_section(&mut out, message::MESSAGE_ANNOTATIONS, |out| {
        encoding::symbol(out, "operation");
        encoding::string(out, operation);
        encoding::symbol(out, "resource");
        encoding::value(out, &resource.map_or(Value::Null, text));
        2
    });
    message::properties(&mut out, [(Property::CorrelationId, id.clone())]);
    message::data(&mut out, body);
    out
}

/// The messages among what came.
fn messages(came: &[Came]) -> Vec<message::Message> {
    let transfers = came.iter().filter(|came| came.code == u64::from(TRANSFER));
    let decoded = transfers.map(|came| message::Message::decode(&came.payload));
    decoded.collect::<Result<_, _>>().expect("messages")
}

fn json_of(message: &message::Message) -> serde_json::Value {
    let message::Body::Data(bytes) = &message.body else {
        panic!("{message:?} has no data");
    };
    serde_json::from_slice(bytes).expect("JSON")
}

/// The descriptor of the state in the disposition among what came.
fn outcome(came: &[Came]) -> Option<u64> {
    let disposition = came
        .iter()
        .find(|came| came.code == u64::from(DISPOSITION))?;
    match &disposition.fields[4] {
        Value::Described(descriptor, _) => descriptor.as_unsigned(),
        _ => None,
    }
}

const ACCEPTED: Option<u64> = Some(0x24);
const REJECTED: Option<u64> = Some(0x25);

/// The condition that a rejection names.
fn reason(came: &[Came]) -> Option<&str> {
    let disposition = came
        .iter()
        .find(|came| came.code == u64::from(DISPOSITION))?;
    let Value::List(fields) = disposition.fields[4].undescribed() else {
        return None;
    };
    let Value::List(error) = fields.first()?.undescribed() else {
        return None;
    };
    error.first()?.as_text()
}

impl Client {
    /// Says what became of deliveries.
    fn dispose(&mut self, (first, last): (u32, u32), settled: bool, state: u64) -> Vec<Came> {
        let state = Value::Described(
            Box::new(Value::Ulong(state)),
            Box::new(Value::List(Vec::new())),
        );
        self.say(
            DISPOSITION,
            &[
                Value::Bool(true),
                Value::Uint(first),
                Value::Uint(last),
                Value::Bool(settled),
                state,
            ],
        );
        self.hear()
    }
}

#[test]
fn a_token_opens_its_identity_and_no_other() {
    let hub = furnished();
    for (who, key_of, audience, status) in [
        ("pump7", "pump7", "localhost/devices/pump7", 200),
        ("pump7", "pump8", "localhost/devices/pump7", 401),
        ("pump7", "pump7", "localhost/devices/pump8", 401),
        ("pump7", "pump7", "elsewhere/devices/pump7", 401),
        (
            "pump7/valve",
            "pump7/valve",
            "localhost/devices/pump7/modules/valve",
            200,
        ),
        ("pump7/valve", "pump7", "localhost/devices/pump7", 401),
        ("pump9", "pump7", "localhost/devices/pump7", 404),
    ] {
        let mut client = Client::connect(hub.clone());
        let token = token(&hub, key_of, audience, 600);
        let host = audience.split('/').next().expect("a host");
        let name = identity(who).audience(host);
        assert_eq!(
            client.put_signed(&name, &token),
            status,
            "{who} by {key_of} {audience}"
        );
        // Names may be escaped as in the token.
        let escaped = name.replace('/', "%2F");
        assert_eq!(client.put_signed(&escaped, &token), status, "{escaped}");
    }
    hub.enable_device("pump7", false).expect("registered");
    assert_eq!(sign_in(&mut Client::connect(hub), "pump7"), 401);
}

#[test]
fn a_policy_s_token_opens_every_device() {
    let hub = furnished();
    let mut client = Client::connect(hub.clone());
    let key = hub.policy_key("device").expect("a policy");
    let expiry = client.now.as_second() + 600;
    let token = Unsigned::new("localhost", expiry)
        .with_policy("device")
        .sign(&key);
    assert_eq!(client.put_signed("localhost", &token), 200);
    assert_eq!(codes(&client.attach_sender(0, EVENTS)), [ATTACH, FLOW]);
    let other = "/devices/pump8/messages/events";
    assert_eq!(codes(&client.attach_sender(1, other)), [ATTACH, FLOW]);
    assert!(is_connected(&hub, "pump7") && is_connected(&hub, "pump8"));
    assert_eq!(
        codes(&client.attach_sender(2, "messages/devicebound")),
        [ATTACH, DETACH]
    );
}

#[test]
fn an_identity_is_connected_from_its_first_link_to_its_last() {
    let hub = furnished();
    let mut client = pump7(hub.clone());
    assert!(!is_connected(&hub, "pump7"));
    client.attach_sender(0, EVENTS);
    client.attach_receiver(1, BOUND);
    assert!(is_connected(&hub, "pump7"));
    client.say(DETACH, &[Value::Uint(0), Value::Bool(true)]);
    client.hear();
    assert!(is_connected(&hub, "pump7"));
    client.say(DETACH, &[Value::Uint(1), Value::Bool(true)]);
    client.hear();
    assert!(!is_connected(&hub, "pump7"));
    client.attach_sender(0, EVENTS);
    assert!(is_connected(&hub, "pump7"), "the token still holds");
    client.say(END, &[Value::Null]);
    client.hear();
    assert!(!is_connected(&hub, "pump7"));
}

#[test]
fn telemetry_is_taken_alone_and_in_batches() {
    let hub = furnished();
    let mut client = pump7(hub.clone());
    client.attach_sender(0, EVENTS);
    let one = message(b"\"one\"", &[("k", "v")]);
    assert_eq!(outcome(&client.send(0, 0, &one)), ACCEPTED);
    let mut batch = BytesMut::new();
    for body in [&b"\"two\""[..], b"\"three\""] {
        message::data(&mut batch, &message(body, &[("k", "w")]));
    }
    client.say_with(
        TRANSFER,
        &[
            Value::Uint(0),
            Value::Uint(1),
            Value::Binary(Bytes::from_static(b"tag")),
            Value::Uint(0x8001_3700),
        ],
        &batch,
    );
    assert_eq!(outcome(&client.hear()), ACCEPTED);
    let (events, _) = hub.events(0, Some("pump7"), 10);
    let seen: Vec<_> = events
        .iter()
        .map(|event| (&event["body"], &event["properties"]))
        .collect();
    let (one, two, three) = (json!("one"), json!("two"), json!("three"));
    let (v, w) = (json!({"k": "v"}), json!({"k": "w"}));
    assert_eq!(seen, [(&one, &v), (&two, &w), (&three, &w)]);
}

#[test]
fn a_newer_connection_takes_the_links() {
    let hub = furnished();
    let (mut old, mut new) = (pump7(hub.clone()), pump7(hub.clone()));
    old.attach_sender(0, EVENTS);
    old.attach_receiver(1, BOUND);
    new.attach_sender(0, EVENTS);
    let came = old.hear();
    assert_eq!(codes(&came), [DETACH, DETACH]);
    assert_eq!(condition(&came[0]), Some("amqp:link:stolen"));
    assert_eq!(outcome(&old.send(0, 0, &message(b"late", &[]))), None);
    assert!(is_connected(&hub, "pump7"));
    assert_eq!(outcome(&new.send(0, 0, &message(b"1", &[]))), ACCEPTED);
    assert_eq!(hub.events(0, Some("pump7"), 10).0.len(), 1);
}

#[test]
fn a_token_ends_its_links_unless_it_is_renewed() {
    let hub = furnished();
    let mut client = pump7(hub.clone());
    client.attach_sender(0, EVENTS);
    client.now += jiff::SignedDuration::from_secs(590);
    assert_eq!(sign_in(&mut client, "pump7"), 200);
    let audience = "localhost/devices/pump7";
    let later = token(&hub, "pump7", audience, 1200);
    assert_eq!(client.put_signed(audience, &later), 200);
    client.now += jiff::SignedDuration::from_secs(600);
    assert!(client.hear().is_empty());
    let left = client.peer.next_end(client.now).expect("it ends");
    assert!(
        left > Duration::from_secs(5) && left <= Duration::from_secs(10),
        "{left:?}"
    );
    client.now += jiff::SignedDuration::from_secs(20);
    let came = client.hear();
    assert_eq!(codes(&came), [DETACH]);
    assert_eq!(condition(&came[0]), Some("amqp:unauthorized-access"));
    assert!(!is_connected(&hub, "pump7"));
    assert_eq!(codes(&client.attach_sender(1, EVENTS)), [ATTACH, DETACH]);
}

#[test]
fn a_cut_link_ends_the_connection_that_nobody_else_is_on() {
    let hub = furnished();
    let mut alone = pump7(hub.clone());
    alone.attach_sender(0, EVENTS);
    let mut shared = Client::connect(hub.clone());
    assert_eq!(sign_in(&mut shared, "pump8"), 200);
    assert_eq!(sign_in(&mut shared, "pump7/valve"), 200);
    shared.attach_sender(0, "/devices/pump8/messages/events");
    shared.attach_sender(1, "/devices/pump7/modules/valve/messages/events");
    for cut in ["pump7", "pump8"] {
        hub.pull(&Target::One(identity(cut)), Lever::Link(LinkState::Cut))
            .expect("in memory");
    }
    assert!(alone.hear().is_empty());
    assert!(alone.peer.is_over());
    let came = shared.hear();
    assert_eq!(codes(&came), [DETACH]);
    assert_eq!(condition(&came[0]), Some("amqp:link:detach-forced"));
    assert_eq!(outcome(&shared.send(1, 0, &message(b"1", &[]))), ACCEPTED);
    assert_eq!(sign_in(&mut shared, "pump8"), 200);
    let came = shared.attach_sender(0, "/devices/pump8/messages/events");
    assert_eq!(codes(&came), [ATTACH, DETACH]);
    assert_eq!(condition(&came[1]), Some("amqp:link:detach-forced"));
    let mut alone = pump7(hub);
    assert!(alone.attach_sender(0, EVENTS).is_empty());
    assert!(alone.peer.is_over());
}

#[test]
fn a_lever_holds_acknowledgements_back() {
    let hub = furnished();
    let mut client = pump7(hub.clone());
    client.attach_sender(0, EVENTS);
    let everybody = &Target::Everybody;
    hub.pull(everybody, Lever::DelayAcks(Duration::from_secs(3)))
        .expect("in memory");
    assert!(client.send(0, 0, &message(b"1", &[])).is_empty());
    assert_eq!(
        client.peer.next_end(client.now),
        Some(Duration::from_secs(3))
    );
    client.now += jiff::SignedDuration::from_secs(3);
    assert_eq!(outcome(&client.hear()), ACCEPTED);
    hub.pull(everybody, Lever::DelayAcks(Duration::ZERO))
        .expect("in memory");
    hub.pull(everybody, Lever::DropNextAck).expect("in memory");
    assert!(client.send(0, 1, &message(b"2", &[])).is_empty());
    assert_eq!(outcome(&client.send(0, 2, &message(b"3", &[]))), ACCEPTED);
    assert_eq!(hub.events(0, Some("pump7"), 10).0.len(), 3);
}
