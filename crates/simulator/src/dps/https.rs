//! The provisioning service over HTTPS: the device API and the service API.
//!
//! The path is taken apart here, see [`crate::rest`].

mod devices;
mod service;

use std::io;
use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use hub_proto::dps::error::{DpsErrorCode, ErrorBody};
use jiff::Timestamp;

use super::Dps;
use crate::rest::{header_text, json, segments, status_of};

/// Longest body: ten enrolments at once, with certificates and twins.
const LONGEST_BODY: usize = 1 << 20;

/// Answers whatever the hub has no path for.
pub(crate) async fn serve_request(State(dps): State<Arc<Dps>>, request: Request) -> Response {
    if dps.is_unreachable() {
        return broken_off();
    }
    let (parts, body) = request.into_parts();
    let Some(segments) = segments(parts.uri.path()) else {
        return refusal(DpsErrorCode::BadRequest, "The path cannot be read.");
    };
    let Ok(body) = axum::body::to_bytes(body, LONGEST_BODY).await else {
        return refusal(DpsErrorCode::BadRequest, "The body cannot be read.");
    };
    let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
    route(&dps, &parts, &segments, &body)
}

fn route(dps: &Arc<Dps>, parts: &Parts, segments: &[&str], body: &Bytes) -> Response {
    let is = |segment: &str, name: &str| segment.eq_ignore_ascii_case(name);
    match segments {
        [first, ..]
            if is(first, "enrollments")
                || is(first, "enrollmentGroups")
                || is(first, "registrations") =>
        {
            service::answer(dps, parts, segments, body)
        }
        [scope, second, rest @ ..] if is(second, "registrations") => {
            devices::answer(dps, parts, scope, rest, body)
        }
        _ => StatusCode::NOT_FOUND.into_response(),
    }
}

fn refusal(code: DpsErrorCode, message: &str) -> Response {
    let tracking_id = crate::tracking_id();
    let body = ErrorBody::new(code, message, tracking_id.clone(), Timestamp::now());
    let status = status_of(code.status());
    let body = serde_json::to_string(&body).unwrap_or_default();
    let mut response = json(status, body);
    if let Ok(id) = HeaderValue::from_str(&tracking_id) {
        let name = HeaderName::from_static("x-ms-request-id");
        response.headers_mut().insert(name, id);
    }
    response
}

/// Ends the connection in place of an answer: a body that fails before its first byte takes the head with it.
fn broken_off() -> Response {
    let nothing = futures_util::stream::once(async {
        Err::<Bytes, _>(io::Error::other("a lever made the service unreachable"))
    });
    Body::from_stream(nothing).into_response()
}
