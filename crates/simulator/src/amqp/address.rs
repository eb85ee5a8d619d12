//! Addresses: which node of the hub a link is to, and which resource a token is for.

use hub_proto::identity::Identity;

use super::performative::Fault;
use crate::events::PARTITIONS;
use crate::hub::Hub;
use crate::notices;
use crate::registry::Filter;

/// The Event Hubs-compatible name of the built-in endpoint: `EntityPath` in its connection string.
pub(crate) const EVENT_HUB: &str = "iothub-ehub-events";

/// What a link leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Node {
    /// Tokens are put here.
    Cbs,
    /// Questions about an event hub and its partitions; without a name, about the one that a question names.
    Management { event_hub: Option<String> },
    /// Events of a partition, as a consumer group's reader gets them.
    Partition {
        event_hub: String,
        group: String,
        partition: usize,
    },
    /// Cloud-to-device messages, as a back end sends them.
    Devicebound,
    /// Notices to back ends.
    Servicebound(notices::Channel),
    /// One of a device's or module's own.
    Client(Identity, Channel),
}

/// What a device or module has links for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Channel {
    /// `messages/events`: its telemetry, and to a module what comes to its inputs.
    Events,
    /// `messages/devicebound`: what comes to it.
    Bound,
    /// `methods/devicebound`: requests to it, and its answers.
    Methods,
    /// `twin`: its questions, the answers, and changes of desired properties.
    Twin,
}

impl Node {
    /// The node at an address, given as a path or as a URI. Whether there is such an event hub is another question.
    pub(crate) fn at(address: &str) -> Result<Self, Fault> {
        let path = path_of(address);
        if let Some((identity, rest)) = client_in(path)
            && let Some(channel) = Channel::named(rest)
        {
            return Ok(Self::Client(identity, channel));
        }
        let segments: Vec<&str> = path.split('/').collect();
        let is = |at: usize, name: &str| segments[at].eq_ignore_ascii_case(name);
        match segments.len() {
            1 if is(0, "$cbs") => Ok(Self::Cbs),
            1 if is(0, "$management") => Ok(Self::Management { event_hub: None }),
            2 if is(1, "$management") => Ok(Self::Management {
                event_hub: Some(segments[0].to_owned()),
            }),
            2 if is(0, "messages") && is(1, "devicebound") => Ok(Self::Devicebound),
            3 if is(0, "messages") && is(1, "servicebound") => {
                let channel = notices::Channel::named(segments[2]);
                channel
                    .map(Self::Servicebound)
                    .ok_or_else(|| not_found(path))
            }
            5 if is(1, "ConsumerGroups") && is(3, "Partitions") => Ok(Self::Partition {
                event_hub: segments[0].to_owned(),
                group: segments[2].to_lowercase(),
                partition: partition(segments[4])?,
            }),
            _ => Err(not_found(path)),
        }
    }

    /// The same node under the name that its event hub has.
    ///
    /// # Errors
    /// When there is no such event hub.
    pub(crate) fn found_in(mut self, hub: &Hub) -> Result<Self, Fault> {
        if let Self::Management {
            event_hub: Some(event_hub),
        }
        | Self::Partition { event_hub, .. } = &mut self
        {
            let found = hub.event_hub(event_hub);
            *event_hub = found.ok_or_else(|| not_found(event_hub))?;
        }
        Ok(self)
    }

    /// What a service's token must open for this node; nothing for the one that takes tokens, for those of devices, and
    /// where the question tells.
    pub(crate) fn resource(&self) -> Option<String> {
        match self {
            Self::Cbs | Self::Client(..) | Self::Management { event_hub: None } => None,
            Self::Management {
                event_hub: Some(event_hub),
            } => Some(format!("{event_hub}/$management")),
            Self::Partition {
                event_hub,
                group,
                partition,
            } => Some(format!(
                "{event_hub}/ConsumerGroups/{group}/Partitions/{partition}"
            )),
            Self::Devicebound => Some("messages/devicebound".to_owned()),
            Self::Servicebound(channel) => {
                Some(format!("messages/servicebound/{}", channel.name()))
            }
        }
    }
}

/// The refusal of a name that leads nowhere.
pub(crate) fn not_found(name: &str) -> Fault {
    Fault::new(
        "amqp:not-found",
        format!("The messaging entity '{name}' could not be found."),
    )
}

impl Channel {
    fn named(path: &str) -> Option<Self> {
        let mut known = [
            ("messages/events", Self::Events),
            ("messages/devicebound", Self::Bound),
            ("methods/devicebound", Self::Methods),
            ("twin", Self::Twin),
        ]
        .into_iter();
        let found = known.find(|(name, _)| name.eq_ignore_ascii_case(path));
        found.map(|(_, channel)| channel)
    }

    /// What its owner hears by receiving from it; nothing where there is nothing to receive.
    pub(crate) fn filter(self, owner: &Identity) -> Option<Filter> {
        match (self, owner.module_id()) {
            (Self::Events, None) => None,
            (Self::Bound, None) => Some(Filter::Devicebound),
            // Edge clients name either of the two.
            (Self::Events | Self::Bound, Some(_)) => Some(Filter::Inputs),
            (Self::Methods, _) => Some(Filter::MethodRequests),
            (Self::Twin, _) => Some(Filter::TwinResponses),
        }
    }
}

/// Whose `devices/{d}[/modules/{m}]/…` it is, and what follows. Ids are escaped where they need to be.
pub(crate) fn client_in(path: &str) -> Option<(Identity, &str)> {
    let (devices, rest) = path.split_once('/')?;
    if !devices.eq_ignore_ascii_case("devices") {
        return None;
    }
    let (device, rest) = rest.split_once('/').unwrap_or((rest, ""));
    let module = rest
        .split_once('/')
        .filter(|(modules, _)| modules.eq_ignore_ascii_case("modules"));
    let (module, rest) = match module {
        Some((_, rest)) => {
            let (module, rest) = rest.split_once('/').unwrap_or((rest, ""));
            (Some(module), rest)
        }
        None => (None, rest),
    };
    let unescaped = |id| hub_proto::percent::decode(id).ok();
    let device = unescaped(device)?;
    let identity = match module {
        Some(module) => Identity::module(device, unescaped(module)?),
        None => Identity::device(device),
    };
    Some((identity.ok()?, rest))
}

/// Reads a partition's id.
pub(crate) fn partition(id: &str) -> Result<usize, Fault> {
    id.parse().ok().filter(|number| *number < PARTITIONS).ok_or_else(|| {
        let last = PARTITIONS - 1;
        Fault::new(
            "com.microsoft:argument-out-of-range",
            format!(
                "The specified partition is invalid for an EventHub partition sender or receiver. It should be between 0 and {last}."
            ),
        )
    })
}

/// The host of a URI or of a bare `host/path`, without its port, and the path without slashes around it.
pub(crate) fn split(resource: &str) -> (&str, &str) {
    let rest = resource
        .split_once("://")
        .map_or(resource, |(_, rest)| rest);
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let host = match authority.strip_prefix('[') {
        Some(literal) => literal.split(']').next().unwrap_or_default(),
        None => authority.split(':').next().unwrap_or_default(),
    };
    (host, path.trim_matches('/'))
}

/// Whether what `own` names is `resource` or above it. Case does not count.
pub(crate) fn covers(own: &str, resource: &str) -> bool {
    let Some((front, rest)) = resource.split_at_checked(own.len()) else {
        return false;
    };
    front.eq_ignore_ascii_case(own) && (own.is_empty() || rest.is_empty() || rest.starts_with('/'))
}

fn path_of(address: &str) -> &str {
    match address.split_once("://") {
        Some(_) => split(address).1,
        None => address.trim_matches('/'),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_is_found_by_path_and_by_uri() {
        let management = |event_hub: Option<&str>| Node::Management {
            event_hub: event_hub.map(str::to_owned),
        };
        let reader = Node::Partition {
            event_hub: EVENT_HUB.into(),
            group: "$default".into(),
            partition: 3,
        };
        let of = |owner: &str, channel| Node::Client(owner.parse().expect("an identity"), channel);
        for (address, node) in [
            ("$cbs", Node::Cbs),
            ("/$cbs", Node::Cbs),
            ("$management", management(None)),
            (
                "iothub-ehub-events/$management",
                management(Some(EVENT_HUB)),
            ),
            ("hot/$management", management(Some("hot"))),
            (
                "iothub-ehub-events/ConsumerGroups/$Default/Partitions/3",
                reader.clone(),
            ),
            (
                "amqps://localhost:5671/iothub-ehub-events/ConsumerGroups/$Default/Partitions/3",
                reader,
            ),
            ("amqps://localhost/messages/devicebound", Node::Devicebound),
            ("/messages/deviceBound", Node::Devicebound),
            (
                "/messages/serviceBound/feedback",
                Node::Servicebound(notices::Channel::Feedback),
            ),
            (
                "amqps://localhost/messages/servicebound/fileNotifications/",
                Node::Servicebound(notices::Channel::Files),
            ),
            ("/devices/pump%237/twin/", of("pump#7", Channel::Twin)),
            (
                "amqps://localhost/devices/pump7/messages/events",
                of("pump7", Channel::Events),
            ),
            (
                "/devices/pump7/modules/a.b/methods/deviceBound",
                of("pump7/a.b", Channel::Methods),
            ),
        ] {
            assert_eq!(Node::at(address), Ok(node), "{address}");
        }
    }

    #[test]
    fn what_is_not_there_is_said_to_be_missing() {
        for (address, condition) in [
            ("", "amqp:not-found"),
            ("another", "amqp:not-found"),
            ("messages/servicebound/another", "amqp:not-found"),
            ("another/ConsumerGroups/$Default", "amqp:not-found"),
            ("/devices/pump7", "amqp:not-found"),
            ("/devices//twin", "amqp:not-found"),
            ("/devices/pump7/twin/more", "amqp:not-found"),
            ("/devices/pump7/modules/twin", "amqp:not-found"),
            (
                "iothub-ehub-events/ConsumerGroups/$Default/Partitions/4",
                "com.microsoft:argument-out-of-range",
            ),
            (
                "iothub-ehub-events/ConsumerGroups/$Default/Partitions/-1",
                "com.microsoft:argument-out-of-range",
            ),
        ] {
            assert_eq!(
                Node::at(address).map_err(|fault| fault.condition),
                Err(condition),
                "{address}"
            );
        }
    }

    #[test]
    fn a_resource_is_a_host_and_a_path() {
        for (resource, host, path) in [
            ("localhost", "localhost", ""),
            ("https://localhost", "localhost", ""),
            (
                "sb://localhost:5671/iothub-ehub-events/",
                "localhost",
                "iothub-ehub-events",
            ),
            ("amqps://[::1]:5671/a/b", "::1", "a/b"),
        ] {
            assert_eq!(split(resource), (host, path), "{resource}");
        }
    }

    #[test]
    fn a_resource_covers_itself_and_what_is_below() {
        assert!(covers("", "a/b"));
        assert!(covers("a", "A/b"));
        assert!(covers("a/b", "a/b"));
        assert!(!covers("a", "ab"));
        assert!(!covers("a/b", "a"));
    }
}
