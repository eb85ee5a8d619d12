//! Links as they come to be: where to, for whom, and in which direction.

use jiff::Timestamp;

use super::Around;
use crate::amqp::address::{Channel, Node};
use crate::amqp::claims::Claims;
use crate::amqp::device::Queue;
use crate::amqp::link::{Inlet, Link, Outlet, Source};
use crate::amqp::performative::{Attach, Fault};
use crate::amqp::readers::Reader;
use crate::amqp::servicebound::Notices;
use crate::amqp::stream::EventStream;
use crate::amqp::value::Value;
use crate::registry::Filter;

/// A reader that wants to know with each event how far the partition has come.
const METRICS: &str = "com.microsoft:enable-receiver-runtime-metric";
const EPOCH: &str = "com.microsoft:epoch";
/// The Plug and Play model of a device, on any of its links.
const MODEL: &str = "com.microsoft:model-id";

/// Makes a link, and the capabilities it has of those the peer asked for.
///
/// # Errors
/// When there is nothing at the address, nothing in this direction, or the peer may not have it.
pub(super) fn open(attach: &Attach, around: &mut Around<'_>) -> Result<(Link, Value), Fault> {
    let terminus = |value: &Value| match value.undescribed() {
        Value::List(fields) => fields.clone(),
        _ => Vec::new(),
    };
    let (source, target) = (terminus(&attach.source), terminus(&attach.target));
    let address = |terminus: &[Value]| {
        let address = terminus.first().and_then(Value::as_text);
        address.map(str::to_owned)
    };
    let own = if attach.receiver { &source } else { &target };
    let address_of_node = address(own)
        .ok_or_else(|| Fault::new("amqp:invalid-field", "The link leads to no address."))?;
    let node = Node::at(&address_of_node)?.found_in(around.hub)?;
    may_have(&node, around.claims, around.now)?;
    let wrong_way = || {
        Fault::new(
            "amqp:not-allowed",
            format!("'{address_of_node}' has no link in this direction."),
        )
    };
    match (&node, attach.receiver) {
        (
            Node::Partition {
                event_hub,
                group,
                partition,
            },
            true,
        ) => {
            let asked = match &attach.desired_capabilities {
                Value::Array(names) => names.iter().any(|name| name.as_text() == Some(METRICS)),
                name => name.as_text() == Some(METRICS),
            };
            let offered = match asked {
                true => Value::Array(vec![Value::Symbol(METRICS.to_owned())]),
                false => Value::Null,
            };
            let epoch = attach.properties.get(EPOCH).and_then(Value::as_signed);
            let (hub, wake) = (around.hub.clone(), around.wake.clone());
            let reader = Reader::seat(hub.clone(), (event_hub, group, *partition), epoch, wake)?;
            let filters = source.get(7).unwrap_or(&Value::Null);
            let events = EventStream::open(hub, (event_hub, *partition), filters, asked, reader)?;
            let outlet = Outlet::new(node, attach, address(&target), Some(Source::Events(events)));
            Ok((Link::Outlet(Box::new(outlet)), offered))
        }
        (Node::Cbs | Node::Management { .. }, true) => {
            let outlet = Outlet::new(node, attach, address(&target), None);
            Ok((Link::Outlet(Box::new(outlet)), Value::Null))
        }
        (Node::Servicebound(channel), true) => {
            let notices = Notices::new(around.hub.clone(), *channel);
            let source = Some(Source::Notices(notices));
            let outlet = Outlet::new(node, attach, address(&target), source);
            Ok((Link::Outlet(Box::new(outlet)), Value::Null))
        }
        (Node::Client(owner, channel), true) => {
            let filter = channel.filter(owner).ok_or_else(wrong_way)?;
            enter(&node, attach, around)?;
            around.devices.listen(around.hub, owner, filter)?;
            let queue = (filter == Filter::Devicebound)
                .then(|| Queue::new(around.hub.clone(), owner.clone()));
            let outlet = Outlet::new(node, attach, address(&target), queue.map(Source::Messages));
            Ok((Link::Outlet(Box::new(outlet)), Value::Null))
        }
        (Node::Client(_, Channel::Bound), false)
        | (Node::Partition { .. }, false)
        | (Node::Servicebound(_), false)
        | (Node::Devicebound, true) => Err(wrong_way()),
        (Node::Client(..), false) => {
            enter(&node, attach, around)?;
            Ok((Link::Inlet(Inlet::new(node, attach)), Value::Null))
        }
        (Node::Cbs | Node::Management { .. } | Node::Devicebound, false) => {
            Ok((Link::Inlet(Inlet::new(node, attach)), Value::Null))
        }
    }
}

/// Whether a service's link may be, or stay, where it leads.
///
/// # Errors
/// When no token opens its node.
pub(super) fn may_have(node: &Node, claims: &Claims, now: Timestamp) -> Result<(), Fault> {
    let unauthorized = |resource: &str| {
        Err(Fault::new(
            "amqp:unauthorized-access",
            format!("Unauthorized access. No token that holds opens '{resource}'."),
        ))
    };
    match node.resource() {
        Some(resource) if !claims.allow(&resource, now) => unauthorized(&resource),
        None if matches!(node, Node::Management { .. }) && !claims.allow_something(now) => {
            unauthorized("$management")
        }
        _ => Ok(()),
    }
}

/// Lets the node's owner in, unless it is in.
fn enter(node: &Node, attach: &Attach, around: &mut Around<'_>) -> Result<(), Fault> {
    let Node::Client(owner, _) = node else {
        return Ok(());
    };
    let model = attach.properties.get(MODEL).and_then(Value::as_text);
    let (hub, wake, now) = (around.hub, around.wake, around.now);
    around.devices.enter(hub, owner, model, wake, now)
}
