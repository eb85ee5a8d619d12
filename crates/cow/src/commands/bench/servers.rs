//! The servers under load: the simulated hub, and mosquitto as the peer; each a process of its own.

use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use hub_proto::connection_string::{ConnectionString, Credential};
use hub_proto::sas::Unsigned;
use hub_proto::user_name;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::TcpStream;
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep};

use super::load::Login;
use crate::control::Control;

/// A server that takes MQTT over TLS.
pub(super) struct Server {
    pub(super) name: &'static str,
    pub(super) address: SocketAddr,
    pub(super) host: ServerName<'static>,
    pub(super) tls: Arc<rustls::ClientConfig>,
    kind: Kind,
    process: Child,
}

enum Kind {
    Hub { control: Control, host: String },
    Mosquitto,
}

impl Server {
    /// `cow sim` of this very binary, with a journal in `directory`.
    pub(super) async fn hub(directory: &Path) -> Result<Self> {
        let (process, ready) = simulator(directory).await?;
        Self::of_hub(process, &ready)
    }

    /// A simulator that runs, by what it says of itself.
    pub(super) fn of_hub(process: Child, ready: &Value) -> Result<Self> {
        let text = |name: &str| {
            ready[name]
                .as_str()
                .map(str::to_owned)
                .with_context(|| format!("no {name} in what `cow sim` says"))
        };
        let host = text("hubHostName")?;
        Ok(Self {
            name: "cow",
            address: text("mqtt")?.parse()?,
            host: ServerName::try_from(host.clone())?,
            tls: trusting(&std::fs::read(text("caFile")?)?)?,
            kind: Kind::Hub {
                control: Control::at(text("control")?),
                host,
            },
            process,
        })
    }

    /// Mosquitto with a certificate made for it; nothing when it is not installed.
    pub(super) async fn mosquitto(directory: &Path) -> Result<Option<Self>> {
        let Some(program) = find("mosquitto") else {
            return Ok(None);
        };
        let address = free_address()?;
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()])?;
        let (certificate, key) = (directory.join("server.pem"), directory.join("server.key"));
        std::fs::write(&certificate, made.cert.pem())?;
        let mut options = std::fs::OpenOptions::new();
        std::io::Write::write_all(
            &mut options.create(true).write(true).mode(0o600).open(&key)?,
            made.signing_key.serialize_pem().as_bytes(),
        )?;
        // Mosquitto gives up root at once, and must still be able to read these.
        let settings = format!(
            "listener {} 127.0.0.1\ncertfile {}\nkeyfile {}\nallow_anonymous true\nuser root\npersistence false\n\
             max_inflight_messages 0\nmax_queued_messages 0\nset_tcp_nodelay true\nlog_type error\n",
            address.port(),
            certificate.display(),
            key.display(),
        );
        let file = directory.join("mosquitto.conf");
        std::fs::write(&file, settings)?;
        let process = pinned(&program)
            .arg("-c")
            .arg(&file)
            .stdout(Stdio::null())
            // It complains of every client that hangs up without TLS's goodbye, as most do.
            .stderr(Stdio::null())
            .spawn()?;
        let server = Self {
            name: "mosquitto",
            address,
            host: ServerName::try_from("localhost")?,
            tls: trusting(made.cert.pem().as_bytes())?,
            kind: Kind::Mosquitto,
            process,
        };
        server.wait_for_listener().await?;
        Ok(Some(server))
    }

    /// What `count` clients log in with.
    pub(super) async fn logins(&self, count: usize) -> Result<Vec<Login>> {
        let mut logins = Vec::with_capacity(count);
        for number in 0..count {
            let id = format!("load{number}");
            logins.push(match &self.kind {
                Kind::Mosquitto => Login {
                    client_id: id,
                    user_name: None,
                    password: None,
                },
                Kind::Hub { control, host } => hub_login(control, host, id).await?,
            });
        }
        Ok(logins)
    }

    /// Resident memory of the process in KiB.
    pub(super) fn resident_kib(&self) -> Result<u64> {
        Ok(memory(self.process.id().context("the server has ended")?)?.0)
    }

    /// Ends the server and waits for it.
    pub(super) async fn stop(mut self) -> Result<()> {
        self.process.kill().await.context("cannot end the server")
    }

    async fn wait_for_listener(&self) -> Result<()> {
        let give_up = Instant::now() + Duration::from_secs(5);
        while TcpStream::connect(self.address).await.is_err() {
            if Instant::now() > give_up {
                bail!("{} does not listen on {}", self.name, self.address);
            }
            sleep(Duration::from_millis(20)).await;
        }
        Ok(())
    }
}

/// `cow sim` of this very binary, with a journal in `directory`; and what it says when it is ready.
pub(super) async fn simulator(directory: &Path) -> Result<(Child, Value)> {
    let program = std::env::current_exe().context("cannot tell where this program is")?;
    let mut process = pinned(&program)
        .args(["sim", "--json", "--port-base", "0", "--state"])
        .arg(directory)
        .stdout(Stdio::piped())
        .spawn()
        .context("cannot start `cow sim`")?;
    let stdout = process
        .stdout
        .take()
        .context("the simulator has no standard output")?;
    let mut line = String::new();
    BufReader::new(stdout).read_line(&mut line).await?;
    let ready = serde_json::from_str(&line).context("`cow sim` did not come up")?;
    Ok((process, ready))
}

/// Memory of a process in KiB as the kernel counts it: resident, and its proportional share of that.
pub(super) fn memory(process: u32) -> Result<(u64, u64)> {
    let path = format!("/proc/{process}/smaps_rollup");
    let rollup = std::fs::read_to_string(&path).with_context(|| format!("cannot read {path}"))?;
    let field = |name: &str| {
        let line = rollup.lines().find_map(|line| line.strip_prefix(name));
        let number = line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok());
        number.with_context(|| format!("{path} has no {name}"))
    };
    Ok((field("Rss:")?, field("Pss:")?))
}

async fn hub_login(control: &Control, host: &str, id: String) -> Result<Login> {
    let device: Value = match control.post(&["devices"], &json!({"deviceId": id})).await {
        Ok(device) => device,
        // Registered by an earlier round of this run.
        Err(_) => control.get(&["devices", &id]).await?,
    };
    let string = device["connectionString"]
        .as_str()
        .context("no connection string")?;
    let string: ConnectionString = string.parse()?;
    let (Some(identity), Credential::Key { key, .. }) = (string.identity, string.credential) else {
        bail!("the connection string of {id} has no key");
    };
    let expiry = jiff::Timestamp::now().as_second() + 3600;
    Ok(Login {
        user_name: Some(user_name::hub(host, &identity, "cow-bench", None)),
        password: Some(Unsigned::new(&identity.audience(host), expiry).sign(&key)),
        client_id: id,
    })
}

/// The first processor is the server's, where there is another one for the load.
fn pinned(program: &Path) -> Command {
    let alone = std::thread::available_parallelism().map_or(1, usize::from) < 2;
    let mut command = match find("taskset").filter(|_| !alone) {
        Some(taskset) => {
            let mut command = Command::new(taskset);
            command.args(["-c", "0"]).arg(program);
            command
        }
        None => Command::new(program),
    };
    command
        .kill_on_drop(true)
        .stdin(Stdio::null())
        .stderr(Stdio::inherit());
    command
}

/// A program on the path, or where Debian puts servers.
fn find(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let places = std::env::split_paths(&path).chain(["/usr/sbin".into(), "/usr/local/sbin".into()]);
    places
        .map(|place| place.join(name))
        .find(|program| program.is_file())
}

fn free_address() -> Result<SocketAddr> {
    Ok(std::net::TcpListener::bind(("127.0.0.1", 0))?.local_addr()?)
}

fn trusting(pem: &[u8]) -> Result<Arc<rustls::ClientConfig>> {
    let mut roots = rustls::RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        roots.add(certificate?)?;
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}
