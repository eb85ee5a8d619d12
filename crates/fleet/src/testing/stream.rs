//! A stream of server-sent events, as a test follows it.

use std::time::Duration;

use axum::body::Body;
use axum::http::{Request, header};
use http_body_util::BodyExt;
use serde_json::Value;
use tokio::time::timeout;

use super::{Site, Somebody};

/// Longer than anything here takes on a busy machine.
const BOUND: Duration = Duration::from_secs(20);

/// Somebody's open stream, and what it has told.
pub(crate) struct Stream {
    body: Body,
    /// Everything since it was opened.
    pub told: String,
    /// How much of that was taken as events.
    taken: usize,
}

impl Stream {
    pub(crate) async fn open(site: &Site, who: &Somebody, path: &str) -> Self {
        let request = Request::get(path)
            .header(header::AUTHORIZATION, format!("Bearer {}", who.token))
            .body(Body::empty());
        let answer = site.open(request.expect("a request")).await;
        assert_eq!(answer.status(), 200, "{path}");
        Self {
            body: answer.into_body(),
            told: String::new(),
            taken: 0,
        }
    }

    /// The next event: its name and its data.
    pub(crate) async fn next(&mut self) -> (String, Value) {
        let next = async {
            loop {
                if let Some((event, _)) = self.told[self.taken..].split_once("\n\n") {
                    self.taken += event.len() + 2;
                    let line = |name: &str| event.lines().find_map(|line| line.strip_prefix(name));
                    if let (Some(name), Some(data)) = (line("event: "), line("data: ")) {
                        return (name.to_owned(), serde_json::from_str(data).expect("JSON"));
                    }
                } else {
                    assert!(self.hear().await, "it ended: {}", self.told);
                }
            }
        };
        timeout(BOUND, next).await.expect("an event")
    }

    /// The data of the next event of this name.
    pub(crate) async fn until(&mut self, name: &str) -> Value {
        loop {
            let (found, data) = self.next().await;
            if found == name {
                return data;
            }
        }
    }

    /// Reads on until it tells of `what`; whether it does before it ends.
    pub(crate) async fn tells(&mut self, what: &str) -> bool {
        let read = async {
            while !self.told.contains(what) {
                if !self.hear().await {
                    return false;
                }
            }
            true
        };
        let told = timeout(BOUND, read).await;
        told.unwrap_or_else(|_| panic!("a stream neither tells of {what} nor ends: {}", self.told))
    }

    pub(crate) async fn ends(&mut self) -> bool {
        !self.tells("what nobody ever says").await
    }

    /// What was told so far counts no more.
    pub(crate) fn forget(&mut self) {
        self.told.clear();
        self.taken = 0;
    }

    /// Waits for more. False when the stream has ended.
    async fn hear(&mut self) -> bool {
        let Some(frame) = self.body.frame().await else {
            return false;
        };
        let data = frame.expect("a frame").into_data().expect("data");
        self.told.push_str(&String::from_utf8_lossy(&data));
        true
    }
}
