//! The door: PIN in, session out.

use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Form, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use bay::message::SecretText;
use serde::Deserialize;
use tokio::time::Instant;

use super::pages::SignInPage;
use super::visit::{OwnForm, WithToken, cookie_name, visitor};
use super::{Portal, show, words};

#[derive(Deserialize)]
pub(super) struct Entry {
    #[serde(default)]
    pin: SecretText,
}

#[derive(Deserialize)]
pub(super) struct Nothing {}

pub(super) async fn page(State(portal): State<Arc<Portal>>, headers: HeaderMap) -> Response {
    let known = visitor(&portal, &headers);
    if known.is_some_and(|visitor| portal.sessions().is_open(visitor, Instant::now())) {
        return Redirect::to("/").into_response();
    }
    ask(&portal, &headers, StatusCode::OK, None)
}

pub(super) async fn enter(
    State(portal): State<Arc<Portal>>,
    headers: HeaderMap,
    Form(WithToken { token, form }): Form<WithToken<Entry>>,
) -> Response {
    let known = visitor(&portal, &headers);
    if !known.is_some_and(|visitor| portal.seal.is_form_token(visitor, &token)) {
        let problem = "That page was too old, or the browser keeps no cookies. Try again.";
        return ask(
            &portal,
            &headers,
            StatusCode::FORBIDDEN,
            Some(problem.into()),
        );
    }
    match try_pin(&portal, &form.pin) {
        Ok(()) => {}
        Err(Wrong::Locked(left)) => return locked(&portal, &headers, left),
        Err(Wrong::Pin) => {
            tracing::warn!("Somebody tried a wrong PIN at the portal");
            let problem = "That is not the PIN of this device.".to_owned();
            return ask(&portal, &headers, StatusCode::FORBIDDEN, Some(problem));
        }
    }
    // A number that was given before the PIN was right must not become a session.
    let visitor = portal.new_visitor();
    portal.sessions().open(visitor, Instant::now());
    tracing::info!("Somebody signed in at the portal");
    (
        [(header::SET_COOKIE, cookie(&portal, &headers, visitor))],
        Redirect::to("/"),
    )
        .into_response()
}

pub(super) async fn leave(
    State(portal): State<Arc<Portal>>,
    OwnForm(visitor, Nothing {}): OwnForm<Nothing>,
) -> Redirect {
    portal.sessions().close(visitor.0);
    portal.ended.send_replace(());
    Redirect::to("/sign-in")
}

enum Wrong {
    Pin,
    Locked(Duration),
}

/// Counting and comparing are one step, so that many tries at once are still one after the other.
fn try_pin(portal: &Portal, given: &SecretText) -> Result<(), Wrong> {
    let now = Instant::now();
    let mut attempts = portal.attempts();
    if let Some(left) = attempts.locked(now) {
        return Err(Wrong::Locked(left));
    }
    if portal
        .seal
        .is_pin(portal.pin.expose(), given.expose().trim())
    {
        attempts.handle_right();
        return Ok(());
    }
    attempts.handle_wrong(now);
    Err(attempts.locked(now).map_or(Wrong::Pin, Wrong::Locked))
}

fn locked(portal: &Portal, headers: &HeaderMap, left: Duration) -> Response {
    // Rounded up: who comes back when told must be let try.
    let seconds = left.as_secs() + 1;
    tracing::warn!(seconds, "The portal is locked after wrong PINs");
    let problem = format!(
        "Too many wrong PINs. Try again in {}.",
        words::took(&(seconds * 1000)).replace(".0 s", " s")
    );
    let status = StatusCode::TOO_MANY_REQUESTS;
    let mut response = ask(portal, headers, status, Some(problem));
    response
        .headers_mut()
        .insert(header::RETRY_AFTER, seconds.into());
    response
}

/// The page; to a visitor without a number, with one.
fn ask(
    portal: &Portal,
    headers: &HeaderMap,
    status: StatusCode,
    problem: Option<String>,
) -> Response {
    let known = visitor(portal, headers);
    let visitor = known.unwrap_or_else(|| portal.new_visitor());
    let page = SignInPage {
        token: portal.seal.form_token(visitor),
        serial: portal.desk.view().identity.serial,
        problem,
    };
    let page = show(status, &page);
    if known.is_some() {
        return page;
    }
    (
        [(header::SET_COOKIE, cookie(portal, headers, visitor))],
        page,
    )
        .into_response()
}

/// Without `Secure`, which would keep it from a page without TLS.
fn cookie(portal: &Portal, headers: &HeaderMap, visitor: u64) -> String {
    let mut cookie = cookie_name(headers);
    let _ = write!(
        cookie,
        "={}; Path=/; HttpOnly; SameSite=Strict",
        portal.seal.cookie(visitor)
    );
    cookie
}
