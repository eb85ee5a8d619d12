//! Cloud-to-device messages as a back end sends them.

use bytes::Bytes;
use hub_proto::identity::Identity;
use hub_proto::message::{Properties, SystemProperty};
use jiff::Timestamp;

use super::message::{Body, Message, Property};
use super::performative::Fault;
use super::value::Value;
use crate::hub::{Hub, SendError};

/// Queues a message for the device its `to` names.
///
/// # Errors
/// When that is no device, or the hub does not take the message.
pub(crate) fn send(hub: &Hub, message: Message) -> Result<(), Fault> {
    let to = message.property(Property::To).as_text().unwrap_or_default();
    let device = device_of(to).ok_or_else(|| {
        Fault::new(
            "amqp:invalid-field",
            format!("'{to}' is no device's address."),
        )
    })?;
    let properties = properties(&message)?;
    let body = match message.body {
        Body::Data(bytes) | Body::Value(Value::Binary(bytes)) => bytes,
        Body::Value(Value::String(text)) => Bytes::from(text),
        Body::Value(_) => {
            return Err(Fault::new(
                "amqp:not-implemented",
                "The body is neither bytes nor a text.",
            ));
        }
    };
    match hub.send(&device, properties, body) {
        Ok(_) => Ok(()),
        Err(error) => {
            let condition = match &error {
                SendError::NotFound(_) => "amqp:not-found",
                SendError::Module(_) => "amqp:not-allowed",
                SendError::Ack(_) | SendError::Expiry(_) => "amqp:invalid-field",
                SendError::QueueFull(_) => "amqp:resource-limit-exceeded",
                SendError::TooLarge(_) | SendError::TooManyProperties(_) => {
                    "amqp:link:message-size-exceeded"
                }
                SendError::Journal(_) => "amqp:internal-error",
            };
            Err(Fault::new(condition, crate::with_causes(&error)))
        }
    }
}

/// The device in `/devices/{id}/messages/devicebound`, its id escaped where it needs to be.
fn device_of(to: &str) -> Option<Identity> {
    let mut segments = to.trim_start_matches('/').split('/');
    let id = match (segments.next()?, segments.next()?) {
        (devices, id) if devices.eq_ignore_ascii_case("devices") => id,
        _ => return None,
    };
    let rest = [segments.next()?, segments.next()?];
    let expected = ["messages", "devicebound"];
    let is_bound = rest
        .iter()
        .zip(expected)
        .all(|(segment, name)| segment.eq_ignore_ascii_case(name));
    if !is_bound || segments.next().is_some() {
        return None;
    }
    let id = hub_proto::percent::decode(id).ok()?;
    Identity::device(id).ok()
}

fn properties(message: &Message) -> Result<Properties, Fault> {
    let mut properties = Properties::new();
    for (field, property) in [
        (Property::MessageId, SystemProperty::MessageId),
        (Property::CorrelationId, SystemProperty::CorrelationId),
        (Property::UserId, SystemProperty::UserId),
        (Property::ContentType, SystemProperty::ContentType),
        (Property::ContentEncoding, SystemProperty::ContentEncoding),
        (Property::AbsoluteExpiryTime, SystemProperty::ExpiryTime),
        (Property::CreationTime, SystemProperty::CreationTime),
    ] {
        if let Some(text) = text(message.property(field)) {
            properties.set(property, text);
        }
    }
    let Value::Map(pairs) = &message.application_properties else {
        return Ok(properties);
    };
    for (name, value) in pairs {
        let (Some(name), Some(text)) = (name.as_text(), text(value)) else {
            return Err(Fault::new(
                "amqp:invalid-field",
                "An application property is neither a text nor a number.",
            ));
        };
        match SystemProperty::from_wire(name) {
            Some(SystemProperty::Ack) => properties.set(SystemProperty::Ack, text),
            _ => properties.application.insert(name, text),
        }
    }
    Ok(properties)
}

/// A simple value as properties carry it to a device.
fn text(value: &Value) -> Option<String> {
    Some(match value {
        Value::String(text) | Value::Symbol(text) => text.clone(),
        Value::Bool(value) => value.to_string(),
        Value::Timestamp(milliseconds) => {
            hub_proto::time::format(Timestamp::from_millisecond(*milliseconds).ok()?)
        }
        Value::Uuid(bytes) => uuid::Uuid::from_bytes(*bytes).to_string(),
        Value::Binary(bytes) => std::str::from_utf8(bytes).ok()?.to_owned(),
        value => match value.as_unsigned() {
            Some(number) => number.to_string(),
            None => value.as_signed()?.to_string(),
        },
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_device_is_found_in_its_address() {
        for (to, device) in [
            ("/devices/pump7/messages/devicebound", Some("pump7")),
            ("devices/pump%237/messages/deviceBound", Some("pump#7")),
            ("/devices/pump7/messages/events", None),
            ("/devices/pump7/messages/devicebound/more", None),
            ("/devices//messages/devicebound", None),
            ("/devices/pump7/modules/a/messages/devicebound", None),
            ("", None),
        ] {
            let found = device_of(to);
            let found = found.as_ref().map(Identity::device_id);
            assert_eq!(found, device, "{to}");
        }
    }
}
