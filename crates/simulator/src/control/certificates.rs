//! Signing in with certificates, over HTTP: what a device is registered with, and the hub's authorities.

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use hub_proto::error::ErrorCode;
use serde::Deserialize;

use super::{Body, Fault, Shared};
use crate::authentication::Authentication;
use crate::certificates::{Certificate, Thumbprint};
use crate::hub::AuthorityFault;

/// What an identity signs in with in place of a key: exactly one of these.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) enum X509 {
    /// One or two thumbprints, of SHA-1 or SHA-256.
    Thumbprints(Vec<String>),
    /// One or two certificates, in PEM or DER in base64, of which the hub keeps the thumbprints.
    Certificates(Vec<String>),
    /// Any certificate below an authority of the hub, with the identity as its common name.
    Ca(bool),
}

impl X509 {
    /// How an identity signs in; with a key if nothing is said.
    pub(super) fn authentication(given: Option<Self>) -> Result<Authentication, Fault> {
        let thumbprints: Result<Vec<Thumbprint>, _> = match given {
            None | Some(Self::Ca(false)) => return Ok(Authentication::Sas),
            Some(Self::Ca(true)) => return Ok(Authentication::CertificateAuthority),
            Some(Self::Thumbprints(texts)) => {
                texts.iter().map(|text| Thumbprint::parse(text)).collect()
            }
            Some(Self::Certificates(texts)) => {
                let certificates = texts.iter().map(|text| Certificate::from_text(text));
                certificates
                    .map(|certificate| Ok(certificate?.sha256()))
                    .collect()
            }
        };
        let mut thumbprints = thumbprints
            .map_err(|error| Fault::coded(ErrorCode::ArgumentInvalid, &error))?
            .into_iter();
        match (thumbprints.next(), thumbprints.next(), thumbprints.next()) {
            (Some(primary), secondary, None) => {
                Ok(Authentication::SelfSigned { primary, secondary })
            }
            _ => Err(Fault::new(
                StatusCode::BAD_REQUEST,
                "an identity has one certificate, or two while it changes from one to the other",
            )),
        }
    }
}

impl From<AuthorityFault> for Fault {
    fn from(fault: AuthorityFault) -> Self {
        let code = match &fault {
            AuthorityFault::Certificate(_)
            | AuthorityFault::NotAnAuthority(_)
            | AuthorityFault::Name(_) => ErrorCode::ArgumentInvalid,
            AuthorityFault::NotFound(_) => ErrorCode::DeviceNotFound,
            AuthorityFault::Journal(_) => ErrorCode::ServerError,
        };
        Self::coded(code, &fault)
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NewAuthority {
    name: String,
    certificate: String,
}

pub(super) async fn list(State(simulator): Shared) -> Response {
    Json(simulator.hub().authorities()).into_response()
}

pub(super) async fn put(
    State(simulator): Shared,
    body: Body<NewAuthority>,
) -> Result<Response, Fault> {
    let Json(new) = body?;
    let shown = simulator.hub().put_authority(&new.name, &new.certificate)?;
    Ok((StatusCode::CREATED, Json(shown)).into_response())
}

pub(super) async fn remove(
    State(simulator): Shared,
    Path(name): Path<String>,
) -> Result<StatusCode, Fault> {
    simulator.hub().remove_authority(&name)?;
    Ok(StatusCode::NO_CONTENT)
}

#[cfg(test)]
mod tests;
