//! The portal's files, held by the binary.

use axum::extract::Path;
use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};

const CSS: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const SVG: &str = "image/svg+xml";

const ALL: &[(&str, &str, &str)] = &[
    ("door.js", SCRIPT, include_str!("assets/door.js")),
    ("icon.svg", SVG, include_str!("assets/icon.svg")),
    ("picture.js", SCRIPT, include_str!("assets/picture.js")),
    ("portal.css", CSS, include_str!("assets/portal.css")),
    ("portal.js", SCRIPT, include_str!("assets/portal.js")),
    ("setup.js", SCRIPT, include_str!("assets/setup.js")),
];

pub(super) async fn read(Path(file): Path<String>) -> Response {
    match ALL.iter().find(|(name, ..)| *name == file) {
        // A new binary has new files at the same addresses.
        Some((_, kind, text)) => {
            ([(CONTENT_TYPE, *kind), (CACHE_CONTROL, "no-cache")], *text).into_response()
        }
        None => StatusCode::NOT_FOUND.into_response(),
    }
}
