//! What stands before the instances for those who ask: somebody who finds one closed tries the next.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::Request;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;
use street_tests::PATIENCE;
use tokio::time::sleep;

/// Before the next door is tried.
const PAUSE: Duration = Duration::from_millis(50);

pub(crate) struct Doors {
    addresses: Mutex<[String; 2]>,
    next: AtomicUsize,
    http: Client<HttpConnector, Full<Bytes>>,
}

impl Doors {
    pub(crate) fn to(first: &str, second: &str) -> Self {
        Self {
            addresses: Mutex::new([first.to_owned(), second.to_owned()]),
            next: AtomicUsize::new(0),
            http: Client::builder(TokioExecutor::new()).build_http(),
        }
    }

    /// An instance that was started again is elsewhere.
    pub(crate) fn moved(&self, which: usize, address: &str) {
        let mut addresses = self
            .addresses
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        addresses[which] = address.to_owned();
    }

    /// Asks one of them, once: status and JSON; nothing when the answer did not come whole.
    pub(crate) async fn ask(
        &self,
        method: &str,
        path: &str,
        token: &str,
        body: &Value,
    ) -> Option<(u16, Value)> {
        let which = self.next.fetch_add(1, Ordering::Relaxed) % 2;
        let address = {
            let addresses = self
                .addresses
                .lock()
                .unwrap_or_else(PoisonError::into_inner);
            addresses[which].clone()
        };
        let text = match body {
            Value::Null => String::new(),
            body => body.to_string(),
        };
        let request = Request::builder()
            .method(method)
            .uri(format!("{address}{path}"))
            .header("authorization", format!("Bearer {token}"))
            .header("content-type", "application/json")
            .body(Full::new(Bytes::from(text)))
            .expect("a valid request");
        let answered = async {
            let answer = self.http.request(request).await.ok()?;
            let status = answer.status().as_u16();
            let body = answer.into_body().collect().await.ok()?.to_bytes();
            Some((status, serde_json::from_slice(&body).unwrap_or_default()))
        };
        let answered = answered.await;
        if answered.is_none() {
            sleep(PAUSE).await;
        }
        answered
    }

    /// Reads from whoever answers.
    pub(crate) async fn read(&self, path: &str, token: &str) -> Value {
        let begun = Instant::now();
        loop {
            if let Some((200, answer)) = self.ask("GET", path, token, &Value::Null).await {
                return answer;
            }
            assert!(begun.elapsed() < PATIENCE, "nobody answers {path}");
            sleep(PAUSE).await;
        }
    }
}
