//! Over HTTPS.

use std::time::Duration;

use dps_client::{Limits, Progress, Protocol, RegisterError, Waiting, register, register_with};
use serde_json::{Value, json};

use super::server::{Dps, SCOPE, assert_opens};
use super::{ASSIGNED, ASSIGNING, UNAUTHORIZED, limits};

fn register_line() -> String {
    format!("PUT /{SCOPE}/registrations/r1/register?api-version=2021-06-01 HTTP/1.1")
}

fn status_line() -> String {
    format!("GET /{SCOPE}/registrations/r1/operations/4.b2f1.77aa?api-version=2021-06-01 HTTP/1.1")
}

#[tokio::test]
async fn goes_as_documented() {
    let dps = Dps::start().await;
    let mut device = dps.device(Protocol::Https);
    device.payload = Some(json!({"modelId": "dtmi:acme:Pump;1"}));
    let mut told = Vec::new();
    let service = async {
        let request = dps.request().await;
        assert_eq!(request.line, register_line());
        let host = format!("127.0.0.1:{}", dps.port);
        assert_eq!(request.header("host"), Some(host.as_str()));
        assert_eq!(request.header("content-type"), Some("application/json"));
        assert_eq!(request.header("user-agent"), Some("test/1"));
        assert_opens(request.header("authorization").expect("a token"));
        assert!(!request.has_certificate());
        let body: Value = serde_json::from_str(&request.body).expect("JSON");
        assert_eq!(
            body,
            json!({"registrationId": "r1", "payload": {"modelId": "dtmi:acme:Pump;1"}})
        );
        request.answer(202, &["Retry-After: 1"], ASSIGNING).await;

        let request = dps.request().await;
        assert_eq!(request.line, status_line());
        assert_opens(request.header("authorization").expect("a token"));
        request.answer(200, &[], ASSIGNED).await;
    };
    let registered = register_with(&device, limits(), |progress| told.push(progress));
    let (assignment, ()) = tokio::join!(registered, service);
    assert_eq!(assignment.expect("a hub").hub, "myhub.azure-devices.net");
    let second = Duration::from_secs(1);
    assert!(
        matches!(&told[1], Progress::Waiting { wait, why: Waiting::Assigning } if *wait == second),
        "{told:?}"
    );
}

#[tokio::test]
async fn a_certificate_takes_the_place_of_the_token() {
    let dps = Dps::start().await;
    let device = dps.device_with_certificate(Protocol::Https);
    let service = async {
        let request = dps.request().await;
        assert_eq!(request.header("authorization"), None);
        assert!(request.has_certificate());
        request.answer(200, &[], ASSIGNED).await;
    };
    let (assignment, ()) = tokio::join!(register(&device, limits()), service);
    assert!(assignment.is_ok());
}

#[tokio::test]
async fn a_busy_service_and_a_broken_exchange_are_tried_again() {
    let dps = Dps::start().await;
    let device = dps.device(Protocol::Https);
    let mut told = Vec::new();
    let service = async {
        let throttled = dps.request().await;
        throttled.answer(429, &["Retry-After: 1"], "").await;
        drop(dps.request().await);
        let dated = dps.request().await;
        dated
            .answer(
                202,
                &["Retry-After: Fri, 31 Dec 1999 23:59:59 GMT"],
                ASSIGNING,
            )
            .await;
        drop(dps.request().await);
        let request = dps.request().await;
        assert_eq!(request.line, status_line());
        request.answer(200, &[], ASSIGNED).await;
    };
    let registered = register_with(&device, limits(), |progress| told.push(progress));
    let (assignment, ()) = tokio::join!(registered, service);
    assert!(assignment.is_ok());
    assert!(matches!(
        &told[1],
        Progress::Waiting { wait, why: Waiting::PutOff { status: 429 } } if *wait >= Duration::from_secs(1)
    ));
}

#[tokio::test]
async fn each_refusal_has_its_own_error() {
    let dps = Dps::start().await;
    let device = dps.device(Protocol::Https);
    for (status, body) in [(401, UNAUTHORIZED), (404, ""), (403, ""), (200, "<html>")] {
        let service = async { dps.request().await.answer(status, &[], body).await };
        let (result, ()) = tokio::join!(register(&device, limits()), service);
        let error = result.expect_err("no hub");
        let is_expected = match status {
            401 => {
                matches!(&error, RegisterError::Unauthorized(r) if r.tracking_id.as_deref() == Some("ab12"))
            }
            404 => matches!(&error, RegisterError::NotFound(_)),
            403 => matches!(&error, RegisterError::Refused(r) if r.status == 403),
            _ => matches!(&error, RegisterError::Malformed(_)),
        };
        assert!(is_expected && error.is_permanent(), "{status}: {error:?}");
    }
}

#[tokio::test]
async fn silence_ends_in_giving_up() {
    let dps = Dps::start().await;
    let device = dps.device(Protocol::Https);
    let limits = Limits {
        give_up_after: Duration::from_secs(3),
        ..limits()
    };
    let (result, _kept) = tokio::join!(register(&device, limits), dps.request());
    let error = result.expect_err("no hub");
    assert!(
        matches!(&error, RegisterError::Unreachable { after, .. } if *after >= Duration::from_secs(3)),
        "{error:?}"
    );
}
