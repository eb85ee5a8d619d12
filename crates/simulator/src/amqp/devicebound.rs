//! Cloud-to-device messages as a back end sends them.

use hub_proto::identity::Identity;

use super::address::client_in;
use super::message::{Message, Property};
use super::performative::Fault;
use super::properties;
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
    let properties = properties::read(&message)?;
    let body = properties::body(message)?;
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
    let (identity, rest) = client_in(to.trim_start_matches('/'))?;
    let is_bound = rest.eq_ignore_ascii_case("messages/devicebound");
    (is_bound && identity.module_id().is_none()).then_some(identity)
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
