use hub_proto::identity::Identity;
use hub_proto::message::{Properties, SystemProperty};

use super::*;

const FEEDBACK: &str = "/messages/serviceBound/feedback";

/// States of deliveries.
const ACCEPTED: u64 = 0x24;
const RELEASED: u64 = 0x26;

/// A hub with feedback on a message of each of these ids, all in one batch.
fn hub_with_feedback(ids: &[&str]) -> Arc<Hub> {
    let hub = hub();
    hub.add_device("pump7", false, &[]).expect("a fresh id");
    told(&hub, ids);
    hub
}

fn told(hub: &Hub, ids: &[&str]) {
    let device = Identity::device("pump7").expect("an id");
    for id in ids {
        let mut properties = Properties::new();
        properties.set(SystemProperty::MessageId, *id);
        properties.set(SystemProperty::Ack, "full");
        hub.send(&device, properties, "{}".into()).expect("room");
    }
    hub.purge(&device).expect("it is there");
}

/// What a delivery of feedback tells: its number, and the ids of the messages it is about.
fn feedback(came: &[Came]) -> (u32, Vec<String>) {
    let transfer = came.iter().find(|came| came.code == u64::from(TRANSFER));
    let transfer = transfer.unwrap_or_else(|| panic!("no transfer in {came:?}"));
    let delivery = transfer.fields[1].as_unsigned().expect("a number");
    let message = message::Message::decode(&transfer.payload).expect("a message");
    assert_eq!(
        message.property(Property::ContentType).as_text(),
        Some("application/vnd.microsoft.iothub.feedback.json")
    );
    let message::Body::Data(body) = &message.body else {
        panic!("no data in {message:?}");
    };
    let records: serde_json::Value = serde_json::from_slice(body).expect("JSON");
    let records = records.as_array().expect("records").iter();
    let ids = records.map(|record| {
        record["originalMessageId"]
            .as_str()
            .expect("an id")
            .to_owned()
    });
    (delivery as u32, ids.collect())
}

fn settle(client: &mut Client, delivery: u32, state: u64, settled: bool) -> Vec<Came> {
    let state = Value::Described(
        Box::new(Value::Ulong(state)),
        Box::new(Value::List(Vec::new())),
    );
    let fields = [
        Value::Bool(true),
        Value::Uint(delivery),
        Value::Uint(delivery),
        Value::Bool(settled),
        state,
    ];
    client.say(DISPOSITION, &fields);
    client.hear()
}

fn receiver(hub: &Arc<Hub>) -> Client {
    let mut client = Client::with_token(hub.clone());
    assert_eq!(codes(&client.attach_receiver(0, FEEDBACK)), [ATTACH]);
    client
}

#[test]
fn feedback_stays_until_it_is_accepted() {
    let hub = hub_with_feedback(&["a", "b"]);
    let mut client = receiver(&hub);
    assert!(client.hear().is_empty(), "there is no credit");
    client.give_credit(0, 0, 10, false);
    let (delivery, ids) = feedback(&client.hear());
    assert_eq!(ids, ["a", "b"]);
    assert!(client.hear().is_empty(), "it is held");
    let again = settle(&mut client, delivery, RELEASED, true);
    let (delivery, ids) = feedback(&again);
    assert_eq!(ids, ["a", "b"]);
    // A peer that settles second is told that it may.
    let answer = settle(&mut client, delivery, ACCEPTED, false);
    assert_eq!(codes(&answer), [DISPOSITION]);
    told(&hub, &["c"]);
    assert_eq!(feedback(&client.hear()).1, ["c"]);
}

#[test]
fn what_a_lost_link_held_goes_to_another() {
    let hub = hub_with_feedback(&["a"]);
    let (mut first, mut second) = (receiver(&hub), receiver(&hub));
    first.give_credit(0, 0, 1, false);
    assert_eq!(feedback(&first.hear()).1, ["a"]);
    second.give_credit(0, 0, 1, false);
    assert!(second.hear().is_empty());
    first.say(DETACH, &[Value::Uint(0), Value::Bool(true)]);
    assert_eq!(codes(&first.hear()), [DETACH]);
    assert_eq!(feedback(&second.hear()).1, ["a"]);
}

#[test]
fn a_lock_ends_after_a_minute() {
    let hub = hub_with_feedback(&["a"]);
    let mut client = receiver(&hub);
    client.give_credit(0, 0, 10, false);
    let (late, _) = feedback(&client.hear());
    client.now += crate::hold::LOCK;
    let (again, ids) = feedback(&client.hear());
    assert_eq!(ids, ["a"]);
    // The first delivery is nobody's any more, so that this settles nothing.
    assert!(settle(&mut client, late, ACCEPTED, true).is_empty());
    let now = client.now;
    settle(&mut client, again, RELEASED, true);
    let channel = crate::notices::Channel::Feedback;
    let left = hub.next_notice(channel, now + crate::hold::LOCK);
    assert!(left.expect("in memory").is_some());
}

#[test]
fn nobody_writes_there_and_only_a_service_reads() {
    let hub = hub_with_feedback(&[]);
    let mut client = Client::with_token(hub.clone());
    let refused = client.attach_sender(0, FEEDBACK);
    assert_eq!(codes(&refused), [ATTACH, DETACH]);
    assert_eq!(condition(&refused[1]), Some("amqp:not-allowed"));
    let mut stranger = Client::connect(hub);
    let refused = stranger.attach_receiver(0, FEEDBACK);
    assert_eq!(condition(&refused[1]), Some("amqp:unauthorized-access"));
}
