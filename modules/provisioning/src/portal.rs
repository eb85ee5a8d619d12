//! The portal: a page on the device, for an installer with a phone in the car park.
//!
//! It shows what [`crate::view`] holds and hands in at the [`crate::desk`] what the installer asks for. It needs no
//! internet, and works without scripts; with them it follows the device by server-sent events.
//!
//! | Request | Does |
//! |---|---|
//! | `GET /` | the device, and the forms |
//! | `GET /live` | server-sent events: the same, whenever it changes |
//! | `GET`, `POST /sign-in`; `POST /sign-out` | a session begins with the PIN, and ends by this, by idle time or a restart |
//! | `POST /code`, `/picture` | reads a set-up code ([`code`]) into the form; its key stays on the device |
//! | `POST /setup`, `/reset`, `/test` | asks for it; in a device without identity, `/setup` is its claim |
//! | `POST /claim/start`, `/claim/cancel` | a claim from elsewhere, by a code |
//!
//! It is *not* protected from whoever can listen on the link: a device without a name has no certificate, so this is
//! plain HTTP, and a key or a PIN that is typed in can be read on its way. No key ever travels the other way.
//!
//! **Invariants:** nothing is shown or done without a session, and nothing done without the form token of that session.
//! No key is in any answer, not even the one that was just sent. What a hub, a service or a visitor said is never
//! markup.

mod actions;
mod assets;
mod attempts;
pub mod code;
mod draft;
mod guard;
mod live;
mod pages;
mod panes;
mod picture;
mod pin;
mod seal;
mod serve;
mod sessions;
mod sign_in;
#[cfg(test)]
mod tests;
mod visit;
mod words;

use std::fs;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use askama::Template;
use axum::Router;
use axum::extract::{DefaultBodyLimit, Request};
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use tokio::sync::watch;
use tokio::time::timeout;

use crate::desk::Desk;
use attempts::Attempts;
use guard::Names;
use seal::Seal;
use sessions::Sessions;

pub use pin::{Pin, PinError};
pub use serve::serve;

/// How long a session lasts without being used.
const IDLE: Duration = Duration::from_secs(15 * 60);
/// Every form of the portal is far shorter.
const LONGEST_FORM: usize = 16 * 1024;

/// A picture over a weak link takes longest.
const LONGEST_ANSWER: Duration = Duration::from_secs(30);

/// How a portal lets people in.
#[derive(Debug, Clone)]
pub struct PortalOptions {
    /// What an installer signs in with.
    pub pin: Pin,
    /// The device's host names. Its addresses, and each name under a local link's suffixes (`.local`, `.lan`), come by
    /// themselves.
    pub names: Vec<String>,
    /// How long a session lasts without being used.
    pub idle: Duration,
    secret: [u8; 32],
}

impl PortalOptions {
    /// A portal of this machine, with a secret from the system's random source.
    ///
    /// # Errors
    ///
    /// The system has no random source.
    pub fn new(pin: Pin) -> io::Result<Self> {
        let mut secret = [0; 32];
        getrandom::fill(&mut secret)?;
        let name = fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
        Ok(Self {
            pin,
            names: vec![name],
            idle: IDLE,
            secret,
        })
    }
}

/// What every request is answered from.
#[derive(Debug)]
struct Portal {
    desk: Desk,
    pin: Pin,
    seal: Seal,
    /// The last visitor's number.
    visitors: AtomicU64,
    attempts: Mutex<Attempts>,
    sessions: Mutex<Sessions>,
    reader: picture::Reader,
    /// Tells the streams that a session has ended.
    ended: watch::Sender<()>,
}

impl Portal {
    fn new(desk: Desk, options: &PortalOptions) -> Self {
        Self {
            desk,
            pin: options.pin.clone(),
            seal: Seal::new(&options.secret),
            visitors: AtomicU64::new(0),
            attempts: Mutex::default(),
            sessions: Mutex::new(Sessions::new(options.idle)),
            reader: picture::Reader::default(),
            ended: watch::Sender::new(()),
        }
    }

    fn new_visitor(&self) -> u64 {
        self.visitors.fetch_add(1, Ordering::Relaxed)
    }

    fn sessions(&self) -> MutexGuard<'_, Sessions> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn attempts(&self) -> MutexGuard<'_, Attempts> {
        self.attempts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The portal's pages, their files and their stream.
pub fn router(desk: Desk, options: &PortalOptions) -> Router {
    // A page that answers a form has the form's address; who reloads it by hand begins anew.
    let home = || async { Redirect::to("/") };
    Router::new()
        .route("/", get(actions::home))
        .route("/live", get(live::follow))
        .route("/sign-in", get(sign_in::page).post(sign_in::enter))
        .route("/sign-out", post(sign_in::leave).get(home))
        .route("/setup", post(actions::setup).get(home))
        .route("/code", post(actions::read_code).get(home))
        .route("/forget", post(actions::forget).get(home))
        .route("/test", post(actions::test).get(home))
        .route("/reset", post(actions::reset).get(home))
        .route("/claim/start", post(actions::start_claim).get(home))
        .route("/claim/cancel", post(actions::cancel_claim).get(home))
        .layer(DefaultBodyLimit::max(LONGEST_FORM))
        .route(
            "/picture",
            post(actions::read_picture).layer(DefaultBodyLimit::max(picture::MOST_PIXELS)),
        )
        .route("/assets/{file}", get(assets::read))
        .fallback(|| async { pages::sorry(StatusCode::NOT_FOUND, "No such page", "") })
        .with_state(Arc::new(Portal::new(desk, options)))
        .layer(from_fn(in_time))
        .layer(from_fn_with_state(Names::new(&options.names), guard::guard))
        .layer(from_fn(secure))
}

fn show(status: StatusCode, page: &impl Template) -> Response {
    match page.render() {
        Ok(html) => (status, Html(html)).into_response(),
        Err(error) => {
            tracing::error!(%error, "A page could not be rendered");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

/// Who begins a request and does not end it must not hold a place. Streams have begun their answer by then.
async fn in_time(request: Request, next: Next) -> Response {
    let answer = timeout(LONGEST_ANSWER, next.run(request)).await;
    answer.unwrap_or_else(|_| StatusCode::REQUEST_TIMEOUT.into_response())
}

async fn secure(request: Request, next: Next) -> Response {
    const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; \
                          connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";
    let mut response = next.run(request).await;
    let mut set = |name: HeaderName, value| {
        let headers = response.headers_mut();
        headers
            .entry(name)
            .or_insert(HeaderValue::from_static(value));
    };
    set(header::CONTENT_SECURITY_POLICY, POLICY);
    set(header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    set(header::X_FRAME_OPTIONS, "DENY");
    // With `no-referrer`, a browser would hide the origin of the portal's own forms from the guard as well.
    set(header::REFERRER_POLICY, "same-origin");
    set(header::CACHE_CONTROL, "no-store");
    set(
        HeaderName::from_static("cross-origin-resource-policy"),
        "same-origin",
    );
    response
}
