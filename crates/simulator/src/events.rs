//! The hub's event log: what `cow monitor` reads, and what the Event Hubs-compatible endpoint serves.
//!
//! Events are kept as the bytes that went to the journal, several to a chunk, so that taking one in costs a copy and
//! no allocation; they are decoded when somebody reads them. The log forgets its oldest chunk beyond a fixed size:
//! retention here is for people and tests, not an archive.

mod filter;
mod hubs;
mod kept;
mod partitions;
mod source;

use std::collections::VecDeque;

use hub_proto::message::SystemProperty;
use hub_proto::property_bag;
use jiff::Timestamp;
use serde_json::{Map, Value, json};

pub use self::filter::EventFilter;
pub(crate) use self::filter::same;
pub(crate) use self::hubs::{Come, EventHubs};
pub(crate) use self::kept::Run;
pub(crate) use self::partitions::{PARTITIONS, Partition, Placed};
pub(crate) use self::source::Source;

const CHUNK_BYTES: usize = 64 << 10;

/// One message as the hub stored it, borrowed from the log or from whoever hands it in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Event<'a> {
    /// Milliseconds of Unix time at which the hub took it.
    pub(crate) enqueued_ms: i64,
    /// For an event that came through an edge hub: its number in that edge's store, which makes forwarding exactly once.
    pub(crate) edge_sequence: u64,
    /// Which edge device that was; empty for a message straight to the hub.
    pub(crate) edge: &'a str,
    pub(crate) source: Source,
    pub(crate) device: &'a str,
    pub(crate) module: &'a str,
    /// Percent-encoded property bag, as received and checked.
    pub(crate) bag: &'a str,
    pub(crate) body: &'a [u8],
}

/// The events still kept, and the number of the next one.
#[derive(Debug)]
pub(crate) struct EventLog {
    chunks: VecDeque<Chunk>,
    bytes: usize,
    keep_bytes: usize,
    next: u64,
    partitions: [Partition; PARTITIONS],
}

#[derive(Debug)]
struct Chunk {
    first: u64,
    count: u64,
    /// What each partition's next event is numbered where this chunk begins.
    first_in: [u64; PARTITIONS],
    /// `length u32 | event` repeated.
    bytes: Vec<u8>,
}

impl EventLog {
    pub(crate) fn new(keep_bytes: usize) -> Self {
        Self {
            chunks: VecDeque::new(),
            bytes: 0,
            keep_bytes,
            next: 1,
            partitions: [Partition::NEW; PARTITIONS],
        }
    }

    /// Sequence number the next event gets; the first is 1.
    pub(crate) fn next_sequence(&self) -> u64 {
        self.next
    }

    /// Continues numbering where a snapshot left off.
    pub(crate) fn resume_at(&mut self, next: u64) {
        self.next = self.next.max(next);
    }

    /// Lets go of all events; the numbering goes on.
    pub(crate) fn forget(&mut self) {
        self.chunks = VecDeque::new();
        self.bytes = 0;
    }

    /// Takes one event in and returns its encoded form, which is what the journal keeps.
    pub(crate) fn append(&mut self, event: &Event<'_>) -> &[u8] {
        let size = event.encoded_len();
        let chunk = self.room_for(size);
        let start = chunk.bytes.len() + 4;
        chunk.bytes.extend_from_slice(&(size as u32).to_le_bytes());
        event.encode(&mut chunk.bytes);
        chunk.count += 1;
        self.count_in(event);
        &self.chunks.back().expect("room was just made").bytes[start..]
    }

    /// Every event kept from `sequence` on, oldest first.
    pub(crate) fn read_from(&self, sequence: u64) -> impl Iterator<Item = (u64, Event<'_>)> {
        let skipped = self
            .chunks
            .partition_point(|chunk| chunk.first + chunk.count <= sequence);
        self.chunks
            .range(skipped..)
            .flat_map(Chunk::iter)
            .skip_while(move |(number, _)| *number < sequence)
    }

    fn room_for(&mut self, size: usize) -> &mut Chunk {
        // A chunk's events are numbered without a gap.
        let full = self.chunks.back().is_none_or(|chunk| {
            chunk.bytes.len() + size + 4 > CHUNK_BYTES || chunk.first + chunk.count != self.next
        });
        if full {
            // The oldest chunk's memory serves again once the log is as long as it may get.
            let reused = if self.bytes + CHUNK_BYTES > self.keep_bytes {
                self.chunks.pop_front()
            } else {
                None
            };
            let mut bytes = reused.map_or_else(Vec::new, |chunk| {
                self.bytes -= chunk.bytes.len();
                chunk.bytes
            });
            bytes.clear();
            bytes.shrink_to(CHUNK_BYTES);
            self.chunks.push_back(Chunk {
                first: self.next,
                count: 0,
                first_in: self.partitions.map(|partition| partition.next),
                bytes,
            });
        }
        self.next += 1;
        self.bytes += size + 4;
        self.chunks.back_mut().expect("a chunk is there")
    }
}

impl Chunk {
    fn iter(&self) -> impl Iterator<Item = (u64, Event<'_>)> {
        (self.first..)
            .zip(self.encoded())
            .map_while(|(number, event)| Some((number, Event::decode(event)?)))
    }

    /// Its events as the journal has them.
    fn encoded(&self) -> impl Iterator<Item = &[u8]> {
        let mut rest = self.bytes.as_slice();
        std::iter::from_fn(move || {
            let (length, tail) = rest.split_first_chunk::<4>()?;
            let (event, tail) = tail.split_at_checked(u32::from_le_bytes(*length) as usize)?;
            rest = tail;
            Some(event)
        })
    }
}

impl<'a> Event<'a> {
    fn encoded_len(&self) -> usize {
        8 + 8
            + 1
            + 6
            + self.edge.len()
            + self.device.len()
            + self.module.len()
            + 4
            + self.bag.len()
            + self.body.len()
    }

    fn encode(&self, into: &mut Vec<u8>) {
        // Ids are at most 128 characters and a bag shares the 256 KiB of its message, so the casts cannot cut.
        into.extend_from_slice(&self.enqueued_ms.to_le_bytes());
        into.extend_from_slice(&self.edge_sequence.to_le_bytes());
        into.push(self.source as u8);
        for id in [self.edge, self.device, self.module] {
            into.extend_from_slice(&(id.len() as u16).to_le_bytes());
            into.extend_from_slice(id.as_bytes());
        }
        into.extend_from_slice(&(self.bag.len() as u32).to_le_bytes());
        into.extend_from_slice(self.bag.as_bytes());
        into.extend_from_slice(self.body);
    }

    /// The inverse of what [`EventLog::append`] returns; nothing when the bytes are no event.
    pub(crate) fn decode(bytes: &'a [u8]) -> Option<Self> {
        let (enqueued_ms, rest) = bytes.split_first_chunk::<8>()?;
        let (edge_sequence, rest) = rest.split_first_chunk::<8>()?;
        let (source, rest) = rest.split_first()?;
        let (edge, rest) = id(rest)?;
        let (device, rest) = id(rest)?;
        let (module, rest) = id(rest)?;
        let (length, rest) = rest.split_first_chunk::<4>()?;
        let (bag, body) = rest.split_at_checked(u32::from_le_bytes(*length) as usize)?;
        Some(Self {
            enqueued_ms: i64::from_le_bytes(*enqueued_ms),
            edge_sequence: u64::from_le_bytes(*edge_sequence),
            edge,
            source: Source::from_byte(*source)?,
            device,
            module,
            bag: std::str::from_utf8(bag).ok()?,
            body,
        })
    }

    /// The event as JSON for people and programs: system and application properties apart, the body as JSON when it
    /// is JSON, else as text, else base64 under `bodyBase64`.
    pub(crate) fn to_json(self, sequence: u64) -> Value {
        let mut system = Map::new();
        let mut properties = Map::new();
        for (name, value) in property_bag::pairs(self.bag).flatten() {
            let value = value.map_or(Value::Null, |value| Value::from(value.into_owned()));
            match SystemProperty::from_wire(&name) {
                Some(known) => system.insert(known.name().to_owned(), value),
                None => properties.insert(name.into_owned(), value),
            };
        }
        system.insert("connectionDeviceId".to_owned(), self.device.into());
        if !self.module.is_empty() {
            system.insert("connectionModuleId".to_owned(), self.module.into());
        }
        system.insert(
            "iothub-message-source".to_owned(),
            self.source.name().into(),
        );
        let enqueued =
            Timestamp::from_millisecond(self.enqueued_ms).unwrap_or(Timestamp::UNIX_EPOCH);
        let mut event = json!({
            "sequenceNumber": sequence,
            "enqueuedTime": enqueued.to_string(),
            "deviceId": self.device,
            "moduleId": if self.module.is_empty() { Value::Null } else { self.module.into() },
            "systemProperties": system,
            "properties": properties,
        });
        let (name, body) = body_json(self.body);
        event[name] = body;
        event
    }
}

/// A message body for display: parsed when it is JSON, else text, else base64 under another name.
pub(crate) fn body_json(body: &[u8]) -> (&'static str, Value) {
    use base64::Engine;
    if let Ok(value) = serde_json::from_slice(body) {
        return ("body", value);
    }
    match std::str::from_utf8(body) {
        Ok(text) => ("body", text.into()),
        Err(_) => (
            "bodyBase64",
            base64::engine::general_purpose::STANDARD
                .encode(body)
                .into(),
        ),
    }
}

fn id(bytes: &[u8]) -> Option<(&str, &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<2>()?;
    let (id, rest) = rest.split_at_checked(usize::from(u16::from_le_bytes(*length)))?;
    Some((std::str::from_utf8(id).ok()?, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A device's message.
    pub(super) fn message<'a>(device: &'a str, body: &'a [u8]) -> Event<'a> {
        Event {
            enqueued_ms: 1_767_225_600_000,
            edge_sequence: 0,
            edge: "",
            source: Source::Telemetry,
            device,
            module: "",
            bag: "",
            body,
        }
    }

    fn event(body: &[u8]) -> Event<'_> {
        Event {
            enqueued_ms: 1_767_225_600_000,
            edge_sequence: 7,
            edge: "edge01",
            source: Source::Telemetry,
            device: "edge01",
            module: "hc-sr04",
            bag: "%24.ct=application%2Fjson&kind=occupancy",
            body,
        }
    }

    #[test]
    fn what_is_read_is_what_was_appended() {
        let mut log = EventLog::new(1 << 20);
        let encoded = log.append(&event(b"{\"a\":1}")).to_vec();
        assert_eq!(Event::decode(&encoded), Some(event(b"{\"a\":1}")));
        log.append(&event(b"second"));
        let read: Vec<_> = log.read_from(2).collect();
        assert_eq!(read, [(2, event(b"second"))]);
    }

    #[test]
    fn json_tells_system_from_application_properties() {
        let json = event(b"{\"a\":1}").to_json(3);
        assert_eq!(json["systemProperties"]["contentType"], "application/json");
        assert_eq!(json["systemProperties"]["connectionModuleId"], "hc-sr04");
        assert_eq!(json["properties"], json!({"kind": "occupancy"}));
        assert_eq!(json["body"], json!({"a": 1}));
        assert_eq!(json["enqueuedTime"], "2026-01-01T00:00:00Z");
    }

    #[test]
    fn the_log_forgets_the_oldest_and_keeps_counting() {
        let mut log = EventLog::new(4 * CHUNK_BYTES);
        let body = vec![b'x'; 10_000];
        for _ in 0..200 {
            log.append(&event(&body));
        }
        let kept: Vec<u64> = log.read_from(0).map(|(number, _)| number).collect();
        assert_eq!(kept.last(), Some(&200));
        assert!(kept.len() < 40 && kept.len() > 10, "{}", kept.len());
        assert!(
            kept.windows(2).all(|pair| pair[0] + 1 == pair[1]),
            "no gaps"
        );
        assert_eq!(
            log.read_from(kept[3]).next().map(|(number, _)| number),
            Some(kept[3])
        );
    }

    /// As after a damaged segment was moved away.
    #[test]
    fn a_gap_in_the_numbers_moves_no_event() {
        let mut log = EventLog::new(1 << 20);
        log.append(&event(b"before"));
        log.resume_at(10);
        log.append(&event(b"after"));
        let read: Vec<_> = log.read_from(1).collect();
        assert_eq!(read, [(1, event(b"before")), (10, event(b"after"))]);
    }
}
