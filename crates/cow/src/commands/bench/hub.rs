//! `cow bench hub`: the simulated hub over TLS beside mosquitto.

use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::json;

use super::load::{self, Round};
use super::servers::Server;
use crate::output::{JsonArgs, STRONG, line, paint};

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Numbers of connections to measure
    #[arg(long, value_delimiter = ',', default_value = "1,10,100")]
    connections: Vec<usize>,
    /// Unacknowledged messages per connection
    #[arg(long, default_value_t = 64)]
    window: usize,
    /// Bytes in a message body
    #[arg(long, default_value_t = 256)]
    body: usize,
    /// Seconds per measurement
    #[arg(long, default_value_t = 3)]
    seconds: u64,
    /// Idle connections to measure memory with; 0 leaves it out
    #[arg(long, default_value_t = 1000)]
    idle: usize,
    #[command(flatten)]
    json: JsonArgs,
}

pub(crate) async fn run(args: Args) -> Result<()> {
    if !args.json.json {
        line(&format!(
            "QoS 1 over TLS, {}-byte bodies, {} unacknowledged per connection, {} s each.\n\
             cow checks the token, reads topic and properties, and appends to its journal before each PUBACK;\n\
             mosquitto takes the same packets without subscribers, without persistence.",
            args.body, args.window, args.seconds
        ))?;
        line(&paint(
            "server      connections   messages/s        p50        p99",
            STRONG,
        ))?;
    }
    let directory = tempfile::tempdir().context("cannot make a temporary directory")?;
    let mut rates = Vec::new();
    for server in [
        Some(Server::hub(directory.path()).await?),
        Server::mosquitto(directory.path()).await?,
    ] {
        let Some(server) = server else {
            line(
                "mosquitto is not installed: no peer to compare with (`apt-get install mosquitto`)",
            )?;
            continue;
        };
        for &connections in &args.connections {
            let logins = server.logins(connections).await?;
            let length = Duration::from_secs(args.seconds);
            // A second to warm up: allocations, the kernel's buffers, the processor's clock.
            load::publish(
                &server,
                &logins,
                args.window,
                args.body,
                Duration::from_secs(1),
            )
            .await?;
            let round = load::publish(&server, &logins, args.window, args.body, length).await?;
            report(&args, server.name, connections, &round)?;
            rates.push((server.name, connections, round.per_second()));
        }
        server.stop().await?;
    }
    for &connections in &args.connections {
        let rate = |name| {
            rates
                .iter()
                .find(|(n, c, _)| *n == name && *c == connections)
                .map(|(_, _, rate)| rate)
        };
        if let (Some(cow), Some(peer), false) = (rate("cow"), rate("mosquitto"), args.json.json) {
            line(&format!(
                "cow / mosquitto at {connections} connections: {:.1} times",
                cow / peer
            ))?;
        }
    }
    if args.idle > 0 {
        idle(&args, directory.path()).await
    } else {
        Ok(())
    }
}

/// Memory per idle connection, each server started afresh.
async fn idle(args: &Args, directory: &std::path::Path) -> Result<()> {
    for server in [
        Some(Server::hub(&directory.join("idle")).await?),
        Server::mosquitto(directory).await?,
    ] {
        let Some(server) = server else { continue };
        let logins = server.logins(args.idle).await?;
        let empty = server.resident_kib()?;
        let held = load::hold(&server, &logins).await?;
        let full = server.resident_kib()?;
        let each = (full.saturating_sub(empty)) as f64 / held.len() as f64;
        if args.json.json {
            let figures = json!({
                "server": server.name, "idleConnections": held.len(),
                "residentKibBefore": empty, "residentKibAfter": full, "kibPerConnection": each,
            });
            line(&figures.to_string())?;
        } else {
            line(&format!(
                "{:<10}  {} idle TLS connections: {each:.1} KiB each (process {:.1} MiB before, {:.1} MiB after)",
                server.name,
                held.len(),
                empty as f64 / 1024.0,
                full as f64 / 1024.0,
            ))?;
        }
        server.stop().await?;
    }
    Ok(())
}

fn report(args: &Args, name: &str, connections: usize, round: &Round) -> Result<()> {
    let (p50, p99) = (round.latency(0.5), round.latency(0.99));
    if args.json.json {
        let figures = json!({
            "server": name, "connections": connections, "window": args.window, "bodyBytes": args.body,
            "messagesPerSecond": round.per_second(), "p50Micros": p50.as_micros() as u64,
            "p99Micros": p99.as_micros() as u64,
        });
        return line(&figures.to_string());
    }
    let ms = |latency: Duration| format!("{:.2} ms", latency.as_secs_f64() * 1e3);
    line(&format!(
        "{name:<10}  {connections:>11}   {:>10.0}   {:>8}   {:>8}",
        round.per_second(),
        ms(p50),
        ms(p99)
    ))
}
