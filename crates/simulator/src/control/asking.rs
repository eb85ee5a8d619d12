//! Requests to the control API in tests, without a socket.

use std::sync::Arc;

use axum::body::{Body, to_bytes};
use axum::http::{Method, Request};
use hyper::service::Service;
use hyper_util::service::TowerToHyperService;
use serde_json::Value;

use crate::Simulator;

/// Status and body of the answer.
pub(crate) async fn ask_text(
    simulator: &Arc<Simulator>,
    method: Method,
    path: &str,
    body: &Value,
) -> (u16, String) {
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header("content-type", "application/json")
        .body(Body::from(body.to_string()))
        .expect("a request");
    let router = TowerToHyperService::new(simulator.control());
    let response = router.call(request).await.expect("routers do not fail");
    let status = response.status().as_u16();
    let body = to_bytes(response.into_body(), 64 << 20).await;
    let body = body.expect("it is all there").to_vec();
    (status, String::from_utf8(body).expect("a text"))
}

/// As [`ask_text`], of an answer in JSON, or without a body: that is null.
pub(crate) async fn ask(
    simulator: &Arc<Simulator>,
    method: Method,
    path: &str,
    body: &Value,
) -> (u16, Value) {
    match ask_text(simulator, method, path, body).await {
        (status, text) if text.is_empty() => (status, Value::Null),
        (status, text) => (status, serde_json::from_str(&text).expect("JSON")),
    }
}
