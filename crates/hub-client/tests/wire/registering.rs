//! A device that asks the provisioning service for its hub, and asks again when the hub refuses it.

use dps_client::{Attestation, Endpoint};
use hub_client::{
    Client, ConnectionError, Event, LinkError, Message, Options, RegisterError, Registration,
    Source,
};
use hub_proto::sas::{self, SymmetricKey};
use rmqtt_codec::types::QoS;
use rmqtt_codec::v3::{ConnectAckReason, Packet};
use serde_json::{Value, json};
use transport::Trust;

use super::options;
use super::server::{Connection, Hub, KEY, next, soon};

const SCOPE: &str = "0ne00AA12BC";

fn key() -> SymmetricKey {
    SymmetricKey::from_base64(KEY).expect("a key")
}

/// The device `r1`, with its hubs on this port.
fn device(dps: &Hub, hub: &Hub, attestation: Attestation) -> Source {
    let mut registration = Registration::new(SCOPE, "r1".parse().expect("an id"), attestation);
    registration.global_endpoint = Endpoint::new("127.0.0.1").with_ports(dps.port, dps.port);
    let both = format!("{}{}", dps.ca_pem, hub.ca_pem);
    registration.trust = Trust::only(&both).expect("certificates");
    Source::from_registration(registration).with_ports(hub.port, hub.port)
}

fn device_with_key(dps: &Hub, hub: &Hub) -> Source {
    device(dps, hub, Attestation::SymmetricKey(key()))
}

/// The next registration, up to its request; gives what was asked.
async fn asked(dps: &Hub) -> (Connection, String, Value) {
    let mut connection = dps.accept().await;
    connection
        .connack(ConnectAckReason::ConnectionAccepted)
        .await;
    assert_eq!(connection.suback().await, ["$dps/registrations/res/#"]);
    let publish = connection.publish().await;
    connection.puback(&publish).await;
    let rid = publish
        .topic
        .strip_prefix("$dps/registrations/PUT/iotdps-register/?$rid=")
        .expect("a registration")
        .to_owned();
    let body = serde_json::from_slice(&publish.payload).expect("JSON");
    (connection, rid, body)
}

async fn answer(connection: &mut Connection, status: u16, rid: &str, body: Value) {
    let topic = format!("$dps/registrations/res/{status}/?$rid={rid}");
    connection
        .deliver(&topic, &body.to_string(), QoS::AtLeastOnce)
        .await;
}

/// Answers the next registration with a hub and the name of the device there, and sees the device off.
async fn assign(dps: &Hub, hub: &str, device: &str) -> Connection {
    let (mut connection, rid, _) = asked(dps).await;
    let state = json!({
        "registrationId": "r1", "assignedHub": hub, "deviceId": device, "status": "assigned",
        "substatus": "initialAssignment", "payload": {"site": "north"},
    });
    let body = json!({"operationId": "4.b2", "status": "assigned", "registrationState": state});
    answer(&mut connection, 200, &rid, body).await;
    while connection.receive().await != Packet::Disconnect {}
    connection
}

/// Takes so many messages, with their topics, and answers the twin GET that comes before, between or after.
async fn messages(
    connection: &mut Connection,
    count: usize,
    desired: u64,
) -> Vec<(String, String)> {
    let (mut taken, mut is_told) = (Vec::new(), false);
    while taken.len() < count || !is_told {
        let publish = connection.publish().await;
        if publish.qos == QoS::AtMostOnce {
            connection.answer_twin_get(&publish, desired).await;
            is_told = true;
        } else {
            connection.puback(&publish).await;
            let body = String::from_utf8(publish.payload.to_vec()).expect("text");
            taken.push((publish.topic.to_string(), body));
        }
    }
    taken
}

fn password(connection: &Connection) -> Option<String> {
    let password = connection.connect.password.as_ref()?;
    Some(String::from_utf8(password.to_vec()).expect("text"))
}

fn assert_opens(connection: &Connection, audience: &str) {
    let now = jiff::Timestamp::now().as_second();
    let token = password(connection).expect("a password");
    sas::verify(&token, audience, [&key()], now, 0).expect(audience);
}

#[tokio::test]
async fn registers_then_connects_to_the_hub_it_is_given() {
    let (dps, hub) = (Hub::start().await, Hub::start().await);
    let options = Options {
        model_id: Some("dtmi:acme:Pump;1".to_owned()),
        ..options()
    };
    let source = device_with_key(&dps, &hub);
    assert_eq!((source.identity(), source.host()), (None, "127.0.0.1"));
    let (client, mut events) = Client::connect(source, options);
    assert_eq!(client.identity(), None);

    let (mut service, rid, body) = asked(&dps).await;
    assert_eq!(
        body,
        json!({"registrationId": "r1", "payload": {"modelId": "dtmi:acme:Pump;1"}})
    );
    let connect = &service.connect;
    assert_eq!(connect.client_id, "r1");
    let user_name = connect.username.as_deref().expect("a user name");
    assert!(
        user_name.starts_with("0ne00AA12BC/registrations/r1/api-version="),
        "{user_name}"
    );
    assert!(user_name.ends_with("test%2F1"), "{user_name}");
    assert!(connect.clean_session);
    assert_opens(&service, "0ne00AA12BC/registrations/r1");
    let state = json!({"assignedHub": "127.0.0.1", "deviceId": "pump7", "status": "assigned"});
    let body = json!({"operationId": "4.b2", "status": "assigned", "registrationState": state});
    answer(&mut service, 200, &rid, body).await;

    let connection = hub.welcome(1).await;
    assert_eq!(connection.connect.client_id, "pump7");
    assert_eq!(
        connection.connect.username.as_deref(),
        Some(
            "127.0.0.1/pump7/?api-version=2021-04-12&DeviceClientType=test%2F1&model-id=dtmi%3Aacme%3APump%3B1"
        )
    );
    assert_opens(&connection, "127.0.0.1/devices/pump7");
    let Event::Assigned {
        identity,
        hub,
        payload,
    } = next(&mut events).await
    else {
        panic!("not assigned")
    };
    assert_eq!((identity.device_id(), hub.as_str()), ("pump7", "127.0.0.1"));
    assert_eq!(payload, None);
    assert_eq!(client.identity(), Some(identity));
    assert!(matches!(next(&mut events).await, Event::Connected));
}

#[tokio::test]
async fn a_refusal_leads_to_another_hub_and_nothing_is_lost() {
    let (dps, old) = (Hub::start().await, Hub::start().await);
    let new = old.beside("127.0.0.2").await;
    let (client, mut events) = Client::connect(device_with_key(&dps, &old), options());
    assign(&dps, "127.0.0.1", "pump7").await;
    let mut connection = old.welcome(5).await;
    let mut receipts = Vec::new();
    for n in 1..=3 {
        receipts.push(
            client
                .send(Message::new(n.to_string()))
                .await
                .expect("room"),
        );
    }
    let first = connection.publish().await;
    assert!(
        first.topic.starts_with("devices/pump7/messages/events/"),
        "{}",
        first.topic
    );
    connection.puback(&first).await;
    soon("the first receipt", receipts.remove(0))
        .await
        .expect("acknowledged");
    // The others are on their way when the device is taken from the hub.
    drop(connection);
    old.accept()
        .await
        .connack(ConnectAckReason::NotAuthorized)
        .await;
    let while_nowhere = client.send(Message::new("4")).await.expect("room");
    receipts.push(while_nowhere);

    assign(&dps, "127.0.0.2", "pump8").await;
    let mut connection = new.accept().await;
    assert_opens(&connection, "127.0.0.2/devices/pump8");
    connection
        .connack(ConnectAckReason::ConnectionAccepted)
        .await;
    assert_eq!(
        connection.suback().await[0],
        "devices/pump8/messages/devicebound/#"
    );
    // The same version as the old hub's twin had, which was another twin.
    let received = messages(&mut connection, 3, 5).await;
    assert!(
        received
            .iter()
            .all(|(topic, _)| topic.starts_with("devices/pump8/messages/events/")),
        "{received:?}"
    );
    let received: Vec<_> = received.into_iter().map(|(_, body)| body).collect();
    assert_eq!(received, ["2", "3", "4"], "each, and in order");
    for receipt in receipts {
        soon("a receipt", receipt).await.expect("acknowledged");
    }

    let mut told = Vec::new();
    while told.len() < 7 {
        told.push(match next(&mut events).await {
            Event::Assigned { identity, hub, .. } => format!("{identity} at {hub}"),
            Event::Connected => "connected".to_owned(),
            Event::Twin(_) => "twin".to_owned(),
            Event::Disconnected { why, .. } => match why {
                LinkError::Connection(ConnectionError::CredentialsRefused) => "refused".to_owned(),
                // The end of the old connection, however it shows.
                LinkError::Connection(_) => continue,
                other => panic!("{other:?}"),
            },
            other => panic!("{other:?}"),
        });
    }
    assert_eq!(
        told,
        [
            "pump7 at 127.0.0.1",
            "connected",
            "twin",
            "refused",
            "pump8 at 127.0.0.2",
            "connected",
            "twin"
        ]
    );
    assert_eq!(client.identity().expect("assigned").device_id(), "pump8");
}

#[tokio::test]
async fn a_service_that_refuses_is_told_of_and_asked_again() {
    let (dps, hub) = (Hub::start().await, Hub::start().await);
    let (client, mut events) = Client::connect(device_with_key(&dps, &hub), options());
    let waiting = client.send(Message::new("early")).await.expect("room");
    let (mut service, rid, _) = asked(&dps).await;
    let body = json!({"errorCode": 401_002, "trackingId": "t", "message": "Unauthorized"});
    answer(&mut service, 401, &rid, body).await;
    let Event::Disconnected { why, .. } = next(&mut events).await else {
        panic!("no failure")
    };
    assert!(
        matches!(&why, LinkError::Provisioning(RegisterError::Unauthorized(refusal)) if refusal.code == Some(401_002)),
        "{why:?}"
    );
    assert!(why.is_permanent());
    assert!(!format!("{why} {why:?}").contains(KEY));

    assign(&dps, "127.0.0.1", "pump7").await;
    let mut connection = hub.accept().await;
    connection
        .connack(ConnectAckReason::ConnectionAccepted)
        .await;
    connection.suback().await;
    messages(&mut connection, 1, 1).await;
    assert!(matches!(next(&mut events).await, Event::Assigned { .. }));
    assert!(matches!(next(&mut events).await, Event::Connected));
    soon("the receipt", waiting).await.expect("acknowledged");
}

#[tokio::test]
async fn a_certificate_proves_the_device_to_the_service_and_to_its_hub() {
    let both = Hub::start_for_certificates().await;
    let source = device(&both, &both, Attestation::X509(both.client_certificate()));
    let (_client, mut events) = Client::connect(source, options());
    let service = assign(&both, "127.0.0.1", "r1").await;
    assert_eq!(password(&service), None);
    drop(service);
    let connection = both.welcome(1).await;
    assert_eq!(connection.connect.client_id, "r1");
    assert_eq!(password(&connection), None);
    assert!(matches!(
        next(&mut events).await,
        Event::Assigned {
            payload: Some(_),
            ..
        }
    ));
    assert!(matches!(next(&mut events).await, Event::Connected));
}

#[tokio::test]
async fn closing_while_the_service_thinks_is_at_once() {
    let (dps, hub) = (Hub::start().await, Hub::start().await);
    let (client, mut events) = Client::connect(device_with_key(&dps, &hub), options());
    let (service, _, _) = asked(&dps).await;
    let closing = client.close(std::time::Duration::ZERO);
    soon("the close", closing).await.expect("nothing waits");
    soon("the end of events", async {
        while events.next().await.is_some() {}
    })
    .await;
    service.ends().await;
}
