//! Events per second through the Event Hubs-compatible endpoint.
//!
//! The hub keeps a few megabytes of events; consumers read them from the oldest to the newest, over and over. One
//! consumer has all partitions, and of four each has its own.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use probe::{EventReader, Place};
use serde_json::json;
use tokio::task::JoinSet;

use super::super::load;
use super::super::servers::Server;
use super::{Args, Running};
use crate::control::Control;

const PARTITIONS: usize = 4;
const GROUP: &str = "$Default";
/// Bytes of a message body.
const BODY: usize = 256;
/// Devices that send, so that every partition has some of them.
const SENDERS: usize = 32;

pub(super) async fn measure(args: &Args, state: &Path) -> Result<()> {
    let Running {
        process,
        place,
        ready,
    } = Running::start(state).await?;
    let server = Server::of_hub(process, &ready)?;
    let logins = server.logins(SENDERS).await?;
    load::publish(&server, &logins, 16, BODY, Duration::from_millis(500)).await?;
    let control = Control::at(
        ready["control"]
            .as_str()
            .context("no control URL")?
            .to_owned(),
    );
    let mut kept = control
        .follow(&["events"], &[("from", "earliest"), ("follow", "false")])
        .await?;
    let mut total = 0;
    while kept.next().await?.is_some() {
        total += 1;
    }
    args.heading(&format!(
        "Events over AMQP and TLS, {BODY}-byte bodies, {total} of them read again and again"
    ))?;
    let mut of_partition = [0; PARTITIONS];
    let mut first = EventReader::connect(&place, GROUP).await?;
    for partition in 0..PARTITIONS {
        first.attach(partition, None).await?;
    }
    for _ in 0..total {
        of_partition[first.skip().await?] += 1;
    }
    drop(first);
    let all: Vec<(usize, usize)> = of_partition.into_iter().enumerate().collect();
    for shares in [
        vec![all.clone()],
        all.iter().map(|one| vec![*one]).collect(),
    ] {
        let consumers = shares.len();
        let rate = read(&place, shares, args.length()).await?;
        let figures = json!({
            "measure": "events", "consumers": consumers, "bodyBytes": BODY, "perSecond": rate,
        });
        let name = if consumers == 1 {
            "consumer"
        } else {
            "consumers"
        };
        args.print(&figures, &format!("{consumers} {name}: {rate:.0} events/s"))?;
    }
    server.stop().await
}

/// Has each consumer read its partitions, of which the number of events is known, as often as it can.
async fn read(place: &Place, shares: Vec<Vec<(usize, usize)>>, length: Duration) -> Result<f64> {
    let mut readers = Vec::new();
    for share in shares {
        readers.push((EventReader::connect(place, GROUP).await?, share));
    }
    let begun = Instant::now();
    let mut tasks = JoinSet::new();
    for (mut reader, share) in readers {
        tasks.spawn(async move {
            let (mut read, count) = (0, share.iter().map(|(_, count)| count).sum::<usize>());
            while begun.elapsed() < length && count > 0 {
                for (partition, _) in &share {
                    reader.attach(*partition, None).await?;
                }
                for _ in 0..count {
                    reader.skip().await?;
                }
                read += count;
                reader.detach_all().await?;
            }
            anyhow::Ok(read)
        });
    }
    let mut read = 0;
    while let Some(done) = tasks.join_next().await {
        read += done??;
    }
    Ok(read as f64 / begun.elapsed().as_secs_f64())
}
