//! Queries: the list they select, a page at a time.
//!
//! The query's text selects nothing: the real service knows `SELECT * FROM enrollments` and its like only, and which
//! list is meant says the path.

use axum::body::Bytes;
use axum::http::request::Parts;
use axum::http::{HeaderName, HeaderValue};
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde_json::Value;

use super::{document, header_text, read};
use crate::dps::enrolling::EnrollFault;

const CONTINUATION: &str = "x-ms-continuation";
const ITEM_TYPE: &str = "x-ms-item-type";
const MAX_ITEM_COUNT: &str = "x-ms-max-item-count";

const USUAL_PAGE: usize = 100;
const LONGEST_PAGE: usize = 1000;

#[derive(Deserialize)]
struct Query {
    query: String,
}

/// One page of `items`. The header that leads to the next is absent on the last: clients test for its presence.
pub(super) fn page(
    parts: &Parts,
    body: &Bytes,
    item_type: &'static str,
    items: Vec<Value>,
) -> Result<Response, EnrollFault> {
    let Query { query } = read(body)?;
    if !query.trim().is_empty() && !selects_all(&query) {
        return Err(EnrollFault::Document(format!(
            "The query {query:?} is not SELECT * FROM …."
        )));
    }
    let most = match header_text(parts, MAX_ITEM_COUNT).map(str::parse::<usize>) {
        None => USUAL_PAGE,
        Some(Ok(most @ 1..)) => most.min(LONGEST_PAGE),
        Some(_) => {
            let reason = format!("{MAX_ITEM_COUNT} is not a number above 0.");
            return Err(EnrollFault::Document(reason));
        }
    };
    let from = match header_text(parts, CONTINUATION).filter(|token| !token.is_empty()) {
        None => 0,
        Some(token) => position(token).ok_or_else(|| {
            EnrollFault::Document(format!("{CONTINUATION} is none of this service's."))
        })?,
    };
    let page: Vec<&Value> = items.iter().skip(from).take(most).collect();
    let mut response = document(&page);
    let headers = response.headers_mut();
    headers.insert(
        HeaderName::from_static(ITEM_TYPE),
        HeaderValue::from_static(item_type),
    );
    let next = from.saturating_add(page.len());
    if next < items.len()
        && let Ok(token) = HeaderValue::try_from(token(next))
    {
        headers.insert(HeaderName::from_static(CONTINUATION), token);
    }
    Ok(response)
}

fn selects_all(query: &str) -> bool {
    let words: Vec<String> = query
        .split_whitespace()
        .map(str::to_ascii_lowercase)
        .collect();
    matches!(words.as_slice(), [select, all, from, _, ..] if select == "select" && all == "*" && from == "from")
}

/// Opaque to clients, so that nobody counts on what it is.
fn token(position: usize) -> String {
    URL_SAFE_NO_PAD.encode(format!("from:{position}"))
}

fn position(token: &str) -> Option<usize> {
    let text = String::from_utf8(URL_SAFE_NO_PAD.decode(token).ok()?).ok()?;
    text.strip_prefix("from:")?.parse().ok()
}
