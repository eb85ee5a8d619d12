//! A container of blobs that speaks as much of Azure Storage's REST API as imports and exports need.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::routing::any;
use serde_json::Value;
use tokio::net::TcpListener;

/// Blobs by name.
type Blobs = Arc<Mutex<BTreeMap<String, Vec<u8>>>>;

/// A container, and where it is with what opens it.
pub(super) struct Storage {
    blobs: Blobs,
    pub(super) uri: String,
}

const SIGNATURE: &str = "sv=2020-10-02&sig=s3cret%2B";

impl Storage {
    pub(super) async fn open() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("bound");
        let blobs = Blobs::default();
        let router = Router::new()
            .route("/account/container/{*blob}", any(blob))
            .with_state(blobs.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        let uri = format!("http://{address}/account/container?{SIGNATURE}");
        Self { blobs, uri }
    }

    pub(super) fn put(&self, name: &str, text: &str) {
        let mut blobs = self.blobs.lock().expect("nobody panicked");
        blobs.insert(name.to_owned(), text.into());
    }

    pub(super) fn text(&self, name: &str) -> Option<String> {
        let blobs = self.blobs.lock().expect("nobody panicked");
        let blob = blobs.get(name)?;
        Some(String::from_utf8(blob.clone()).expect("text"))
    }

    pub(super) fn lines(&self, name: &str) -> Vec<Value> {
        let text = self.text(name).unwrap_or_else(|| panic!("{name} is there"));
        let lines = text.lines();
        lines
            .map(|line| serde_json::from_str(line).expect("JSON"))
            .collect()
    }
}

async fn blob(
    State(blobs): State<Blobs>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> (StatusCode, Vec<u8>) {
    let error =
        |code: &str| format!("<?xml version=\"1.0\"?><Error><Code>{code}</Code></Error>").into();
    if uri.query() != Some(SIGNATURE) || !headers.contains_key("x-ms-version") {
        return (StatusCode::FORBIDDEN, error("AuthenticationFailed"));
    }
    let name = uri.path().rsplit('/').next().unwrap_or_default().to_owned();
    let mut blobs = blobs.lock().expect("nobody panicked");
    match method {
        Method::GET => match blobs.get(&name) {
            Some(blob) => (StatusCode::OK, blob.clone()),
            None => (StatusCode::NOT_FOUND, error("BlobNotFound")),
        },
        Method::PUT if headers["x-ms-blob-type"] == "BlockBlob" => {
            blobs.insert(name, body.to_vec());
            (StatusCode::CREATED, Vec::new())
        }
        _ => (StatusCode::BAD_REQUEST, error("InvalidHeaderValue")),
    }
}
