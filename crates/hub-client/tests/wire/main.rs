//! The client against a scripted server: what goes over the wire, and when.

mod edge;
mod failures;
mod server;

use std::time::Duration;

use hub_client::{
    BackoffLimits, Client, CloseError, Event, LinkError, Message, Options, SendError, TwinError,
};
use hub_proto::sas::{self, SymmetricKey};
use rmqtt_codec::types::QoS;
use rmqtt_codec::v3::{ConnectAckReason, Packet};
use serde_json::json;

use self::server::{Hub, KEY, next, soon};

fn options() -> Options {
    let backoff = BackoffLimits {
        first: Duration::from_millis(10),
        cap: Duration::from_millis(100),
    };
    Options {
        product: "test/1".to_owned(),
        backoff,
        ..Options::default()
    }
}

/// Polls once: whether something has happened already.
async fn is_done(future: &mut (impl Future + Unpin)) -> bool {
    tokio::select! {
        biased;
        _ = future => true,
        () = std::future::ready(()) => false,
    }
}

#[tokio::test]
async fn connects_as_the_reference_says() {
    let hub = Hub::start().await;
    let (_client, mut events) = Client::connect(hub.module(), options());
    let mut connection = hub.accept().await;
    let connect = &connection.connect;
    assert_eq!(connect.client_id, "edge01/light");
    assert_eq!(
        connect.username.as_deref(),
        Some("myhub/edge01/light/?api-version=2021-04-12&DeviceClientType=test%2F1"),
        "the hub's name, not the gateway's"
    );
    assert!(!connect.clean_session && connect.last_will.is_none());
    assert_eq!(connect.keep_alive, 60);
    let token =
        String::from_utf8(connect.password.clone().expect("a password").to_vec()).expect("text");
    let now = jiff::Timestamp::now().as_second();
    let key = SymmetricKey::from_base64(KEY).expect("a key");
    let expiry = sas::verify(&token, "myhub/devices/edge01/modules/light", [&key], now, 0)
        .expect("a good token");
    assert!((now + 3590..=now + 3600).contains(&expiry));
    connection
        .connack(ConnectAckReason::ConnectionAccepted)
        .await;
    assert_eq!(connection.suback().await.len(), 4);
    connection.answer_twin(1).await;
    assert!(matches!(next(&mut events).await, Event::Connected));
    let Event::Twin(twin) = next(&mut events).await else {
        panic!("no twin")
    };
    assert_eq!(json!(twin.desired.properties), json!({"n": 1}));
}

#[tokio::test]
async fn a_receipt_is_the_hubs_acknowledgement() {
    let hub = Hub::start().await;
    let (client, _events) = Client::connect(hub.module(), options());
    let mut connection = hub.welcome(1).await;
    let message = Message::json(&json!({"a": 1}))
        .expect("serialises")
        .output("out")
        .property("kind", "x y")
        .id("m1");
    let mut receipt = client.send(message).await.expect("room");
    let publish = connection.publish().await;
    let (topic, created) = publish
        .topic
        .split_once("%24.ctime=")
        .expect("a creation time");
    assert_eq!(
        topic,
        "devices/edge01/modules/light/messages/events/%24.on=out&%24.mid=m1&%24.ct=application%2Fjson&%24.ce=utf-8&"
    );
    assert!(created.ends_with("Z&kind=x%20y"), "{created}");
    assert_eq!(
        (publish.qos, publish.retain, &publish.payload[..]),
        (QoS::AtLeastOnce, false, &b"{\"a\":1}"[..])
    );
    assert!(!is_done(&mut receipt).await, "not acknowledged yet");
    connection.puback(&publish).await;
    assert_eq!(soon("the receipt", receipt).await, Ok(()));
}

#[tokio::test]
async fn a_reconnection_sends_the_rest_again_in_order() {
    let hub = Hub::start().await;
    let (client, mut events) = Client::connect(hub.module(), options());
    let mut connection = hub.welcome(1).await;
    let mut receipts = Vec::new();
    for n in 0..10 {
        receipts.push(
            client
                .send(Message::new(n.to_string()))
                .await
                .expect("room"),
        );
    }
    let mut published = Vec::new();
    for _ in 0..10 {
        published.push(connection.publish().await);
    }
    // Out of order, which confuses rumqttc's own bookkeeping over a reconnection.
    connection.puback(&published[3]).await;
    connection.puback(&published[1]).await;
    assert_eq!(soon("receipt 1", receipts.remove(1)).await, Ok(()));
    assert_eq!(soon("receipt 3", receipts.remove(2)).await, Ok(()));
    drop(connection);
    let mut connection = hub.accept().await;
    connection
        .connack(ConnectAckReason::ConnectionAccepted)
        .await;
    connection.suback().await;
    let mut again = Vec::new();
    while again.len() < 8 {
        let publish = connection.publish().await;
        if publish.qos == QoS::AtLeastOnce {
            connection.puback(&publish).await;
            again.push(String::from_utf8(publish.payload.to_vec()).expect("text"));
        }
    }
    assert_eq!(again, ["0", "2", "4", "5", "6", "7", "8", "9"]);
    for receipt in receipts {
        assert_eq!(soon("a receipt", receipt).await, Ok(()));
    }
    let mut seen = Vec::new();
    while seen.len() < 4 {
        match next(&mut events).await {
            Event::Connected => seen.push("connected"),
            Event::Disconnected {
                why: LinkError::Closed,
                ..
            } => seen.push("disconnected"),
            Event::Twin(_) => seen.push("twin"),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(seen[..3], ["connected", "twin", "disconnected"]);
}

#[tokio::test]
async fn messages_wait_for_the_first_connection() {
    let hub = Hub::start().await;
    let (client, _events) = Client::connect(hub.module(), options());
    let receipt = client.send(Message::new("early")).await.expect("room");
    let mut connection = hub.accept().await;
    connection
        .connack(ConnectAckReason::ConnectionAccepted)
        .await;
    connection.suback().await;
    let publish = connection.publish().await;
    assert_eq!(publish.payload, "early");
    connection.puback(&publish).await;
    assert_eq!(soon("the receipt", receipt).await, Ok(()));
}

#[tokio::test]
async fn a_token_is_renewed_before_it_ends_and_nothing_is_lost() {
    let hub = Hub::start().await;
    let options = Options {
        token_life: Duration::from_secs(2),
        ..options()
    };
    let (client, mut events) = Client::connect(hub.module(), options);
    let sender = tokio::spawn(async move {
        let mut sent = 0;
        while client
            .send(Message::new(sent.to_string()))
            .await
            .expect("room")
            .await
            == Ok(())
        {
            sent += 1;
        }
        sent
    });
    let (mut received, mut tokens) = (Vec::new(), Vec::new());
    for _ in 0..2 {
        let mut connection = hub.accept().await;
        tokens.push(connection.connect.password.clone());
        connection
            .connack(ConnectAckReason::ConnectionAccepted)
            .await;
        connection.suback().await;
        loop {
            match connection.receive().await {
                Packet::Publish(publish) if publish.qos == QoS::AtLeastOnce => {
                    received.push(String::from_utf8(publish.payload.to_vec()).expect("text"));
                    connection.puback(&publish).await;
                }
                Packet::Publish(get) => connection.answer_twin_get(&get, 1).await,
                Packet::Disconnect => break,
                other => panic!("{other:?}"),
            }
        }
    }
    sender.abort();
    let expected: Vec<_> = (0..received.len()).map(|n| n.to_string()).collect();
    assert_eq!(received, expected, "once each and in order");
    assert!(
        tokens.windows(2).all(|pair| pair[0] != pair[1]),
        "a fresh token each time"
    );
    assert!(matches!(next(&mut events).await, Event::Connected));
    assert!(matches!(next(&mut events).await, Event::Twin(_)));
    assert!(
        !is_done(&mut Box::pin(events.next())).await,
        "a renewal is no event"
    );
}

#[tokio::test]
async fn the_twin_is_fetched_again_after_a_reconnection() {
    let hub = Hub::start().await;
    let (client, mut events) = Client::connect(hub.module(), options());
    let mut connection = hub.welcome(4).await;
    connection
        .deliver(
            "$iothub/twin/PATCH/properties/desired/?$version=5",
            r#"{"n":null,"$version":5}"#,
            QoS::AtMostOnce,
        )
        .await;
    assert!(matches!(next(&mut events).await, Event::Connected));
    assert!(matches!(next(&mut events).await, Event::Twin(twin) if twin.desired.version == 4));
    let Event::Desired { patch, version: 5 } = next(&mut events).await else {
        panic!("no patch")
    };
    assert_eq!(json!(patch), json!({"n": null}));
    drop(connection);
    let mut connection = hub.welcome(7).await;
    assert!(matches!(
        next(&mut events).await,
        Event::Disconnected { .. }
    ));
    assert!(matches!(next(&mut events).await, Event::Connected));
    assert!(matches!(next(&mut events).await, Event::Twin(twin) if twin.desired.version == 7));
    let (version, publish) = tokio::join!(client.report(json!({"x": 1})), async {
        let publish = connection.publish().await;
        let rid = publish
            .topic
            .strip_prefix("$iothub/twin/PATCH/properties/reported/?$rid=")
            .expect("a report");
        let answer = format!("$iothub/twin/res/204/?$rid={rid}&$version=13");
        connection.deliver(&answer, "", QoS::AtMostOnce).await;
        publish
    });
    assert_eq!(
        (version, &publish.payload[..]),
        (Ok(Some(13)), &b"{\"x\":1}"[..])
    );
}

#[tokio::test]
async fn a_method_is_always_answered() {
    let hub = Hub::start().await;
    let (_client, mut events) = Client::connect(hub.module(), options());
    let mut connection = hub.welcome(1).await;
    assert!(matches!(next(&mut events).await, Event::Connected));
    assert!(matches!(next(&mut events).await, Event::Twin(_)));
    connection
        .deliver(
            "$iothub/methods/POST/book/?$rid=1",
            r#"{"id":"b"}"#,
            QoS::AtMostOnce,
        )
        .await;
    let Event::Method {
        name,
        payload,
        responder,
    } = next(&mut events).await
    else {
        panic!("no method")
    };
    assert_eq!((name.as_str(), payload), ("book", json!({"id": "b"})));
    responder.respond(409, json!({"by": "a"}));
    let answer = connection.publish().await;
    assert_eq!(
        (&*answer.topic, &answer.payload[..]),
        ("$iothub/methods/res/409/?$rid=1", &b"{\"by\":\"a\"}"[..])
    );
    connection
        .deliver("$iothub/methods/POST/unknown/?$rid=2", "", QoS::AtMostOnce)
        .await;
    drop(next(&mut events).await);
    assert_eq!(
        connection.publish().await.topic,
        "$iothub/methods/res/501/?$rid=2"
    );
    drop(events);
    connection
        .deliver("$iothub/methods/POST/unknown/?$rid=3", "", QoS::AtMostOnce)
        .await;
    assert_eq!(
        connection.publish().await.topic,
        "$iothub/methods/res/501/?$rid=3",
        "though nobody listens"
    );
}

#[tokio::test]
async fn a_reader_that_lags_costs_no_memory_and_misses_no_setting() {
    let hub = Hub::start().await;
    let (_client, mut events) = Client::connect(hub.module(), options());
    let mut connection = hub.welcome(1).await;
    // Two of the 64 places are taken by the connection and the twin.
    for rid in 1..=70 {
        connection
            .deliver(
                &format!("$iothub/methods/POST/m/?$rid={rid}"),
                "",
                QoS::AtMostOnce,
            )
            .await;
    }
    for rid in 63..=70 {
        let answer = connection.publish().await;
        assert_eq!(answer.topic, format!("$iothub/methods/res/429/?$rid={rid}"));
    }
    connection
        .deliver(
            "$iothub/twin/PATCH/properties/desired/?$version=2",
            r#"{"n":2,"$version":2}"#,
            QoS::AtMostOnce,
        )
        .await;
    connection.answer_twin(2).await;
    assert!(matches!(next(&mut events).await, Event::Connected));
    assert!(matches!(next(&mut events).await, Event::Twin(_)));
    for _ in 1..=62 {
        assert!(matches!(next(&mut events).await, Event::Method { .. }));
    }
    assert!(matches!(next(&mut events).await, Event::Twin(twin) if twin.desired.version == 2));
}

#[tokio::test]
async fn an_input_is_acknowledged_after_it_was_dealt_with() {
    let hub = Hub::start().await;
    let (_client, mut events) = Client::connect(hub.module(), options());
    let mut connection = hub.welcome(1).await;
    assert!(matches!(next(&mut events).await, Event::Connected));
    assert!(matches!(next(&mut events).await, Event::Twin(_)));
    let topic = "devices/edge01/modules/light/inputs/occupancy/%24.cdid=edge01&kind=occupancy";
    let packet_id = connection
        .deliver(topic, r#"{"occupancy":"free"}"#, QoS::AtLeastOnce)
        .await
        .expect("QoS 1");
    let Event::Input { name, message, ack } = next(&mut events).await else {
        panic!("no input")
    };
    assert_eq!(
        (name.as_str(), message.property_value("kind")),
        ("occupancy", Some("occupancy"))
    );
    assert_eq!(
        message.parse::<serde_json::Value>().expect("JSON"),
        json!({"occupancy": "free"})
    );
    connection
        .deliver("$iothub/methods/POST/m/?$rid=1", "", QoS::AtMostOnce)
        .await;
    drop(next(&mut events).await);
    assert_eq!(
        connection.publish().await.topic,
        "$iothub/methods/res/501/?$rid=1",
        "no PUBACK came before"
    );
    ack.complete();
    assert_eq!(connection.receive().await, Packet::PublishAck { packet_id });

    connection.deliver(topic, "{}", QoS::AtLeastOnce).await;
    let Event::Input { ack, .. } = next(&mut events).await else {
        panic!("no input")
    };
    drop(connection);
    let mut connection = hub.welcome(1).await;
    assert!(matches!(
        next(&mut events).await,
        Event::Disconnected { .. }
    ));
    assert!(matches!(next(&mut events).await, Event::Connected));
    ack.complete();
    connection
        .deliver("$iothub/methods/POST/m/?$rid=2", "", QoS::AtMostOnce)
        .await;
    drop(next(&mut events).await);
    assert_eq!(
        connection.publish().await.topic,
        "$iothub/methods/res/501/?$rid=2",
        "nor does a stale one"
    );
}

#[tokio::test]
async fn a_device_gets_messages_from_the_cloud() {
    let hub = Hub::start().await;
    let (_client, mut events) = Client::connect(
        hub.source("GatewayHostName=127.0.0.1;DeviceId=pump7"),
        options(),
    );
    let mut connection = hub.accept().await;
    assert_eq!(connection.connect.client_id, "pump7");
    connection
        .connack(ConnectAckReason::ConnectionAccepted)
        .await;
    assert_eq!(
        connection.suback().await[0],
        "devices/pump7/messages/devicebound/#"
    );
    connection.answer_twin(1).await;
    assert!(matches!(next(&mut events).await, Event::Connected));
    assert!(matches!(next(&mut events).await, Event::Twin(_)));
    let topic = "devices/pump7/messages/devicebound/%24.to=%2Fdevices%2Fpump7%2Fmessages%2FdeviceBound&line=3";
    let packet_id = connection
        .deliver(topic, "hello", QoS::AtLeastOnce)
        .await
        .expect("QoS 1");
    let Event::CloudToDevice { message, ack } = next(&mut events).await else {
        panic!("no message")
    };
    assert_eq!(
        (&message.body[..], message.property_value("line")),
        (&b"hello"[..], Some("3"))
    );
    ack.complete();
    assert_eq!(connection.receive().await, Packet::PublishAck { packet_id });
}

#[tokio::test]
async fn what_the_hub_would_refuse_never_leaves() {
    let hub = Hub::start().await;
    let (client, _events) = Client::connect(hub.module(), options());
    let mut connection = hub.welcome(1).await;
    let large = client.send(Message::new(vec![0; 300_000])).await;
    assert!(
        matches!(large, Err(SendError::TooLarge { bytes: 300_000.. })),
        "{large:?}"
    );
    let wide = client
        .send(Message::new("").property("p", "ä".repeat(30_000)))
        .await;
    assert!(
        matches!(wide, Err(SendError::PropertiesTooLarge { .. })),
        "{wide:?}"
    );
    let report = client.report(json!({ "x": "x".repeat(300_000) })).await;
    assert_eq!(report, Err(TwinError::TooLarge { bytes: 300_008 }));
    let mut largest = Message::new("").id("i");
    largest = largest.property("created", "x");
    largest.body = vec![b'x'; 262_000].into();
    let receipt = client.send(largest).await.expect("within the hub's limit");
    let publish = connection.publish().await;
    assert_eq!(publish.payload.len(), 262_000);
    connection.puback(&publish).await;
    assert_eq!(soon("the receipt", receipt).await, Ok(()));
}

#[tokio::test]
async fn closing_flushes_then_disconnects() {
    let hub = Hub::start().await;
    let (client, mut events) = Client::connect(hub.module(), options());
    let mut connection = hub.welcome(1).await;
    let receipt = client.send(Message::new("last words")).await.expect("room");
    let closing = tokio::spawn({
        let client = client.clone();
        async move { client.close(Duration::from_secs(5)).await }
    });
    let publish = connection.publish().await;
    connection.puback(&publish).await;
    assert_eq!(connection.receive().await, Packet::Disconnect);
    drop(connection);
    assert_eq!(soon("the close", closing).await.expect("no panic"), Ok(()));
    assert_eq!(soon("the receipt", receipt).await, Ok(()));
    assert_eq!(
        client
            .send(Message::new("too late"))
            .await
            .expect_err("closed"),
        SendError::Closed
    );
    soon("the end of events", async {
        while events.next().await.is_some() {}
    })
    .await;
}

#[tokio::test]
async fn closing_says_what_was_left_over() {
    let hub = Hub::start().await;
    let (client, _events) = Client::connect(hub.module(), options());
    let connection = hub.welcome(1).await;
    let receipt = client.send(Message::new("unheard")).await.expect("room");
    let closing = client.close(Duration::from_millis(100));
    let (closed, ()) = tokio::join!(closing, connection.ends());
    assert_eq!(closed, Err(CloseError::Undelivered { messages: 1 }));
    assert!(soon("the receipt", receipt).await.is_err());
}

#[tokio::test]
async fn dropping_every_handle_ends_the_connection() {
    let hub = Hub::start().await;
    let (client, events) = Client::connect(hub.module(), options());
    let connection = hub.welcome(1).await;
    drop((client, events));
    connection.ends().await;
}
