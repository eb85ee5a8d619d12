//! One request, one answer.

use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use transport::http::{ExchangeError, Request, RequestError, exchange_over_tls};
use transport::{Error, tls};

use super::server::{Authority, Server, soon};

const WITHIN: Duration = Duration::from_secs(10);

fn request() -> Request<Bytes> {
    Request::put("/0ne/registrations/r1/register")
        .header("Host", "127.0.0.1")
        .body(Bytes::from("{}"))
        .expect("a request")
}

/// Reads one request with the body `{}`, and answers with these bytes.
async fn answer(server: &Server, answer: &str) -> String {
    let mut stream = server.tls().await;
    let mut asked = Vec::new();
    while !asked.ends_with(b"\r\n\r\n{}") {
        let read = soon("a request", stream.read_buf(&mut asked)).await;
        assert_ne!(read.expect("open"), 0, "the request broke off");
    }
    stream.write_all(answer.as_bytes()).await.expect("open");
    stream.shutdown().await.expect("open");
    String::from_utf8(asked).expect("text")
}

#[tokio::test]
async fn an_answer_comes_with_its_headers_whatever_its_status() {
    let authority = Authority::new();
    let server = authority.server("127.0.0.1").await;
    let config = tls::client_config(&authority.trust(), None)
        .await
        .expect("somebody to trust");
    let (response, asked) = tokio::join!(
        exchange_over_tls("127.0.0.1", server.port, config, request(), WITHIN),
        answer(
            &server,
            "HTTP/1.1 429 Too Many\r\nRetry-After: 3\r\nContent-Length: 2\r\n\r\nno"
        )
    );
    let response = response.expect("an answer");
    assert_eq!(response.status(), 429);
    assert_eq!(response.headers()["retry-after"], "3");
    assert_eq!(response.body(), "no");
    assert!(
        asked.starts_with("PUT /0ne/registrations/r1/register HTTP/1.1\r\nhost: 127.0.0.1\r\n"),
        "{asked}"
    );
}

#[tokio::test]
async fn a_client_certificate_is_offered() {
    let (authority, clients) = (Authority::new(), Authority::new());
    let server = authority.server_for(&clients).await;
    let certificate = clients.client("r1");
    let config = tls::client_config(&authority.trust(), Some(&certificate))
        .await
        .expect("somebody to trust");
    let (response, _) = tokio::join!(
        exchange_over_tls("127.0.0.1", server.port, config, request(), WITHIN),
        answer(&server, "HTTP/1.1 204 Nothing\r\n\r\n")
    );
    assert_eq!(response.expect("an answer").status(), 204);
}

#[tokio::test]
async fn an_answer_that_breaks_off_or_makes_no_sense_is_no_answer() {
    let authority = Authority::new();
    let server = authority.server("127.0.0.1").await;
    let config = tls::client_config(&authority.trust(), None)
        .await
        .expect("somebody to trust");
    for (text, is_body) in [
        ("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nno", true),
        ("MQTT", false),
        ("", false),
    ] {
        let (response, _) = tokio::join!(
            exchange_over_tls("127.0.0.1", server.port, config.clone(), request(), WITHIN),
            answer(&server, text)
        );
        match response.expect_err("no answer") {
            RequestError::Exchange(ExchangeError::Body) if is_body => {}
            RequestError::Exchange(ExchangeError::Broken(_)) if !is_body => {}
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn the_limit_is_for_everything_together() {
    let authority = Authority::new();
    let server = authority.server("127.0.0.1").await;
    let config = tls::client_config(&authority.trust(), None)
        .await
        .expect("somebody to trust");
    let within = Duration::from_millis(50);
    let (response, _silent) = tokio::join!(
        exchange_over_tls("127.0.0.1", server.port, config, request(), within),
        server.tcp()
    );
    let error = response.expect_err("no answer");
    assert!(
        matches!(error, RequestError::Connection(Error::TimedOut { .. })),
        "{error:?}"
    );
}
