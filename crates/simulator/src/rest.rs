//! What every REST face here does alike with a request and its answer.
//!
//! Paths of the services match without case, which routers do not do; so their faces take them apart.

use axum::http::header::AsHeaderName;
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use hub_proto::percent;
use serde::Serialize;

/// The decoded segments of a path; nothing if one spells no UTF-8.
pub(crate) fn segments(path: &str) -> Option<Vec<String>> {
    path.split('/')
        .filter(|segment| !segment.is_empty())
        .map(|segment| {
            percent::decode(segment)
                .ok()
                .map(std::borrow::Cow::into_owned)
        })
        .collect()
}

pub(crate) fn header_text(parts: &Parts, name: impl AsHeaderName) -> Option<&str> {
    parts.headers.get(name)?.to_str().ok()
}

pub(crate) fn json(status: StatusCode, body: String) -> Response {
    const JSON: HeaderValue = HeaderValue::from_static("application/json; charset=utf-8");
    (status, [(header::CONTENT_TYPE, JSON)], body).into_response()
}

/// 200 with a plain document: there is nothing in it that JSON could not say.
pub(crate) fn document(document: &impl Serialize) -> Response {
    json(
        StatusCode::OK,
        serde_json::to_string(document).unwrap_or_default(),
    )
}

pub(crate) fn status_of(status: u16) -> StatusCode {
    StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
}
