//! A PostgreSQL of a test's own, which can be killed.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tempfile::TempDir;
use tokio::process::{Child, Command};
use tokio::time::{sleep, timeout};

const PATIENCE: Duration = Duration::from_secs(60);
/// A server that cannot start has ended by then.
const SETTLED: Duration = Duration::from_secs(1);
const SUPERUSER: &str = "fleet";

pub(crate) struct Postgres {
    programs: PathBuf,
    directory: TempDir,
    port: u16,
    server: Child,
}

impl Postgres {
    /// Nothing where it is not installed.
    pub(crate) async fn start() -> Option<Self> {
        let programs = installed()?;
        let directory = tempfile::tempdir().expect("a directory");
        if is_root() {
            let path = directory.path().to_str().expect("UTF-8");
            succeeds(Command::new("chown").args(["postgres:postgres", path])).await;
        }
        let data = directory.path().join("data");
        let data = data.to_str().expect("UTF-8");
        let args = [
            "-D",
            data,
            "-U",
            SUPERUSER,
            "--auth=trust",
            "--no-sync",
            "-E",
            "UTF8",
        ];
        succeeds(
            command(&programs, "initdb")
                .args(args)
                .stdout(Stdio::null()),
        )
        .await;
        let port = std::net::TcpListener::bind("127.0.0.1:0")
            .and_then(|listener| listener.local_addr())
            .expect("a free port")
            .port();
        let server = serve(&programs, directory.path(), port);
        let postgres = Self {
            programs,
            directory,
            port,
            server,
        };
        postgres.until_ready().await;
        Some(postgres)
    }

    pub(crate) fn address(&self) -> String {
        format!("postgres://{SUPERUSER}@127.0.0.1:{}/postgres", self.port)
    }

    /// Ends it as a crash would.
    pub(crate) async fn kill(&mut self) {
        self.server.kill().await.expect("it ran");
    }

    /// Starts it again over what the crash left. It ends at once while a process of the one before is not gone yet.
    pub(crate) async fn start_again(&mut self) {
        let again = async {
            loop {
                self.server = serve(&self.programs, self.directory.path(), self.port);
                if timeout(SETTLED, self.server.wait()).await.is_err() {
                    return;
                }
            }
        };
        timeout(PATIENCE, again).await.expect("it starts again");
        self.until_ready().await;
    }

    /// The rows of a query, columns between `|`; nothing when it does not answer.
    pub(crate) async fn ask(&self, sql: &str) -> Option<String> {
        let asked = command(&self.programs, "psql")
            .args(["-At", "-d", &self.address(), "-c", sql])
            .stderr(Stdio::null())
            .output()
            .await
            .expect("psql starts");
        let said = asked.status.success().then_some(asked.stdout)?;
        String::from_utf8(said).ok()
    }

    async fn until_ready(&self) {
        timeout(PATIENCE, self.answers()).await.expect("it answers");
    }

    async fn answers(&self) {
        while self.ask("SELECT 1").await.is_none() {
            sleep(Duration::from_millis(50)).await;
        }
    }
}

fn serve(programs: &Path, directory: &Path, port: u16) -> Child {
    let path = |path: &Path| path.to_str().expect("UTF-8").to_owned();
    command(programs, "postgres")
        .args([
            "-D",
            &path(&directory.join("data")),
            "-p",
            &port.to_string(),
        ])
        .args(["-c", "listen_addresses=127.0.0.1"])
        .args([
            "-c",
            &format!("unix_socket_directories={}", path(directory)),
        ])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .expect("postgres starts")
}

/// One of its programs. The server refuses to run as root.
fn command(programs: &Path, name: &str) -> Command {
    let program = programs.join(name);
    let mut command = if is_root() {
        let mut command = Command::new("setpriv");
        let args = [
            "--reuid=postgres",
            "--regid=postgres",
            "--clear-groups",
            "--",
        ];
        command.args(args).arg(program);
        command
    } else {
        Command::new(program)
    };
    command.current_dir("/").stdin(Stdio::null());
    command
}

/// Where Debian, and most others, have the newest.
fn installed() -> Option<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").ok()?;
    let mut found: Vec<PathBuf> = versions
        .filter_map(|entry| Some(entry.ok()?.path().join("bin")))
        .filter(|programs| programs.join("postgres").is_file() && programs.join("psql").is_file())
        .collect();
    found.sort();
    found.pop()
}

fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0)
}

async fn succeeds(command: &mut Command) {
    let status = command.status().await.expect("it starts");
    assert!(status.success(), "{command:?}: {status}");
}
