//! Who reads what: a partition's readers of one consumer group, and which of them has to go for another.
//!
//! A reader with an epoch (an owner level) reads alone: it ends those without one and those with a lower or the same,
//! and comes too late where there is a higher one. Without epochs, five may read side by side.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, OnceLock};

use jiff::Timestamp;
use tokio::sync::Notify;

use super::address::not_found;
use super::performative::Fault;
use crate::hub::Hub;
use crate::lock;

/// Readers without an epoch of one partition and consumer group.
const MAX_READERS: usize = 5;
const STOLEN: &str = "amqp:link:stolen";

/// The Event Hubs-compatible endpoint of one hub. Allocates nothing before it is read from.
#[derive(Debug)]
pub(crate) struct EventEndpoint {
    /// When it was made, for those who ask: no older event is told of.
    pub(crate) created: Timestamp,
    readers: Mutex<HashMap<Group, Vec<Arc<Seat>>>>,
}

/// An event hub, a consumer group's name in it, and a partition.
type Group = (String, String, usize);

#[derive(Debug)]
struct Seat {
    epoch: Option<i64>,
    /// Why this reader has to go.
    lost: OnceLock<Fault>,
    /// Wakes its connection.
    wake: Arc<Notify>,
}

/// A reader's right to read; given up when it is dropped.
#[derive(Debug)]
pub(crate) struct Reader {
    hub: Arc<Hub>,
    key: Group,
    seat: Arc<Seat>,
}

impl EventEndpoint {
    pub(crate) fn new(created: Timestamp) -> Self {
        Self {
            created,
            readers: Mutex::default(),
        }
    }

    /// Ends the readers of event hubs that are gone.
    pub(crate) fn keep_readers(&self, is_there: impl Fn(&str) -> bool) {
        for ((event_hub, ..), seats) in lock(&self.readers).iter() {
            if is_there(event_hub) {
                continue;
            }
            for seat in seats {
                // It may have lost already; the first reason stands.
                let _ = seat.lost.set(not_found(event_hub));
                seat.wake.notify_one();
            }
        }
    }
}

impl Reader {
    /// Takes a place among the readers of a partition.
    ///
    /// # Errors
    /// When a reader with a higher epoch is there, or too many without one.
    pub(crate) fn seat(
        hub: Arc<Hub>,
        (event_hub, group, partition): (&str, &str, usize),
        epoch: Option<i64>,
        wake: Arc<Notify>,
    ) -> Result<Self, Fault> {
        let key = (event_hub.to_owned(), group.to_owned(), partition);
        let seat = Arc::new(Seat {
            epoch,
            lost: OnceLock::new(),
            wake,
        });
        let mut readers = lock(&hub.endpoint.readers);
        let seats = readers.entry(key.clone()).or_default();
        let highest = seats.iter().filter_map(|seat| seat.epoch).max();
        match (epoch, highest) {
            (None, Some(highest)) => {
                return Err(Fault::new(
                    STOLEN,
                    format!(
                        "At least one receiver for the endpoint is created with epoch of '{highest}', and so non-epoch receiver is not allowed."
                    ),
                ));
            }
            (Some(epoch), Some(highest)) if highest > epoch => {
                return Err(Fault::new(
                    STOLEN,
                    format!(
                        "Receiver with a higher epoch '{highest}' already exists. Receiver with epoch {epoch} cannot be created. Make sure you are creating receiver with increasing epoch value to ensure connectivity, or ensure all old epoch receivers are closed or disconnected."
                    ),
                ));
            }
            (None, None) if seats.len() >= MAX_READERS => {
                return Err(Fault::new(
                    "amqp:resource-limit-exceeded",
                    format!(
                        "Exceeded the maximum number of allowed receivers per partition in a consumer group which is {MAX_READERS}."
                    ),
                ));
            }
            (None, None) => {}
            (Some(epoch), _) => {
                for other in seats.drain(..) {
                    let had = other.epoch.unwrap_or(0);
                    let lost = Fault::new(
                        STOLEN,
                        format!(
                            "New receiver with higher epoch of '{epoch}' is created hence current receiver with epoch '{had}' is getting disconnected. If you are recreating the receiver, make sure a higher epoch is used."
                        ),
                    );
                    // It may have lost already; the first reason stands.
                    let _ = other.lost.set(lost);
                    other.wake.notify_one();
                }
            }
        }
        seats.push(seat.clone());
        drop(readers);
        Ok(Self { hub, key, seat })
    }

    /// Why this reader has to go, if it has.
    pub(crate) fn lost(&self) -> Option<&Fault> {
        self.seat.lost.get()
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        let mut readers = lock(&self.hub.endpoint.readers);
        if let Some(seats) = readers.get_mut(&self.key) {
            seats.retain(|seat| !Arc::ptr_eq(seat, &self.seat));
            if seats.is_empty() {
                readers.remove(&self.key);
            }
        }
    }
}
