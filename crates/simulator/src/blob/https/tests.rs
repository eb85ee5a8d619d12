//! The store without sockets, as Azure Storage's clients ask it.

use std::path::Path;
use std::time::Duration;

use axum::http::HeaderMap;
use hub_proto::sas::SymmetricKey;

use super::*;
use crate::hub::Names;

mod refusals;
mod restored;

struct Bench {
    hub: Arc<Hub>,
    key: SymmetricKey,
}

#[derive(Debug)]
struct Answer {
    status: u16,
    headers: HeaderMap,
    body: String,
}

impl Answer {
    fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name);
        let value = value.unwrap_or_else(|| panic!("{name} is missing: {self:?}"));
        value.to_str().expect("a text")
    }

    /// The code of a refusal, in header and body.
    fn code(&self) -> &str {
        let code = self.header("x-ms-error-code");
        assert!(self.body.contains(&format!("<Code>{code}</Code>")));
        code
    }
}

impl Bench {
    fn new(state: Option<&Path>) -> Self {
        let names = Names {
            hub: "localhost".into(),
            gateway: "localhost".into(),
            accepted: vec!["localhost".into()],
        };
        let hub = Arc::new(Hub::open(state, names).expect("the state can be read"));
        let key = hub.ensure_container("files", Timestamp::now());
        let key = key.expect("it can be written");
        Self { hub, key }
    }

    /// A query that allows this for a minute.
    fn signed(&self, blob: Option<&str>, permissions: &str) -> String {
        let resource = Resource {
            container: "files",
            blob,
        };
        let expires = Timestamp::now() + Duration::from_secs(60);
        sas::sign(&self.key, resource, permissions, expires)
    }

    /// Asks with a signature for the whole container; `query` goes before it.
    async fn ask(&self, method: &str, blob: &str, query: &str, body: &str) -> Answer {
        self.ask_with(method, blob, query, &[], body).await
    }

    async fn ask_with(
        &self,
        method: &str,
        blob: &str,
        query: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Answer {
        let signed = self.signed(None, "rwdl").replacen('?', "&", 1);
        let path = format!("/blob/files{blob}?{query}{signed}");
        self.send(method, &path, headers, body).await
    }

    async fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let mut request = axum::http::Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Body::from(body.to_owned()));
        let response = serve_request(&self.hub, request.expect("a request")).await;
        let (parts, body) = response.into_parts();
        let body = axum::body::to_bytes(body, usize::MAX)
            .await
            .expect("it reads");
        Answer {
            status: parts.status.as_u16(),
            headers: parts.headers,
            body: String::from_utf8(body.into()).expect("texts here"),
        }
    }

    async fn put(&self, blob: &str, body: &str) -> Answer {
        let kind = [("x-ms-blob-type", "BlockBlob")];
        self.ask_with("PUT", blob, "", &kind, body).await
    }
}

/// The same with and without a state directory.
fn benches() -> (tempfile::TempDir, [Bench; 2]) {
    let directory = tempfile::tempdir().expect("a directory");
    let kept = Bench::new(Some(directory.path()));
    (directory, [Bench::new(None), kept])
}

fn files_in(directory: &Path) -> usize {
    let entries = std::fs::read_dir(directory.join("blobs"));
    entries.map_or(0, Iterator::count)
}

#[tokio::test]
async fn a_blob_is_written_read_and_removed() {
    let (_directory, benches) = benches();
    for bench in benches {
        let headers = [
            ("x-ms-blob-type", "BlockBlob"),
            ("content-type", "text/plain"),
            ("x-ms-meta-site", "north"),
            ("x-ms-client-request-id", "7"),
        ];
        let put = bench
            .ask_with("PUT", "/a%2Fb.txt", "", &headers, "hello")
            .await;
        assert_eq!(put.status, 201, "{put:?}");
        assert_eq!(put.header("x-ms-client-request-id"), "7");
        let got = bench.ask("GET", "/a/b.txt", "", "").await;
        assert_eq!((got.status, got.body.as_str()), (200, "hello"));
        assert_eq!(got.header("etag"), put.header("etag"));
        assert_eq!(got.header("content-type"), "text/plain");
        assert_eq!(got.header("x-ms-meta-site"), "north");
        assert_eq!(got.header("content-length"), "5");
        let head = bench.ask("HEAD", "/a/b.txt", "", "").await;
        assert_eq!((head.status, head.body.as_str()), (200, ""));
        assert_eq!(head.header("content-length"), "5");
        assert_eq!(bench.ask("DELETE", "/a/b.txt", "", "").await.status, 202);
        assert_eq!(
            bench.ask("GET", "/a/b.txt", "", "").await.code(),
            "BlobNotFound"
        );
        assert_eq!(bench.ask("DELETE", "/a/b.txt", "", "").await.status, 404);
    }
}

#[tokio::test]
async fn ranges_are_read_across_blocks() {
    let (_directory, benches) = benches();
    for bench in benches {
        for (id, body) in [("QQ==", "0123"), ("Qg==", "4567"), ("Qw==", "89")] {
            let query = format!("comp=block&blockid={}", percent::encode(id));
            assert_eq!(bench.ask("PUT", "/n", &query, body).await.status, 201);
        }
        assert_eq!(bench.ask("GET", "/n", "", "").await.status, 404);
        let list = "<BlockList><Latest>QQ==</Latest><Latest>Qg==</Latest><Latest>Qw==</Latest></BlockList>";
        let put = bench.ask("PUT", "/n", "comp=blocklist", list).await;
        assert_eq!(put.status, 201, "{put:?}");
        for (range, status, body, place) in [
            ("bytes=0-9", 206, "0123456789", Some("bytes 0-9/10")),
            ("bytes=3-4", 206, "34", Some("bytes 3-4/10")),
            ("bytes=2-", 206, "23456789", Some("bytes 2-9/10")),
            ("bytes=8-99", 206, "89", Some("bytes 8-9/10")),
            ("lines=1-2", 200, "0123456789", None),
        ] {
            let header = [("x-ms-range", range)];
            let got = bench.ask_with("GET", "/n", "", &header, "").await;
            assert_eq!((got.status, got.body.as_str()), (status, body), "{range}");
            let found = got.headers.get("content-range");
            assert_eq!(found.map(|place| place.to_str().expect("a text")), place);
        }
        let beyond = [("range", "bytes=10-")];
        let beyond = bench.ask_with("GET", "/n", "", &beyond, "").await;
        assert_eq!((beyond.status, beyond.code()), (416, "InvalidRange"));
    }
}

#[tokio::test]
async fn a_blob_is_put_together_anew_from_old_and_new_blocks() {
    let directory = tempfile::tempdir().expect("a directory");
    let bench = Bench::new(Some(directory.path()));
    assert_eq!(files_in(directory.path()), 0, "nothing before it is used");
    let block = async |id: &str, body: &str| {
        let query = format!("comp=block&blockid={}", percent::encode(id));
        assert_eq!(bench.ask("PUT", "/n", &query, body).await.status, 201);
    };
    let commit = async |list: &str| {
        let list = format!("<BlockList>{list}</BlockList>");
        bench.ask("PUT", "/n", "comp=blocklist", &list).await
    };
    block("QQ==", "one").await;
    block("Qg==", "two").await;
    assert_eq!(
        commit("<Latest>QQ==</Latest><Latest>Qg==</Latest>")
            .await
            .status,
        201
    );
    block("Qg==", "TWO").await;
    block("Qw==", "unwanted").await;
    assert_eq!(files_in(directory.path()), 4);
    let listed = bench
        .ask("GET", "/n", "comp=blocklist&blocklisttype=all", "")
        .await;
    assert!(
        listed
            .body
            .contains("<UncommittedBlocks><Block><Name>Qg==</Name><Size>3</Size></Block>"),
        "{listed:?}"
    );
    let missing = commit("<Committed>Qw==</Committed>").await;
    assert_eq!((missing.status, missing.code()), (400, "InvalidBlockList"));
    let list =
        "<Uncommitted>Qg==</Uncommitted><Committed>QQ==</Committed><Committed>Qg==</Committed>";
    assert_eq!(commit(list).await.status, 201);
    assert_eq!(bench.ask("GET", "/n", "", "").await.body, "TWOonetwo");
    assert_eq!(files_in(directory.path()), 3);
    assert_eq!(bench.ask("DELETE", "/n", "", "").await.status, 202);
    assert_eq!(files_in(directory.path()), 0);
}

#[tokio::test]
async fn what_was_acknowledged_survives_a_kill() {
    let directory = tempfile::tempdir().expect("a directory");
    let before = Bench::new(Some(directory.path()));
    assert_eq!(before.put("/kept", "hello").await.status, 201);
    let block = before
        .ask("PUT", "/n", "comp=block&blockid=QQ%3D%3D", "later")
        .await;
    assert_eq!(block.status, 201);
    let path = format!("/blob/files/kept{}", before.signed(Some("kept"), "r"));
    drop(before);
    let after = Bench::new(Some(directory.path()));
    assert_eq!(after.send("GET", &path, &[], "").await.body, "hello");
    let list = "<BlockList><Uncommitted>QQ==</Uncommitted></BlockList>";
    assert_eq!(
        after.ask("PUT", "/n", "comp=blocklist", list).await.status,
        201
    );
    assert_eq!(after.ask("GET", "/n", "", "").await.body, "later");
}

/// Whoever is told 200 gets every byte: what is lost is said instead.
#[tokio::test]
async fn a_part_that_is_lost_is_said_before_the_answer_begins() {
    let directory = tempfile::tempdir().expect("a directory");
    let bench = Bench::new(Some(directory.path()));
    assert_eq!(bench.put("/cut", "hello").await.status, 201);
    for spoil in [cut as fn(&Path), remove] {
        for entry in std::fs::read_dir(directory.path().join("blobs")).expect("parts") {
            spoil(&entry.expect("a part").path());
        }
        let lost = bench.ask("GET", "/cut", "", "").await;
        assert_eq!((lost.status, lost.code()), (500, "InternalError"));
        assert!(lost.body.contains("write the blob again"), "{}", lost.body);
    }
    assert_eq!(bench.put("/cut", "again").await.status, 201);
    assert_eq!(bench.ask("GET", "/cut", "", "").await.body, "again");
}

fn cut(file: &Path) {
    std::fs::write(file, "hel").expect("a file");
}

fn remove(file: &Path) {
    std::fs::remove_file(file).expect("a file");
}

#[tokio::test]
async fn conditions_keep_writers_apart() {
    let bench = Bench::new(None);
    let new = [("x-ms-blob-type", "BlockBlob"), ("if-none-match", "*")];
    let first = bench.ask_with("PUT", "/a", "", &new, "1").await;
    assert_eq!(first.status, 201);
    let again = bench.ask_with("PUT", "/a", "", &new, "2").await;
    assert_eq!((again.status, again.code()), (409, "BlobAlreadyExists"));
    let tag = first.header("etag").to_owned();
    assert_eq!(bench.put("/a", "2").await.status, 201);
    for method in ["GET", "DELETE"] {
        let stale = bench
            .ask_with(method, "/a", "", &[("if-match", &tag)], "")
            .await;
        assert_eq!((stale.status, stale.code()), (412, "ConditionNotMet"));
    }
    let now = bench.ask("HEAD", "/a", "", "").await;
    let unchanged = [("if-none-match", now.header("etag"))];
    let unchanged = bench.ask_with("GET", "/a", "", &unchanged, "").await;
    assert_eq!((unchanged.status, unchanged.body.as_str()), (304, ""));
}

#[tokio::test]
async fn blobs_are_listed() {
    let bench = Bench::new(None);
    for name in ["/pump7/a&b.txt", "/pump7/c.txt", "/pump8/d.txt"] {
        assert_eq!(bench.put(&name.replace('&', "%26"), "1").await.status, 201);
    }
    let all = bench
        .ask("GET", "", "restype=container&comp=list&prefix=pump7%2F", "")
        .await;
    assert_eq!(all.status, 200);
    assert!(
        all.body.contains("<Name>pump7/a&amp;b.txt</Name>"),
        "{all:?}"
    );
    assert!(!all.body.contains("pump8"));
    let page = bench
        .ask("GET", "", "restype=container&comp=list&maxresults=1", "")
        .await;
    assert!(page.body.contains("<NextMarker>pump7/c.txt</NextMarker>"));
    let folders = bench
        .ask("GET", "", "restype=container&comp=list&delimiter=/", "")
        .await;
    assert!(
        folders
            .body
            .contains("<BlobPrefix><Name>pump8/</Name></BlobPrefix>")
    );
    assert_eq!(
        bench.ask("GET", "", "restype=container", "").await.status,
        200
    );
}
