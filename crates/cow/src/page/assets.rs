//! The page's files, held by the binary.

use axum::extract::Path;
use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};

const CSS: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const SVG: &str = "image/svg+xml";

macro_rules! assets {
    ($($name:literal: $kind:expr),* $(,)?) => {
        const ALL: &[(&str, &str, &str)] = &[$(($name, $kind, include_str!(concat!("assets/", $name)))),*];
    };
}

assets! {
    "api.js": SCRIPT,
    "bay.js": SCRIPT,
    "chart.js": SCRIPT,
    "detail.js": SCRIPT,
    "devices.js": SCRIPT,
    "editor.js": SCRIPT,
    "enrolments.js": SCRIPT,
    "events.js": SCRIPT,
    "facts.js": SCRIPT,
    "hub.css": CSS,
    "hub.js": SCRIPT,
    "icon.svg": SVG,
    "identity.js": SCRIPT,
    "knobs.js": SCRIPT,
    "links.js": SCRIPT,
    "live.js": SCRIPT,
    "modules.js": SCRIPT,
    "page.css": CSS,
    "pulses.js": SCRIPT,
    "scene.js": SCRIPT,
    "stock.js": SCRIPT,
    "stream.js": SCRIPT,
    "street.js": SCRIPT,
    "words.js": SCRIPT,
}

pub(super) async fn read(Path(file): Path<String>) -> Response {
    match ALL.iter().find(|(name, ..)| *name == file) {
        // A new binary has new files at the same addresses.
        Some((_, kind, text)) => {
            ([(CONTENT_TYPE, *kind), (CACHE_CONTROL, "no-cache")], *text).into_response()
        }
        None => StatusCode::NOT_FOUND.into_response(),
    }
}
