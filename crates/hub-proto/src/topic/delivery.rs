//! What the service publishes to a client.

use super::{query_value, take_id};

/// A topic on which something comes to a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivery<'a> {
    /// `devices/{d}/messages/devicebound/{bag}`
    CloudToDevice {
        /// The device named in the topic.
        device: &'a str,
        /// Encoded properties.
        bag: &'a str,
    },
    /// `devices/{d}/modules/{m}/inputs/{input}/{bag}`
    Input {
        /// The device named in the topic.
        device: &'a str,
        /// The module named in the topic.
        module: &'a str,
        /// The input the route names.
        input: &'a str,
        /// Encoded properties.
        bag: &'a str,
    },
    /// `$iothub/methods/POST/{name}/?$rid={rid}`
    MethodRequest {
        /// The method's name, still percent-encoded where the caller encoded it.
        name: &'a str,
        /// Opaque, to be handed back.
        rid: &'a str,
    },
    /// `$iothub/twin/res/{status}/?$rid={rid}[&$version={version}]`
    TwinResponse {
        /// 200 for a twin, 204 for a taken patch, else an error with a body.
        status: u16,
        /// The request this answers.
        rid: &'a str,
        /// The reported section's new version; the hub gives it, edgeHub does not.
        version: Option<u64>,
    },
    /// `$iothub/twin/PATCH/properties/desired/?$version={version}`
    DesiredPatch {
        /// The desired section's version after the patch; the body names it too.
        version: Option<u64>,
    },
    /// `$dps/registrations/res/{status}/?$rid={rid}[&retry-after={seconds}]`
    DpsResponse {
        /// 202 while assigning, 200 when done, else an error with a body.
        status: u16,
        /// The request this answers.
        rid: &'a str,
        /// Seconds to wait before asking again.
        retry_after: Option<u32>,
    },
}

impl<'a> Delivery<'a> {
    /// Reads a topic; `None` for anything the services do not send.
    #[must_use]
    pub fn parse(topic: &'a str) -> Option<Self> {
        if let Some(rest) = topic.strip_prefix("devices/") {
            return parse_message(rest);
        }
        if let Some(rest) = topic.strip_prefix("$iothub/") {
            return parse_iothub(rest);
        }
        let (status, query) = topic
            .strip_prefix("$dps/registrations/res/")?
            .split_once('/')?;
        Some(Self::DpsResponse {
            status: status.parse().ok()?,
            rid: query_value(query, "$rid")?,
            retry_after: query_value(query, "retry-after").and_then(|seconds| seconds.parse().ok()),
        })
    }
}

fn parse_message(rest: &str) -> Option<Delivery<'_>> {
    let (device, rest) = take_id(rest)?;
    if let Some(rest) = rest.strip_prefix("messages/devicebound") {
        let bag = if rest.is_empty() {
            rest
        } else {
            rest.strip_prefix('/')?
        };
        return Some(Delivery::CloudToDevice { device, bag });
    }
    let (module, rest) = take_id(rest.strip_prefix("modules/")?)?;
    let rest = rest.strip_prefix("inputs/")?;
    let (input, bag) = rest.split_once('/').unwrap_or((rest, ""));
    (!input.is_empty()).then_some(Delivery::Input {
        device,
        module,
        input,
        bag,
    })
}

fn parse_iothub(rest: &str) -> Option<Delivery<'_>> {
    if let Some(rest) = rest.strip_prefix("methods/POST/") {
        let (name, query) = take_id(rest)?;
        return Some(Delivery::MethodRequest {
            name,
            rid: query_value(query, "$rid")?,
        });
    }
    if let Some(rest) = rest.strip_prefix("twin/res/") {
        let (status, query) = rest.split_once('/')?;
        return Some(Delivery::TwinResponse {
            status: status.parse().ok()?,
            rid: query_value(query, "$rid")?,
            version: version_in(query),
        });
    }
    let query = rest.strip_prefix("twin/PATCH/properties/desired/")?;
    Some(Delivery::DesiredPatch {
        version: version_in(query),
    })
}

fn version_in(query: &str) -> Option<u64> {
    query_value(query, "$version").and_then(|version| version.parse().ok())
}

/// Carries a cloud-to-device message. The slash before the bag is always there: Node drops a message
/// without it and C# throws.
#[must_use]
pub fn devicebound(device: &str, bag: &str) -> String {
    format!("devices/{device}/messages/devicebound/{bag}")
}

/// Carries a message to a module's input, always with the slash before the bag.
#[must_use]
pub fn input(device: &str, module: &str, input: &str, bag: &str) -> String {
    format!("devices/{device}/modules/{module}/inputs/{input}/{bag}")
}

/// Invokes a method. Nothing may follow the request id: C# takes the whole rest for it.
#[must_use]
pub fn method_request(name: &str, rid: &str) -> String {
    format!("$iothub/methods/POST/{name}/?$rid={rid}")
}

/// Answers a twin request; `version` belongs to the answer to a reported patch.
#[must_use]
pub fn twin_response(status: u16, rid: &str, version: Option<u64>) -> String {
    match version {
        None => format!("$iothub/twin/res/{status}/?$rid={rid}"),
        Some(version) => format!("$iothub/twin/res/{status}/?$rid={rid}&$version={version}"),
    }
}

/// Tells of changed desired properties.
#[must_use]
pub fn desired_patch(version: u64) -> String {
    format!("$iothub/twin/PATCH/properties/desired/?$version={version}")
}

/// Answers a registration request. The request id comes first: Python looks for it there.
#[must_use]
pub fn dps_response(status: u16, rid: &str, retry_after: Option<u32>) -> String {
    match retry_after {
        None => format!("$dps/registrations/res/{status}/?$rid={rid}"),
        Some(seconds) => {
            format!("$dps/registrations/res/{status}/?$rid={rid}&retry-after={seconds}")
        }
    }
}
