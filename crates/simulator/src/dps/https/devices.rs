//! The device API: register, ask how far it is, look up.

use std::sync::Arc;

use axum::body::Bytes;
use axum::http::request::Parts;
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use hub_proto::percent;

use super::{header_text, json, status_of};
use crate::certificates::PeerCertificates;
use crate::dps::Dps;
use crate::dps::answer::Answer;
use crate::dps::attempts::Transport;
use crate::dps::attestation::Proof;
use crate::dps::registering::Caller;

/// `/{scope}/registrations/{rest}`.
pub(super) fn answer(
    dps: &Arc<Dps>,
    parts: &Parts,
    id_scope: &str,
    rest: &[&str],
    body: &Bytes,
) -> Response {
    let token = header_text(parts, header::AUTHORIZATION);
    let peer = parts.extensions.get::<PeerCertificates>();
    let caller = |registration_id| Caller {
        id_scope,
        registration_id,
        proof: Proof::of(token, peer),
        transport: Transport::Https,
    };
    let is = |segment: &str, name: &str| segment.eq_ignore_ascii_case(name);
    match (&parts.method, rest) {
        (&Method::PUT, [id, register]) if is(register, "register") => {
            let answer = dps.register(&caller(id), body);
            let location = answer
                .operation_id
                .as_ref()
                .map(|operation| location(parts, id_scope, id, operation));
            response(&answer, location)
        }
        (&Method::GET, [id, operations, operation]) if is(operations, "operations") => {
            response(&dps.operation(&caller(id), operation), None)
        }
        (&Method::POST, [id]) => response(&dps.look_up(&caller(id)), None),
        (_, [_] | [_, _] | [_, _, _]) => StatusCode::METHOD_NOT_ALLOWED.into_response(),
        _ => StatusCode::NOT_FOUND.into_response(),
    }
}

/// Where a registration that has begun can be asked about.
fn location(parts: &Parts, id_scope: &str, id: &str, operation: &str) -> String {
    let host = header_text(parts, header::HOST).unwrap_or_default();
    let query = parts.uri.query().unwrap_or_default();
    format!(
        "https://{host}/{}/registrations/{}/operations/{}?{query}",
        percent::encode(id_scope),
        percent::encode(id),
        percent::encode(operation)
    )
}

fn response(answer: &Answer, location: Option<String>) -> Response {
    let mut response = json(status_of(answer.status), answer.body.clone());
    let headers = response.headers_mut();
    if let Some(seconds) = answer.retry_after {
        headers.insert(header::RETRY_AFTER, seconds.into());
    }
    if let Some(location) = location.and_then(|location| HeaderValue::try_from(location).ok()) {
        headers.insert(header::LOCATION, location);
    }
    response
}
