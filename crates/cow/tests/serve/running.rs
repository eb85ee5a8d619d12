//! A `cow` that serves, started by a test.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

/// Far more than anything here takes; only a failure waits this long.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// A running `cow up` or `cow sim`. Dropping it kills it.
pub(crate) struct Running {
    process: Child,
    stdout: BufReader<ChildStdout>,
}

impl Running {
    /// Starts it without waiting for anything, in a directory that holds no manifest.
    pub(crate) fn start(args: &[&str]) -> Self {
        Self::start_with(args, &[])
    }

    /// The same, with some variables of its own.
    pub(crate) fn start_with(args: &[&str], environment: &[(&str, &str)]) -> Self {
        let mut process = Command::new(env!("CARGO_BIN_EXE_cow"))
            .args(args)
            .envs(environment.iter().copied())
            .current_dir(std::env::temp_dir())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .expect("cow starts");
        let stdout = BufReader::new(process.stdout.take().expect("it is piped"));
        Self { process, stdout }
    }

    /// The object it prints when it is ready, unless it ends before that. The test runner's own time limit is the bound: if it ends instead of
    /// becoming ready, so does the pipe.
    pub(crate) fn try_ready(&mut self) -> Option<Value> {
        let mut line = String::new();
        self.stdout.read_line(&mut line).expect("UTF-8");
        (!line.is_empty()).then(|| serde_json::from_str(&line).expect("JSON"))
    }

    /// The same, if there is no reason why it should end.
    pub(crate) fn ready(&mut self) -> Value {
        self.try_ready().expect("cow becomes ready")
    }

    pub(crate) fn signal(&self, signal: &str) {
        let kill = Command::new("kill")
            .args(["-s", signal, &self.process.id().to_string()])
            .status();
        assert!(kill.expect("kill is there").success());
    }

    /// Its end, which must come by itself.
    pub(crate) fn ended(&mut self) -> ExitStatus {
        let give_up = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.process.try_wait().expect("it is ours") {
                return status;
            }
            assert!(Instant::now() < give_up, "cow does not end");
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Running {
    /// Asks, so that it clears up after itself; insists when it does not listen.
    fn drop(&mut self) {
        if self.process.try_wait().is_ok_and(|status| status.is_some()) {
            return;
        }
        self.signal("TERM");
        let give_up = Instant::now() + PATIENCE;
        while self.process.try_wait().is_ok_and(|status| status.is_none())
            && Instant::now() < give_up
        {
            std::thread::sleep(Duration::from_millis(5));
        }
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Runs a command to its end: exit code, standard output, standard error.
pub(crate) fn cow(args: &[&str]) -> (Option<i32>, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_cow"))
        .args(args)
        .current_dir(std::env::temp_dir())
        .stdin(Stdio::null())
        .output()
        .expect("cow starts");
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    (
        output.status.code(),
        text(output.stdout),
        text(output.stderr),
    )
}

/// Waits until a process is gone.
pub(crate) fn gone(pid: u64) {
    let give_up = Instant::now() + PATIENCE;
    // One that has ended but was not waited for yet still has its directory.
    let stat = format!("/proc/{pid}/stat");
    while std::fs::read_to_string(&stat).is_ok_and(|stat| !stat.contains(") Z ")) {
        assert!(Instant::now() < give_up, "process {pid} does not end");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// One request to the control API: status and JSON body, null where there is none.
pub(crate) fn request(control: &str, method: &str, path: &str, body: &str) -> (u16, Value) {
    request_with(control, method, path, "", body)
}

/// The same with more headers, each with its line end.
pub(crate) fn request_with(
    control: &str,
    method: &str,
    path: &str,
    headers: &str,
    body: &str,
) -> (u16, Value) {
    let host = control.strip_prefix("http://").expect("plain HTTP");
    let mut stream = TcpStream::connect(host).expect("it listens");
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n{headers}\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    stream
        .write_all((head + body).as_bytes())
        .expect("it reads");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("UTF-8");
    let (head, body) = answer.split_once("\r\n\r\n").expect("an HTTP answer");
    let status = head
        .split(' ')
        .nth(1)
        .and_then(|status| status.parse().ok());
    (
        status.expect("a status"),
        serde_json::from_str(body).unwrap_or_default(),
    )
}

/// Asks until the answer is what is wanted.
pub(crate) fn until<T>(mut ask: impl FnMut() -> Option<T>) -> T {
    let give_up = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = ask() {
            return found;
        }
        assert!(Instant::now() < give_up, "it does not come about");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// The text of a member that must be there.
pub(crate) fn text<'a>(object: &'a Value, key: &str) -> &'a str {
    object[key]
        .as_str()
        .unwrap_or_else(|| panic!("no {key} in {object}"))
}

pub(crate) fn exists(path: &str) -> bool {
    Path::new(path).exists()
}

/// Process ids of the modules, by name.
pub(crate) fn processes(control: &str) -> Vec<(String, u64)> {
    let (status, processes) = request(control, "GET", "/control/processes", "");
    assert_eq!(status, 200);
    let processes = processes.as_array().expect("a list").iter();
    processes
        .filter_map(|process| Some((text(process, "module").to_owned(), process["pid"].as_u64()?)))
        .collect()
}
