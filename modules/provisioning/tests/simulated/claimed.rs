//! A claim from elsewhere: RFC 8628 over TLS, and then the real provisioning service.

use std::sync::Arc;

use bay::message::Mode;
use provisioning::view::WaitsFor;
use rcgen::generate_simple_self_signed;
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};

use crate::street::{BOUND, SERIAL, Street, key};

/// A service that answers one request a connection with the next of its answers, and tells what it was asked.
async fn serve(
    listener: TcpListener,
    acceptor: TlsAcceptor,
    answers: Vec<(u16, String)>,
) -> Vec<String> {
    let mut asked = Vec::new();
    for (status, body) in answers {
        let (stream, _) = listener.accept().await.expect("a connection");
        let mut stream = acceptor.accept(stream).await.expect("a handshake");
        let mut request = Vec::new();
        while !is_whole(&request) {
            let mut chunk = [0; 4096];
            let count = stream.read(&mut chunk).await.expect("a request");
            assert_ne!(count, 0, "it hung up");
            request.extend_from_slice(&chunk[..count]);
        }
        asked.push(String::from_utf8(request).expect("a text"));
        let answer = format!(
            "HTTP/1.1 {status} Whatever\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
            body.len()
        );
        stream
            .write_all(answer.as_bytes())
            .await
            .expect("it listens");
        let _ = stream.shutdown().await;
    }
    asked
}

fn is_whole(request: &[u8]) -> bool {
    let text = String::from_utf8_lossy(request);
    let Some((head, body)) = text.split_once("\r\n\r\n") else {
        return false;
    };
    let length = head
        .lines()
        .find_map(|line| {
            line.to_ascii_lowercase()
                .strip_prefix("content-length: ")?
                .parse()
                .ok()
        })
        .unwrap_or(0);
    body.len() >= length
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_device_that_is_claimed_on_a_phone() {
    let street = Street::open().await;
    let certified =
        generate_simple_self_signed(vec!["localhost".to_owned()]).expect("a certificate");
    let private = PrivateKeyDer::from(PrivatePkcs8KeyDer::from(
        certified.signing_key.serialize_der(),
    ));
    let config = ServerConfig::builder_with_provider(Arc::new(
        tokio_rustls::rustls::crypto::ring::default_provider(),
    ))
    .with_safe_default_protocol_versions()
    .expect("versions")
    .with_no_client_auth()
    .with_single_cert(vec![certified.cert.der().clone()], private)
    .expect("they belong together");
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let port = listener.local_addr().expect("an address").port();
    let given = json!({"idScope": street.id_scope(), "registrationId": SERIAL, "symmetricKey": key("stock")});
    let answers = vec![
        (
            200,
            json!({"device_code": "d-secret", "user_code": "WDJB-MJHT", "verification_uri": "https://fleet.example/device",
                   "expires_in": 600, "interval": 1})
            .to_string(),
        ),
        (400, json!({"error": "authorization_pending"}).to_string()),
        (
            200,
            json!({"access_token": "t-secret", "token_type": "Bearer"}).to_string(),
        ),
        (200, given.to_string()),
    ];
    let served = tokio::spawn(serve(
        listener,
        TlsAcceptor::from(Arc::new(config)),
        answers,
    ));
    // One file for both authorities: the service's, and the simulator's.
    let trusted = street.directory.path().join("both.pem");
    let own = std::fs::read_to_string(street.simulator.info().ca_file).expect("a CA");
    std::fs::write(&trusted, own + &certified.cert.pem()).expect("room on disk");

    let (running, desk) = street.start_host(&[
        ("BAY_CLAIM_URL", format!("https://localhost:{port}/claim")),
        ("BAY_TRUST_FILE", trusted.display().to_string()),
    ]);
    let mut view = desk.watch();
    let shown = timeout(BOUND, view.wait_for(|view| view.sign_in.is_some()))
        .await
        .expect("a code")
        .expect("it runs")
        .clone();
    assert!(shown.can_sign_in);
    let sign_in = shown.sign_in.expect("just seen");
    assert_eq!(sign_in.user_code, "WDJB-MJHT");
    timeout(
        BOUND,
        view.wait_for(|view| view.waits_for == Some(WaitsFor::Restart)),
    )
    .await
    .expect("it is claimed")
    .expect("it runs");
    street.restarted(1).await;
    running.stop().await;

    let asked = served.await.expect("no panic");
    assert!(asked[0].starts_with("POST /claim/device_authorization HTTP/1.1\r\n"));
    assert!(asked[0].ends_with(&format!("client_id=cow-bay&scope=claim&serial={SERIAL}")));
    assert!(asked[1].contains(
        "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Adevice_code&device_code=d-secret"
    ));
    assert!(asked[3].starts_with("GET /claim/registration HTTP/1.1\r\n"));
    assert!(
        asked[3]
            .to_ascii_lowercase()
            .contains("authorization: bearer t-secret\r\n")
    );

    let (running, desk) = street.start_host(&[]);
    let mut view = desk.watch();
    timeout(BOUND, view.wait_for(|view| view.mode() == Mode::Stock))
        .await
        .expect("it is stock")
        .expect("it runs");
    assert!(street.config_text().contains(&key("stock")));
    running.stop().await;
}
