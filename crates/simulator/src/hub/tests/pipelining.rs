//! A client that sends everything at once, through a connection's task.

use std::sync::Arc;

use bytes::BytesMut;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::timeout;

use super::*;
use crate::connection::{self, Services};

/// One packet: its type, and what follows the remaining length.
fn packet(kind: u8, body: &[u8]) -> Vec<u8> {
    let mut packet = vec![kind];
    let (low, high) = (body.len() % 128, body.len() / 128);
    if high > 0 {
        packet.push(low as u8 | 0x80);
        packet.push(u8::try_from(high).expect("short packets"));
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

#[tokio::test]
async fn a_client_may_ask_much_at_once_if_it_reads_the_answers() {
    const ASKED: usize = 5000;
    let hub = Arc::new(furnished(None));
    let token = token(&hub, "pump7", "localhost/devices/pump7", 600);
    let user = user_name::hub("localhost", &identity("pump7"), "test", None);
    let connect = [
        &text("MQTT")[..],
        &[4, 0b1100_0000, 0, 60],
        &text("pump7"),
        &text(&user),
        &text(&token),
    ];
    let mut sent = packet(0x10, &connect.concat());
    sent.extend(packet(0x82, &[&[0, 1][..], &text(TWIN), &[0]].concat()));
    for _ in 0..ASKED {
        sent.extend(packet(0x30, &text("$iothub/twin/GET/?$rid=1")));
    }
    let (client, server) = tokio::io::duplex(1 << 20);
    let dps = crate::dps::tests::beside(&hub);
    let services = Services { hub, dps };
    let serving = tokio::spawn(connection::serve(services, server, None, None));
    let (mut reader, mut writer) = tokio::io::split(client);
    writer.write_all(&sent).await.expect("there is room for it");
    let answer = b"$iothub/twin/res/200/?$rid=1";
    let (mut received, mut answers) = (BytesMut::new(), 0);
    let all = async {
        while answers < ASKED {
            let mut windows = received.windows(answer.len());
            if let Some(at) = windows.position(|window| window == answer) {
                let _ = received.split_to(at + answer.len());
                answers += 1;
            } else if reader
                .read_buf(&mut received)
                .await
                .is_ok_and(|read| read == 0)
            {
                return false;
            }
        }
        true
    };
    let all = timeout(Duration::from_secs(20), all).await;
    assert_eq!(all, Ok(true), "every question has its answer");
    serving.abort();
}
