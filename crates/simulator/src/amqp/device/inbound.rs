//! What devices send, as the same client would publish it over MQTT: a topic and a body.

use bytes::Bytes;
use hub_proto::error::{ErrorCode, Failure};
use hub_proto::identity::Identity;
use hub_proto::message::{MAX_MESSAGE_BYTES, SystemProperty};
use hub_proto::topic;
use jiff::Timestamp;

use crate::amqp::message::{Message, Property};
use crate::amqp::performative::Fault;
use crate::amqp::properties;
use crate::amqp::value::Value;
use crate::wire::MAX_TOPIC;

const ARGUMENT: &str = "com.microsoft:argument-error";
const STATUS: &str = "IoThub-status";
const REPORTED: &str = "/properties/reported";
const DESIRED: &str = "/notifications/twin/properties/desired";

/// Annotations of telemetry that are properties of the hub's.
const ANNOTATIONS: [(&str, SystemProperty); 3] = [
    ("x-opt-output-name", SystemProperty::OutputName),
    ("iothub-interface-id", SystemProperty::InterfaceId),
    ("dt-subject", SystemProperty::Component),
];

/// Where the SDK for Node says by which output a message leaves: among the application's properties.
const OUTPUT: &str = "iothub-outputname";

/// What a client asks of its twin.
#[derive(Debug)]
pub(super) enum Question {
    Get,
    /// A patch of the reported properties.
    Report(Bytes),
    /// To hear of changes of the desired properties, or not to any more.
    Watch(bool),
    /// Nothing there is, and why.
    Unknown(String),
}

/// A message of `from`'s: the topic it would publish it to, and the body.
///
/// # Errors
/// When it is too large, or no message of a device's.
pub(super) fn telemetry(from: &Identity, message: Message) -> Result<(String, Bytes), Fault> {
    let mut given = properties::read(&message)?;
    for (name, property) in ANNOTATIONS {
        if let Some(text) = message.annotation(name) {
            given.set(property, text);
        }
    }
    if let Some(Some(output)) = given.application.remove(OUTPUT) {
        given.set(SystemProperty::OutputName, output);
    }
    let body = properties::body(message)?;
    let size = body.len() + given.size();
    if size > MAX_MESSAGE_BYTES {
        return Err(Fault::new(
            "amqp:link:message-size-exceeded",
            format!("A message of {size} bytes is more than {MAX_MESSAGE_BYTES}."),
        ));
    }
    let topic = topic::telemetry(from, &given.encode());
    // Of a batch nothing may be taken before all of it can be.
    if topic.len() > MAX_TOPIC {
        let bytes = topic.len();
        return Err(refused(format!(
            "properties that take {bytes} bytes on the way are more than {MAX_TOPIC}"
        )));
    }
    Ok((topic, body))
}

/// An answer to a method request.
///
/// # Errors
/// When it does not say what it answers, or how.
pub(super) fn method_response(message: Message) -> Result<(String, Bytes), Fault> {
    let rid = request_id(message.property(Property::CorrelationId)).ok_or_else(|| {
        let text = "The correlation-id is not that of a method request.";
        Fault::new(ARGUMENT, text)
    })?;
    let status = message.application_properties.get(STATUS);
    let status = status
        .and_then(Value::as_signed)
        .and_then(|status| i32::try_from(status).ok())
        .ok_or_else(|| Fault::new(ARGUMENT, format!("{STATUS} is missing, or is no int.")))?;
    let body = properties::body(message)?;
    Ok((topic::method_response(status, &rid), body))
}

/// A method request's own number in the id that the request went out with, see [`super::outbound::correlation_id`].
fn request_id(id: &Value) -> Option<String> {
    let id = match id {
        Value::Uuid(bytes) => uuid::Uuid::from_bytes(*bytes),
        id => id.as_text()?.parse().ok()?,
    };
    let number = id.as_u128() & super::outbound::NUMBER;
    (super::outbound::correlation_id(number) == id).then(|| format!("{number:x}"))
}

/// A question to a twin, and the id by which its answer is known.
///
/// # Errors
/// When there is no id, so that it cannot be answered either.
pub(super) fn question(message: Message) -> Result<(Value, Question), Fault> {
    let id = message.property(Property::CorrelationId).clone();
    if id == Value::Null {
        let text = "A request to a twin wants a correlation-id.";
        return Err(Fault::new(ARGUMENT, text));
    }
    let resource = message.annotation("resource").unwrap_or_default();
    let question = match (message.annotation("operation"), resource) {
        (Some("GET"), "" | "/") => Question::Get,
        (Some("PATCH"), REPORTED) => Question::Report(properties::body(message)?),
        (Some("PUT"), DESIRED) => Question::Watch(true),
        (Some("DELETE"), DESIRED) => Question::Watch(false),
        (Some(operation), resource) => {
            Question::Unknown(format!("There is no {operation} of '{resource}'."))
        }
        (None, _) => Question::Unknown("The annotation 'operation' is missing.".to_owned()),
    };
    Ok((id, question))
}

/// What a hub would end a connection over that speaks MQTT.
pub(super) fn refused(reason: String) -> Fault {
    Fault::new(ARGUMENT, reason)
}

/// The body of a refusal, as devices get it.
pub(super) fn failure(message: String) -> Bytes {
    let failure = Failure {
        code: ErrorCode::ArgumentInvalid,
        message,
        tracking_id: crate::tracking_id(),
        at: Timestamp::now(),
    };
    failure.to_device_json().to_string().into()
}
