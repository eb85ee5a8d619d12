//! CONNECT and the end of a link, byte for byte.

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use transport::mqtt::{Link, LinkEvent, LinkOptions};
use transport::{ClientCertificate, Error, tls};

use super::server::{Authority, Server, soon};

async fn options(
    server: &Server,
    authority: &Authority,
    certificate: Option<&ClientCertificate>,
) -> LinkOptions {
    LinkOptions {
        host: "127.0.0.1".to_owned(),
        port: server.port,
        client_id: "r1".to_owned(),
        user_name: "0ne/registrations/r1".to_owned(),
        password: Some("token".to_owned()),
        clean_session: true,
        keep_alive: Duration::from_secs(30),
        tls: tls::client_config(&authority.trust(), certificate)
            .await
            .expect("somebody to trust"),
    }
}

/// The first packet's bytes after its length, answered with CONNACK and this code.
async fn connect(server: &Server, code: u8) -> Vec<u8> {
    let mut stream = server.tls().await;
    let head = soon("CONNECT", stream.read_u16()).await.expect("open");
    let [kind, length] = head.to_be_bytes();
    assert_eq!(kind, 0x10, "CONNECT");
    let mut body = vec![0; length.into()];
    stream.read_exact(&mut body).await.expect("open");
    stream.write_all(&[0x20, 2, 0, code]).await.expect("open");
    stream.shutdown().await.expect("open");
    body
}

const CLEAN: u8 = 0b0000_0010;
const USER_NAME: u8 = 0b1000_0000;
const PASSWORD: u8 = 0b0100_0000;

#[tokio::test]
async fn connects_as_it_is_told() {
    let (authority, clients) = (Authority::new(), Authority::new());
    let server = authority.server_for(&clients).await;
    let certificate = clients.client("r1");
    for (password, clean_session, flags) in [
        (Some("token"), true, USER_NAME | PASSWORD | CLEAN),
        (Some("token"), false, USER_NAME | PASSWORD),
        (None, true, USER_NAME | CLEAN),
        (None, false, USER_NAME),
    ] {
        let mut link = Link::open(LinkOptions {
            password: password.map(str::to_owned),
            clean_session,
            ..options(&server, &authority, Some(&certificate)).await
        });
        let mut expected = b"\0\x04MQTT\x04".to_vec();
        expected.push(flags);
        expected.extend(b"\0\x1e\0\x02r1\0\x140ne/registrations/r1");
        if let Some(password) = password {
            expected.extend([0, password.len() as u8]);
            expected.extend(password.as_bytes());
        }
        let (up, body) = tokio::join!(soon("CONNACK", link.next()), connect(&server, 0));
        assert!(matches!(up, LinkEvent::Up), "{up:?}");
        assert_eq!(body, expected);
        let end = soon("the end", link.next()).await;
        assert!(matches!(end, LinkEvent::Down(Error::Closed)), "{end:?}");
    }
}

#[tokio::test]
async fn each_refusal_has_its_name() {
    let authority = Authority::new();
    let server = authority.server("127.0.0.1").await;
    for code in 1..=5 {
        let mut link = Link::open(options(&server, &authority, None).await);
        let (down, _) = tokio::join!(soon("CONNACK", link.next()), connect(&server, code));
        let LinkEvent::Down(error) = down else {
            panic!("{down:?}")
        };
        let is_expected = match code {
            1 | 2 => matches!(error, Error::ProtocolRefused(named) if named == code),
            3 => matches!(error, Error::ServerBusy),
            _ => matches!(error, Error::CredentialsRefused),
        };
        assert!(is_expected, "{code}: {error:?}");
    }
}

#[tokio::test]
async fn shows_no_password() {
    let authority = Authority::new();
    let server = authority.server("127.0.0.1").await;
    let shown = format!("{:?}", options(&server, &authority, None).await);
    assert!(
        shown.contains("0ne/registrations/r1") && !shown.contains("token"),
        "{shown}"
    );
}
