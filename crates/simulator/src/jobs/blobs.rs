//! Blobs in somebody's container: `Get Blob` and `Put Blob` of Azure Storage's REST API, by a URI that is signed.

use std::time::Duration;

use axum::body::Bytes;
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode};
use thiserror::Error;
use tokio::time::timeout;

use crate::outgoing::{self, Asking, Reason, Url, UrlError};
use crate::registry::Container;

/// How long a blob may take each way.
const WITHIN: Duration = Duration::from_secs(120);
/// Bytes of a blob that is read: a million devices with little in their twins.
const LONGEST_BLOB: usize = 256 << 20;
/// Bytes of what a service says when a blob was written, or why not.
const LONGEST_ANSWER: usize = 64 << 10;

/// Why a blob was not read or written. Says nothing of what opens the container.
#[derive(Debug, Error)]
pub(super) enum BlobFault {
    #[error("the container's URI is {0}")]
    Url(#[from] UrlError),
    #[error("{host} did not answer within {} s", WITHIN.as_secs())]
    Late { host: String },
    #[error("{host} gave no answer: {source}")]
    NoAnswer { host: String, source: Reason },
    #[error("{host} answered {status}{}", code_of(.said))]
    Refused {
        host: String,
        status: StatusCode,
        /// The body, in which storage services name the reason.
        said: String,
    },
}

/// The name that storage services give the reason, in XML.
fn code_of(said: &str) -> String {
    let code = said
        .split_once("<Code>")
        .and_then(|(_, rest)| rest.split_once("</Code>"));
    match code {
        Some((code, _)) if code.bytes().all(|byte| byte.is_ascii_alphanumeric()) => {
            format!(" ({code})")
        }
        _ => String::new(),
    }
}

/// Reads a whole blob.
pub(super) async fn get(
    container: &Container,
    blob: &str,
    authority_pem: &str,
) -> Result<Bytes, BlobFault> {
    let url = Url::parse(&container.secret_uri_of(blob))?;
    let asking = Asking {
        method: Method::GET,
        url: &url,
        headers: headers(),
        body: Bytes::new(),
        longest_answer: LONGEST_BLOB,
    };
    exchange(asking, authority_pem).await
}

/// Writes a whole block blob, over one that is there.
pub(super) async fn put(
    container: &Container,
    blob: &str,
    body: Vec<u8>,
    authority_pem: &str,
) -> Result<(), BlobFault> {
    let url = Url::parse(&container.secret_uri_of(blob))?;
    let mut headers = headers();
    headers.insert("x-ms-blob-type", HeaderValue::from_static("BlockBlob"));
    let text = HeaderValue::from_static("text/plain; charset=utf-8");
    headers.insert("content-type", text);
    headers.insert("content-length", HeaderValue::from(body.len()));
    let asking = Asking {
        method: Method::PUT,
        url: &url,
        headers,
        body: body.into(),
        longest_answer: LONGEST_ANSWER,
    };
    exchange(asking, authority_pem).await.map(|_| ())
}

fn headers() -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert("x-ms-version", HeaderValue::from_static("2020-10-02"));
    headers
}

async fn exchange(asking: Asking<'_>, authority_pem: &str) -> Result<Bytes, BlobFault> {
    let host = asking.url.authority();
    match timeout(WITHIN, outgoing::ask(asking, authority_pem)).await {
        Err(_) => Err(BlobFault::Late { host }),
        Ok(Err(source)) => Err(BlobFault::NoAnswer { host, source }),
        Ok(Ok((status, body))) if status.is_success() => Ok(body),
        Ok(Ok((status, body))) => Err(BlobFault::Refused {
            host,
            status,
            said: String::from_utf8_lossy(&body).into_owned(),
        }),
    }
}
