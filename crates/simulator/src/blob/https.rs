//! The REST face: `/blob/{container}[/{blob}]`, each request opened by the signature in its query.

mod answer;
mod block_list;
mod listing;
mod reading;
mod writing;

use std::sync::Arc;

use axum::body::Body;
use axum::extract::Request;
use axum::http::request::Parts;
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use hub_proto::percent;
use jiff::Timestamp;

use self::answer::Fault;
use super::condition::Condition;
use super::sas::{self, Permission, Resource};
use super::{ACCOUNT, is_blob_name, is_container_name};
use crate::hub::Hub;
use crate::rest::header_text;

/// One request, with what its path names.
struct Asked<'a> {
    hub: &'a Arc<Hub>,
    parts: &'a Parts,
    container: &'a str,
    blob: Option<&'a str>,
    now: Timestamp,
}

/// Answers a request whose path begins with the account's name.
pub(crate) async fn serve_request(hub: &Arc<Hub>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let answered = match place(parts.uri.path()) {
        Err(fault) => Err(fault),
        Ok((container, blob)) => {
            let asked = Asked {
                hub,
                parts: &parts,
                container: &container,
                blob: blob.as_deref(),
                now: Timestamp::now(),
            };
            asked.answer(body).await
        }
    };
    let mut response = answered.unwrap_or_else(IntoResponse::into_response);
    answer::mark(&mut response, &parts);
    if parts.method == Method::HEAD {
        *response.body_mut() = Body::empty();
    }
    response
}

/// The container and the blob that a path names. A blob's name may hold slashes, written as they are or escaped.
fn place(path: &str) -> Result<(String, Option<String>), Fault> {
    let invalid = || {
        Fault::new(
            StatusCode::BAD_REQUEST,
            "InvalidUri",
            "The path cannot be read.",
        )
    };
    let rest = path.trim_start_matches('/').strip_prefix(ACCOUNT);
    let rest = rest
        .and_then(|rest| rest.strip_prefix('/'))
        .unwrap_or_default();
    let (container, blob) = match rest.split_once('/') {
        None | Some((_, "")) => (rest.trim_end_matches('/'), None),
        Some((container, blob)) => (container, Some(blob)),
    };
    let container = percent::decode(container).map_err(|_| invalid())?;
    if !is_container_name(&container) {
        let message = format!(
            "The container's name {container:?} is none: 3 to 63 of a-z, 0-9 and single hyphens."
        );
        return Err(Fault::new(
            StatusCode::BAD_REQUEST,
            "InvalidResourceName",
            message,
        ));
    }
    let blob = match blob {
        None => None,
        Some(blob) => {
            let blob = percent::decode(blob).map_err(|_| invalid())?;
            if !is_blob_name(&blob) {
                let message =
                    "The blob's name is longer than 1024 characters, or holds what no name can.";
                return Err(Fault::new(
                    StatusCode::BAD_REQUEST,
                    "InvalidResourceName",
                    message,
                ));
            }
            Some(blob.into_owned())
        }
    };
    Ok((container.into_owned(), blob))
}

impl Asked<'_> {
    async fn answer(&self, body: Body) -> Result<Response, Fault> {
        let (of, comp) = (self.query("restype"), self.query("comp"));
        let of = of.as_deref().map(str::to_ascii_lowercase);
        let comp = comp.as_deref().map(str::to_ascii_lowercase);
        let reads = matches!(self.parts.method, Method::GET | Method::HEAD);
        match (self.blob, of.as_deref(), comp.as_deref()) {
            (None, Some("container"), Some("list")) if self.parts.method == Method::GET => {
                self.list()
            }
            (None, Some("container"), None) if reads => self.container_properties(),
            (Some(blob), None, None) => match self.parts.method {
                Method::GET | Method::HEAD => self.read(blob).await,
                Method::PUT => self.put(blob, body).await,
                Method::DELETE => self.remove(blob),
                _ => Err(self.not_allowed()),
            },
            (Some(blob), None, Some("block")) if self.parts.method == Method::PUT => {
                self.put_block(blob, body).await
            }
            (Some(blob), None, Some("blocklist")) if self.parts.method == Method::PUT => {
                self.put_block_list(blob, body).await
            }
            (Some(blob), None, Some("blocklist")) if self.parts.method == Method::GET => {
                self.block_list(blob)
            }
            (_, _, Some("block" | "blocklist" | "list") | None) => Err(self.not_allowed()),
            (_, _, Some(comp)) => {
                let message = format!("comp={comp} is not supported by this store.");
                Err(Fault::new(
                    StatusCode::BAD_REQUEST,
                    "UnsupportedQueryParameter",
                    message,
                ))
            }
        }
    }

    /// Whether the signature in the query allows this.
    ///
    /// # Errors
    /// 403 with what it lacks.
    fn authorize(&self, wanted: Permission) -> Result<(), Fault> {
        let refuse = |code, detail: String| {
            tracing::debug!(detail, "a request for a blob was refused");
            Fault::new(StatusCode::FORBIDDEN, code, detail)
        };
        let Some(key) = self.hub.blob_key() else {
            let detail = "Nothing was signed here yet.".to_owned();
            return Err(refuse("AuthenticationFailed", detail));
        };
        let resource = Resource {
            container: self.container,
            blob: self.blob,
        };
        let query = self.parts.uri.query().unwrap_or_default();
        sas::check(query, &key, resource, wanted, self.now).map_err(|fault| {
            let code = match fault {
                sas::SasFault::Permission(_) => "AuthorizationPermissionMismatch",
                _ => "AuthenticationFailed",
            };
            refuse(code, fault.to_string())
        })
    }

    /// A parameter of the query, its escapes resolved.
    fn query(&self, name: &str) -> Option<String> {
        let query = self.parts.uri.query().unwrap_or_default();
        let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        let (_, value) = pairs.find(|(key, _)| key.eq_ignore_ascii_case(name))?;
        percent::decode(value).ok().map(Into::into)
    }

    fn condition(&self) -> Condition {
        let header = |name| header_text(self.parts, name);
        Condition::new(header("if-match"), header("if-none-match"))
    }

    fn not_allowed(&self) -> Fault {
        let message = format!("{} is not supported here.", self.parts.method);
        Fault::new(
            StatusCode::METHOD_NOT_ALLOWED,
            "UnsupportedHttpVerb",
            message,
        )
    }
}

#[cfg(test)]
mod tests;
