//! The service API: enrolments, groups and registrations, for whoever holds the owner's policy key.

mod enrolled;
mod query;

use std::sync::Arc;

use axum::body::Bytes;
use axum::http::request::Parts;
use axum::http::{Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use hub_proto::dps::error::DpsErrorCode;
use jiff::Timestamp;

use self::enrolled::{Enrolled, Groups, Individuals};
use super::{header_text, refusal};
use crate::dps::Dps;
use crate::dps::enrolling::EnrollFault;
use crate::policy::{self, PolicyFault};
use crate::precondition::Precondition;
use crate::registry::StoredKey;
use crate::rest::document;
use crate::with_causes;

/// `/enrollments…`, `/enrollmentGroups…` and `/registrations…`.
pub(super) fn answer(dps: &Arc<Dps>, parts: &Parts, segments: &[&str], body: &Bytes) -> Response {
    if let Err(fault) = dps.check_operator(header_text(parts, header::AUTHORIZATION)) {
        tracing::debug!(
            reason = with_causes(&fault),
            "an operator's request was refused"
        );
        return refusal(DpsErrorCode::Unauthorized, "Unauthorized");
    }
    let is = |segment: &str, name: &str| segment.eq_ignore_ascii_case(name);
    let answered = match segments {
        [first, rest @ ..] if is(first, "enrollments") => {
            of_enrolled::<Individuals>(dps, parts, rest, body)
        }
        [first, rest @ ..] if is(first, "enrollmentGroups") => {
            of_enrolled::<Groups>(dps, parts, rest, body)
        }
        [_, rest @ ..] => of_registrations(dps, parts, rest, body),
        [] => return StatusCode::NOT_FOUND.into_response(),
    };
    answered.unwrap_or_else(|fault| refusal(fault.code(), &with_causes(&fault)))
}

fn of_enrolled<E: Enrolled>(
    dps: &Arc<Dps>,
    parts: &Parts,
    rest: &[&str],
    body: &Bytes,
) -> Result<Response, EnrollFault> {
    let is = |segment: &str, name: &str| segment.eq_ignore_ascii_case(name);
    let when = Precondition::of_header(header_text(parts, header::IF_MATCH));
    match (&parts.method, rest) {
        (&Method::POST, []) => Ok(document(&enrolled::bulk::<E>(dps, read(body)?)?)),
        (&Method::POST, [query]) if is(query, "query") => {
            query::page(parts, body, E::ITEM_TYPE, E::all(dps)?)
        }
        (&Method::GET, [id]) => Ok(document(&E::get(dps, id)?)),
        (&Method::PUT, [id]) => Ok(document(&E::put(dps, id, read(body)?, when)?)),
        (&Method::DELETE, [id]) => {
            E::remove(dps, id, when)?;
            Ok(StatusCode::NO_CONTENT.into_response())
        }
        (&Method::POST, [id, mechanism]) if is(mechanism, "attestationmechanism") => {
            Ok(document(&E::attestation(dps, id)?))
        }
        _ => Ok(unknown(rest)),
    }
}

fn of_registrations(
    dps: &Arc<Dps>,
    parts: &Parts,
    rest: &[&str],
    body: &Bytes,
) -> Result<Response, EnrollFault> {
    match (&parts.method, rest) {
        (&Method::GET, [id]) => Ok(document(&dps.registration(id)?)),
        (&Method::DELETE, [id]) => {
            dps.remove_registration(id, header_text(parts, header::IF_MATCH))?;
            Ok(StatusCode::NO_CONTENT.into_response())
        }
        (&Method::POST, [group, query]) if query.eq_ignore_ascii_case("query") => {
            let states = dps.registrations(Some(group))?;
            let states = states.iter().map(enrolled::value).collect();
            query::page(parts, body, "DeviceRegistration", states)
        }
        _ => Ok(unknown(rest)),
    }
}

fn unknown(rest: &[&str]) -> Response {
    if rest.len() > 2 {
        StatusCode::NOT_FOUND.into_response()
    } else {
        StatusCode::METHOD_NOT_ALLOWED.into_response()
    }
}

fn read<T: serde::de::DeserializeOwned>(body: &[u8]) -> Result<T, EnrollFault> {
    serde_json::from_slice(body)
        .map_err(|error| EnrollFault::Document(format!("The body cannot be read: {error}")))
}

impl Dps {
    /// Checks an operator's token: one of a policy of this service, for this service.
    fn check_operator(&self, token: Option<&str>) -> Result<(), PolicyFault> {
        let key_of = |policy: &str| {
            let core = self.lock();
            core.registry.policies.get(policy).map(StoredKey::key)
        };
        policy::signatory(token, &self.accepted, "", key_of, Timestamp::now()).map(drop)
    }
}
