//! A message's properties between AMQP's sections and the hub's own form.

use bytes::Bytes;
use hub_proto::message::{Properties, SystemProperty};
use jiff::Timestamp;

use super::message::{Body, Message, Property};
use super::performative::Fault;
use super::value::Value;

/// The fields of a message's properties that a client may set.
const FIELDS: [(Property, SystemProperty); 7] = [
    (Property::MessageId, SystemProperty::MessageId),
    (Property::CorrelationId, SystemProperty::CorrelationId),
    (Property::UserId, SystemProperty::UserId),
    (Property::ContentType, SystemProperty::ContentType),
    (Property::ContentEncoding, SystemProperty::ContentEncoding),
    (Property::AbsoluteExpiryTime, SystemProperty::ExpiryTime),
    (Property::CreationTime, SystemProperty::CreationTime),
];

/// What rides with a client's message.
///
/// # Errors
/// When an application property is no simple value.
pub(crate) fn read(message: &Message) -> Result<Properties, Fault> {
    let mut properties = Properties::new();
    for (field, property) in FIELDS {
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

/// The bytes of a client's message.
///
/// # Errors
/// When the body is some other value.
pub(crate) fn body(message: Message) -> Result<Bytes, Fault> {
    match message.body {
        Body::Data(bytes) | Body::Value(Value::Binary(bytes)) => Ok(bytes),
        Body::Value(Value::String(text)) => Ok(text.into()),
        Body::Value(Value::Null) => Ok(Bytes::new()),
        Body::Value(_) => Err(Fault::new(
            "amqp:not-implemented",
            "The body is neither bytes nor a text.",
        )),
    }
}

/// A system property that has a field of its own in a message's properties.
pub(crate) fn field((property, text): (&SystemProperty, &String)) -> Option<(Property, Value)> {
    let string = || Some(Value::String(text.clone()));
    let symbol = || Some(Value::Symbol(text.clone()));
    let moment = || {
        let moment = text.parse::<Timestamp>().ok()?;
        Some(Value::Timestamp(moment.as_millisecond()))
    };
    let (field, value) = match property {
        SystemProperty::MessageId => (Property::MessageId, string()),
        SystemProperty::UserId => {
            let bytes = Bytes::copy_from_slice(text.as_bytes());
            (Property::UserId, Some(Value::Binary(bytes)))
        }
        SystemProperty::To => (Property::To, string()),
        SystemProperty::CorrelationId => (Property::CorrelationId, string()),
        SystemProperty::ContentType => (Property::ContentType, symbol()),
        SystemProperty::ContentEncoding => (Property::ContentEncoding, symbol()),
        SystemProperty::ExpiryTime => (Property::AbsoluteExpiryTime, moment()),
        SystemProperty::CreationTime => (Property::CreationTime, moment()),
        _ => return None,
    };
    Some((field, value?))
}

/// A simple value as properties carry it.
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
