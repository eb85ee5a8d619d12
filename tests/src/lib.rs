//! A running `cow`, as tests drive it: the built binary as a process, its control API over HTTP.
//!
//! The binary is the one in `COW`, else the release build: tests are about what people run, not about a test build.

use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::header::CONTENT_TYPE;
use hyper::{Request, Response};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep, timeout};

/// How long anything may take that is expected to happen.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// A `cow up` or `cow sim` that has said it is ready. Dropping it kills the process.
#[derive(Debug)]
pub struct Cow {
    process: Child,
    /// The line it printed when it was ready.
    pub ready: Value,
    control: String,
    http: Client<HttpConnector, Full<Bytes>>,
}

/// The binary under test.
///
/// # Panics
/// When it is not built.
#[must_use]
pub fn binary() -> PathBuf {
    let program = std::env::var_os("COW").map_or_else(built, PathBuf::from);
    assert!(
        program.is_file(),
        "{} is not there: `cargo build --release -p cow` makes it, or name another with COW",
        program.display()
    );
    program
}

/// How many times slower the binary may be than this machine's own: `COW_SLOWNESS`, 1 unless set. Pauses between what a
/// test does, which are to leave time for something to happen, are that many times longer.
///
/// # Panics
/// When it is no whole number.
#[must_use]
pub fn slowness() -> u32 {
    let text = std::env::var("COW_SLOWNESS").ok();
    text.map_or(1, |text| {
        text.parse().expect("COW_SLOWNESS is a whole number")
    })
}

/// Beside this test: `target/TRIPLE/debug/deps/TEST` and `target/TRIPLE/release/cow`.
fn built() -> PathBuf {
    let test = std::env::current_exe().expect("a test knows where it is");
    let target = test
        .ancestors()
        .nth(3)
        .expect("a test lies in target/TRIPLE/PROFILE/deps");
    target.join("release/cow")
}

/// `cow` on ports of its own, in the repository.
fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(binary());
    command
        .args(arguments)
        .args(["--json", "--port-base", "0"])
        .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join(".."))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .kill_on_drop(true);
    command
}

impl Cow {
    /// Starts `cow` with these arguments on ports of its own, in the repository, and waits until it is ready.
    ///
    /// # Panics
    /// When it does not come up.
    pub async fn start(arguments: &[&str]) -> Self {
        let mut process = command(arguments).spawn().expect("the binary starts");
        let stdout = process.stdout.take().expect("it is piped");
        let mut line = String::new();
        let mut stdout = BufReader::new(stdout);
        timeout(PATIENCE, stdout.read_line(&mut line))
            .await
            .expect("it is ready in time")
            .expect("it prints");
        let ready: Value = serde_json::from_str(&line).expect("it says where everything is");
        let control = ready["control"].as_str().expect("a control URL").to_owned();
        let http = Client::builder(TokioExecutor::new()).build_http();
        Self {
            process,
            ready,
            control,
            http,
        }
    }

    /// Starts `cow` and ends it as a crash would, wherever it is by then.
    ///
    /// # Panics
    /// When it does not start.
    pub async fn start_and_kill(arguments: &[&str], within: Duration) {
        let mut process = command(arguments).spawn().expect("the binary starts");
        sleep(within).await;
        process.kill().await.expect("it was running");
    }

    /// Ends the process as a crash would, and waits until it is gone.
    ///
    /// # Panics
    /// When the process cannot be killed.
    pub async fn kill(mut self) {
        self.process.kill().await.expect("it was running");
    }

    /// Ends the process as Ctrl-C does; returns how it ended.
    ///
    /// # Panics
    /// When it does not end in time.
    pub async fn stop(mut self) -> ExitStatus {
        let process = self.process.id().expect("it runs").to_string();
        let asked = Command::new("kill").args(["-INT", &process]).status();
        assert!(asked.await.expect("kill is there").success());
        let ended = timeout(PATIENCE, self.process.wait()).await;
        ended.expect("it stops").expect("it can be waited for")
    }

    /// Asks the control API; returns the status and the body (null when it is not JSON).
    ///
    /// # Panics
    /// When nothing answers.
    pub async fn ask(&self, method: &str, path: &str, body: &Value) -> (u16, Value) {
        let response = self.request(method, path, body).await;
        let status = response.status().as_u16();
        let body = response
            .into_body()
            .collect()
            .await
            .expect("the answer is whole")
            .to_bytes();
        (status, serde_json::from_slice(&body).unwrap_or_default())
    }

    /// Asks for what cannot be refused.
    ///
    /// # Panics
    /// When it is refused.
    pub async fn must(&self, method: &str, path: &str, body: &Value) -> Value {
        let (status, answer) = self.ask(method, path, body).await;
        assert!(
            (200..300).contains(&status),
            "{method} {path}: {status} {answer}"
        );
        answer
    }

    /// Every event at the hub that is still kept, oldest first.
    ///
    /// # Panics
    /// When nothing answers.
    pub async fn events(&self) -> Vec<Value> {
        let response = self
            .request(
                "GET",
                "/control/events?from=earliest&follow=false",
                &Value::Null,
            )
            .await;
        let body = response
            .into_body()
            .collect()
            .await
            .expect("the answer is whole")
            .to_bytes();
        let lines = body
            .split(|byte| *byte == b'\n')
            .filter(|line| !line.is_empty());
        lines
            .map(|line| serde_json::from_slice(line).expect("a line is an event"))
            .collect()
    }

    /// The live story from here on.
    ///
    /// # Panics
    /// When nothing answers.
    pub async fn trace(&self) -> Trace {
        let body = self
            .request("GET", "/control/trace", &Value::Null)
            .await
            .into_body();
        Trace {
            body,
            held: BytesMut::new(),
        }
    }

    /// Waits until the control API shows what is wanted.
    ///
    /// # Panics
    /// When it does not within [`PATIENCE`].
    pub async fn until(&self, path: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let give_up = Instant::now() + PATIENCE;
        loop {
            let answer = self.must("GET", path, &Value::Null).await;
            if wanted(&answer) {
                return answer;
            }
            assert!(Instant::now() < give_up, "{path} still shows {answer:#}");
            sleep(Duration::from_millis(10)).await;
        }
    }

    async fn request(&self, method: &str, path: &str, body: &Value) -> Response<Incoming> {
        let body = if body.is_null() {
            Bytes::new()
        } else {
            body.to_string().into()
        };
        let request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.control))
            .header(CONTENT_TYPE, "application/json")
            .body(Full::new(body))
            .expect("a valid request");
        self.http
            .request(request)
            .await
            .expect("the control API answers")
    }
}

/// The live story, observation by observation.
#[derive(Debug)]
pub struct Trace {
    body: Incoming,
    held: BytesMut,
}

impl Trace {
    /// The next observation; nothing once the process is gone.
    ///
    /// # Panics
    /// When this watcher was too slow and missed something.
    pub async fn next(&mut self) -> Option<Value> {
        loop {
            while let Some(end) = self.held.iter().position(|byte| *byte == b'\n') {
                let line = self.held.split_to(end + 1);
                assert!(
                    !line.starts_with(b"event: missed"),
                    "the trace was read too slowly"
                );
                if let Some(data) = line.strip_prefix(b"data: ") {
                    return Some(serde_json::from_slice(data).expect("an observation is JSON"));
                }
            }
            let frame = self.body.frame().await?.ok()?;
            self.held.extend_from_slice(frame.data_ref()?);
        }
    }
}
