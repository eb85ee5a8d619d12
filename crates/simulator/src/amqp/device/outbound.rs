//! What comes to devices, as messages on their links.

use bytes::{Bytes, BytesMut};
use hub_proto::message::{Properties, SystemProperty};
use hub_proto::topic::Delivery as Topic;
use uuid::Uuid;

use super::seat::Questions;
use crate::amqp::link::Parcel;
use crate::amqp::message::{self, Property};
use crate::amqp::value::Value;
use crate::amqp::{encoding, properties};
use crate::mailbox::{Delivery, Settles};
use crate::registry::Filter;

/// The part of a method request's id that numbers it.
pub(super) const NUMBER: u128 = (1 << 48) - 1;
/// Makes the rest of it that of a random UUID: some clients take nothing else.
const VERSION_4: u128 = 0x4000_8000_0000_0000_0000;

/// The id by which a method request's answer is known.
pub(super) fn correlation_id(number: u128) -> Uuid {
    Uuid::from_u128(VERSION_4 | number & NUMBER)
}

/// What a delivery is as a message, and which link it is for; nothing for what has no form here.
pub(super) fn translate(delivery: Delivery, questions: &mut Questions) -> Option<(Filter, Parcel)> {
    let body = &delivery.payload;
    // A method's name may hold slashes, so its topic is read from both ends.
    let method = delivery.topic.strip_prefix("$iothub/methods/POST/");
    if let Some((name, rid)) = method.and_then(|rest| rest.rsplit_once("/?$rid=")) {
        let number = u128::from_str_radix(rid, 16).ok()?;
        return Some((
            Filter::MethodRequests,
            method_request(name, number, body).into(),
        ));
    }
    match Topic::parse(&delivery.topic)? {
        Topic::Input { input, bag, .. } => {
            let message = input_message(input, &Properties::decode(bag).ok()?, body);
            let parcel = match delivery.settles {
                Some(Settles::EdgeInput(sequence)) => Parcel::with_ticket(message, sequence.into()),
                _ => message.into(),
            };
            Some((Filter::Inputs, parcel))
        }
        Topic::TwinResponse {
            status,
            rid,
            version,
        } => {
            let id = questions.end(rid)?;
            let message = twin_message(Some(id), Some(status), version, body);
            Some((Filter::TwinResponses, message.into()))
        }
        Topic::DesiredPatch { version } => {
            let message = twin_message(None, None, version, body);
            Some((Filter::TwinResponses, message.into()))
        }
        // Messages from the cloud are taken from their queue, see [`super::Queue`].
        Topic::CloudToDevice { .. } | Topic::MethodRequest { .. } | Topic::DpsResponse { .. } => {
            None
        }
    }
}

fn method_request(name: &str, number: u128, body: &[u8]) -> Bytes {
    let mut out = BytesMut::new();
    let id = Value::Uuid(correlation_id(number).into_bytes());
    message::properties(&mut out, [(Property::CorrelationId, id)]);
    message::map_section(&mut out, message::APPLICATION_PROPERTIES, |out| {
        encoding::string(out, "IoThub-methodname");
        encoding::string(out, name);
        1
    });
    message::data(&mut out, body);
    out.freeze()
}

/// An answer of a twin, or news of its desired properties.
fn twin_message(
    id: Option<Value>,
    status: Option<u16>,
    version: Option<u64>,
    body: &[u8],
) -> Bytes {
    let mut out = BytesMut::new();
    message::map_section(&mut out, message::MESSAGE_ANNOTATIONS, |out| {
        let mut count = 0;
        match status {
            Some(status) => {
                encoding::symbol(out, "status");
                encoding::value(out, &Value::Int(status.into()));
            }
            None => {
                encoding::symbol(out, "resource");
                encoding::string(out, "/properties/desired");
            }
        }
        count += 1;
        if let Some(version) = version {
            encoding::symbol(out, "version");
            encoding::long(out, version as i64);
            count += 1;
        }
        count
    });
    message::properties(&mut out, id.map(|id| (Property::CorrelationId, id)));
    message::data(&mut out, body);
    out.freeze()
}

fn input_message(input: &str, given: &Properties, body: &[u8]) -> Bytes {
    let mut out = BytesMut::new();
    message::map_section(&mut out, message::MESSAGE_ANNOTATIONS, |out| {
        encoding::symbol(out, "x-opt-input-name");
        encoding::string(out, input);
        let mut count = 1;
        for (name, property) in [
            (
                "iothub-connection-device-id",
                SystemProperty::ConnectionDeviceId,
            ),
            (
                "iothub-connection-module-id",
                SystemProperty::ConnectionModuleId,
            ),
            ("x-opt-output-name", SystemProperty::OutputName),
        ] {
            if let Some(text) = given.get(property) {
                encoding::symbol(out, name);
                encoding::string(out, text);
                count += 1;
            }
        }
        count
    });
    content(&mut out, given, body);
    out.freeze()
}

/// Properties, the application's too, and the body.
pub(super) fn content(out: &mut BytesMut, given: &Properties, body: &[u8]) {
    message::properties(out, given.system.iter().filter_map(properties::field));
    let ack = given.get(SystemProperty::Ack);
    let count = given.application.len() + usize::from(ack.is_some());
    if count > 0 {
        message::map_section(out, message::APPLICATION_PROPERTIES, |out| {
            if let Some(ack) = ack {
                encoding::string(out, "iothub-ack");
                encoding::string(out, ack);
            }
            for (name, value) in given.application.iter() {
                encoding::string(out, name);
                match value {
                    Some(value) => encoding::string(out, value),
                    None => encoding::null(out),
                }
            }
            count
        });
    }
    message::data(out, body);
}
