//! `Get Blob` and `Get Blob Properties`, whole or a range, streamed from where the parts are.

use std::io::{self, SeekFrom};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use axum::body::Body;
use axum::http::{Method, StatusCode};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, future, stream};
use tokio::fs::File;
use tokio::io::{AsyncReadExt, AsyncSeekExt};
use tokio_util::io::ReaderStream;

use super::Asked;
use super::answer::{Fault, http_date, put, put_version};
use crate::blob::condition::Unmet;
use crate::blob::room::Room;
use crate::blob::sas::Permission;
use crate::blob::{Blob, Part};
use crate::rest::header_text;

/// Bytes read from a file at once.
const CHUNK: usize = 64 << 10;

impl Asked<'_> {
    pub(super) async fn read(&self, name: &str) -> Result<Response, Fault> {
        self.authorize(Permission::Read)?;
        let blob = self.hub.blob(self.container, name)?;
        if let Err(unmet) = self.condition().check(Some(&blob.etag())) {
            return unchanged(unmet);
        }
        let length = blob.length();
        let range = header_text(self.parts, "x-ms-range")
            .or_else(|| header_text(self.parts, "range"))
            .and_then(range);
        let wanted = match &range {
            None => 0..length,
            Some(asked) if asked.start >= length => return Ok(beyond(length)),
            Some(asked) => asked.start..asked.end.min(length),
        };
        let status = match range {
            Some(_) => StatusCode::PARTIAL_CONTENT,
            None => StatusCode::OK,
        };
        let body = match self.parts.method {
            Method::HEAD => Body::empty(),
            _ => {
                let pieces = pieces(&self.hub.room, &blob.parts, wanted.clone()).await?;
                Body::from_stream(stream::iter(pieces).then(open).try_flatten())
            }
        };
        let mut response = (status, body).into_response();
        describe(&mut response, &blob);
        let bytes = wanted.end - wanted.start;
        put(&mut response, "content-length", &bytes.to_string());
        if range.is_some() {
            let place = format!("bytes {}-{}/{length}", wanted.start, wanted.end - 1);
            put(&mut response, "content-range", &place);
        }
        Ok(response)
    }
}

fn unchanged(unmet: Unmet) -> Result<Response, Fault> {
    match unmet {
        Unmet::NoneMatch => Ok(StatusCode::NOT_MODIFIED.into_response()),
        Unmet::Match => Err(Fault::new(
            StatusCode::PRECONDITION_FAILED,
            "ConditionNotMet",
            "The condition specified using HTTP conditional header(s) is not met.",
        )),
    }
}

fn beyond(length: u64) -> Response {
    let message = format!("The range begins beyond the blob's {length} bytes.");
    let fault = Fault::new(StatusCode::RANGE_NOT_SATISFIABLE, "InvalidRange", message);
    let mut response = fault.into_response();
    put(&mut response, "content-range", &format!("bytes */{length}"));
    response
}

fn describe(response: &mut Response, blob: &Blob) {
    put_version(response, blob);
    put(response, "accept-ranges", "bytes");
    put(response, "x-ms-blob-type", "BlockBlob");
    put(response, "x-ms-creation-time", &http_date(blob.created));
    put(response, "content-type", blob.content_type());
    for (name, value) in &blob.about.headers {
        put(response, name, value);
    }
    for (name, value) in &blob.about.metadata {
        put(response, &format!("x-ms-meta-{name}"), value);
    }
}

/// Reads `bytes=first-last` or `bytes=first-`. As the store does it, what is no such range is as good as none.
fn range(text: &str) -> Option<Range<u64>> {
    let (first, last) = text.trim().strip_prefix("bytes=")?.split_once('-')?;
    let first = first.parse().ok()?;
    let end = match last {
        "" => u64::MAX,
        last => last.parse::<u64>().ok()?.checked_add(1)?,
    };
    (first < end).then_some(first..end)
}

/// One part's bytes, as far as they are asked for.
enum Piece {
    Inline(Bytes),
    File { path: PathBuf, range: Range<u64> },
}

/// Where the wanted bytes are, all of them: what is missing is said before anything is answered.
async fn pieces(room: &Arc<Room>, parts: &[Part], wanted: Range<u64>) -> Result<Vec<Piece>, Fault> {
    let mut begins = 0;
    let mut pieces = Vec::new();
    for part in parts {
        let own = begins..begins + part.length;
        begins = own.end;
        let from = wanted.start.clamp(own.start, own.end) - own.start;
        let to = wanted.end.clamp(own.start, own.end) - own.start;
        if from == to {
            continue;
        }
        pieces.push(match (&part.inline, room.path(part.id)) {
            (Some(bytes), _) => Piece::Inline(bytes.0.slice(from as usize..to as usize)),
            (None, Some(path)) if is_as_long(&path, part.length).await => Piece::File {
                path,
                range: from..to,
            },
            (None, _) => return Err(lost(part)),
        });
    }
    Ok(pieces)
}

async fn is_as_long(path: &Path, length: u64) -> bool {
    let about = tokio::fs::metadata(path).await;
    about.is_ok_and(|about| about.len() == length)
}

/// A snapshot says which parts there were, and their bytes are in files of the state directory.
fn lost(part: &Part) -> Fault {
    let message = format!(
        "Of this blob the part {} is not in this simulator's state directory: start with the directory it was written to, or write the blob again.",
        part.id
    );
    Fault::new(StatusCode::INTERNAL_SERVER_ERROR, "InternalError", message)
}

async fn open(piece: Piece) -> io::Result<stream::BoxStream<'static, io::Result<Bytes>>> {
    match piece {
        Piece::Inline(bytes) => Ok(stream::once(future::ready(Ok(bytes))).boxed()),
        Piece::File { path, range } => {
            let mut file = File::open(path).await?;
            file.seek(SeekFrom::Start(range.start)).await?;
            let rest = file.take(range.end - range.start);
            Ok(ReaderStream::with_capacity(rest, CHUNK).boxed())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_has_a_beginning() {
        for (text, expected) in [
            ("bytes=0-0", Some(0..1)),
            ("bytes=5-9", Some(5..10)),
            ("bytes=5-", Some(5..u64::MAX)),
            ("bytes=-5", None),
            ("bytes=9-5", None),
            ("bytes=0-18446744073709551615", None),
            ("lines=0-1", None),
            ("", None),
        ] {
            assert_eq!(range(text), expected, "{text}");
        }
    }
}
