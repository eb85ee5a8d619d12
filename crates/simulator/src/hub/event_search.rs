//! Event logs looked through for what is meant, a bounded piece of work at a time: a log is large, and the hub waits
//! meanwhile.

use serde_json::Value;

use super::Hub;
use crate::events::{EventFilter, EventLog};

/// What looking at an event costs beside its texts, as bytes of them.
const EVENT_OVERHEAD: usize = 64;
/// Bytes of events that are looked at before others have their turn.
const PIECE: usize = 64 << 10;

/// What one look through the event log gives.
#[derive(Debug, Clone, PartialEq)]
pub struct FoundEvents {
    /// Oldest first.
    pub events: Vec<Value>,
    /// Where to look on.
    pub next: u64,
    /// Events that were skipped, or are no longer kept, between where this was to begin and where it began.
    pub missed: u64,
    /// The number the next event at the hub gets: how far behind `next` is.
    pub end: u64,
}

/// How far a look through the event log goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EventBounds {
    /// Who is further behind than this many events begins nearer to the end.
    pub behind: u64,
    /// Bytes to look at; more when one event alone has more.
    pub bytes: usize,
    /// Events to find.
    pub events: usize,
}

impl Hub {
    /// Looks through the built-in endpoint's events from `from` on.
    pub(crate) fn find_events(
        &self,
        filter: &EventFilter,
        from: u64,
        bounds: EventBounds,
    ) -> FoundEvents {
        match self.lock_if_kept() {
            Some(core) => look(&core.events, filter, from, bounds),
            None => FoundEvents {
                events: Vec::new(),
                next: from,
                missed: 0,
                end: from,
            },
        }
    }

    /// Up to `most` events of an endpoint, as routes name it, from `from` on that are meant, as JSON, and where to read
    /// on: the end when fewer were found. Nothing when there is no such endpoint. It gives way between two pieces of the
    /// log.
    pub(crate) async fn search(
        &self,
        endpoint: &str,
        mut from: u64,
        filter: &EventFilter,
        most: usize,
    ) -> Option<(Vec<Value>, u64)> {
        let event_hub = self.event_hub_of(endpoint)?;
        let mut events = Vec::new();
        loop {
            let bounds = EventBounds {
                behind: u64::MAX,
                bytes: PIECE,
                events: most - events.len(),
            };
            let found = {
                let Some(core) = self.lock_if_kept() else {
                    return Some((events, from));
                };
                look(core.log(&event_hub)?, filter, from, bounds)
            };
            events.extend(found.events);
            from = found.next;
            if events.len() == most || from == found.end {
                return Some((events, from));
            }
            self.give_way().await;
        }
    }
}

fn look(log: &EventLog, filter: &EventFilter, from: u64, bounds: EventBounds) -> FoundEvents {
    let end = log.next_sequence();
    let wanted = from.clamp(1, end);
    let begin = wanted.max(end.saturating_sub(bounds.behind));
    // Where nothing is kept any more there is nothing to look at before the end.
    let (mut first, mut next, mut looked_at) = (end, end, 0);
    let mut events = Vec::new();
    for (sequence, event) in log.read_from(begin) {
        first = first.min(sequence);
        if events.len() >= bounds.events || looked_at >= bounds.bytes {
            next = sequence;
            break;
        }
        looked_at += EVENT_OVERHEAD + event.bag.len() + event.body.len();
        if filter.takes(&event) {
            events.push(event.to_json(sequence));
        }
    }
    FoundEvents {
        events,
        next,
        missed: first - wanted,
        end,
    }
}
