//! The device API over MQTT, byte by byte through a connection's task.

use bytes::BytesMut;
use hub_proto::user_name;
use proptest::prelude::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};
use tokio::time::timeout;

use super::*;
use crate::connection::{self, Services};

const RESPONSES: &str = "$dps/registrations/res/#";

fn packet(kind: u8, body: &[u8]) -> Vec<u8> {
    let mut packet = vec![kind];
    let (low, high) = (body.len() % 128, body.len() / 128);
    if high > 0 {
        packet.extend([low as u8 | 0x80, u8::try_from(high).expect("short packets")]);
    } else {
        packet.push(low as u8);
    }
    packet.extend_from_slice(body);
    packet
}

fn text(text: &str) -> Vec<u8> {
    let length = u16::try_from(text.len()).expect("short texts");
    [&length.to_be_bytes(), text.as_bytes()].concat()
}

fn connect(client: &str, user: &str, token: &str) -> Vec<u8> {
    let flags = [4, 0b1100_0000, 0, 60];
    packet(
        0x10,
        &[
            &text("MQTT")[..],
            &flags,
            &text(client),
            &text(user),
            &text(token),
        ]
        .concat(),
    )
}

fn subscribe(filter: &str) -> Vec<u8> {
    packet(0x82, &[&[0, 1][..], &text(filter), &[1]].concat())
}

fn publish(topic: &str, body: &str) -> Vec<u8> {
    packet(0x32, &[&text(topic)[..], &[0, 2], body.as_bytes()].concat())
}

/// A connection to the service beside the bench's hub.
fn dial(bench: &Bench) -> DuplexStream {
    let (client, server) = tokio::io::duplex(1 << 16);
    let services = Services {
        hub: bench.hubs[0].clone(),
        dps: bench.dps.clone(),
    };
    tokio::spawn(connection::serve(services, server, None, None));
    client
}

/// Reads until this was received, or the end.
async fn until(client: &mut DuplexStream, wanted: &[u8]) -> Vec<u8> {
    let mut received = BytesMut::new();
    let read = async {
        loop {
            if received
                .windows(wanted.len())
                .any(|window| window == wanted)
            {
                return;
            }
            if client.read_buf(&mut received).await.expect("a stream") == 0 {
                return;
            }
        }
    };
    timeout(Duration::from_secs(20), read)
        .await
        .expect("it comes");
    received.to_vec()
}

async fn all_of(mut client: DuplexStream) -> Vec<u8> {
    let mut received = Vec::new();
    let read = client.read_to_end(&mut received);
    timeout(Duration::from_secs(20), read)
        .await
        .expect("it ends")
        .expect("a stream");
    received
}

#[tokio::test]
async fn a_device_registers_in_the_captured_exchange() {
    let bench = bench(&["localhost"], None);
    bench.enrol("r1", &json!({}));
    let user = user_name::dps(&bench.dps.id_scope(), "r1", "test");
    let mut client = dial(&bench);
    let register = "$dps/registrations/PUT/iotdps-register/?$rid=2d81";
    let sent = [
        connect("r1", &user, &bench.token("r1", &key("r1"))),
        subscribe(RESPONSES),
        publish(register, r#"{"payload": null, "registrationId": "r1"}"#),
    ];
    client.write_all(&sent.concat()).await.expect("it listens");
    let received = until(&mut client, b"assigning\"}").await;
    assert!(
        received.starts_with(&[0x20, 2, 0, 0, 0x90, 3, 0, 1, 1, 0x40, 2, 0, 2, 0x32]),
        "{received:?}"
    );
    let topic = b"$dps/registrations/res/202/?$rid=2d81&retry-after=1";
    assert!(received.windows(topic.len()).any(|window| window == topic));
    let operation = bench.dps.attempts(None)[0]
        .operation_id
        .clone()
        .expect("an operation");
    let ask = format!(
        "$dps/registrations/GET/iotdps-get-operationstatus/?$rid=6334&operationId={operation}"
    );
    client
        .write_all(&publish(&ask, " "))
        .await
        .expect("it listens");
    let received = until(&mut client, b"}}").await;
    let topic = b"$dps/registrations/res/200/?$rid=6334";
    assert!(received.windows(topic.len()).any(|window| window == topic));
    client.write_all(&[0xc0, 0]).await.expect("it listens");
    assert_eq!(until(&mut client, &[0xd0, 0]).await, [0xd0, 0]);
}

#[tokio::test]
async fn a_bad_credential_connects_and_is_told_when_it_registers() {
    let bench = bench(&["localhost"], None);
    bench.enrol("r1", &json!({}));
    for (user, token, expected) in [
        (
            user_name::dps(&bench.dps.id_scope(), "r1", "test"),
            bench.token("r1", &key("wrong")),
            401,
        ),
        (
            user_name::dps(&bench.dps.id_scope(), "r1", "test"),
            String::new(),
            401,
        ),
        (
            user_name::dps("0neFFFFFFFF", "r1", "test"),
            bench.token("r1", &key("r1")),
            404,
        ),
    ] {
        let mut client = dial(&bench);
        let sent = [
            connect("r1", &user, &token),
            subscribe(RESPONSES),
            publish("$dps/registrations/PUT/iotdps-register/?$rid=1", "{}"),
        ];
        client.write_all(&sent.concat()).await.expect("it listens");
        let topic = format!("$dps/registrations/res/{expected}/?$rid=1");
        let received = until(&mut client, topic.as_bytes()).await;
        assert_eq!(received[..4], [0x20, 2, 0, 0]);
        assert!(
            received
                .windows(topic.len())
                .any(|window| window == topic.as_bytes()),
            "{expected}"
        );
    }
}

#[tokio::test]
async fn what_the_service_does_not_take_ends_the_connection() {
    let bench = bench(&["localhost"], None);
    bench.enrol("r1", &json!({}));
    let user = user_name::dps(&bench.dps.id_scope(), "r1", "test");
    let token = bench.token("r1", &key("r1"));
    let accepted = vec![0x20, 2, 0, 0];
    let long = format!(
        "$dps/registrations/PUT/iotdps-register/?$rid={}",
        "a".repeat(9000)
    );
    let answered = publish("$dps/registrations/PUT/iotdps-register/?$rid=1", "{");
    for (sent, received) in [
        (connect("another", &user, &token), vec![0x20, 2, 0, 5]),
        (
            [
                connect("r1", &user, &token),
                subscribe("devices/r1/messages/devicebound/#"),
            ]
            .concat(),
            accepted.clone(),
        ),
        (
            [
                connect("r1", &user, &token),
                publish("devices/r1/messages/events/", "{}"),
            ]
            .concat(),
            accepted.clone(),
        ),
        // Nobody subscribed to the answer, so that there is nothing but the acknowledgement of each.
        (
            [
                connect("r1", &user, &token),
                answered,
                publish(&long, "{}"),
                vec![0xe0, 0],
            ]
            .concat(),
            [&accepted[..], &[0x40, 2, 0, 2, 0x40, 2, 0, 2]].concat(),
        ),
    ] {
        let mut client = dial(&bench);
        client.write_all(&sent).await.expect("it listens");
        assert_eq!(all_of(client).await, received);
    }
    bench.dps.pull(DpsLever::Unreachable(true));
    let mut client = dial(&bench);
    client
        .write_all(&connect("r1", &user, &token))
        .await
        .expect("it listens");
    assert!(all_of(client).await.is_empty());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn whatever_follows_connect_is_answered_or_ends_the_connection(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("a runtime");
        runtime.block_on(async {
            let bench = bench(&["localhost"], None);
            bench.enrol("r1", &json!({}));
            let user = user_name::dps(&bench.dps.id_scope(), "r1", "test");
            let mut client = dial(&bench);
            let connect = connect("r1", &user, &bench.token("r1", &key("r1")));
            client.write_all(&[connect, bytes].concat()).await.expect("there is room");
            client.shutdown().await.expect("a stream");
            // A panic of the task would drop the stream before CONNACK.
            assert!(all_of(client).await.starts_with(&[0x20, 2, 0, 0]));
        });
    }

    #[test]
    fn whatever_is_registered_is_answered(body in prop::collection::vec(any::<u8>(), 0..200)) {
        let bench = bench(&["localhost"], None);
        bench.enrol("r1", &json!({}));
        let token = bench.token("r1", &key("r1"));
        let answer = bench.ask("r1", &token, |caller| bench.dps.register(caller, &body));
        prop_assert!(matches!(answer.status, 202 | 400));
    }
}
