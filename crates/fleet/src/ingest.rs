//! Events of the hub: read by whichever instance has their partition, and made into what is known of devices.
//!
//! - `reading` says what an event says, and `order` whether it is news;
//! - `apply` writes it down;
//! - `leases` shares the partitions among instances;
//! - here is the loop that reads.
//!
//! **Invariant:** what events change and how far they were read is one transaction, which only the partition's owner can
//! commit: an event counts once, whichever instance ends whenever.

mod apply;
mod leases;
mod order;
mod reading;

use std::collections::BTreeMap;
use std::time::Duration;

use service_client::events::{Event, Position};
use service_client::{EventEndpoint, EventReader, EventsError};
use tokio::time::{Instant, timeout};
use tokio_util::sync::CancellationToken;

use self::leases::{Held, Leases};
use crate::app::App;
use crate::settings::Settings;
use crate::store::StoreError;

/// Events of one transaction at most.
const BATCH: usize = 256;
/// How long more events are waited for once there is one.
const GATHER: Duration = Duration::from_millis(5);
const RENEW_EVERY: Duration = Duration::from_secs(3);
/// A transaction that takes longer is ended with what it has, so that leases are renewed however slow the database is.
const WRITE_WITHIN: Duration = Duration::from_secs(2);
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(20);

/// Why reading ended. It begins again.
#[derive(Debug, thiserror::Error)]
enum IngestError {
    #[error("events cannot be read")]
    Events(#[from] EventsError),
    #[error("what events say cannot be kept")]
    Store(#[from] StoreError),
    #[error("a partition was taken over by another instance")]
    TakenOver,
}

impl From<sqlx::Error> for IngestError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

/// Where one hub's events are read, and under which name it is written how far.
#[derive(Debug)]
pub struct Source {
    endpoint: EventEndpoint,
    pub(crate) name: String,
}

/// Every hub's. One whose connection string cannot be read is left out; the service does not begin with such.
#[must_use]
pub fn sources(settings: &Settings) -> Vec<Source> {
    let endpoints = settings.hubs.iter().map(|hub| hub.events.parse());
    let endpoints: Vec<EventEndpoint> = endpoints.filter_map(Result::ok).collect();
    let named = |name: &str| {
        let others = endpoints.iter();
        others.filter(|other| other.event_hub == name).count()
    };
    let name = |endpoint: &EventEndpoint| {
        // Azure's names are each hub's own. Where they are not, the host tells them apart.
        if named(&endpoint.event_hub) == 1 {
            endpoint.event_hub.clone()
        } else {
            let EventEndpoint {
                host,
                port,
                event_hub,
                ..
            } = endpoint;
            format!("{host}:{port}/{event_hub}")
        }
    };
    endpoints
        .iter()
        .map(|endpoint| Source {
            name: name(endpoint),
            endpoint: endpoint.clone(),
        })
        .collect()
}

/// Reads a hub's events until it is told to stop, then leaves its partitions to the others.
pub async fn work(app: App, source: Source, stop: CancellationToken) {
    let Source { endpoint, name } = source;
    let leases = Leases::new(app.store.clone(), &name, &app.settings.consumer_group);
    let mut pause = FIRST_PAUSE;
    while !stop.is_cancelled() {
        let begun = Instant::now();
        let ended = tokio::select! {
            ended = read(&app, &endpoint, &leases) => ended,
            () = stop.cancelled() => break,
        };
        let Err(error) = ended;
        // What went well for a while is no reason to wait for long.
        if begun.elapsed() > LONGEST_PAUSE || matches!(error, IngestError::TakenOver) {
            pause = FIRST_PAUSE;
        }
        tracing::warn!(
            error = &error as &dyn std::error::Error,
            again_in = ?pause,
            "reading events ended"
        );
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = stop.cancelled() => break,
        }
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
    if let Err(error) = leases.give_up().await {
        tracing::warn!(
            error = &error as &dyn std::error::Error,
            "the partitions are free only when their leases end"
        );
    }
}

/// The partitions this instance reads, as of the last look, with the offset it has come to.
type Mine = BTreeMap<usize, Held>;

/// One connection, from its begin to its end.
async fn read(
    app: &App,
    endpoint: &EventEndpoint,
    leases: &Leases,
) -> Result<std::convert::Infallible, IngestError> {
    let group = &app.settings.consumer_group;
    let mut reader = EventReader::connect(endpoint, &app.settings.trust, group).await?;
    let partitions = reader.partitions(endpoint).await?;
    leases.prepare(&partitions).await?;
    let mut mine = Mine::new();
    let mut look_at = Instant::now();
    loop {
        let next = tokio::select! {
            biased;
            () = tokio::time::sleep_until(look_at) => None,
            event = reader.next() => Some(event),
        };
        match next {
            None => {
                look_around(app, leases, &mut reader, &mut mine).await?;
                look_at = Instant::now() + RENEW_EVERY;
            }
            Some(Ok(first)) => {
                let (batch, ended) = gather(&mut reader, first).await;
                let mut read: Vec<Event> = batch
                    .into_iter()
                    .filter(|event| mine.contains_key(&event.partition))
                    .collect();
                loop {
                    let done = apply::batch(app, leases, &mine, &read, WRITE_WITHIN).await?;
                    read.drain(..done);
                    if read.is_empty() {
                        break;
                    }
                    let before = mine.clone();
                    look_around(app, leases, &mut reader, &mut mine).await?;
                    look_at = Instant::now() + RENEW_EVERY;
                    // What was lost, or taken anew, is read again by whoever has it.
                    let epoch = |mine: &Mine, event: &Event| {
                        mine.get(&event.partition).map(|held| held.epoch)
                    };
                    read.retain(|event| {
                        let now = epoch(&mine, event);
                        now.is_some() && now == epoch(&before, event)
                    });
                }
                if let Some(error) = ended {
                    on_end(leases, &mut mine, error).await?;
                }
            }
            Some(Err(error)) => on_end(leases, &mut mine, error).await?,
        }
    }
}

/// Renews what is held, takes what is due, and reads the partitions that are new.
async fn look_around(
    app: &App,
    leases: &Leases,
    reader: &mut EventReader,
    mine: &mut Mine,
) -> Result<(), IngestError> {
    let held = leases.look_around(app.now()).await?;
    for partition in mine.keys() {
        if !held.contains_key(partition) {
            reader.detach(*partition).await?;
        }
    }
    for (partition, held) in &held {
        let known = mine.get(partition);
        if known.is_some_and(|known| known.epoch == held.epoch) {
            continue;
        }
        if known.is_some() {
            reader.detach(*partition).await?;
        }
        let position = held
            .offset
            .clone()
            .map_or(Position::Earliest, Position::Behind);
        tracing::info!(partition, epoch = held.epoch, "reads a partition");
        reader
            .attach(*partition, &position, Some(held.epoch))
            .await?;
    }
    *mine = held;
    Ok(())
}

/// What has come behind the first event, as far as it is there already; and why no more comes, if none does.
async fn gather(reader: &mut EventReader, first: Event) -> (Vec<Event>, Option<EventsError>) {
    let mut batch = vec![first];
    while batch.len() < BATCH {
        match timeout(GATHER, reader.next()).await {
            Ok(Ok(event)) => batch.push(event),
            Ok(Err(error)) => return (batch, Some(error)),
            Err(_) => break,
        }
    }
    (batch, None)
}

/// One partition's end is none of the others', where it can be told.
async fn on_end(leases: &Leases, mine: &mut Mine, error: EventsError) -> Result<(), IngestError> {
    match error {
        EventsError::Stolen {
            partition,
            description,
        } => {
            // Another instance; or another service altogether, which then should have a consumer group of its own.
            tracing::info!(partition, description, "somebody else reads a partition");
            mine.remove(&partition);
            Ok(())
        }
        EventsError::Position {
            partition,
            description,
        } => {
            // The hub was made anew. What it repeats is known by the modules' own numbers.
            tracing::warn!(
                partition,
                description,
                "a partition is read from its beginning"
            );
            if let Some(held) = mine.remove(&partition) {
                leases.forget_position(partition, held.epoch).await?;
            }
            Ok(())
        }
        error => Err(error.into()),
    }
}
