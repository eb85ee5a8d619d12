//! The operator's service beside the street, as a process of its own: it is a back end as any other, and asks the hub
//! over its public endpoints.
//!
//! It ends with the street, however that ends: it reads a pipe whose other end only this process holds.

use std::net::{IpAddr, SocketAddr, TcpListener};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::Context;
use simulator::Info;
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::time::timeout;

use crate::commands::fleet::{Ready, environment};

/// How long it may take to finish what is under way.
const FINISH_WITHIN: Duration = Duration::from_secs(7);

/// The running service.
#[derive(Debug)]
pub(super) struct Fleet {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
    /// Closed, it stops.
    stdin: Option<ChildStdin>,
    /// What it said, once it has.
    said: Option<Ready>,
}

impl Fleet {
    /// Starts it; its database is in `directory`. `street` are the devices it finds in bays already.
    pub(super) fn start(
        directory: &Path,
        info: &Info,
        address: IpAddr,
        port: u16,
        street: Vec<String>,
    ) -> anyhow::Result<Self> {
        // Whoever has the port, a street is not to be without it; what it says of itself is where it is.
        let port = match TcpListener::bind((address, port)) {
            Ok(_) => port,
            Err(_) => 0,
        };
        let cow = std::env::current_exe().context("cannot tell where this program is")?;
        let mut child = Command::new(cow)
            .args(["fleet", "--json", "--until-input-ends"])
            .env(
                "COW_FLEET_LISTEN",
                SocketAddr::new(address, port).to_string(),
            )
            .env(
                "COW_FLEET_DATABASE",
                format!("sqlite:{}", directory.join("fleet.db").display()),
            )
            .env("COW_FLEET_STREET", street.join(","))
            .envs(environment(&serde_json::to_value(info)?)?)
            // An interrupt from the terminal is for the street, which stops it when its time comes.
            .process_group(0)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .context("cannot start the operator's service")?;
        let stdout = child
            .stdout
            .take()
            .context("the operator's service has no output")?;
        Ok(Self {
            lines: BufReader::new(stdout).lines(),
            stdin: child.stdin.take(),
            child,
            said: None,
        })
    }

    /// Waits until it is ready, or has ended, which it has said why.
    pub(super) async fn ready(&mut self) {
        if self.said.is_some() {
            return;
        }
        if let Ok(Some(line)) = self.lines.next_line().await {
            self.said = serde_json::from_str(&line).ok();
        }
    }

    /// Where it is; nothing before it is ready.
    pub(super) const fn said(&self) -> Option<&Ready> {
        self.said.as_ref()
    }

    /// Has it finish, and ends it when that takes too long.
    pub(super) async fn stop(mut self) {
        drop(self.stdin.take());
        if timeout(FINISH_WITHIN, self.child.wait()).await.is_err() {
            // It may have ended just now.
            let _ = self.child.kill().await;
        }
    }
}
