//! What comes to devices: messages, answers of twins, requests of methods.

use hub_proto::message::Properties;
use hub_proto::method::MethodRequest;

use super::*;
use crate::hub::Caller;

#[test]
fn messages_come_as_there_is_credit_and_go_by_what_becomes_of_them() {
    let hub = furnished();
    let send = |body: &'static [u8]| {
        let sent = hub.send(
            &identity("pump7"),
            Properties::new(),
            Bytes::from_static(body),
        );
        sent.expect("it is taken");
    };
    let bodies = |came: &[Came]| -> Vec<Bytes> {
        let bodies = messages(came)
            .into_iter()
            .map(|message| match message.body {
                message::Body::Data(bytes) => bytes,
                message::Body::Value(value) => panic!("{value:?}"),
            });
        bodies.collect()
    };
    for body in [&b"1"[..], b"2", b"3"] {
        send(body);
    }
    let mut client = pump7(hub.clone());
    assert_eq!(codes(&client.attach_receiver(0, BOUND)), [ATTACH]);
    client.give_credit(0, 0, 2, false);
    let came = client.hear();
    assert_eq!(bodies(&came), ["1", "2"]);
    let first = came[0].fields[1].as_unsigned().expect("a number") as u32;
    assert_eq!(
        came[0].fields[4],
        Value::Bool(false),
        "it is the device's to settle"
    );
    assert!(client.dispose((first, first), true, 0x24).is_empty());
    // Released, it comes again; one that is settled in two steps is answered.
    client.give_credit(0, 2, 2, false);
    assert_eq!(bodies(&client.hear()), ["3"]);
    let came = client.dispose((first + 1, first + 1), false, 0x26);
    assert_eq!(codes(&came), [DISPOSITION, TRANSFER]);
    assert_eq!(bodies(&came), ["2"]);
    client.dispose((first + 2, first + 3), true, 0x25);
    client.give_credit(0, 4, 10, false);
    assert!(client.hear().is_empty());
    let twin = hub.twin(&identity("pump7")).expect("registered");
    assert_eq!(twin["cloudToDeviceMessageCount"], 0);
    // What its link took with it is there for the next one.
    send(b"4");
    assert_eq!(bodies(&client.hear()), ["4"]);
    client.say(DETACH, &[Value::Uint(0), Value::Bool(true)]);
    client.attach_receiver(1, BOUND);
    client.give_credit(1, 0, 1, false);
    assert_eq!(bodies(&client.hear()), ["4"]);
}

#[test]
fn a_twin_answers_and_tells_of_changes() {
    let hub = furnished();
    let mut client = pump7(hub.clone());
    client.attach_sender(0, TWIN);
    client.attach_receiver(1, TWIN);
    client.give_credit(1, 0, 10, false);
    let ids = [text("a&b"), Value::Uuid([7; 16]), Value::Ulong(9)];
    let answer = |came: Vec<Came>| {
        let [answer] = <[_; 1]>::try_from(messages(&came)).expect("one answer");
        answer
    };
    let got = answer(client.send(0, 0, &question(&ids[0], "GET", None, b" ")));
    assert_eq!(got.property(Property::CorrelationId), &ids[0]);
    assert_eq!(got.annotations.get("status"), Some(&Value::Int(200)));
    assert_eq!(json_of(&got)["desired"]["$version"], 1);
    let patch = question(
        &ids[1],
        "PATCH",
        Some("/properties/reported"),
        br#"{"on":true}"#,
    );
    let took = answer(client.send(0, 1, &patch));
    assert_eq!(took.property(Property::CorrelationId), &ids[1]);
    assert_eq!(took.annotations.get("status"), Some(&Value::Int(204)));
    assert_eq!(took.annotations.get("version"), Some(&Value::Long(2)));
    let desire = |value: u32| {
        let document = json!({"properties": {"desired": {"value": value}}});
        hub.update_twin(&identity("pump7"), document, false)
            .expect("registered");
    };
    desire(1);
    assert!(client.hear().is_empty(), "nobody has asked for it");
    let watched = "/notifications/twin/properties/desired";
    let watching = answer(client.send(0, 2, &question(&ids[2], "PUT", Some(watched), b" ")));
    assert_eq!(watching.annotations.get("status"), Some(&Value::Int(200)));
    desire(2);
    let news = answer(client.hear());
    assert_eq!(news.property(Property::CorrelationId), &Value::Null);
    assert_eq!(news.annotation("resource"), Some("/properties/desired"));
    assert_eq!(json_of(&news), json!({"value": 2, "$version": 3}));
    client.send(0, 3, &question(&ids[2], "DELETE", Some(watched), b" "));
    desire(3);
    assert!(client.hear().is_empty());
}

#[tokio::test]
async fn a_method_is_answered_by_its_id() {
    let hub = furnished();
    let mut client = pump7(hub.clone());
    client.attach_sender(0, METHODS);
    client.attach_receiver(1, METHODS);
    client.give_credit(1, 0, 10, false);
    client.hear();
    let request: MethodRequest = serde_json::from_value(json!({
        "methodName": "a/b", "payload": 7, "responseTimeoutInSeconds": 10,
    }))
    .expect("a request");
    let call = {
        let hub = hub.clone();
        tokio::spawn(async move {
            hub.invoke(&identity("pump7"), &request, Caller::Cloud)
                .await
        })
    };
    let wake = client.peer.wake.clone();
    let asked = loop {
        let came = messages(&client.hear());
        if let Some(asked) = came.into_iter().next() {
            break asked;
        }
        let woken = tokio::time::timeout(Duration::from_secs(10), wake.notified());
        woken.await.expect("the request comes");
    };
    assert_eq!(asked.text("IoThub-methodname"), Some("a/b"));
    assert_eq!(json_of(&asked), json!(7));
    let id = asked.property(Property::CorrelationId).clone();
    let Value::Uuid(bytes) = id else {
        panic!("{id:?} is no UUID")
    };
    let mut answer = BytesMut::new();
    let written = uuid::Uuid::from_bytes(bytes).to_string();
    message::properties(&mut answer, [(Property::CorrelationId, text(&written))]);
    message::map_section(&mut answer, message::APPLICATION_PROPERTIES, |out| {
        encoding::string(out, "IoThub-status");
        encoding::value(out, &Value::Int(201));
        1
    });
    message::data(&mut answer, b"[1]");
    assert_eq!(outcome(&client.send(0, 0, &answer)), ACCEPTED);
    let answered = call.await.expect("no panic").expect("an answer");
    assert_eq!((answered.status, answered.payload), (201, json!([1])));
}
