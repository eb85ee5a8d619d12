//! Queries: `POST /devices/query`, a page at a time.

use std::num::NonZeroUsize;

use axum::http::{HeaderName, HeaderValue};
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use query::{Collection, Query, QueryError, Resume};
use serde::{Deserialize, Serialize};

use super::Asked;
use super::answer::Fault;
use super::reading::{self, Part};
use crate::hub::{COLLECTIONS, Key, Right};
use crate::rest::{document, header_text};

pub(super) const CONTINUATION: HeaderName = HeaderName::from_static("x-ms-continuation");
pub(super) const ITEM_TYPE: HeaderName = HeaderName::from_static("x-ms-item-type");
const MAX_ITEM_COUNT: HeaderName = HeaderName::from_static("x-ms-max-item-count");

const QUERIED: [Collection; 3] = [COLLECTIONS[0], COLLECTIONS[1], Collection::JOBS];

const USUAL_PAGE: NonZeroUsize = NonZeroUsize::new(100).expect("it is not zero");
const LONGEST_PAGE: NonZeroUsize = NonZeroUsize::new(1000).expect("it is not zero");

/// Where a page begins, as clients carry it: opaque to them, so that nobody counts on what it is.
#[derive(Serialize, Deserialize)]
enum Continuation {
    After(String, String, usize),
    Skip(usize),
}

impl Asked<'_> {
    pub(super) async fn query(&self) -> Result<Response, Fault> {
        self.authorize(Right::ServiceConnect)?;
        let body = reading::json(self.body)?;
        let part = Part::of(&body, "")?;
        let text = part
            .text("query")?
            .ok_or_else(|| part.wrong("query", "is missing"))?;
        let query = Query::parse(text, &QUERIED).map_err(|error| refused(&error))?;
        let resume = self.continuation()?;
        let most = self.page_size()?;
        let of_jobs = query.collection() == Collection::JOBS;
        let page = if of_jobs {
            self.hub.query_jobs(&query, resume.as_ref(), most)?
        } else {
            self.hub.query(&query, resume.as_ref(), most).await?
        };
        let mut response = document(&page.items);
        let headers = response.headers_mut();
        let item_type = match query.selects_documents() {
            true if of_jobs => "deviceJob",
            true => "twin",
            false => "raw",
        };
        headers.insert(ITEM_TYPE, HeaderValue::from_static(item_type));
        // Clients test for the header's presence: on the last page it is absent.
        if let Some(next) = page.next.and_then(token) {
            headers.insert(CONTINUATION, next);
        }
        Ok(response)
    }

    pub(super) fn page_size(&self) -> Result<NonZeroUsize, Fault> {
        match header_text(self.parts, MAX_ITEM_COUNT) {
            None | Some("") => Ok(USUAL_PAGE),
            Some(text) => match text.parse::<NonZeroUsize>() {
                Ok(size) => Ok(size.min(LONGEST_PAGE)),
                Err(_) => Err(Fault::argument(format!(
                    "{MAX_ITEM_COUNT} must be a number from 1 to {LONGEST_PAGE}."
                ))),
            },
        }
    }

    fn continuation(&self) -> Result<Option<Resume<Key>>, Fault> {
        let Some(token) = header_text(self.parts, CONTINUATION).filter(|token| !token.is_empty())
        else {
            return Ok(None);
        };
        let read = URL_SAFE_NO_PAD.decode(token).ok();
        match read.and_then(|json| serde_json::from_slice(&json).ok()) {
            Some(Continuation::After(device, module, given)) => {
                let key = (device, module);
                Ok(Some(Resume::After { key, given }))
            }
            Some(Continuation::Skip(given)) => Ok(Some(Resume::Skip(given))),
            None => Err(Fault::argument(format!(
                "{CONTINUATION} is none that this service gave."
            ))),
        }
    }
}

fn token(resume: Resume<Key>) -> Option<HeaderValue> {
    let continuation = match resume {
        Resume::After {
            key: (device, module),
            given,
        } => Continuation::After(device, module, given),
        Resume::Skip(given) => Continuation::Skip(given),
    };
    let json = serde_json::to_vec(&continuation).ok()?;
    HeaderValue::try_from(URL_SAFE_NO_PAD.encode(json)).ok()
}

/// The SDK for Node reads an error's text up to a semicolon.
fn refused(error: &QueryError) -> Fault {
    let help = error.help.replace(';', ",");
    Fault::argument(format!("The query is not valid: {error}: {help}."))
}
