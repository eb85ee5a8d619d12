//! What a device's client does wrong, and what it is told.

use hub_proto::message::{MAX_MESSAGE_BYTES, Properties};

use super::*;

/// A refusal: the attach is answered without a source, and taken back.
fn refused(came: &[Came], expected: &str) {
    assert_eq!(codes(came), [ATTACH, DETACH]);
    assert_eq!(condition(&came[1]), Some(expected));
}

#[test]
fn links_lead_where_there_is_something_in_their_direction() {
    let hub = furnished();
    let mut client = pump7(hub);
    for (handle, address, receiver, expected) in [
        (0, "/devices/pump7/messages/other", false, "amqp:not-found"),
        (1, "/devices/pump7", true, "amqp:not-found"),
        (2, "/devices/a b/twin", true, "amqp:not-found"),
        (3, EVENTS, true, "amqp:not-allowed"),
        (4, BOUND, false, "amqp:not-allowed"),
        (5, "/devices/pump8/twin", true, "amqp:unauthorized-access"),
        (6, "/devices/pump9/twin", true, "amqp:unauthorized-access"),
        (
            7,
            "/devices/pump7/modules/valve/twin",
            true,
            "amqp:unauthorized-access",
        ),
    ] {
        let came = match receiver {
            true => client.attach_receiver(handle, address),
            false => client.attach_sender(handle, address),
        };
        refused(&came, expected);
    }
}

#[test]
fn a_message_that_is_none_is_rejected() {
    let hub = furnished();
    let mut client = pump7(hub.clone());
    client.attach_sender(0, EVENTS);
    let mut odd_properties = BytesMut::new();
    message::map_section(
        &mut odd_properties,
        message::APPLICATION_PROPERTIES,
        |out| {
            encoding::string(out, "list");
            encoding::value(out, &Value::List(Vec::new()));
            1
        },
    );
    let mut odd_body = BytesMut::new();
    encoding::descriptor(&mut odd_body, message::VALUE);
    encoding::value(&mut odd_body, &Value::Map(Vec::new()));
    let long = "x".repeat(61_000);
    for (number, (payload, expected)) in [
        (BytesMut::from(&b"nothing"[..]), "amqp:decode-error"),
        (odd_properties, "amqp:invalid-field"),
        (odd_body, "amqp:not-implemented"),
        (
            message(b"", &[("k", &long)]),
            "com.microsoft:argument-error",
        ),
    ]
    .into_iter()
    .enumerate()
    {
        let came = client.send(0, number as u32, &payload);
        assert_eq!(outcome(&came), REJECTED);
        assert_eq!(reason(&came), Some(expected));
    }
    // A batch is taken whole or not at all.
    for (number, (last, expected)) in [
        (BytesMut::from(&b"nothing"[..]), "amqp:decode-error"),
        (
            message(b"", &[("k", &long)]),
            "com.microsoft:argument-error",
        ),
    ]
    .into_iter()
    .enumerate()
    {
        let mut batch = BytesMut::new();
        message::data(&mut batch, &message(b"1", &[]));
        message::data(&mut batch, &last);
        let fields = [
            Value::Uint(0),
            Value::Uint(9 + number as u32),
            Value::Binary(Bytes::from_static(b"tag")),
            Value::Uint(0x8001_3700),
        ];
        client.say_with(TRANSFER, &fields, &batch);
        assert_eq!(reason(&client.hear()), Some(expected));
    }
    assert!(hub.events(0, None, 10).0.is_empty());
}

#[test]
fn a_message_that_is_too_large_ends_its_link_or_is_rejected() {
    let hub = furnished();
    let mut client = pump7(hub.clone());
    client.attach_sender(0, EVENTS);
    let send = |client: &mut Client, handle: u32, delivery: u32, payload: &[u8]| {
        let parts = payload.chunks(60_000);
        let last = parts.len() - 1;
        for (number, part) in parts.enumerate() {
            let mut fields = vec![Value::Null; 6];
            fields[0] = Value::Uint(handle);
            fields[1] = Value::Uint(delivery);
            fields[5] = Value::Bool(number < last);
            client.say_with(TRANSFER, &fields, part);
        }
        client.hear()
    };
    // Fits a link, but not with its properties.
    let body = vec![b'x'; MAX_MESSAGE_BYTES - 20];
    let came = send(&mut client, 0, 0, &body);
    assert_eq!(reason(&came), Some("amqp:decode-error"), "it is no message");
    let came = send(&mut client, 0, 1, &message(&body, &[("k", "v")]));
    assert_eq!(codes(&came), [DETACH]);
    assert_eq!(condition(&came[0]), Some("amqp:link:message-size-exceeded"));
    assert!(hub.events(0, None, 10).0.is_empty());
    assert!(!is_connected(&hub, "pump7"));
}

#[test]
fn an_answer_to_no_method_is_rejected() {
    let hub = furnished();
    let mut client = pump7(hub);
    client.attach_sender(0, METHODS);
    let answer = |id: Value, status: Value| {
        let mut out = BytesMut::new();
        message::properties(&mut out, [(Property::CorrelationId, id)]);
        message::map_section(&mut out, message::APPLICATION_PROPERTIES, |out| {
            encoding::string(out, "IoThub-status");
            encoding::value(out, &status);
            1
        });
        out
    };
    let known = Value::Uuid(uuid::Uuid::from_u128(0x4000_8000_0000_0000_0001).into_bytes());
    for (number, (id, status, expected)) in [
        (Value::Null, Value::Int(200), REJECTED),
        (text("1"), Value::Int(200), REJECTED),
        (Value::Uuid([9; 16]), Value::Int(200), REJECTED),
        (known.clone(), Value::Null, REJECTED),
        (known.clone(), text("200"), REJECTED),
        (known.clone(), Value::Long(i64::MAX), REJECTED),
        // Late, or never asked: the hub has nobody to tell.
        (known, Value::Int(200), ACCEPTED),
    ]
    .into_iter()
    .enumerate()
    {
        let came = client.send(0, number as u32, &answer(id.clone(), status.clone()));
        assert_eq!(outcome(&came), expected, "{id:?} {status:?}");
    }
}

#[test]
fn a_twin_says_what_it_cannot_answer() {
    let hub = furnished();
    let mut client = pump7(hub);
    client.attach_sender(0, TWIN);
    client.attach_receiver(1, TWIN);
    client.give_credit(1, 0, 10, false);
    let id = text("q");
    for (number, (operation, resource, body)) in [
        ("GET", Some("/tags"), &b""[..]),
        ("POST", None, b""),
        ("PATCH", Some("/properties/desired"), b"{}"),
        ("PATCH", Some("/properties/reported"), b"no JSON"),
        ("PATCH", Some("/properties/reported"), b"[]"),
    ]
    .into_iter()
    .enumerate()
    {
        let came = client.send(0, number as u32, &question(&id, operation, resource, body));
        assert_eq!(outcome(&came), ACCEPTED);
        let answers = messages(&came);
        assert_eq!(answers.len(), 1, "{operation} {resource:?}");
        assert_eq!(answers[0].annotations.get("status"), Some(&Value::Int(400)));
        assert!(json_of(&answers[0])["message"].is_string());
    }
    let nameless = question(&Value::Null, "GET", None, b"");
    assert_eq!(
        reason(&client.send(0, 9, &nameless)),
        Some("com.microsoft:argument-error")
    );
}

#[test]
fn dispositions_of_anything_are_borne() {
    let hub = furnished();
    let mut client = pump7(hub.clone());
    client.attach_receiver(0, BOUND);
    client.give_credit(0, 0, 10, false);
    hub.send(
        &identity("pump7"),
        Properties::new(),
        Bytes::from_static(b"1"),
    )
    .expect("it is taken");
    assert_eq!(messages(&client.hear()).len(), 1);
    client.dispose((5, 9), true, 0x24);
    client.dispose((9, 5), true, 0x23);
    client.dispose((0, u32::MAX), true, 0x24);
    client.dispose((0, 1000), true, 0x24);
    let twin = hub.twin(&identity("pump7")).expect("registered");
    assert_eq!(twin["cloudToDeviceMessageCount"], 0);
    let came = client.dispose((0, 0), true, 0x99);
    assert_eq!(codes(&came), [CLOSE]);
    assert_eq!(condition(&came[0]), Some("amqp:decode-error"));
}
