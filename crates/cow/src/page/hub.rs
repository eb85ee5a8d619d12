//! The hub's own pages: its devices, one of them, the provisioning service's enrolments, the events.
//!
//! They are rendered here and show what the simulator says; they are served by `cow up` and `cow sim` alike. What moves is
//! a *part* of a page: rendered by the same template when the page is made and while somebody looks at it, and sent
//! when it has changed ([`parts`]). So a page costs the hub what its reader can see, however much happens there. What a
//! reader does goes through the control API of the same origin.
//!
//! **Invariant:** no key is in a page. Whoever wants one asks the control API for it by pressing a button.

mod connections;
mod detail;
mod enrolments;
mod events;
mod parts;
mod registry;
#[cfg(test)]
mod tests;
mod twin;

use std::sync::Arc;

use askama::Template;
use axum::Router;
use axum::http::StatusCode;
use axum::middleware::map_response;
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum::routing::get;
use jiff::Timestamp;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use simulator::Simulator;

use super::{assets, secure, show};

/// What the pages are made from.
#[derive(Debug)]
pub(crate) struct Hub {
    simulator: Arc<Simulator>,
    frame: Frame,
}

/// What every page has around it.
#[derive(Debug, Clone)]
struct Frame {
    /// The hub's host name.
    hub: String,
    /// Whether there are bays to go to.
    has_bays: bool,
}

/// The pages of a hub that stands alone: it begins with its devices.
pub(crate) fn alone(simulator: Arc<Simulator>) -> Router {
    pages(simulator, false)
        .route("/", get(async || Redirect::temporary("/devices")))
        .route("/assets/{file}", get(assets::read))
        .layer(map_response(secure))
}

/// The same, beside the pages of a street.
pub(crate) fn beside_bays(simulator: Arc<Simulator>) -> Router {
    pages(simulator, true).layer(map_response(secure))
}

fn pages(simulator: Arc<Simulator>, has_bays: bool) -> Router {
    let frame = Frame {
        hub: simulator.info().hub_host_name,
        has_bays,
    };
    Router::new()
        .merge(registry::router())
        .merge(detail::router())
        .merge(enrolments::router())
        .merge(events::router())
        .with_state(Arc::new(Hub { simulator, frame }))
}

/// What is not there, said within the frame of the others.
#[derive(Template)]
#[template(path = "hub/missing.html")]
struct MissingPage<'a> {
    frame: &'a Frame,
    what: &'a str,
}

fn missing(hub: &Hub, what: &str) -> Response {
    let page = MissingPage {
        frame: &hub.frame,
        what,
    };
    match page.render() {
        Ok(html) => (StatusCode::NOT_FOUND, Html(html)).into_response(),
        Err(_) => show(&page),
    }
}

/// A name as a part of an address.
fn in_address(name: &str) -> String {
    utf8_percent_encode(name, NON_ALPHANUMERIC).to_string()
}

/// A moment as an element that scripts turn into how long ago it is. Only ever made of a time, so it is markup of ours.
fn moment(at: Timestamp) -> String {
    let at = at.strftime("%Y-%m-%dT%H:%M:%S%.3fZ");
    format!("<time datetime=\"{at}\" data-ago>{at}</time>")
}

/// JSON as people read it.
fn pretty(value: &impl serde::Serialize) -> String {
    serde_json::to_string_pretty(value).unwrap_or_default()
}

/// What an identity signs in with, in words.
fn proof(authentication: &str) -> &str {
    match authentication {
        "sas" => "key",
        "selfSigned" => "thumbprint",
        "certificateAuthority" => "authority",
        "none" => "nothing",
        other => other,
    }
}
