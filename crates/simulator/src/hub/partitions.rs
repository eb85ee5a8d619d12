//! The event logs as their readers ask for them: whole, or partition by partition.

use hub_proto::identity::Identity;
use serde_json::Value;

use super::Hub;
use crate::authentication::Authentication;
use crate::events::{EventLog, Partition, Placed};

/// Events looked at under one lock, so that clients get their turn while a reader catches up.
const LOOK: usize = 1024;

/// From where a reader wants a partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    Earliest,
    Latest,
    Offset {
        value: u64,
        inclusive: bool,
    },
    Sequence {
        value: u64,
        inclusive: bool,
    },
    /// Milliseconds of Unix time.
    Enqueued {
        value: i64,
        inclusive: bool,
    },
}

/// Why a place is none: it lies beyond the newest event, and cannot be what was once told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct PlaceFault {
    /// The newest event's offset or sequence number, whichever was asked for; -1 where there is none.
    pub(crate) last: i64,
}

/// What a reader gets of an event besides the event.
#[derive(Debug)]
pub(crate) struct Reading<'a> {
    pub(crate) placed: Placed<'a>,
    /// How far the partition has come.
    pub(crate) partition: Partition,
    /// `connectionDeviceGenerationId`; empty when the sender is not registered any more.
    pub(crate) generation: &'a str,
    /// The Plug and Play model the sender announced; empty for none.
    pub(crate) model_id: &'a str,
    /// Whether the sender signs in with a certificate.
    pub(crate) by_certificate: bool,
}

impl Hub {
    /// Events at the built-in endpoint from `sequence` on, of one device or of all, as JSON; and where to read on.
    pub(crate) fn events(&self, from: u64, device: Option<&str>, most: usize) -> (Vec<Value>, u64) {
        match self.lock_if_kept() {
            Some(core) => read_log(&core.events, from, device, most),
            None => (Vec::new(), from),
        }
    }

    /// The same of an endpoint as routes name it; nothing where there is none.
    pub(crate) fn events_at(
        &self,
        endpoint: &str,
        from: u64,
        device: Option<&str>,
        most: usize,
    ) -> Option<(Vec<Value>, u64)> {
        let event_hub = self.event_hub_of(endpoint)?;
        let Some(core) = self.lock_if_kept() else {
            return Some((Vec::new(), from));
        };
        Some(read_log(core.log(&event_hub)?, from, device, most))
    }

    /// The sequence number the next event gets at the built-in endpoint.
    pub(crate) fn next_event(&self) -> u64 {
        self.lock().events.next_sequence()
    }

    /// The same of an endpoint.
    pub(crate) fn next_event_at(&self, endpoint: &str) -> Option<u64> {
        let event_hub = self.event_hub_of(endpoint)?;
        let core = self.lock();
        core.log(&event_hub).map(EventLog::next_sequence)
    }

    /// Whether an endpoint has more to be read than it had at `from`, or is gone.
    pub(crate) fn has_grown(&self, endpoint: &str, from: u64) -> bool {
        let Some(event_hub) = self.event_hub_of(endpoint) else {
            return true;
        };
        let Some(core) = self.lock_if_kept() else {
            return false;
        };
        let log = core.log(&event_hub);
        log.is_none_or(|log| log.next_sequence() > from)
    }

    /// How far a partition of an event hub that is there has come, and the sequence number of the oldest event kept.
    pub(crate) fn partition(&self, event_hub: &str, partition: usize) -> Option<(Partition, u64)> {
        let core = self.lock();
        let log = core.log(event_hub)?;
        Some((log.partitions()[partition], log.first_in(partition)))
    }

    /// The offset to read from.
    pub(crate) fn find(
        &self,
        event_hub: &str,
        partition: usize,
        place: Place,
    ) -> Result<u64, PlaceFault> {
        let core = self.lock();
        let Some(events) = core.log(event_hub) else {
            return Ok(0);
        };
        let end = events.next_sequence();
        let come = events.partitions()[partition];
        let known = |value: u64, count: u64, last: u64| match value < count {
            true => Ok(()),
            false => Err(PlaceFault {
                last: if come.next == 0 { -1 } else { last as i64 },
            }),
        };
        let mut placed = events
            .read_partition(partition, 0)
            .filter_map(|(_, placed)| placed);
        let found = match place {
            Place::Earliest => return Ok(0),
            Place::Latest => return Ok(end),
            Place::Offset { value, inclusive } => {
                known(value, come.last_offset + 1, come.last_offset)?;
                return Ok(value + u64::from(!inclusive));
            }
            Place::Sequence { value, inclusive } => {
                known(value, come.next, come.next.saturating_sub(1))?;
                let from = value + u64::from(!inclusive);
                placed.find(|placed| placed.sequence >= from)
            }
            Place::Enqueued { value, inclusive } => {
                let from = value.saturating_add((!inclusive).into());
                placed.find(|placed| placed.event.enqueued_ms >= from)
            }
        };
        Ok(found.map_or(end, |placed| placed.offset))
    }

    /// Hands up to `most` events of a partition from `offset` on to `take`; returns where to read on, and whether there
    /// may be more by then.
    pub(crate) fn read_partition(
        &self,
        event_hub: &str,
        partition: usize,
        offset: u64,
        most: usize,
        mut take: impl FnMut(&Reading<'_>),
    ) -> (u64, bool) {
        let Some(core) = self.lock_if_kept() else {
            return (offset, false);
        };
        let Some(events) = core.log(event_hub) else {
            return (offset, false);
        };
        let come = events.partitions()[partition];
        let (mut next, mut taken) = (offset, 0);
        for (looked, (number, placed)) in events.read_partition(partition, offset).enumerate() {
            if taken == most || looked == LOOK {
                return (next, true);
            }
            next = number + 1;
            let Some(placed) = placed else { continue };
            let (device, module) = (placed.event.device, placed.event.module);
            let module = (!module.is_empty()).then(|| module.to_owned());
            let identity = Identity::new(device, module).ok();
            let client = identity.and_then(|identity| core.client(&identity));
            take(&Reading {
                placed,
                partition: come,
                generation: client.map_or("", |client| &client.generation),
                model_id: client.map_or("", |client| &client.model_id),
                by_certificate: client
                    .is_some_and(|client| client.authentication != Authentication::Sas),
            });
            taken += 1;
        }
        (next, false)
    }
}

fn read_log(log: &EventLog, from: u64, device: Option<&str>, most: usize) -> (Vec<Value>, u64) {
    let mut next = from.min(log.next_sequence());
    let mut found = Vec::new();
    for (sequence, event) in log.read_from(from) {
        if found.len() == most {
            break;
        }
        next = sequence + 1;
        if device.is_none_or(|device| device == event.device) {
            found.push(event.to_json(sequence));
        }
    }
    (found, next)
}

#[cfg(test)]
impl Hub {
    /// Takes an event as a device's connection does, and tells those who wait for it.
    pub(crate) fn take_event(&self, device: &str, body: &[u8]) {
        let mut core = self.lock();
        core.take(device, body);
        self.commit(&mut core).expect("in memory");
    }
}

#[cfg(test)]
impl super::Core {
    /// Takes an event as a device's connection does.
    pub(crate) fn take(&mut self, device: &str, body: &[u8]) {
        self.append(&crate::events::Event {
            enqueued_ms: 1_767_225_600_000,
            edge_sequence: 0,
            edge: "",
            source: crate::events::Source::Telemetry,
            device,
            module: "",
            bag: "",
            body,
        });
        self.commit().expect("in memory");
    }
}
