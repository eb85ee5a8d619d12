//! The hub's service API over HTTPS: identities, twins, queries, methods, configurations and jobs, for back ends.
//!
//! Who may ask is said by the shared access policy that signed the request's token. What is asked is answered with the
//! hub's own numbers and bodies, as `azure-iot-hub` and `azure-iothub` read them.
//!
//! `docs/service-api.md` lists every operation.
//!
//! **Invariant:** a client's mistake is a 4xx that names what is wrong; a 5xx means that the journal cannot be written.

mod answer;
mod bulk;
mod configurations;
mod digital_twins;
mod identities;
mod importing;
mod jobs;
mod methods;
mod notices;
mod query;
pub(crate) mod reading;
/// What a device's or module's document asks for, for those who read it elsewhere.
///
/// # Errors
/// Which field of it is wrong, by its place, and how.
pub(crate) fn wanted(document: &serde_json::Value) -> Result<crate::hub::Wanted, (String, String)> {
    let asked = reading::Part::of(document, "").and_then(|part| identities::wanted(&part));
    asked.map_err(|fault| {
        let field = fault.message.split(' ').next().unwrap_or_default();
        // A fault of the whole body begins with no field.
        let field = if field == "The" { "" } else { field };
        (
            field.to_owned(),
            fault.message.trim_end_matches('.').to_owned(),
        )
    })
}

#[cfg(test)]
mod tests;
mod transfers;
mod twins;

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{Request, State};
use axum::http::request::Parts;
use axum::http::{Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use hub_proto::error::ErrorCode;
use hub_proto::identity::Identity;
use hub_proto::percent;
use hub_proto::sas::SasError;
use jiff::Timestamp;

pub(crate) use self::answer::Fault;
pub(crate) use self::importing::{read_configuration, read_device};
pub(crate) use self::notices::{lock_lost, lock_token};
use crate::certificates::PeerCertificates;
use crate::connection::Services;
use crate::hub::{Hub, Right};
use crate::policy::{self, PolicyFault};
use crate::precondition::Precondition;
use crate::rest::{header_text, segments};
use crate::{blob, device_api, dps, edge_methods, with_causes};

/// Longest body: a hundred devices at once, with twins.
const LONGEST_BODY: usize = 4 << 20;

/// One request, as far as all of them are alike.
struct Asked<'a> {
    hub: &'a Arc<Hub>,
    parts: &'a Parts,
    body: &'a Bytes,
}

/// Answers what is the hub's, and lets the provisioning service answer the rest.
pub(crate) async fn serve_request(State(services): State<Services>, request: Request) -> Response {
    let Some(path) = segments(request.uri().path()) else {
        return Fault::argument("The path cannot be read.").into_response();
    };
    let path: Vec<&str> = path.iter().map(String::as_str).collect();
    if path.first() == Some(&blob::ACCOUNT) {
        return blob::serve_request(&services.hub, request).await;
    }
    if !is_ours(&path) {
        return dps::serve_request(State(services.dps), request).await;
    }
    let (parts, body) = request.into_parts();
    let Ok(body) = axum::body::to_bytes(body, LONGEST_BODY).await else {
        let message = format!("The body cannot be read, or is more than {LONGEST_BODY} bytes.");
        return Fault::new(ErrorCode::MessageTooLarge, message).into_response();
    };
    if let Some(response) = edge_methods::answer(&services.hub, &parts, &path, &body).await {
        return response;
    }
    if let Some(response) = device_api::answer(&services.hub, &parts, &path, &body) {
        return response;
    }
    let asked = Asked {
        hub: &services.hub,
        parts: &parts,
        body: &body,
    };
    asked.answer(&path).await
}

fn is_ours(path: &[&str]) -> bool {
    const OURS: [&str; 7] = [
        "devices",
        "twins",
        "statistics",
        "configurations",
        "digitaltwins",
        "messages",
        "jobs",
    ];
    path.first()
        .is_some_and(|first| OURS.iter().any(|ours| first.eq_ignore_ascii_case(ours)))
}

impl Asked<'_> {
    async fn answer(&self, path: &[&str]) -> Response {
        // Ids keep their case; the words between them have none.
        let words: Vec<String> = path.iter().map(|word| word.to_ascii_lowercase()).collect();
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let answered = match (words.as_slice(), path) {
            (["devices"], _) => self.devices(),
            (["devices", _, "modules"], [_, device, _]) => self.modules(device),
            (["devices", _, "modules", _], [_, device, _, module]) => self.module(device, module),
            (["devices", _, "commands"], [_, device, _]) => self.commands(device),
            (["devices", _, "applyconfigurationcontent"], [_, device, _]) => {
                self.apply_content(device)
            }
            // A device may be called `query` too.
            (["devices", "query"], _) if self.method() == Method::POST => self.query().await,
            (["devices", _], [_, device]) => self.device(device),
            (["statistics", "devices"], _) => self.device_statistics(),
            (["statistics", "service"], _) => self.service_statistics(),
            (["twins", _], [_, device]) => self.twin(identity(device, None)),
            (["twins", _, "modules", _], [_, device, _, module]) => {
                self.twin(identity(device, Some(module)))
            }
            (["twins", _, "methods"], [_, device, _]) => self.invoke(identity(device, None)).await,
            (["twins", _, "modules", _, "methods"], [_, device, _, module, _]) => {
                self.invoke(identity(device, Some(module))).await
            }
            (["configurations"], _) => self.configurations().await,
            (["configurations", "testqueries"], _) => self.test_queries(),
            (["configurations", _], [_, id]) => self.configuration(id).await,
            (["digitaltwins", _], [_, device]) => self.digital_twin(device),
            (["digitaltwins", _, "commands", _], [_, device, _, command]) => {
                self.command(device, None, command).await
            }
            (
                ["digitaltwins", _, "components", _, "commands", _],
                [_, device, _, component, _, command],
            ) => self.command(device, Some(component), command).await,
            (["jobs"], _) => self.transfers(),
            // A job may be called `query` too.
            (["jobs", "v2", "query"], _) if self.method() == Method::GET => self.jobs(),
            (["jobs", "v2", _], [_, _, id]) => self.job(id),
            (["jobs", "v2", _, "cancel"], [_, _, id, _]) => self.cancel_job(id),
            (["jobs", "create"], _) if self.method() == Method::POST => self.create_transfer(),
            (["jobs", _], [_, id]) => self.transfer(id),
            (["messages", "servicebound", channel], _) => self.receive_notice(channel),
            (["messages", "servicebound", channel, _], [.., token]) => {
                self.complete_notice(channel, token)
            }
            (["messages", "servicebound", channel, _, "abandon"], [.., token, _]) => {
                self.abandon_notice(channel, token)
            }
            _ => not_found(),
        };
        answered.unwrap_or_else(IntoResponse::into_response)
    }

    /// Whether whoever asks has the right to, and asks in a version of the API.
    ///
    /// # Errors
    /// 401 with the number for why not, or 400.
    fn authorize(&self, right: Right) -> Result<(), Fault> {
        let token = header_text(self.parts, header::AUTHORIZATION);
        let path = self.parts.uri.path();
        let path = percent::decode(path).unwrap_or(path.into());
        let names = &self.hub.names.accepted;
        let key_of = |policy: &str| self.hub.policy_key(policy);
        let refused = match policy::signatory(token, names, &path, key_of, Timestamp::now()) {
            Ok(policy) if right.is_of(&policy) => return self.check_version(),
            Ok(policy) => {
                tracing::debug!(policy, ?right, "the policy does not allow what was asked");
                ErrorCode::IotHubUnauthorizedAccess
            }
            Err(fault) => {
                tracing::debug!(reason = with_causes(&fault), "a service was refused");
                match fault {
                    PolicyFault::Token(SasError::Expired(_)) => ErrorCode::IotHubUnauthorized,
                    _ => ErrorCode::IotHubUnauthorizedAccess,
                }
            }
        };
        Err(Fault::new(refused, "Unauthorized"))
    }

    /// As [`Asked::authorize`]; but a device may look after its own modules, with what it signs in with itself.
    fn authorize_for_modules(&self, right: Right, device: &str) -> Result<(), Fault> {
        let token = header_text(self.parts, header::AUTHORIZATION);
        let peer = self.parts.extensions.get::<PeerCertificates>();
        let itself = Identity::device(device)
            .is_ok_and(|device| self.hub.is_device_itself(&device, token, peer));
        if itself {
            self.check_version()
        } else {
            self.authorize(right)
        }
    }

    /// Every version is the same here, but one has to be named: `2021-04-12`, `2020-05-31-preview`.
    fn check_version(&self) -> Result<(), Fault> {
        let query = self.parts.uri.query().unwrap_or_default();
        let version = query_value(query, "api-version")
            .ok_or_else(|| Fault::argument("The query has no api-version."))?;
        let date = version.strip_suffix("-preview").unwrap_or(version);
        let is_date = date.len() == 10
            && date.bytes().enumerate().all(|(at, byte)| match at {
                4 | 7 => byte == b'-',
                _ => byte.is_ascii_digit(),
            });
        if is_date {
            Ok(())
        } else {
            let message = format!("api-version {version:?} is no version of this API.");
            Err(Fault::argument(message))
        }
    }

    fn method(&self) -> &Method {
        &self.parts.method
    }

    fn if_match(&self) -> Precondition<'_> {
        Precondition::of_header(header_text(self.parts, header::IF_MATCH))
    }

    /// As `If-Match` says; without it, what is put has to be new.
    fn if_match_or_absent(&self) -> Precondition<'_> {
        match self.if_match() {
            Precondition::None => Precondition::Absent,
            when => when,
        }
    }
}

fn identity(device: &str, module: Option<&str>) -> Result<Identity, Fault> {
    Identity::new(device, module).map_err(|error| Fault::argument(error.to_string()))
}

/// A parameter of the query as it stands there: nothing that is asked for here needs escapes.
fn query_value<'a>(query: &'a str, name: &str) -> Option<&'a str> {
    query
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .find_map(|(key, value)| key.eq_ignore_ascii_case(name).then_some(value))
}

fn not_found() -> Result<Response, Fault> {
    Ok(StatusCode::NOT_FOUND.into_response())
}

fn not_allowed() -> Result<Response, Fault> {
    Ok(StatusCode::METHOD_NOT_ALLOWED.into_response())
}
