//! What the hub sends: settings, methods, messages.

use hub_client::{Client, Event};
use rmqtt_codec::types::QoS;
use rmqtt_codec::v3::{ConnectAckReason, Packet};
use serde_json::json;

use super::options;
use super::server::{Hub, next};

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
