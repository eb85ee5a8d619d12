//! What a client publishes.

use super::{query_value, take_id};
use crate::identity::Identity;

/// A topic a client may publish to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Inbound<'a> {
    /// `devices/{d}[/modules/{m}]/messages/events/{bag}`: telemetry, and a module's outputs.
    Telemetry {
        /// The device named in the topic.
        device: &'a str,
        /// The module named in the topic.
        module: Option<&'a str>,
        /// Encoded properties, with the trailing `/` some SDKs add taken off.
        bag: &'a str,
    },
    /// `$iothub/twin/GET/?$rid={rid}`
    TwinGet {
        /// Opaque, to be handed back.
        rid: &'a str,
    },
    /// `$iothub/twin/PATCH/properties/reported/?$rid={rid}`
    ReportedPatch {
        /// Opaque, to be handed back.
        rid: &'a str,
    },
    /// `$iothub/methods/res/{status}/?$rid={rid}`
    MethodResponse {
        /// The device's own number for the outcome, handed to the caller untouched.
        status: i32,
        /// The request this answers.
        rid: &'a str,
    },
    /// `$dps/registrations/PUT/iotdps-register/?$rid={rid}`
    DpsRegister {
        /// Opaque, to be handed back.
        rid: &'a str,
    },
    /// `$dps/registrations/GET/iotdps-get-operationstatus/?$rid={rid}&operationId={id}`
    DpsOperationStatus {
        /// Opaque, to be handed back.
        rid: &'a str,
        /// The operation asked about.
        operation_id: &'a str,
    },
}

impl<'a> Inbound<'a> {
    /// Reads a topic; `None` for anything a client has no business publishing to, upon which the hub
    /// closes the connection.
    #[must_use]
    pub fn parse(topic: &'a str) -> Option<Self> {
        if let Some(rest) = topic.strip_prefix("devices/") {
            return parse_telemetry(rest);
        }
        if let Some(rest) = topic.strip_prefix("$iothub/") {
            return parse_iothub(rest);
        }
        parse_dps(topic.strip_prefix("$dps/registrations/")?)
    }
}

fn parse_telemetry(rest: &str) -> Option<Inbound<'_>> {
    let (device, rest) = take_id(rest)?;
    let (module, rest) = match rest.strip_prefix("modules/") {
        Some(rest) => take_id(rest).map(|(module, rest)| (Some(module), rest))?,
        None => (None, rest),
    };
    let rest = rest.strip_prefix("messages/events")?;
    let bag = if rest.is_empty() {
        rest
    } else {
        rest.strip_prefix('/')?
    };
    Some(Inbound::Telemetry {
        device,
        module,
        bag: bag.strip_suffix('/').unwrap_or(bag),
    })
}

fn parse_iothub(rest: &str) -> Option<Inbound<'_>> {
    if let Some(query) = rest.strip_prefix("twin/GET/") {
        return query_value(query, "$rid").map(|rid| Inbound::TwinGet { rid });
    }
    if let Some(query) = rest.strip_prefix("twin/PATCH/properties/reported/") {
        return query_value(query, "$rid").map(|rid| Inbound::ReportedPatch { rid });
    }
    let (status, query) = rest.strip_prefix("methods/res/")?.split_once('/')?;
    Some(Inbound::MethodResponse {
        status: status.parse().ok()?,
        rid: query_value(query, "$rid")?,
    })
}

fn parse_dps(rest: &str) -> Option<Inbound<'_>> {
    if let Some(query) = rest.strip_prefix("PUT/iotdps-register/") {
        return query_value(query, "$rid").map(|rid| Inbound::DpsRegister { rid });
    }
    let query = rest.strip_prefix("GET/iotdps-get-operationstatus/")?;
    Some(Inbound::DpsOperationStatus {
        rid: query_value(query, "$rid")?,
        operation_id: query_value(query, "operationId")?,
    })
}

/// Where `identity` sends a message with these encoded properties.
///
/// The slash before the bag is always there, as both wide-spread SDKs write it.
#[must_use]
pub fn telemetry(identity: &Identity, bag: &str) -> String {
    let device = identity.device_id();
    match identity.module_id() {
        None => format!("devices/{device}/messages/events/{bag}"),
        Some(module) => format!("devices/{device}/modules/{module}/messages/events/{bag}"),
    }
}

/// Asks for the twin.
#[must_use]
pub fn twin_get(rid: &str) -> String {
    format!("$iothub/twin/GET/?$rid={rid}")
}

/// Changes reported properties.
#[must_use]
pub fn reported_patch(rid: &str) -> String {
    format!("$iothub/twin/PATCH/properties/reported/?$rid={rid}")
}

/// Answers a method.
#[must_use]
pub fn method_response(status: i32, rid: &str) -> String {
    format!("$iothub/methods/res/{status}/?$rid={rid}")
}

/// Registers with the provisioning service.
#[must_use]
pub fn dps_register(rid: &str) -> String {
    format!("$dps/registrations/PUT/iotdps-register/?$rid={rid}")
}

/// Asks the provisioning service how far a registration has come.
#[must_use]
pub fn dps_operation_status(rid: &str, operation_id: &str) -> String {
    format!(
        "$dps/registrations/GET/iotdps-get-operationstatus/?$rid={rid}&operationId={operation_id}"
    )
}
