//! One error for each thing that can be wrong.

use hub_client::{Client, ConnectionError, Event, LinkError, Source};
use rmqtt_codec::v3::ConnectAckReason;

use super::options;
use super::server::{Hub, KEY, next};

/// The first failure a client tells.
async fn failure(source: Source) -> LinkError {
    let (_client, mut events) = Client::connect(source, options());
    match next(&mut events).await {
        Event::Disconnected { why, .. } => why,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn refused_credentials_are_told_and_tried_again_with_a_new_token() {
    let hub = Hub::start().await;
    let (_client, mut events) = Client::connect(hub.module(), options());
    for (code, is_expected) in [
        (
            ConnectAckReason::NotAuthorized,
            ConnectionError::CredentialsRefused.to_string(),
        ),
        (
            ConnectAckReason::BadUserNameOrPassword,
            ConnectionError::CredentialsRefused.to_string(),
        ),
        (
            ConnectAckReason::ServiceUnavailable,
            ConnectionError::ServerBusy.to_string(),
        ),
        (
            ConnectAckReason::IdentifierRejected,
            ConnectionError::ProtocolRefused(2).to_string(),
        ),
    ] {
        hub.accept().await.connack(code).await;
        let Event::Disconnected { why, .. } = next(&mut events).await else {
            panic!("no failure")
        };
        assert_eq!(why.to_string(), is_expected);
    }
    let _connection = hub.welcome(1).await;
    assert!(matches!(next(&mut events).await, Event::Connected));
}

#[tokio::test]
async fn a_certificate_for_another_host_is_named_as_such() {
    let hub = Hub::start_as("other.example").await;
    let client = failure(hub.module());
    let (why, _) = tokio::join!(client, hub.accept_tls());
    assert!(
        matches!(&why, LinkError::Connection(ConnectionError::WrongHostName { host }) if host == "127.0.0.1"),
        "{why:?}"
    );
    assert!(why.is_permanent());
}

#[tokio::test]
async fn a_host_name_is_checked_like_an_address() {
    let hub = Hub::start_as("localhost").await;
    let source = hub.source("GatewayHostName=localhost;DeviceId=d");
    let (_client, mut events) = Client::connect(source, options());
    let _connection = hub.welcome(1).await;
    assert!(matches!(next(&mut events).await, Event::Connected));
}

#[tokio::test]
async fn an_unknown_authority_is_not_trusted() {
    let (hub, other) = (Hub::start().await, Hub::start().await);
    let source = other.module().with_ports(hub.port, hub.port);
    let (why, _) = tokio::join!(failure(source), hub.accept_tls());
    assert!(
        matches!(
            why,
            LinkError::Connection(ConnectionError::UntrustedCertificate { .. })
        ),
        "{why:?}"
    );
}

#[tokio::test]
async fn a_closed_port_and_an_unknown_name_are_unreachable() {
    let hub = Hub::start().await;
    let source = hub.module();
    drop(hub);
    let why = failure(source).await;
    assert!(
        matches!(
            why,
            LinkError::Connection(ConnectionError::Unreachable { .. })
        ),
        "{why:?}"
    );
    assert!(!why.is_permanent());

    let text = format!("HostName=no.such.host.invalid;DeviceId=d;SharedAccessKey={KEY}");
    let ca = Hub::start().await.ca_pem;
    let source = Source::from_connection_string(&text, Some(&ca)).expect("complete");
    let why = failure(source).await;
    assert!(
        matches!(
            why,
            LinkError::Connection(ConnectionError::Unreachable { .. })
        ),
        "{why:?}"
    );
}

#[tokio::test]
async fn a_server_that_hangs_up_has_closed() {
    let hub = Hub::start().await;
    let (why, connection) = tokio::join!(failure(hub.module()), async { drop(hub.accept().await) });
    let () = connection;
    assert!(
        matches!(why, LinkError::Connection(ConnectionError::Closed)),
        "{why:?}"
    );
}
