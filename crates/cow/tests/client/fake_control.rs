//! A control API that answers what a test tells it to, and remembers what it was asked.

use std::collections::HashMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use futures_util::{StreamExt, stream};
use serde_json::Value;
use tokio::net::TcpListener;

/// A running fake; it ends with the test's runtime.
pub(crate) struct FakeControl {
    address: SocketAddr,
    shared: Arc<Shared>,
}

struct Shared {
    answers: HashMap<&'static str, Answer>,
    requests: Mutex<Vec<(String, Value)>>,
}

/// What to say to a request.
pub(crate) enum Answer {
    /// A status and a JSON body.
    Json(u16, Value),
    /// A status alone.
    Empty(u16),
    /// Lines, after which the answer stays open for good.
    Endless(&'static str),
    /// Lines, after which the answer ends.
    Ending(&'static str),
    /// Something no simulator says.
    Html,
}

impl FakeControl {
    /// `answers` are by method and path, without the query: `GET /control/devices`.
    pub(crate) async fn start(answers: impl IntoIterator<Item = (&'static str, Answer)>) -> Self {
        let shared = Arc::new(Shared {
            answers: answers.into_iter().collect(),
            requests: Mutex::default(),
        });
        let router = Router::new()
            .fallback(answer)
            .with_state(Arc::clone(&shared));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback");
        let address = listener.local_addr().expect("bound");
        tokio::spawn(async move { axum::serve(listener, router).await });
        Self { address, shared }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Method, path with query, and body of every request so far.
    pub(crate) fn requests(&self) -> Vec<(String, Value)> {
        self.shared
            .requests
            .lock()
            .expect("no test panicked")
            .clone()
    }
}

async fn answer(State(shared): State<Arc<Shared>>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    let body = axum::body::to_bytes(body, 1 << 20).await.expect("a body");
    let body = serde_json::from_slice(&body).unwrap_or_default();
    let asked = format!("{} {}", head.method, head.uri);
    let key = format!("{} {}", head.method, head.uri.path());
    shared
        .requests
        .lock()
        .expect("no test panicked")
        .push((asked, body));
    match shared.answers.get(key.as_str()) {
        Some(Answer::Json(status, body)) => (code(*status), body.to_string()).into_response(),
        Some(Answer::Empty(status)) => code(*status).into_response(),
        Some(Answer::Endless(lines)) => {
            let lines = stream::iter([Ok::<_, Infallible>(*lines)]);
            Body::from_stream(lines.chain(stream::pending())).into_response()
        }
        Some(Answer::Ending(lines)) => lines.into_response(),
        Some(Answer::Html) => "<html>hello</html>".into_response(),
        None => (StatusCode::NOT_FOUND, "nobody").into_response(),
    }
}

fn code(status: u16) -> StatusCode {
    StatusCode::from_u16(status).expect("a status code")
}
