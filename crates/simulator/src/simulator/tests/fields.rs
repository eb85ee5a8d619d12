//! Every field of every request, replaced by what no client should send: each face answers with a refusal, never with a
//! panic, a 5xx or not at all, and what it refused has changed nothing.
//!
//! `operations` has a valid request of each operation; `mutations` puts one field after the other wrong. The order is
//! always the same, so that a failure is found again. Each operation has a simulator of its own, without state.

mod mutations;
mod operations;

use std::panic::AssertUnwindSafe;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{HeaderValue, Method, Request, StatusCode};
use futures_util::FutureExt;
use hub_proto::connection_string::{ConnectionString, Credential};
use hub_proto::sas::Unsigned;
use hyper::service::Service;
use hyper_util::service::TowerToHyperService;
use jiff::Timestamp;
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use serde_json::Value;
use tempfile::TempDir;
use tokio::time::timeout;

use self::operations::Operation;
use crate::connection::Services;
use crate::options::Options;
use crate::simulator::Simulator;
use crate::websocket;

/// No request here waits for a device.
const PATIENCE: Duration = Duration::from_secs(20);

/// Who answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Face {
    Https,
    Control,
}

/// A request as it is put wrong: every part of it a field.
#[derive(Debug, Clone)]
struct Asked {
    face: Face,
    method: String,
    /// Segments as they stand in the path.
    path: Vec<String>,
    query: Vec<(String, String)>,
    headers: Vec<(String, Vec<u8>)>,
    body: Vec<u8>,
}

impl std::fmt::Display for Asked {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} /{}", self.method, self.path.join("/"))
    }
}

/// A simulator that is asked without sockets.
struct World {
    simulator: Arc<Simulator>,
    https: Router,
    control: Router,
    directory: TempDir,
}

impl World {
    async fn new() -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let options = Options {
            ports: Options::on_free_ports(directory.path()).ports,
            ..Options::in_directory(directory.path())
        };
        let simulator = Simulator::start(options).await.expect("it starts");
        let services = Services {
            hub: simulator.hub.clone(),
            dps: simulator.dps.clone(),
        };
        Self {
            https: websocket::router(services),
            control: simulator.control(),
            simulator,
            directory,
        }
    }

    /// A token of the policy in a connection string.
    fn token(connection_string: &str) -> String {
        let string: ConnectionString = connection_string.parse().expect("a connection string");
        let Credential::Key { policy, key } = string.credential else {
            panic!("a key");
        };
        let expiry = Timestamp::now().as_second() + 3600;
        Unsigned::new(&string.host_name, expiry)
            .with_policy(policy.expect("a policy"))
            .sign(&key)
    }

    /// The status, and the body of a refusal. Nothing if the request is none that HTTP could carry.
    async fn ask(&self, asked: &Asked) -> Option<(StatusCode, String)> {
        let mut target = format!("/{}", asked.path.join("/"));
        for (at, (name, value)) in asked.query.iter().enumerate() {
            target += if at == 0 { "?" } else { "&" };
            target += &format!("{name}={value}");
        }
        let mut request = Request::builder()
            .method(Method::from_bytes(asked.method.as_bytes()).ok()?)
            .uri(target);
        for (name, value) in &asked.headers {
            request = request.header(name, HeaderValue::from_bytes(value).ok()?);
        }
        let request = request.body(Body::from(asked.body.clone())).ok()?;
        let router = match asked.face {
            Face::Https => &self.https,
            Face::Control => &self.control,
        };
        let answer = async {
            let response = TowerToHyperService::new(router.clone()).call(request).await;
            let response = response.expect("routers do not fail");
            let status = response.status();
            // An answer may be without end; a refusal is not.
            if status.is_success() || status == StatusCode::SWITCHING_PROTOCOLS {
                return (status, String::new());
            }
            let body = to_bytes(response.into_body(), 1 << 20).await;
            let body = body.expect("a whole body").to_vec();
            (status, String::from_utf8(body).expect("text"))
        };
        let answer = AssertUnwindSafe(timeout(PATIENCE, answer))
            .catch_unwind()
            .await;
        let answer = answer.unwrap_or_else(|_| panic!("a panic for {asked:?}"));
        Some(answer.unwrap_or_else(|_| panic!("no answer for {asked:?}")))
    }

    /// What a request could change: how long the journals are, and where the levers stand.
    fn state(&self) -> (u64, Value) {
        (
            length(&self.directory.path().join("hub")),
            self.simulator.levers(),
        )
    }

    /// As it is when nothing is at work any more.
    async fn settled(&self) -> (u64, Value) {
        let mut state = self.state();
        loop {
            tokio::time::sleep(Duration::from_millis(20)).await;
            let now = self.state();
            if now == state {
                return now;
            }
            state = now;
        }
    }

    async fn make_ready(&self, operation: &Operation) {
        for asked in &operation.given {
            // What is there already need not be made again.
            let (status, body) = self.ask(asked).await.expect("a request");
            assert!(!status.is_server_error(), "{asked:?}: {status} {body}");
        }
    }

    /// Asks for what is wrong in some way; says whether it was taken all the same.
    ///
    /// # Errors
    /// How the simulator did not bear it.
    async fn must_bear(&self, asked: &Asked) -> Result<bool, String> {
        let before = self.state();
        let Some((status, body)) = self.ask(asked).await else {
            return Ok(false);
        };
        // A wait that was in vain says so in these words.
        let in_vain =
            status == StatusCode::GATEWAY_TIMEOUT && asked.path.ends_with(&["wait".to_owned()]);
        if status.is_server_error() && !in_vain {
            return Err(format!("{status} {body}"));
        }
        // Answers to HEAD have none, whatever they would say.
        let says_why = !body.is_empty() || asked.method == "HEAD";
        if status == StatusCode::BAD_REQUEST && !says_why {
            return Err("400 without a reason".to_owned());
        }
        if status.is_client_error() && self.state() != before {
            // What was taken before may still be at work: it is over after a while, and then nothing changes.
            let mut before = self.settled().await;
            for _ in 0..3 {
                let again = self.ask(asked).await;
                let after = self.settled().await;
                // Or it is not refused any more.
                let is_taken = again.is_some_and(|(status, _)| status.is_success());
                if after == before || is_taken {
                    return Ok(true);
                }
                before = after;
            }
            return Err(format!("{status} {body}, and still something has changed"));
        }
        Ok(!status.is_client_error())
    }
}

/// Bytes in the files of a directory and of those in it.
fn length(directory: &Path) -> u64 {
    let entries = std::fs::read_dir(directory).expect("it is there");
    let lengths = entries.map(|entry| {
        let entry = entry.expect("it can be read");
        let metadata = entry.metadata().expect("it can be read");
        if metadata.is_dir() {
            length(&entry.path())
        } else {
            metadata.len()
        }
    });
    lengths.sum()
}

fn block_on<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .expect("a runtime")
        .block_on(future)
}

/// Asks for an operation with each field wrong in each way: how often it asked, and what was not borne.
async fn each_field_wrong(number: usize) -> (usize, Vec<String>) {
    let (mut asked, mut refused) = (0, Vec::new());
    let world = World::new().await;
    let operation = operations::every(&world.simulator).swap_remove(number);
    let valid = &operation.valid;
    world.make_ready(&operation).await;
    let (status, body) = world.ask(valid).await.expect("a request");
    let as_expected = match operation.status {
        Some(expected) => status.as_u16() == expected,
        None => status.is_client_error(),
    };
    if !as_expected {
        refused.push(format!("{valid}, which is valid: {status} {body}"));
    }
    let mut as_it_was = false;
    for part in mutations::parts(valid) {
        for wrong in mutations::ways(valid, &part) {
            if !as_it_was {
                world.make_ready(&operation).await;
            }
            match world.must_bear(&wrong).await {
                Ok(taken) => as_it_was = !taken,
                Err(reason) => refused.push(format!("{valid}: {reason}\n{wrong:?}")),
            }
            asked += 1;
        }
    }
    world.make_ready(&operation).await;
    let (status, body) = world.ask(valid).await.expect("a request");
    if status.is_server_error() {
        refused.push(format!("{valid} afterwards: {status} {body}"));
    }
    world.simulator.shutdown().await;
    (asked, refused)
}

#[test]
fn no_wrong_field_is_more_than_a_client_s_mistake() {
    let count = block_on(async { operations::every(&World::new().await.simulator).len() });
    let (next, asked) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let refused = Mutex::new(Vec::new());
    // Much of the time is spent waiting until nothing is at work, so several go at once.
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                while let number = next.fetch_add(1, Ordering::Relaxed)
                    && number < count
                {
                    let (times, reasons) = block_on(each_field_wrong(number));
                    asked.fetch_add(times, Ordering::Relaxed);
                    refused.lock().expect("a lock").extend(reasons);
                }
            });
        }
    });
    let (asked, refused) = (asked.into_inner(), refused.into_inner().expect("a lock"));
    assert!(asked > 50_000, "{asked}");
    let shown: Vec<_> = refused.iter().take(20).map(String::as_str).collect();
    assert!(
        refused.is_empty(),
        "{} of {asked}:\n{}",
        refused.len(),
        shown.join("\n\n")
    );
}

/// The same with several fields wrong at once, found by chance and made smaller.
#[test]
fn nor_are_several() {
    let mut runner = TestRunner::new_with_rng(
        Config {
            cases: 400,
            failure_persistence: None,
            ..Config::default()
        },
        TestRng::deterministic_rng(RngAlgorithm::ChaCha),
    );
    block_on(async {
        let world = World::new().await;
        let all = operations::every(&world.simulator);
        let cases = (
            any::<prop::sample::Index>(),
            prop::collection::vec(any::<[prop::sample::Index; 2]>(), 2..6),
        );
        let outcome = runner.run(&cases, |(operation, wrongs)| {
            let operation = operation.get(&all);
            let mut asked = operation.valid.clone();
            for [part, way] in wrongs {
                let parts = mutations::parts(&asked);
                let ways = mutations::ways(&asked, part.get(&parts));
                if !ways.is_empty() {
                    asked = way.get(&ways).clone();
                }
            }
            let borne = tokio::task::block_in_place(|| {
                tokio::runtime::Handle::current().block_on(async {
                    world.make_ready(operation).await;
                    world.must_bear(&asked).await.map(drop)
                })
            });
            borne.map_err(|reason| TestCaseError::fail(format!("{reason}\n{asked:?}")))
        });
        outcome.unwrap_or_else(|failure| panic!("{failure}"));
    });
}

/// A body as an operation's valid request has it.
fn bytes(body: &Value) -> Vec<u8> {
    if body.is_null() {
        Vec::new()
    } else {
        body.to_string().into_bytes()
    }
}
