//! A module under the Edge runtime: the workload API over its socket, and methods over HTTPS.

use std::convert::Infallible;
use std::path::Path;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hub_client::{Client, ConnectionError, Event, InvokeError, LinkError, Source};
use hub_proto::identity::Identity;
use hub_proto::method::MethodRequest;
use hub_proto::sas::{self, SymmetricKey};
use hub_proto::workload::{Endpoint, SignRequest, SignResponse};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::json;
use tokio::net::UnixListener;

use super::options;
use super::server::{Hub, KEY, next, soon};

fn key() -> SymmetricKey {
    SymmetricKey::from_base64(KEY).expect("a key")
}

/// A runtime that signs for `edge01/light`, trusts one authority, and counts what it is asked.
struct Runtime {
    asked: Arc<Mutex<Vec<Endpoint>>>,
}

impl Runtime {
    fn start(socket: &Path, ca_pem: &str) -> Self {
        let listener = UnixListener::bind(socket).expect("a socket");
        let asked = Arc::new(Mutex::new(Vec::new()));
        let (log, ca_pem) = (Arc::clone(&asked), ca_pem.to_owned());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (log, ca_pem) = (Arc::clone(&log), ca_pem.clone());
                let service =
                    service_fn(move |request| answer(Arc::clone(&log), ca_pem.clone(), request));
                tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
            }
        });
        Self { asked }
    }

    fn signed(&self) -> usize {
        let asked = self.asked.lock().expect("not poisoned");
        asked
            .iter()
            .filter(|endpoint| matches!(endpoint, Endpoint::Sign { .. }))
            .count()
    }
}

async fn answer(
    log: Arc<Mutex<Vec<Endpoint>>>,
    ca_pem: String,
    request: Request<Incoming>,
) -> Result<Response<Full<Bytes>>, Infallible> {
    let target = request
        .uri()
        .path_and_query()
        .expect("a target")
        .to_string();
    let endpoint = Endpoint::parse(request.method().as_str(), &target).expect("an endpoint");
    log.lock().expect("not poisoned").push(endpoint.clone());
    let body = request
        .into_body()
        .collect()
        .await
        .expect("a body")
        .to_bytes();
    let answer = match endpoint {
        Endpoint::TrustBundle => json!({ "certificate": ca_pem }),
        Endpoint::Sign { module, generation } if module == "light" && generation == "638412" => {
            let request: SignRequest = serde_json::from_slice(&body).expect("a request");
            json!(SignResponse::new(
                &key().sign(&request.data().expect("base64"))
            ))
        }
        _ => {
            let body = Full::from(r#"{"message":"forbidden"}"#);
            return Ok(Response::builder()
                .status(403)
                .body(body)
                .expect("a response"));
        }
    };
    Ok(Response::new(Full::from(answer.to_string())))
}

fn environment(socket: &Path, hub: &Hub, generation: &str) -> Source {
    let uri = format!("unix://{}", socket.display());
    let port = hub.port.to_string();
    Source::from_env(&|name| {
        let value = match name {
            "IOTEDGE_WORKLOADURI" => uri.as_str(),
            "IOTEDGE_GATEWAYHOSTNAME" => "127.0.0.1",
            "IOTEDGE_IOTHUBHOSTNAME" => "myhub",
            "IOTEDGE_DEVICEID" => "edge01",
            "IOTEDGE_MODULEID" => "light",
            "IOTEDGE_MODULEGENERATIONID" => generation,
            "IOTEDGE_APIVERSION" => "2022-08-03",
            "IOTEDGE_AUTHSCHEME" => "sasToken",
            "IOTEDGE_GATEWAY_MQTT_PORT" | "IOTEDGE_GATEWAY_HTTPS_PORT" => port.as_str(),
            _ => return None,
        };
        Some(value.to_owned())
    })
    .expect("complete")
}

#[tokio::test]
async fn the_runtime_signs_for_each_connection_and_says_whom_to_trust() {
    let directory = tempfile::tempdir().expect("a directory");
    let socket = directory.path().join("workload.sock");
    let hub = Hub::start().await;
    let runtime = Runtime::start(&socket, &hub.ca_pem);
    let (_client, mut events) = Client::connect(environment(&socket, &hub, "638412"), options());
    for signed in 1..=2 {
        let connection = hub.welcome(1).await;
        let token = connection.connect.password.clone().expect("a password");
        let token = std::str::from_utf8(&token).expect("text");
        let now = jiff::Timestamp::now().as_second();
        sas::verify(
            token,
            "myhub/devices/edge01/modules/light",
            [&key()],
            now,
            0,
        )
        .expect("a good token");
        assert_eq!(runtime.signed(), signed);
    }
    assert!(matches!(next(&mut events).await, Event::Connected));
}

#[tokio::test]
async fn a_missing_or_unwilling_runtime_is_named() {
    let directory = tempfile::tempdir().expect("a directory");
    let socket = directory.path().join("workload.sock");
    let hub = Hub::start().await;
    let (_client, mut events) = Client::connect(environment(&socket, &hub, "638412"), options());
    let Event::Disconnected { why, .. } = next(&mut events).await else {
        panic!("no failure")
    };
    assert!(
        matches!(why, LinkError::WorkloadUnreachable { .. }),
        "{why:?}"
    );
    assert!(why.to_string().contains("workload.sock"), "{why}");

    let _runtime = Runtime::start(&socket, &hub.ca_pem);
    let (_client, mut events) = Client::connect(environment(&socket, &hub, "1"), options());
    let Event::Disconnected { why, .. } = next(&mut events).await else {
        panic!("no failure")
    };
    assert_eq!(
        why.to_string(),
        "the Edge runtime refused to sign: 403 forbidden"
    );
}

#[tokio::test]
async fn a_module_that_waits_for_its_runtime_connects_when_it_is_there() {
    let directory = tempfile::tempdir().expect("a directory");
    let socket = directory.path().join("workload.sock");
    let hub = Hub::start().await;
    let (_client, mut events) = Client::connect(environment(&socket, &hub, "638412"), options());
    assert!(matches!(
        next(&mut events).await,
        Event::Disconnected { .. }
    ));
    let _runtime = Runtime::start(&socket, &hub.ca_pem);
    let _connection = hub.welcome(1).await;
    soon("a connection", async {
        while !matches!(next(&mut events).await, Event::Connected) {}
    })
    .await;
}

/// Serves one HTTPS request with this answer, and gives what was asked.
async fn serve(hub: &Hub, status: u16, answer: &'static str) -> (String, hyper::HeaderMap, Bytes) {
    let asked = Arc::new(Mutex::new(None));
    let log = Arc::clone(&asked);
    let service = service_fn(move |request: Request<Incoming>| {
        let log = Arc::clone(&log);
        async move {
            let target = format!("{} {}", request.method(), request.uri());
            let headers = request.headers().clone();
            let body = request
                .into_body()
                .collect()
                .await
                .expect("a body")
                .to_bytes();
            *log.lock().expect("not poisoned") = Some((target, headers, body));
            let response = Response::builder()
                .status(status)
                .body(Full::<Bytes>::from(answer));
            Ok::<_, Infallible>(response.expect("a response"))
        }
    });
    let stream = hub.accept_tls().await.expect("TLS");
    let _ = http1::Builder::new()
        .keep_alive(false)
        .serve_connection(TokioIo::new(stream), service)
        .await;
    asked
        .lock()
        .expect("not poisoned")
        .take()
        .expect("a request")
}

#[tokio::test]
async fn methods_of_other_modules_go_over_https() {
    let (mqtt, https) = (Hub::start().await, Hub::start().await);
    let source = https.module().with_ports(mqtt.port, https.port);
    let (client, _events) = Client::connect(source, options());
    let target = Identity::module("edge01", "hc-sr04").expect("plain ids");
    let request = MethodRequest::new("measure", json!({"echoes": 5}));
    let call = client.invoke_method(&target, &request);
    let answer = r#"{"status":504,"payload":{"reason":"no echo"}}"#;
    let (response, (line, headers, body)) = tokio::join!(call, serve(&https, 200, answer));
    let response = response.expect("an answer");
    assert_eq!(
        (response.status, response.payload),
        (504, json!({"reason": "no echo"}))
    );
    assert_eq!(
        line,
        "POST /twins/edge01/modules/hc-sr04/methods?api-version=2019-10-01"
    );
    assert_eq!(headers["x-ms-edge-moduleid"], "edge01/light");
    let token = headers["authorization"].to_str().expect("text");
    let now = jiff::Timestamp::now().as_second();
    sas::verify(
        token,
        "myhub/devices/edge01/modules/light",
        [&key()],
        now,
        0,
    )
    .expect("a good token");
    assert_eq!(
        serde_json::from_slice::<serde_json::Value>(&body).expect("JSON"),
        json!({"methodName": "measure", "payload": {"echoes": 5}, "responseTimeoutInSeconds": 30, "connectTimeoutInSeconds": 0})
    );
    for (status, answer, expected) in [
        (
            404,
            r#"{"message":"Client edge01/x not found"}"#,
            "target not found: Client edge01/x not found",
        ),
        (
            504,
            r#"{"message":"Timed out"}"#,
            "target did not answer: Timed out",
        ),
        (401, r#"{"message":"no"}"#, "the gateway answered 401: no"),
        (200, "{", "the gateway's answer cannot be read"),
    ] {
        let call = client.invoke_method(&target, &request);
        let (response, _) = tokio::join!(call, serve(&https, status, answer));
        assert_eq!(response.expect_err("a failure").to_string(), expected);
    }
    drop(https);
    let failure = client
        .invoke_method(&target, &request)
        .await
        .expect_err("nobody there");
    assert!(
        matches!(
            failure,
            InvokeError::Link(LinkError::Connection(ConnectionError::Unreachable { .. }))
        ),
        "{failure:?}"
    );
    let invalid = MethodRequest {
        response_timeout_in_seconds: 1,
        ..request
    };
    let failure = client
        .invoke_method(&target, &invalid)
        .await
        .expect_err("out of bounds");
    assert!(matches!(failure, InvokeError::Invalid(_)), "{failure:?}");
}
