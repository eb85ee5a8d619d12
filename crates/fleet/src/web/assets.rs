//! The pages' files, held by the binary.

use axum::extract::Path;
use axum::http::StatusCode;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::response::{IntoResponse, Response};

use crate::words::Words;

const CSS: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const SVG: &str = "image/svg+xml";

macro_rules! assets {
    ($($name:literal: $kind:expr),* $(,)?) => {
        const ALL: &[(&str, &str, &str)] = &[$(($name, $kind, include_str!(concat!("../../assets/", $name)))),*];
    };
}

assets! {
    "aim.js": SCRIPT,
    "arrange.js": SCRIPT,
    "beside.js": SCRIPT,
    "camera.js": SCRIPT,
    "faults.js": SCRIPT,
    "forms.js": SCRIPT,
    "fresh.js": SCRIPT,
    "gestures.js": SCRIPT,
    "icon.svg": SVG,
    "map.js": SCRIPT,
    "markers.js": SCRIPT,
    "page.css": CSS,
    "page.js": SCRIPT,
    "tests.js": SCRIPT,
    "tiles.js": SCRIPT,
    "words.js": SCRIPT,
}

pub(super) async fn read(Path(file): Path<String>) -> Response {
    // A new binary has new files at the same addresses.
    let fresh = (CACHE_CONTROL, "no-cache");
    if let Some((_, kind, text)) = ALL.iter().find(|(name, ..)| *name == file) {
        return ([(CONTENT_TYPE, *kind), fresh], *text).into_response();
    }
    // `words-de.js` is the part of the catalogue scripts need, as a module.
    let language = file
        .strip_prefix("words-")
        .and_then(|rest| rest.strip_suffix(".js"));
    match language {
        Some(language) if Words::languages().any(|(code, _)| code == language) => {
            let words = serde_json::json!(Words::of(language).table("script"));
            let module = format!("export default {words};\n");
            ([(CONTENT_TYPE, SCRIPT), fresh], module).into_response()
        }
        _ => StatusCode::NOT_FOUND.into_response(),
    }
}
