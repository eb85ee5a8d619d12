//! One name for each thing that can be wrong, whether the connection was to speak MQTT or HTTPS.

use std::time::Duration;

use rcgen::{CertificateParams, date_time_ymd};
use transport::http::{Request, RequestError, exchange_over_tls};
use transport::mqtt::{Link, LinkEvent, LinkOptions};
use transport::{ClientCertificate, Error, Trust, tls};

use super::server::{Authority, soon};

/// What an MQTT connection and an HTTPS request fail with.
async fn failures(
    port: u16,
    trust: &Trust,
    certificate: Option<&ClientCertificate>,
    server: impl AsyncFn(),
) -> [Error; 2] {
    let config = tls::client_config(trust, certificate)
        .await
        .expect("somebody to trust");
    let mut link = Link::open(LinkOptions {
        host: "127.0.0.1".to_owned(),
        port,
        client_id: "d".to_owned(),
        user_name: "hub/d".to_owned(),
        password: None,
        clean_session: true,
        keep_alive: Duration::from_secs(60),
        tls: config.clone(),
    });
    let (event, ()) = tokio::join!(soon("an event", link.next()), server());
    let LinkEvent::Down(mqtt) = event else {
        panic!("{event:?}")
    };
    let request = Request::get("/")
        .header("Host", "127.0.0.1")
        .body(bytes::Bytes::new())
        .expect("a request");
    let within = Duration::from_secs(10);
    let exchanged = exchange_over_tls("127.0.0.1", port, config, request, within);
    let (answer, ()) = tokio::join!(exchanged, server());
    let https = match answer {
        Err(RequestError::Connection(error)) => error,
        other => panic!("{other:?}"),
    };
    [mqtt, https]
}

#[tokio::test]
async fn a_certificate_for_another_host() {
    let authority = Authority::new();
    let server = authority.server("other.example").await;
    let refuses = async || server.refuses().await;
    for error in failures(server.port, &authority.trust(), None, refuses).await {
        assert!(
            matches!(&error, Error::WrongHostName { host } if host == "127.0.0.1"),
            "{error:?}"
        );
        assert!(error.is_permanent());
    }
}

#[tokio::test]
async fn an_unknown_authority() {
    let server = Authority::new().server("127.0.0.1").await;
    let refuses = async || server.refuses().await;
    for error in failures(server.port, &Authority::new().trust(), None, refuses).await {
        assert!(
            matches!(error, Error::UntrustedCertificate { .. }),
            "{error:?}"
        );
    }
}

#[tokio::test]
async fn an_expired_certificate() {
    let authority = Authority::new();
    let mut params = CertificateParams::new(vec!["127.0.0.1".to_owned()]).expect("a name");
    params.not_before = date_time_ymd(2020, 1, 1);
    params.not_after = date_time_ymd(2021, 1, 1);
    let server = authority.server_with(&params, None).await;
    let refuses = async || server.refuses().await;
    for error in failures(server.port, &authority.trust(), None, refuses).await {
        assert!(
            matches!(error, Error::ExpiredCertificate { .. }),
            "{error:?}"
        );
    }
}

#[tokio::test]
async fn a_client_certificate_that_is_missing_or_of_another_authority() {
    let (authority, clients) = (Authority::new(), Authority::new());
    let server = authority.server_for(&clients).await;
    let refuses = async || server.refuses().await;
    let impostor = Authority::new().client("d");
    let stranger = Authority::named("elsewhere").client("d");
    for certificate in [None, Some(&impostor), Some(&stranger)] {
        for error in failures(server.port, &authority.trust(), certificate, refuses).await {
            assert!(
                matches!(&error, Error::ClientCertificateRefused { host, .. } if host == "127.0.0.1"),
                "{error:?}"
            );
        }
    }
}

#[tokio::test]
async fn a_closed_port() {
    let authority = Authority::new();
    let port = authority.server("127.0.0.1").await.port;
    for error in failures(port, &authority.trust(), None, async || ()).await {
        assert!(matches!(error, Error::Unreachable { .. }), "{error:?}");
        assert!(!error.is_permanent());
    }
}

#[tokio::test]
async fn nobody_to_trust() {
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("ca.pem");
    let error = tls::client_config(&Trust::File(path.clone()), None).await;
    assert!(
        matches!(&error, Err(Error::TrustFile { path: named }) if *named == path),
        "{error:?}"
    );
    let error = tls::client_config(&Trust::Only(Vec::new()), None).await;
    assert!(matches!(error, Err(Error::NoTrustAnchors)), "{error:?}");
    assert!(Trust::only("no PEM").is_none());
}
