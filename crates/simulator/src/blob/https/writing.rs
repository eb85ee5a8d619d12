//! `Put Blob`, `Put Block`, `Put Block List` and `Delete Blob`.

use std::collections::BTreeMap;

use axum::body::Body;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use futures_util::StreamExt;

use super::answer::{Fault, not_written, put, put_version};
use super::{Asked, block_list};
use crate::blob::condition::Condition;
use crate::blob::room::Draft;
use crate::blob::sas::Permission;
use crate::blob::{About, Blob, NewBlob};
use crate::hub::BlobFault;
use crate::rest::header_text;

/// A list of the most blocks a blob can have is shorter.
const LONGEST_LIST: usize = 8 << 20;
/// Longest id of a block, before it is put into base64.
const LONGEST_BLOCK_ID: usize = 64;
/// Headers of a blob, with where a request says them: the second where its body is not the blob.
const HEADERS: [(&str, &str); 6] = [
    ("content-type", "x-ms-blob-content-type"),
    ("content-encoding", "x-ms-blob-content-encoding"),
    ("content-language", "x-ms-blob-content-language"),
    ("content-disposition", "x-ms-blob-content-disposition"),
    ("cache-control", "x-ms-blob-cache-control"),
    ("content-md5", "x-ms-blob-content-md5"),
];
/// Bytes of metadata, as Azure Storage limits them.
const MAX_METADATA: usize = 8 << 10;

impl Asked<'_> {
    /// A whole block blob.
    pub(super) async fn put(&self, name: &str, body: Body) -> Result<Response, Fault> {
        let condition = self.condition();
        self.authorize(writing(&condition))?;
        match header_text(self.parts, "x-ms-blob-type") {
            Some(kind) if kind.eq_ignore_ascii_case("BlockBlob") => {}
            Some(_) => return Err(Fault::header("x-ms-blob-type", "must be BlockBlob")),
            None => return Err(missing("x-ms-blob-type")),
        }
        if self.parts.headers.contains_key("x-ms-copy-source") {
            return Err(Fault::header("x-ms-copy-source", "is not supported"));
        }
        let about = self.about(true)?;
        // A blob that will not be written need not come in first.
        self.hub.container(self.container, |_| ())?;
        let mut draft = self.receive(body).await?;
        let parts = vec![draft.finish("").await?];
        let new = NewBlob { parts, about };
        let placed = self
            .hub
            .put_blob((self.container, name), new, &condition, self.now);
        let blob = kept(draft, placed).map_err(not_written)?;
        Ok(created(&blob))
    }

    /// One block, to be put into the blob later.
    pub(super) async fn put_block(&self, name: &str, body: Body) -> Result<Response, Fault> {
        self.authorize(Permission::Create)?;
        let id = self
            .query("blockid")
            .ok_or_else(|| Fault::parameter("blockid", "is missing"))?;
        let is_id = STANDARD
            .decode(&id)
            .is_ok_and(|bytes| (1..=LONGEST_BLOCK_ID).contains(&bytes.len()));
        if !is_id {
            let what = "must be base64 of 1 to 64 bytes";
            return Err(Fault::parameter("blockid", what));
        }
        self.hub.container(self.container, |_| ())?;
        let mut draft = self.receive(body).await?;
        let part = draft.finish(&id).await?;
        let staged = self.hub.stage_block(self.container, name, part, self.now);
        kept(draft, staged)?;
        Ok(StatusCode::CREATED.into_response())
    }

    /// The blob, put together.
    pub(super) async fn put_block_list(&self, name: &str, body: Body) -> Result<Response, Fault> {
        let condition = self.condition();
        self.authorize(writing(&condition))?;
        let about = self.about(false)?;
        let body = axum::body::to_bytes(body, LONGEST_LIST).await;
        let body = body.map_err(|_| {
            let message =
                format!("The block list cannot be read, or is more than {LONGEST_LIST} bytes.");
            Fault::new(
                StatusCode::PAYLOAD_TOO_LARGE,
                "RequestBodyTooLarge",
                message,
            )
        })?;
        let blocks = block_list::parse(&body).map_err(|error| {
            Fault::new(
                StatusCode::BAD_REQUEST,
                "InvalidXmlDocument",
                error.to_string(),
            )
        })?;
        let place = (self.container, name);
        let placed = self
            .hub
            .put_blocks(place, &blocks, about, &condition, self.now);
        Ok(created(&placed.map_err(not_written)?))
    }

    pub(super) fn remove(&self, name: &str) -> Result<Response, Fault> {
        self.authorize(Permission::Delete)?;
        self.hub
            .remove_blob(self.container, name, &self.condition())?;
        Ok(StatusCode::ACCEPTED.into_response())
    }

    /// Writes a body as it comes in.
    async fn receive(&self, body: Body) -> Result<Draft, Fault> {
        let mut draft = self.hub.room.begin().await?;
        let mut stream = body.into_data_stream();
        while let Some(chunk) = stream.next().await {
            let chunk = chunk.map_err(|error| {
                let message = format!("The body ended before its time: {error}.");
                Fault::new(StatusCode::BAD_REQUEST, "IncompleteBody", message)
            })?;
            draft.write(&chunk).await?;
        }
        Ok(draft)
    }

    /// What the request says of the blob. Where the body is the blob, its own headers count too.
    fn about(&self, is_whole: bool) -> Result<About, Fault> {
        let mut headers = BTreeMap::new();
        for (name, own) in HEADERS {
            let given = header_text(self.parts, own);
            let of_body = || header_text(self.parts, name).filter(|_| is_whole);
            if let Some(value) = given.or_else(of_body) {
                headers.insert(name.to_owned(), value.to_owned());
            }
        }
        let mut metadata = BTreeMap::new();
        let mut size = 0;
        for (name, value) in &self.parts.headers {
            let Some(name) = name.as_str().strip_prefix("x-ms-meta-") else {
                continue;
            };
            let value = value
                .to_str()
                .map_err(|_| Fault::header(&format!("x-ms-meta-{name}"), "is no text"))?;
            if !is_identifier(name) {
                let message = format!("The metadata name {name:?} is no identifier.");
                return Err(Fault::new(
                    StatusCode::BAD_REQUEST,
                    "InvalidMetadata",
                    message,
                ));
            }
            size += name.len() + value.len();
            metadata.insert(name.to_owned(), value.to_owned());
        }
        if size > MAX_METADATA {
            let message = format!("The metadata is more than {MAX_METADATA} bytes.");
            return Err(Fault::new(
                StatusCode::BAD_REQUEST,
                "MetadataTooLarge",
                message,
            ));
        }
        Ok(About { headers, metadata })
    }
}

/// Keeps a part that the hub speaks of: also when the journal could not be written, since it holds the change still and
/// writes it with a later one.
fn kept<T>(draft: Draft, done: Result<T, BlobFault>) -> Result<T, BlobFault> {
    if matches!(done, Ok(_) | Err(BlobFault::Journal(_))) {
        draft.keep();
    }
    done
}

/// What a writer has to be allowed: to create is enough where it says that it does not overwrite.
fn writing(condition: &Condition) -> Permission {
    match condition.matches_not.as_deref() {
        Some("*") => Permission::Create,
        _ => Permission::Write,
    }
}

/// Names of metadata become elements in lists.
fn is_identifier(name: &str) -> bool {
    let is_letter = |byte: u8| byte.is_ascii_alphabetic() || byte == b'_';
    name.as_bytes()
        .first()
        .is_some_and(|first| is_letter(*first))
        && name
            .bytes()
            .all(|byte| is_letter(byte) || byte.is_ascii_digit())
}

fn missing(name: &str) -> Fault {
    let message = format!("The header {name} is missing.");
    Fault::new(StatusCode::BAD_REQUEST, "MissingRequiredHeader", message)
}

fn created(blob: &Blob) -> Response {
    let mut response = StatusCode::CREATED.into_response();
    put_version(&mut response, blob);
    put(&mut response, "x-ms-request-server-encrypted", "false");
    response
}
