//! The page of `cow up`: a street's bays to look at, drive, book and break, in a browser.
//!
//! The first view is rendered here, from a [`Street`]; everything that moves comes to the browser by server-sent
//! events: the board's own ([`streams`]) and the simulator's `/control/trace`. The page's scripts speak the same control
//! API everybody else does, on the same origin; nothing here knows how the simulator works.
//!
//! It is *not* a place where anything is decided: what the page says of a bay is what the bay's modules said.
//!
//! **Invariant:** nothing a device, a module or a visitor sent is ever markup. Templates escape, scripts set text, and
//! the content security policy allows no inline script or style.

mod assets;
mod forms;
pub(crate) mod hub;
mod recent;
mod streams;
#[cfg(test)]
mod tests;
mod view;

use std::sync::Arc;

use askama::Template;
use axum::Router;
use axum::extract::{Path, State};
use axum::http::header::{CONTENT_SECURITY_POLICY, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS};
use axum::http::{HeaderValue, StatusCode};
use axum::middleware::map_response;
use axum::response::{Html, IntoResponse, Response};
use axum::routing::get;
use bay::model::Model;
use board::simulated::SimulatedBoard;
use serde_json::Value;
use tokio::sync::watch;

use crate::street::Vitals;
use recent::Recent;

/// What the page shows: the bays of one street, and what was last heard of them.
#[derive(Debug)]
pub(crate) struct Street {
    /// Host name of the hub, for the page's head.
    hub: String,
    /// In the order of the street; never empty.
    bays: Vec<Bay>,
    recent: Recent,
}

/// One bay: a simulated board with a machine on it, the device that machine is, and its modules.
#[derive(Debug)]
pub(crate) struct Bay {
    /// What the street calls it.
    pub(crate) name: String,
    /// What the hub calls its machine, while that has an identity.
    pub(crate) device: watch::Receiver<Option<String>>,
    /// How the machine is.
    pub(crate) vitals: watch::Receiver<Vitals>,
    /// Of the machine's board.
    pub(crate) serial: String,
    /// Whether the board is in stock when the street begins, and stands at no bay.
    pub(crate) is_spare: bool,
    /// Whether the machine serves a page of its own.
    pub(crate) has_portal: bool,
    pub(crate) board: SimulatedBoard,
    /// In the manifest's order.
    pub(crate) modules: Vec<Module>,
}

/// A module as the manifest names it.
#[derive(Debug)]
pub(crate) struct Module {
    pub(crate) id: String,
    /// Its interface, where its program is one of this product's.
    pub(crate) model: Option<Model>,
}

impl Street {
    pub(crate) fn new(hub: impl Into<String>, bays: Vec<Bay>) -> Self {
        Self {
            hub: hub.into(),
            bays,
            recent: Recent::default(),
        }
    }

    /// Remembers an observation of the simulator's trace, as `/control/trace` would show it, so that a page opened
    /// later begins with it.
    pub(crate) fn note(&self, observation: Value) {
        self.recent.note(observation);
    }

    fn bay(&self, name: &str) -> Option<&Bay> {
        self.bays.iter().find(|bay| bay.name == name)
    }
}

/// The pages, their files and their streams. What they do goes through the control API of the same origin.
pub(crate) fn router(street: Arc<Street>) -> Router {
    Router::new()
        .route("/", get(street_page))
        .route("/bays/{bay}", get(bay_page))
        .route("/recent/{device}", get(recent::read))
        .route("/assets/{file}", get(assets::read))
        .merge(streams::router())
        .with_state(street)
        .layer(map_response(secure))
}

/// A single bay is its own street; boards in stock are beside it, and one click away.
async fn street_page(State(street): State<Arc<Street>>) -> Response {
    let mut bays = street.bays.iter().filter(|bay| !bay.is_spare);
    match (bays.next(), bays.next()) {
        (Some(only), None) => show_bay(&street, only),
        _ => show(&view::street_page(&street)),
    }
}

async fn bay_page(State(street): State<Arc<Street>>, Path(name): Path<String>) -> Response {
    match street.bay(&name) {
        Some(bay) => show_bay(&street, bay),
        None => (
            StatusCode::NOT_FOUND,
            Html("No such bay. <a href=\"/\">The street</a>"),
        )
            .into_response(),
    }
}

fn show_bay(street: &Street, bay: &Bay) -> Response {
    // Apart, because what is read must not be held while a page is made.
    let has_identity = bay.device.borrow().is_some();
    if has_identity {
        show(&view::bay_page(street, bay))
    } else {
        show(&view::stock_page(street, bay))
    }
}

fn show(page: &impl Template) -> Response {
    match page.render() {
        Ok(html) => Html(html).into_response(),
        Err(error) => {
            tracing::error!(%error, "A page could not be rendered");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

async fn secure(mut response: Response) -> Response {
    const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
                          form-action 'self'; base-uri 'none'; frame-ancestors 'none'";
    let headers = response.headers_mut();
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    response
}
