//! Answers as Azure Storage gives them: refusals in XML with a code, and the headers that every answer has.

use axum::http::request::Parts;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimePrinter;

use crate::blob::Blob;
use crate::blob::condition::Unmet;
use crate::blob::room::RoomFault;
use crate::hub::BlobFault;
use crate::rest::header_text;
use crate::with_causes;

const CLIENT_REQUEST: &str = "x-ms-client-request-id";
const VERSION: &str = "x-ms-version";
/// What a client that names no version gets.
const USUAL_VERSION: &str = "2020-12-06";

/// A refusal: a status, the store's name for it, and a sentence.
#[derive(Debug)]
pub(super) struct Fault {
    status: StatusCode,
    code: &'static str,
    message: String,
}

impl Fault {
    pub(super) fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self {
            status,
            code,
            message: message.into(),
        }
    }

    /// A header that is wrong.
    pub(super) fn header(name: &str, what: &str) -> Self {
        let message = format!("The header {name} {what}.");
        Self::new(StatusCode::BAD_REQUEST, "InvalidHeaderValue", message)
    }

    /// A parameter of the query that is wrong.
    pub(super) fn parameter(name: &str, what: &str) -> Self {
        let message = format!("The parameter {name} {what}.");
        Self::new(
            StatusCode::BAD_REQUEST,
            "InvalidQueryParameterValue",
            message,
        )
    }
}

impl IntoResponse for Fault {
    fn into_response(self) -> Response {
        let mut body = String::from("<?xml version=\"1.0\" encoding=\"utf-8\"?><Error>");
        element(&mut body, "Code", self.code);
        element(&mut body, "Message", &self.message);
        body.push_str("</Error>");
        let mut response = xml(self.status, body);
        let code = HeaderValue::from_static(self.code);
        let name = HeaderName::from_static("x-ms-error-code");
        response.headers_mut().insert(name, code);
        response
    }
}

impl From<BlobFault> for Fault {
    fn from(fault: BlobFault) -> Self {
        let (status, code) = match &fault {
            BlobFault::NoContainer => (StatusCode::NOT_FOUND, "ContainerNotFound"),
            BlobFault::NoBlob => (StatusCode::NOT_FOUND, "BlobNotFound"),
            BlobFault::Condition(_) => (StatusCode::PRECONDITION_FAILED, "ConditionNotMet"),
            BlobFault::NoBlock(_) => (StatusCode::BAD_REQUEST, "InvalidBlockList"),
            BlobFault::TooManyBlocks => (StatusCode::CONFLICT, "BlockCountExceedsLimit"),
            BlobFault::Journal(_) => (StatusCode::INTERNAL_SERVER_ERROR, "InternalError"),
        };
        Self::new(status, code, with_causes(&fault))
    }
}

impl From<RoomFault> for Fault {
    fn from(fault: RoomFault) -> Self {
        let (status, code) = match &fault {
            RoomFault::Full(_) => (StatusCode::PAYLOAD_TOO_LARGE, "RequestBodyTooLarge"),
            RoomFault::Io(_) => (StatusCode::INTERNAL_SERVER_ERROR, "InternalError"),
        };
        Self::new(status, code, with_causes(&fault))
    }
}

/// What a writer hears whose condition does not hold: that the blob is there is something else than that it changed.
pub(super) fn not_written(fault: BlobFault) -> Fault {
    match fault {
        BlobFault::Condition(Unmet::NoneMatch) => Fault::new(
            StatusCode::CONFLICT,
            "BlobAlreadyExists",
            "The specified blob already exists.",
        ),
        fault => fault.into(),
    }
}

/// Puts the headers on that every answer has.
pub(super) fn mark(response: &mut Response, asked: &Parts) {
    let id = crate::tracking_id();
    let version = header_text(asked, VERSION).unwrap_or(USUAL_VERSION);
    put(response, "x-ms-request-id", &id);
    put(response, VERSION, version);
    put(response, "date", &http_date(Timestamp::now()));
    if let Some(id) = header_text(asked, CLIENT_REQUEST) {
        put(response, CLIENT_REQUEST, id);
    }
}

/// Sets a header; what no header can carry is left out.
pub(super) fn put(response: &mut Response, name: &str, value: &str) {
    if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
        response.headers_mut().insert(name, value);
    }
}

/// Sets the headers that tell a blob's version.
pub(super) fn put_version(response: &mut Response, blob: &Blob) {
    put(response, "etag", &format!("\"{}\"", blob.etag()));
    put(response, "last-modified", &http_date(blob.modified));
}

pub(super) fn xml(status: StatusCode, body: String) -> Response {
    const XML: HeaderValue = HeaderValue::from_static("application/xml");
    (status, [(header::CONTENT_TYPE, XML)], body).into_response()
}

/// `Sat, 13 Jul 2024 21:55:00 GMT`.
pub(super) fn http_date(moment: Timestamp) -> String {
    DateTimePrinter::new()
        .timestamp_to_rfc9110_string(&moment)
        .unwrap_or_default()
}

/// Writes an element with a text.
pub(super) fn element(out: &mut String, name: &str, text: &str) {
    out.push_str(&format!("<{name}>"));
    for character in text.chars() {
        match character {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            // What XML cannot hold is told from nothing.
            '\0'..='\u{8}' | '\u{b}' | '\u{c}' | '\u{e}'..='\u{1f}' => out.push('\u{fffd}'),
            other => out.push(other),
        }
    }
    out.push_str(&format!("</{name}>"));
}
