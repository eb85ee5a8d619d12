//! The event log as a person looks through it: what matches, a bounded piece of work at a time.

use hub_proto::identity::Identity;
use hub_proto::message::SystemProperty;
use hub_proto::property_bag;
use serde_json::Value;

use super::Hub;
use crate::events::Event;

/// What looking at an event costs beside its texts, as bytes of them.
const EVENT_OVERHEAD: usize = 64;

/// Which events to show. An empty one shows all; each part that is given has to hold.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EventFilter {
    /// Of this device with its modules, or of this module, and nobody else.
    pub of: Option<Identity>,
    /// A part of the device's id.
    pub device: Option<String>,
    /// A part of the module's id.
    pub module: Option<String>,
    /// The name of a property, of the application's or the system's, or `name=value`.
    pub property: Option<String>,
    /// A part of the body, ASCII letters in any case.
    pub text: Option<String>,
    /// Where it comes from: `Telemetry`, `twinChangeEvents`, …
    pub source: Option<String>,
}

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

impl EventFilter {
    fn matches(&self, event: &Event<'_>) -> bool {
        let part = |wanted: &Option<String>, of: &str| {
            wanted.as_deref().is_none_or(|wanted| of.contains(wanted))
        };
        let of = self.of.as_ref();
        of.is_none_or(|of| {
            let module = of.module_id();
            of.device_id() == event.device && module.is_none_or(|module| module == event.module)
        }) && part(&self.device, event.device)
            && part(&self.module, event.module)
            && self
                .source
                .as_deref()
                .is_none_or(|source| source.eq_ignore_ascii_case(event.source.name()))
            && self
                .property
                .as_deref()
                .is_none_or(|property| has_property(event.bag, property))
            && self
                .text
                .as_deref()
                .is_none_or(|text| contains(event.body, text.as_bytes()))
    }
}

fn has_property(bag: &str, wanted: &str) -> bool {
    let (name, value) = match wanted.split_once('=') {
        Some((name, value)) => (name.trim(), Some(value.trim())),
        None => (wanted.trim(), None),
    };
    property_bag::pairs(bag).flatten().any(|(of, is)| {
        let named =
            of == name || SystemProperty::from_wire(&of).is_some_and(|known| known.name() == name);
        named && value.is_none_or(|value| is.unwrap_or_default() == value)
    })
}

fn contains(body: &[u8], text: &[u8]) -> bool {
    text.is_empty()
        || body
            .windows(text.len())
            .any(|part| part.eq_ignore_ascii_case(text))
}

/// How far a look through the event log goes. A log is large, and the hub waits meanwhile.
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
    /// Looks through the event log from `from` on.
    pub(crate) fn find_events(
        &self,
        filter: &EventFilter,
        from: u64,
        bounds: EventBounds,
    ) -> FoundEvents {
        let core = self.lock();
        let end = core.events.next_sequence();
        let wanted = from.clamp(1, end);
        let begin = wanted.max(end.saturating_sub(bounds.behind));
        let (mut first, mut next, mut looked_at) = (end, end, 0);
        let mut events = Vec::new();
        for (sequence, event) in core.events.read_from(begin) {
            first = first.min(sequence);
            next = sequence;
            if events.len() >= bounds.events || looked_at >= bounds.bytes {
                break;
            }
            looked_at += EVENT_OVERHEAD + event.bag.len() + event.body.len();
            if filter.matches(&event) {
                events.push(event.to_json(sequence));
            }
            next = sequence + 1;
        }
        FoundEvents {
            events,
            next,
            missed: first - wanted,
            end,
        }
    }
}
