//! The beginning, renewal and end of a connection.

use std::time::Duration;

use hub_client::{Client, CloseError, Event, Message, Options, SendError, Source};
use hub_proto::sas::{self, SymmetricKey};
use rmqtt_codec::types::QoS;
use rmqtt_codec::v3::{ConnectAckReason, Packet};
use serde_json::json;

use super::server::{Hub, KEY, next, soon};
use super::{is_done, options};

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
async fn a_certificate_connects_without_a_password() {
    let hub = Hub::start_for_certificates().await;
    let text = "HostName=myhub;GatewayHostName=127.0.0.1;DeviceId=d;x509=true";
    let source = Source::from_x509(text, hub.client_certificate(), Some(&hub.ca_pem))
        .expect("complete")
        .with_ports(hub.port, hub.port);
    let options = Options {
        token_life: Duration::ZERO,
        ..options()
    };
    let (_client, mut events) = Client::connect(source, options);
    let mut connection = hub.welcome(1).await;
    let connect = &connection.connect;
    assert_eq!(connect.client_id, "d");
    assert_eq!(
        connect.username.as_deref(),
        Some("myhub/d/?api-version=2021-04-12&DeviceClientType=test%2F1")
    );
    assert_eq!(connect.password, None);
    assert!(matches!(next(&mut events).await, Event::Connected));
    assert!(matches!(next(&mut events).await, Event::Twin(_)));
    let still_there = connection.deliver(
        "$iothub/twin/PATCH/properties/desired/?$version=2",
        r#"{"n":2,"$version":2}"#,
        QoS::AtMostOnce,
    );
    still_there.await;
    assert!(
        matches!(next(&mut events).await, Event::Desired { .. }),
        "there is no token whose end would have to be forestalled"
    );
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
