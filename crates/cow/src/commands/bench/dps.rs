//! `cow bench dps`: the simulated provisioning service under registrations, over MQTT and over HTTPS.
//!
//! Each registration is a device's first: its own TLS connections, a key derived for its own id, a device made in the hub,
//! all of it in the journal before it is answered. The service has every device wait before it asks for the outcome, as
//! the real one does; that wait is the service's wish and not its work, so it is taken off the time of one registration.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use dps_client::{Attestation, Endpoint, Limits, Progress, Protocol, Registration, register_with};
use hub_proto::sas::SymmetricKey;
use serde_json::{Value, json};
use tokio::task::JoinSet;
use transport::Trust;

use super::round::Round;
use super::servers::simulator;
use crate::control::Control;
use crate::output::{JsonArgs, STRONG, line, paint};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// How many devices register at the same time, one number for each measurement
    #[arg(long, value_delimiter = ',', default_value = "1,32,256")]
    connections: Vec<usize>,
    /// Seconds per measurement
    #[arg(long, default_value_t = 5)]
    seconds: u64,
    #[command(flatten)]
    json: JsonArgs,
}

const GROUP: &str = "bench";

pub(crate) async fn run(args: Args) -> Result<()> {
    let directory = tempfile::tempdir().context("cannot make a temporary directory")?;
    let (mut process, ready) = simulator(directory.path()).await?;
    let fleet = Arc::new(Fleet::enrol(&ready).await?);
    if !args.json.json {
        line(&format!(
            "First registrations by keys derived from a group's, journalled, {} s each.\n\
             The time of one is without the wait the service asks for.",
            args.seconds
        ))?;
        line(&paint(
            "protocol   devices at once   registrations/s        p50        p99",
            STRONG,
        ))?;
    }
    for (name, protocol) in [("MQTT", Protocol::Mqtt), ("HTTPS", Protocol::Https)] {
        for &connections in &args.connections {
            let length = Duration::from_secs(args.seconds);
            let round = fleet.round(protocol, connections, length).await?;
            report(&args, name, connections, &round)?;
        }
    }
    process.kill().await.context("cannot end the simulator")
}

/// Devices that are made as they are needed.
struct Fleet {
    id_scope: String,
    endpoint: Endpoint,
    trust: Trust,
    group: SymmetricKey,
    next: AtomicU64,
}

impl Fleet {
    async fn enrol(ready: &Value) -> Result<Self> {
        let text = |name: &str| {
            let text = ready[name].as_str();
            text.with_context(|| format!("no {name} in what `cow sim` says"))
        };
        let port =
            |name: &str| -> Result<u16> { Ok(text(name)?.parse::<std::net::SocketAddr>()?.port()) };
        let control = Control::at(text("control")?.to_owned());
        let group = json!({"enrollmentGroupId": GROUP, "attestation": {"type": "symmetricKey"}});
        control.put(&["dps", "groups", GROUP], &group).await?;
        let keys = control.get(&["dps", "groups", GROUP, "keys"]).await?;
        let key = keys["primaryKey"]
            .as_str()
            .context("the group has no key")?;
        Ok(Self {
            id_scope: text("idScope")?.to_owned(),
            endpoint: Endpoint::new(text("provisioningHost")?)
                .with_ports(port("mqtt")?, port("https")?),
            trust: Trust::File(text("caFile")?.into()),
            group: SymmetricKey::from_base64(key)?,
            next: AtomicU64::new(0),
        })
    }

    /// Registers one device after the other on each of so many connections.
    async fn round(
        self: &Arc<Self>,
        protocol: Protocol,
        connections: usize,
        length: Duration,
    ) -> Result<Round> {
        let begun = Instant::now();
        let mut tasks = JoinSet::new();
        for _ in 0..connections {
            let fleet = self.clone();
            tasks.spawn(async move {
                let mut times = Vec::new();
                while begun.elapsed() < length {
                    times.push(fleet.register(protocol).await?);
                }
                anyhow::Ok(times)
            });
        }
        let mut times = Vec::new();
        while let Some(done) = tasks.join_next().await {
            times.append(&mut done??);
        }
        Ok(Round::new(begun.elapsed().as_secs_f64(), times))
    }

    async fn register(&self, protocol: Protocol) -> Result<Duration> {
        let id = format!("bench-{}", self.next.fetch_add(1, Ordering::Relaxed));
        let key = self.group.derive(&id);
        let registration = Registration {
            global_endpoint: self.endpoint.clone(),
            trust: self.trust.clone(),
            protocol,
            ..Registration::new(
                self.id_scope.clone(),
                id.parse()?,
                Attestation::SymmetricKey(key),
            )
        };
        let begun = Instant::now();
        let mut waited = Duration::ZERO;
        register_with(&registration, Limits::default(), |progress| {
            if let Progress::Waiting { wait, .. } = progress {
                waited += wait;
            }
        })
        .await?;
        Ok(begun.elapsed().saturating_sub(waited))
    }
}

fn report(args: &Args, name: &str, connections: usize, round: &Round) -> Result<()> {
    let (p50, p99) = (round.time(0.5), round.time(0.99));
    if args.json.json {
        let figures = json!({
            "protocol": name, "connections": connections, "registrations": round.count(),
            "registrationsPerSecond": round.per_second(),
            "p50Micros": p50.as_micros() as u64, "p99Micros": p99.as_micros() as u64,
        });
        return line(&figures.to_string());
    }
    let ms = |time: Duration| format!("{:.1} ms", time.as_secs_f64() * 1e3);
    line(&format!(
        "{name:<8}   {connections:>15}   {:>15.1}   {:>8}   {:>8}",
        round.per_second(),
        ms(p50),
        ms(p99)
    ))
}
