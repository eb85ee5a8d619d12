//! A partition's events on their way to a reader: from where, and in which form.

use std::collections::VecDeque;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use hub_proto::message::{Properties, SystemProperty};
use jiff::Timestamp;

use super::encoding;
use super::link::Parcel;
use super::message;
use super::performative::Fault;
use super::properties;
use super::readers::Reader;
use super::value::Value;
use crate::events::Source;
use crate::hub::{Hub, Place, Reading};

/// The filter that clients say their place with.
const SELECTOR: &str = "apache.org:selector-filter:string";
const ARGUMENT: &str = "com.microsoft:argument-error";
/// Events encoded at once, ahead of what goes out.
const BATCH: usize = 64;

/// One reader's way through a partition.
#[derive(Debug)]
pub(crate) struct EventStream {
    hub: Arc<Hub>,
    event_hub: String,
    partition: usize,
    /// Offset to go on from.
    next: u64,
    /// Whether each event is to say how far the partition has come.
    metrics: bool,
    pub(crate) reader: Reader,
}

impl EventStream {
    /// Begins where a source's filters say.
    ///
    /// # Errors
    /// When they cannot be read, or name a place beyond the newest event.
    pub(crate) fn open(
        hub: Arc<Hub>,
        (event_hub, partition): (&str, usize),
        filters: &Value,
        metrics: bool,
        reader: Reader,
    ) -> Result<Self, Fault> {
        let place = match filters.get(SELECTOR) {
            None => Place::Earliest,
            Some(filter) => {
                let selector = filter.undescribed().as_text().unwrap_or_default();
                place(selector).ok_or_else(|| {
                    Fault::new(
                        ARGUMENT,
                        format!("The filter '{selector}' is not supported."),
                    )
                })?
            }
        };
        let next = hub.find(event_hub, partition, place).map_err(|fault| {
            let (what, value) = match place {
                Place::Sequence { value, .. } => ("sequence number", value),
                Place::Offset { value, .. } => ("offset", value),
                _ => ("position", 0),
            };
            Fault::new(
                ARGUMENT,
                format!(
                    "The supplied {what} '{value}' is invalid. The last {what} in the system is '{}'",
                    fault.last
                ),
            )
        })?;
        Ok(Self {
            hub,
            event_hub: event_hub.to_owned(),
            partition,
            next,
            metrics,
            reader,
        })
    }

    /// Puts up to `most` events into `queue`; says whether there may be more by then.
    pub(crate) fn fetch(
        &mut self,
        most: usize,
        queue: &mut VecDeque<Parcel>,
        now: Timestamp,
    ) -> bool {
        let metrics = self.metrics.then_some(now);
        let most = most.min(BATCH);
        let take = |reading: &Reading<'_>| queue.push_back(encode(reading, metrics).into());
        let (next, more) =
            self.hub
                .read_partition(&self.event_hub, self.partition, self.next, most, take);
        self.next = next;
        more
    }
}

/// Reads `amqp.annotation.{x-opt-offset|x-opt-sequence-number|x-opt-enqueued-time} {>|>=} '{value}'`.
fn place(selector: &str) -> Option<Place> {
    let mut words = selector.split_ascii_whitespace();
    let (field, operator, value) = (words.next()?, words.next()?, words.next()?);
    let inclusive = match operator {
        ">" => false,
        ">=" => true,
        _ => return None,
    };
    let value = value.strip_prefix('\'')?.strip_suffix('\'')?;
    if words.next().is_some() {
        return None;
    }
    let number = value.parse::<i64>();
    Some(match field.strip_prefix("amqp.annotation.")? {
        "x-opt-offset" if value == "@latest" => Place::Latest,
        "x-opt-enqueued-time" => Place::Enqueued {
            value: number.ok()?,
            inclusive,
        },
        field => {
            let number = number.ok()?;
            match (field, u64::try_from(number)) {
                // -1 is before everything.
                ("x-opt-offset" | "x-opt-sequence-number", Err(_)) => Place::Earliest,
                ("x-opt-offset", Ok(value)) => Place::Offset { value, inclusive },
                ("x-opt-sequence-number", Ok(value)) => Place::Sequence { value, inclusive },
                _ => return None,
            }
        }
    })
}

/// An event as the endpoint hands it out; with `metrics` it says how far its partition had come by then.
fn encode(reading: &Reading<'_>, metrics: Option<Timestamp>) -> Bytes {
    let event = &reading.placed.event;
    let mut out = BytesMut::with_capacity(512 + event.bag.len() + event.body.len());
    if let Some(now) = metrics {
        let partition = &reading.partition;
        message::map_section(&mut out, message::DELIVERY_ANNOTATIONS, |out| {
            encoding::symbol(out, "last_enqueued_sequence_number");
            encoding::long(out, partition.next as i64 - 1);
            encoding::symbol(out, "last_enqueued_offset");
            encoding::string(out, &partition.last_offset.to_string());
            encoding::symbol(out, "last_enqueued_time_utc");
            encoding::timestamp(out, partition.last_enqueued_ms);
            encoding::symbol(out, "runtime_info_retrieval_time_utc");
            encoding::timestamp(out, now.as_millisecond());
            4
        });
    }
    // The bag was checked when the event came in.
    let given = Properties::decode(event.bag).unwrap_or_default();
    message::map_section(&mut out, message::MESSAGE_ANNOTATIONS, |out| {
        annotations(out, reading, &given)
    });
    message::properties(&mut out, given.system.iter().filter_map(properties::field));
    if !given.application.is_empty() {
        message::map_section(&mut out, message::APPLICATION_PROPERTIES, |out| {
            for (name, value) in given.application.iter() {
                encoding::string(out, name);
                match value {
                    Some(value) => encoding::string(out, value),
                    None => encoding::null(out),
                }
            }
            given.application.len()
        });
    }
    message::data(&mut out, event.body);
    out.freeze()
}

fn annotations(out: &mut BytesMut, reading: &Reading<'_>, given: &Properties) -> usize {
    let placed = &reading.placed;
    let event = &placed.event;
    encoding::symbol(out, "x-opt-sequence-number");
    encoding::long(out, placed.sequence as i64);
    encoding::symbol(out, "x-opt-offset");
    encoding::string(out, &placed.offset.to_string());
    for name in ["x-opt-enqueued-time", "iothub-enqueuedtime"] {
        encoding::symbol(out, name);
        encoding::timestamp(out, event.enqueued_ms);
    }
    let module = Some(event.module);
    let own = event.source == Source::Telemetry;
    // Who signed in how is said of messages; what the hub tells by itself has no sender.
    let method = own.then(|| auth_method(reading));
    let of_sender = |text| own.then_some(text);
    let texts = [
        ("iothub-connection-device-id", Some(event.device)),
        ("iothub-connection-module-id", module),
        (
            "iothub-connection-auth-generation-id",
            of_sender(reading.generation),
        ),
        ("iothub-connection-auth-method", method.as_deref()),
        ("iothub-message-source", Some(event.source.name())),
        (
            "iothub-interface-id",
            given.get(SystemProperty::InterfaceId),
        ),
        ("dt-dataschema", of_sender(reading.model_id)),
        ("dt-subject", given.get(SystemProperty::Component)),
        ("x-opt-output-name", given.get(SystemProperty::OutputName)),
    ];
    let mut count = 4;
    for (name, text) in texts {
        if let Some(text) = text.filter(|text| !text.is_empty()) {
            encoding::symbol(out, name);
            encoding::string(out, text);
            count += 1;
        }
    }
    count
}

/// How the sender signed in, as a text that is JSON.
fn auth_method(reading: &Reading<'_>) -> String {
    let scope = match reading.placed.event.module {
        "" => "device",
        _ => "module",
    };
    let (kind, issuer) = if reading.by_certificate {
        ("x509", "external")
    } else {
        ("sas", "iothub")
    };
    format!(
        r#"{{"scope":"{scope}","type":"{kind}","issuer":"{issuer}","acceptingIpFilterRule":null}}"#
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_selector_names_a_place() {
        let offset = |value, inclusive| Some(Place::Offset { value, inclusive });
        for (selector, expected) in [
            ("amqp.annotation.x-opt-offset > '-1'", Some(Place::Earliest)),
            (
                "amqp.annotation.x-opt-offset > '@latest'",
                Some(Place::Latest),
            ),
            ("amqp.annotation.x-opt-offset > '17'", offset(17, false)),
            ("amqp.annotation.x-opt-offset >= '17'", offset(17, true)),
            (
                "amqp.annotation.x-opt-sequence-number >= '0'",
                Some(Place::Sequence {
                    value: 0,
                    inclusive: true,
                }),
            ),
            (
                "amqp.annotation.x-opt-sequence-number > '-1'",
                Some(Place::Earliest),
            ),
            (
                "amqp.annotation.x-opt-enqueued-time > '1767225600000'",
                Some(Place::Enqueued {
                    value: 1_767_225_600_000,
                    inclusive: false,
                }),
            ),
            ("", None),
            ("amqp.annotation.x-opt-offset < '17'", None),
            ("amqp.annotation.x-opt-offset > 17", None),
            ("amqp.annotation.x-opt-offset > 'x'", None),
            ("amqp.annotation.x-opt-publisher > '17'", None),
            ("amqp.annotation.x-opt-offset > '17' OR true", None),
        ] {
            assert_eq!(place(selector), expected, "{selector}");
        }
    }
}
