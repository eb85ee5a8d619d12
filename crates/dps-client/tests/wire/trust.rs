//! Who is spoken with at all.

use std::time::Duration;

use dps_client::{Endpoint, Limits, Protocol, RegisterError, register};
use transport::Trust;

use super::limits;
use super::server::Dps;

#[tokio::test]
async fn a_stranger_gets_no_token() {
    for protocol in [Protocol::Mqtt, Protocol::Https] {
        let (dps, other) = (Dps::start().await, Dps::start().await);
        let mut device = other.device(protocol);
        device.global_endpoint = Endpoint::new("127.0.0.1").with_ports(dps.port, dps.port);
        let (result, _) = tokio::join!(register(&device, limits()), dps.accept_tls());
        assert!(
            matches!(
                &result,
                Err(RegisterError::Link(
                    transport::Error::UntrustedCertificate { .. }
                ))
            ),
            "{protocol:?}: {result:?}"
        );
    }
}

#[tokio::test]
async fn a_certificate_for_another_name_is_told() {
    for protocol in [Protocol::Mqtt, Protocol::Https] {
        let dps = Dps::start_as("dps.example").await;
        let device = dps.device(protocol);
        let (result, _) = tokio::join!(register(&device, limits()), dps.accept_tls());
        assert!(
            matches!(
                &result,
                Err(RegisterError::Link(transport::Error::WrongHostName { .. }))
            ),
            "{protocol:?}: {result:?}"
        );
    }
}

#[tokio::test]
async fn a_certificate_that_the_service_does_not_take_is_told_as_such() {
    for protocol in [Protocol::Mqtt, Protocol::Https] {
        let (dps, other) = (Dps::start().await, Dps::start().await);
        let mut device = dps.device(protocol);
        device.attestation = other.device_with_certificate(protocol).attestation;
        let refusing = async {
            loop {
                // The end of a connection may overtake the alert that says why: then the device comes again.
                dps.accept_tls().await.expect_err("not one of ours");
            }
        };
        let limits = limits();
        let result = tokio::select! {
            result = register(&device, limits) => result,
            () = refusing => unreachable!("it refuses for ever"),
        };
        assert!(
            matches!(&result, Err(RegisterError::Unauthorized(_))),
            "{protocol:?}: {result:?}"
        );
    }
}

#[tokio::test]
async fn a_closed_port_is_tried_until_the_end() {
    for protocol in [Protocol::Mqtt, Protocol::Https] {
        let dps = Dps::start().await;
        let device = dps.device(protocol);
        drop(dps);
        let limits = Limits {
            give_up_after: Duration::from_millis(500),
            ..limits()
        };
        let error = register(&device, limits).await.expect_err("no hub");
        assert!(
            matches!(
                &error,
                RegisterError::Unreachable {
                    source: Some(transport::Error::Unreachable { .. }),
                    ..
                }
            ),
            "{protocol:?}: {error:?}"
        );
        assert!(!error.is_permanent());
    }
}

#[tokio::test]
async fn what_cannot_begin_is_told_before_anything_is_sent() {
    let dps = Dps::start().await;
    let mut device = dps.device(Protocol::Mqtt);
    for scope in ["", "0ne00AA/registrations", "0ne 00AA", "0ne\0", "0né00AA"] {
        device.id_scope = scope.to_owned();
        let error = register(&device, limits()).await.expect_err("no scope");
        assert!(matches!(error, RegisterError::IdScope { .. }), "{error:?}");
    }
    let mut device = dps.device(Protocol::Mqtt);
    device.trust = Trust::File("/nowhere/ca.pem".into());
    let error = register(&device, limits())
        .await
        .expect_err("nobody to trust");
    assert!(
        matches!(
            error,
            RegisterError::Link(transport::Error::TrustFile { .. })
        ),
        "{error:?}"
    );
}
