//! Bodies of the REST faces: methods, errors, the workload API.

use std::time::Duration;

use hub_proto::error::{ErrorCode, Failure};
use hub_proto::method::{MethodError, MethodRequest, MethodResponse, NoAnswer};
use hub_proto::time;
use hub_proto::workload::{Endpoint, EndpointError, SignRequest, SignResponse};
use serde_json::{Value, json};

fn failure(code: ErrorCode, message: &str) -> Failure {
    Failure {
        code,
        message: message.to_owned(),
        tracking_id: "5e0c11d0c1a14c0c9d5c5cf4b70e2a10".to_owned(),
        at: "2026-03-01T10:00:00Z".parse().expect("a timestamp"),
    }
}

#[test]
fn moments_have_seven_digits() {
    let moment = "2026-03-01T10:00:00.123456789Z"
        .parse()
        .expect("a timestamp");
    assert_eq!(time::format(moment), "2026-03-01T10:00:00.1234567Z");
    assert_eq!(time::format_for_tracking(moment), "03/01/2026 10:00:00");
}

#[test]
fn a_device_error_is_the_reference_body() {
    let body = failure(
        ErrorCode::ArgumentInvalid,
        "Property names must not start with '$'.",
    )
    .to_device_json();
    assert_eq!(
        body.to_string(),
        r#"{"errorCode":400004,"trackingId":"5e0c11d0c1a14c0c9d5c5cf4b70e2a10-G:4-TimeStamp:03/01/2026 10:00:00","message":"Property names must not start with '$'.","timestampUtc":"2026-03-01T10:00:00.0000000Z"}"#
    );
}

#[test]
fn a_service_error_names_itself_for_node() {
    let body =
        failure(ErrorCode::DeviceNotFound, "device pump9 is not registered").to_service_json();
    assert_eq!(
        body["Message"],
        "ErrorCode:DeviceNotFound;E404001: device pump9 is not registered"
    );
    assert_eq!(
        body["ExceptionMessage"],
        "Tracking ID:5e0c11d0c1a14c0c9d5c5cf4b70e2a10-G:4-TimeStamp:03/01/2026 10:00:00"
    );
}

#[test]
fn a_method_error_is_json_in_json() {
    let no_answer = NoAnswer::NotOnline;
    let body =
        failure(no_answer.code(), no_answer.message()).to_method_json(Duration::from_secs(3725));
    assert_eq!(body["ExceptionMessage"], "");
    let inner: Value =
        serde_json::from_str(body["Message"].as_str().expect("a text")).expect("JSON");
    assert_eq!(inner["errorCode"], 404_103);
    assert_eq!(inner["message"], "Timed out waiting for device to connect.");
    assert_eq!(inner["info"], json!({"timeout": "01:02:05"}));
}

#[test]
fn error_numbers_begin_with_their_status() {
    for code in ErrorCode::ALL {
        let logged_only = code.status() == 0;
        assert!(
            logged_only || u32::from(code.status()) == code.number() / 1000,
            "{code:?}"
        );
    }
}

#[test]
fn method_requests_of_both_sdks_are_read() {
    let python = json!({"methodName": "restart", "payload": "", "responseTimeoutInSeconds": 5, "connectTimeoutInSeconds": 2});
    let request: MethodRequest = serde_json::from_value(python).expect("reads");
    assert_eq!(
        (request.response_timeout(), request.connect_timeout()),
        (Duration::from_secs(5), Duration::from_secs(2))
    );
    assert_eq!(request.device_payload(), b"\"\"");
    let least: MethodRequest =
        serde_json::from_value(json!({"methodName": "restart"})).expect("reads");
    assert_eq!(
        (
            least.response_timeout_in_seconds,
            least.connect_timeout_in_seconds
        ),
        (30, 0)
    );
    assert_eq!(least.device_payload(), b"", "null is a body of no bytes");
}

#[test]
fn method_bounds_have_the_hubs_texts() {
    let request = |response, connect| MethodRequest {
        response_timeout_in_seconds: response,
        connect_timeout_in_seconds: connect,
        ..MethodRequest::new("m", Value::Null)
    };
    for (response, connect, verdict) in [
        (5, 0, Ok(())),
        (300, 300, Ok(())),
        (4, 0, Err(MethodError::ResponseTimeout)),
        (301, 0, Err(MethodError::ResponseTimeout)),
        (30, 301, Err(MethodError::ConnectTimeout)),
    ] {
        assert_eq!(request(response, connect).validate(), verdict);
    }
    assert_eq!(
        MethodError::ResponseTimeout.to_string(),
        "responseTimeoutInSeconds must be within [5; 300]."
    );
    assert_eq!(
        MethodRequest::new("", Value::Null).validate(),
        Err(MethodError::Name)
    );
    assert_eq!(
        MethodRequest::new("m", "x".repeat(131_071).into()).validate(),
        Err(MethodError::PayloadTooLarge(131_073)),
        "the quotes count"
    );
}

#[test]
fn a_device_may_answer_nothing() {
    let response = MethodResponse::from_device(201, b"").expect("no bytes are null");
    assert_eq!(
        serde_json::to_value(response).expect("serialises"),
        json!({"status": 201, "payload": null})
    );
    assert_eq!(
        MethodResponse::from_device(200, b"{"),
        Err(MethodError::NotJson)
    );
    let large = vec![b' '; 131_073];
    assert_eq!(
        MethodResponse::from_device(200, &large),
        Err(MethodError::PayloadTooLarge(131_073))
    );
}

#[test]
fn the_sign_capture_reads_and_writes() {
    let target = "/modules/sensor/genid/638412/sign?api-version=2022-08-03";
    let endpoint = Endpoint::parse("POST", target).expect("an endpoint");
    assert_eq!(
        endpoint,
        Endpoint::Sign {
            module: "sensor".to_owned(),
            generation: "638412".to_owned()
        }
    );
    assert_eq!(endpoint.target("2022-08-03"), target);
    let body = serde_json::to_string(&SignRequest::new(b"x\n1")).expect("serialises");
    assert_eq!(
        body,
        r#"{"keyId":"primary","algo":"HMACSHA256","data":"eAox"}"#
    );
    let least: SignRequest =
        serde_json::from_str(r#"{"data":"eAox"}"#).expect("only data is needed");
    assert_eq!(least.data().as_deref(), Some(&b"x\n1"[..]));
    assert_eq!(
        SignRequest {
            data: "*".to_owned(),
            ..least
        }
        .data(),
        None
    );
    assert_eq!(
        SignResponse::new(b"x\n1").digest().as_deref(),
        Some(&b"x\n1"[..])
    );
}

#[test]
fn workload_endpoints_read_back() {
    let m = || "$edgeAgent".to_owned();
    for endpoint in [
        Endpoint::Sign {
            module: m(),
            generation: "1".to_owned(),
        },
        Endpoint::Encrypt {
            module: m(),
            generation: "1".to_owned(),
        },
        Endpoint::Decrypt {
            module: m(),
            generation: "1".to_owned(),
        },
        Endpoint::ServerCertificate {
            module: m(),
            generation: "1".to_owned(),
        },
        Endpoint::IdentityCertificate { module: m() },
        Endpoint::TrustBundle,
        Endpoint::ManifestTrustBundle,
        Endpoint::Modules,
    ] {
        let target = endpoint.target("2021-12-07");
        assert!(!target.contains('$'), "{target}");
        assert_eq!(Endpoint::parse(endpoint.method(), &target), Ok(endpoint));
    }
    for (method, target, error) in [
        ("GET", "/trust-bundle", EndpointError::NoApiVersion),
        (
            "GET",
            "/trust-bundle?api-version=1",
            EndpointError::BadApiVersion("1".to_owned()),
        ),
        (
            "POST",
            "/trust-bundle?api-version=2018-06-28",
            EndpointError::NotFound,
        ),
        (
            "POST",
            "/modules/m/sign?api-version=2018-06-28",
            EndpointError::NotFound,
        ),
    ] {
        assert_eq!(Endpoint::parse(method, target), Err(error), "{target}");
    }
}
