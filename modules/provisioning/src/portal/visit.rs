//! Who sends a request: a visitor with a number, signed in or not, and a form that is really theirs.

use std::sync::Arc;

use axum::extract::{Form, FromRequest, FromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header, uri::Authority};
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tokio::time::Instant;

use super::{Portal, pages};

/// The header that stands for a form's token where there is no form.
pub(super) const TOKEN: &str = "x-form-token";

/// Browsers share cookies between the ports of a host, and several devices may be simulated on one.
pub(super) fn cookie_name(headers: &HeaderMap) -> String {
    let host = headers
        .get(header::HOST)
        .and_then(|host| host.to_str().ok());
    let authority = host.and_then(|host| host.parse::<Authority>().ok());
    match authority.and_then(|authority| authority.port_u16()) {
        Some(port) => format!("cow-portal-{port}"),
        None => "cow-portal".into(),
    }
}

/// The number in the request's cookie, if this process has given it.
pub(super) fn visitor(portal: &Portal, headers: &HeaderMap) -> Option<u64> {
    let name = cookie_name(headers);
    let mut cookies = headers
        .get_all(header::COOKIE)
        .into_iter()
        .filter_map(|cookies| cookies.to_str().ok())
        .flat_map(|cookies| cookies.split(';'));
    cookies.find_map(|cookie| {
        let (given, value) = cookie.trim().split_once('=')?;
        (given == name).then(|| portal.seal.visitor(value))?
    })
}

/// A visitor who is signed in. Looking does not keep a session open; [`SignedIn::touch`] does.
#[derive(Debug, Clone, Copy)]
pub(super) struct SignedIn(pub(super) u64);

impl SignedIn {
    pub(super) fn touch(self, portal: &Portal) {
        portal.sessions().touch(self.0, Instant::now());
    }
}

impl FromRequestParts<Arc<Portal>> for SignedIn {
    type Rejection = Response;

    async fn from_request_parts(
        parts: &mut Parts,
        portal: &Arc<Portal>,
    ) -> Result<Self, Self::Rejection> {
        let visitor = visitor(portal, &parts.headers);
        let is_open = |visitor: &u64| portal.sessions().is_open(*visitor, Instant::now());
        match visitor.filter(is_open) {
            Some(visitor) => Ok(Self(visitor)),
            // A stream is not followed to another page, and a picture's sender sees to it itself.
            None if parts.uri.path() == "/live" || parts.headers.contains_key(TOKEN) => {
                Err(StatusCode::UNAUTHORIZED.into_response())
            }
            None => Err(Redirect::to("/sign-in").into_response()),
        }
    }
}

/// A form of one of the visitor's own pages.
#[derive(Debug)]
pub(super) struct OwnForm<T>(pub(super) SignedIn, pub(super) T);

#[derive(Deserialize)]
pub(super) struct WithToken<T> {
    #[serde(default)]
    pub(super) token: String,
    #[serde(flatten)]
    pub(super) form: T,
}

impl<T: DeserializeOwned> FromRequest<Arc<Portal>> for OwnForm<T> {
    type Rejection = Response;

    async fn from_request(request: Request, portal: &Arc<Portal>) -> Result<Self, Response> {
        let (mut parts, body) = request.into_parts();
        let visitor = SignedIn::from_request_parts(&mut parts, portal).await?;
        let request = Request::from_parts(parts, body);
        let Form(WithToken { token, form }) = Form::from_request(request, portal)
            .await
            .map_err(IntoResponse::into_response)?;
        if !portal.seal.is_form_token(visitor.0, &token) {
            return Err(foreign());
        }
        visitor.touch(portal);
        Ok(Self(visitor, form))
    }
}

/// The answer to a form that is of no page of this visit.
pub(super) fn foreign() -> Response {
    pages::sorry(
        StatusCode::FORBIDDEN,
        "Not done",
        "That form was not of this visit. Go back to the device and send it from there.",
    )
}
