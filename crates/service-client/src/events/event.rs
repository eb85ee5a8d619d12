//! One event, out of a message's sections (part 3 of the specification, and what IoT Hub puts into them).

use bytes::{Bytes, BytesMut};
use jiff::Timestamp;

use super::value::Value;

const ANNOTATIONS: u64 = 0x72;
const PROPERTIES: u64 = 0x73;
const APPLICATION_PROPERTIES: u64 = 0x74;
const DATA: u64 = 0x75;
const VALUE: u64 = 0x77;

/// One event as the hub hands it out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Its partition.
    pub partition: usize,
    /// Counts the partition's own events.
    pub sequence: i64,
    /// Where to read on behind it.
    pub offset: String,
    /// When the hub took it.
    pub enqueued: Timestamp,
    /// Where it comes from: `Telemetry`, `twinChangeEvents`, …
    pub source: Option<String>,
    /// The device that sent it, or that it is about.
    pub device_id: Option<String>,
    /// The module that sent it.
    pub module_id: Option<String>,
    /// The output it was sent to.
    pub output: Option<String>,
    /// The sender's id of the message.
    pub message_id: Option<String>,
    /// When the sender made it, by its own clock.
    pub created: Option<Timestamp>,
    /// Application properties, in their order.
    pub properties: Vec<(String, String)>,
    /// What was sent.
    pub body: Bytes,
}

impl Event {
    /// An application property.
    #[must_use]
    pub fn property(&self, name: &str) -> Option<&str> {
        let mut properties = self.properties.iter();
        let found = properties.find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }
}

/// Nothing when the sections are none, or do not say where the event stands.
pub(super) fn read(partition: usize, mut sections: Bytes) -> Option<Event> {
    let mut event = Event {
        partition,
        sequence: -1,
        offset: String::new(),
        enqueued: Timestamp::UNIX_EPOCH,
        source: None,
        device_id: None,
        module_id: None,
        output: None,
        message_id: None,
        created: None,
        properties: Vec::new(),
        body: Bytes::new(),
    };
    while !sections.is_empty() {
        let Value::Described(section, content) = Value::take(&mut sections)? else {
            return None;
        };
        match (section.number()?, *content) {
            (ANNOTATIONS, Value::Map(annotations)) => {
                for (name, value) in annotations {
                    annotate(&mut event, name.text().unwrap_or_default(), value);
                }
            }
            (PROPERTIES, Value::List(fields)) => {
                event.message_id = fields.first().and_then(Value::simple);
                event.created = fields.get(9).and_then(Value::signed).and_then(moment);
            }
            (APPLICATION_PROPERTIES, Value::Map(pairs)) => {
                let pairs = pairs.into_iter().filter_map(|(name, value)| {
                    Some((name.simple()?, value.simple().unwrap_or_default()))
                });
                event.properties = pairs.collect();
            }
            (DATA, Value::Binary(body)) if event.body.is_empty() => event.body = body,
            (DATA, Value::Binary(more)) => {
                let mut body = BytesMut::from(&event.body[..]);
                body.extend_from_slice(&more);
                event.body = body.freeze();
            }
            (VALUE, value) => {
                event.body = value.simple().map(Bytes::from).unwrap_or_default();
            }
            _ => {}
        }
    }
    (event.sequence >= 0 && !event.offset.is_empty()).then_some(event)
}

fn annotate(event: &mut Event, name: &str, value: Value) {
    let place = match name {
        "x-opt-sequence-number" => {
            event.sequence = value.signed().unwrap_or(-1);
            return;
        }
        "x-opt-enqueued-time" => {
            event.enqueued = value.signed().and_then(moment).unwrap_or_default();
            return;
        }
        "x-opt-offset" => {
            event.offset = value.simple().unwrap_or_default();
            return;
        }
        "iothub-message-source" => &mut event.source,
        "iothub-connection-device-id" => &mut event.device_id,
        "iothub-connection-module-id" => &mut event.module_id,
        "x-opt-output-name" => &mut event.output,
        _ => return,
    };
    *place = value.simple();
}

fn moment(milliseconds: i64) -> Option<Timestamp> {
    Timestamp::from_millisecond(milliseconds).ok()
}
