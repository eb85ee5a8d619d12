//! Messages on their way to the hub.

use hub_client::{Client, ConnectionError, Event, LinkError, Message, SendError, TwinError};
use rmqtt_codec::types::QoS;
use rmqtt_codec::v3::ConnectAckReason;
use serde_json::json;

use super::server::{Hub, next, soon};
use super::{is_done, options};

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
                why: LinkError::Connection(ConnectionError::Closed),
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
async fn an_acknowledgement_just_before_the_end_still_counts() {
    let hub = Hub::start().await;
    let (client, _events) = Client::connect(hub.module(), options());
    let mut connection = hub.welcome(1).await;
    let first = client.send(Message::new("first")).await.expect("room");
    let publish = connection.publish().await;
    connection.puback(&publish).await;
    drop(connection);
    assert_eq!(soon("the receipt", first).await, Ok(()));
    let mut connection = hub.welcome(1).await;
    let second = client.send(Message::new("second")).await.expect("room");
    let publish = connection.publish().await;
    assert_eq!(publish.payload, "second", "the first was not sent again");
    connection.puback(&publish).await;
    assert_eq!(soon("the receipt", second).await, Ok(()));
}
