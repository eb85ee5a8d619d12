//! Sessions: windows of frames, and the links within.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use jiff::Timestamp;
use tokio::sync::Notify;

use super::address::Node;
use super::claims::Claims;
use super::link::{CREDIT, Delivered, Inlet, Link, MAX_MESSAGE, Outgoing, Outlet};
use super::message::{Message, Property, answer};
use super::performative::{self, Attach, Begin, Fault, Flow, Transfer};
use super::readers::Reader;
use super::stream::EventStream;
use super::value::Value;
use super::{devicebound, management};
use crate::hub::Hub;

/// Frames a peer may send before it is told of more room.
pub(crate) const WINDOW: u32 = 2048;
/// A reader that wants to know with each event how far the partition has come.
const METRICS: &str = "com.microsoft:enable-receiver-runtime-metric";
const EPOCH: &str = "com.microsoft:epoch";
/// The names under which `$cbs` tells a status.
const CBS_DIALECT: [&str; 2] = ["status-code", "status-description"];

/// What a session needs of its connection.
pub(crate) struct Around<'a> {
    pub(crate) hub: &'a Arc<Hub>,
    pub(crate) claims: &'a mut Claims,
    /// Wakes the connection when a reader has to go.
    pub(crate) wake: &'a Arc<Notify>,
    pub(crate) out: &'a mut BytesMut,
    pub(crate) now: Timestamp,
}

/// One session, under the peer's channel, which is this side's too.
#[derive(Debug)]
pub(crate) struct Session {
    channel: u16,
    next_incoming: u32,
    /// Frames the peer may still send.
    window: u32,
    outgoing: Outgoing,
    links: BTreeMap<u32, Link>,
}

impl Session {
    pub(crate) fn begin(channel: u16, begin: &Begin, out: &mut BytesMut) -> Self {
        performative::begin(out, channel, WINDOW);
        Self {
            channel,
            next_incoming: begin.next_outgoing_id,
            window: WINDOW,
            outgoing: Outgoing {
                next_transfer: 0,
                next_delivery: 0,
                window: begin.incoming_window,
            },
            links: BTreeMap::new(),
        }
    }

    pub(crate) fn attach(&mut self, attach: &Attach, around: &mut Around<'_>) -> Result<(), Fault> {
        if attach.handle > super::peer::HANDLE_MAX {
            return Err(Fault::new(
                "amqp:not-allowed",
                "The handle is above handle-max.",
            ));
        }
        if let Some(Link::Inlet(_) | Link::Outlet(_)) = self.links.get(&attach.handle) {
            return Err(Fault::new(
                "amqp:session:handle-in-use",
                "The handle is in use.",
            ));
        }
        let (channel, handle) = (self.channel, attach.handle);
        let answer = |out: &mut BytesMut, offered: Value, refused: bool| {
            performative::attach(out, channel, attach, offered, MAX_MESSAGE as u64, refused);
        };
        let link = match open(attach, around) {
            Ok((link, offered)) => {
                answer(around.out, offered, false);
                link
            }
            Err(fault) => {
                answer(around.out, Value::Null, true);
                performative::detach(around.out, channel, handle, true, Some(&fault));
                Link::Ended
            }
        };
        if let Link::Inlet(inlet) = &link {
            let state = (handle, inlet.delivery_count, inlet.credit, false);
            self.tell(around.out, Some(state));
        }
        self.links.insert(handle, link);
        Ok(())
    }

    pub(crate) fn flow(&mut self, flow: &Flow, out: &mut BytesMut) {
        let seen = flow.next_incoming_id.unwrap_or(0);
        let under_way = self.outgoing.next_transfer.wrapping_sub(seen);
        self.outgoing.window = flow.incoming_window.saturating_sub(under_way);
        let mut state = None;
        if let Some(link) = &flow.link {
            match self.links.get_mut(&link.handle) {
                Some(Link::Outlet(outlet)) => {
                    outlet.flow(link);
                    let (count, credit, drain) = outlet.state();
                    state = Some((link.handle, count, credit, drain));
                }
                Some(Link::Inlet(inlet)) => {
                    state = Some((link.handle, inlet.delivery_count, inlet.credit, false));
                }
                // What was detached may still be spoken of.
                Some(Link::Ended) | None => {}
            }
        }
        if flow.echo {
            self.tell(out, state);
        }
    }

    pub(crate) fn transfer(
        &mut self,
        transfer: Transfer,
        around: &mut Around<'_>,
    ) -> Result<(), Fault> {
        self.next_incoming = self.next_incoming.wrapping_add(1);
        self.window = self.window.checked_sub(1).ok_or_else(|| {
            Fault::new(
                "amqp:session:window-violation",
                "More frames came than there was room for.",
            )
        })?;
        let (channel, handle) = (self.channel, transfer.handle);
        let inlet = match self.links.get_mut(&handle) {
            Some(Link::Inlet(inlet)) => inlet,
            Some(Link::Ended) => return Ok(()),
            Some(Link::Outlet(_)) | None => {
                return Err(Fault::new(
                    "amqp:session:unattached-handle",
                    "No link takes this.",
                ));
            }
        };
        let delivered = match inlet.take(transfer) {
            Ok(delivered) => delivered,
            Err(fault) => {
                self.end_link(handle, &fault, around.out);
                return Ok(());
            }
        };
        let refill = inlet.credit < CREDIT / 2;
        if refill {
            inlet.credit = CREDIT;
        }
        let (node, state) = (
            inlet.node.clone(),
            (handle, inlet.delivery_count, inlet.credit, false),
        );
        if let Some(delivered) = delivered {
            let outcome = self.take(&node, &delivered, around);
            if !delivered.settled {
                performative::disposition(around.out, channel, delivered.delivery, &outcome);
            }
        }
        if refill || self.window < WINDOW / 2 {
            self.window = WINDOW;
            self.tell(around.out, Some(state));
        }
        Ok(())
    }

    /// Does what a message asks for at its node.
    fn take(
        &mut self,
        node: &Node,
        delivered: &Delivered,
        around: &mut Around<'_>,
    ) -> Result<(), Fault> {
        let message = Message::decode(&delivered.payload)
            .map_err(|error| Fault::new("amqp:decode-error", error.to_string()))?;
        let (hub, now) = (around.hub, around.now);
        match node {
            Node::Cbs => {
                let status = around.claims.put_token(hub, &message, now);
                tracing::debug!(
                    code = status.code,
                    reason = status.description,
                    "a token was put"
                );
                let body = answer(&message, &status, CBS_DIALECT, &Value::Null);
                self.answer(node, &message, body);
                Ok(())
            }
            Node::Management { .. } => {
                let body = management::serve(hub, around.claims, &message, now);
                self.answer(node, &message, body);
                Ok(())
            }
            Node::Devicebound => devicebound::send(hub, message),
            Node::Partition { .. } => {
                Err(Fault::new("amqp:not-allowed", "Events are only read here."))
            }
        }
    }

    /// Answers on the link that the request names, or else on any from the same node.
    fn answer(&mut self, node: &Node, request: &Message, body: Bytes) {
        let reply_to = request.property(Property::ReplyTo).as_text();
        let mut found = None;
        for link in self.links.values_mut() {
            if let Link::Outlet(outlet) = link
                && outlet.node == *node
            {
                if reply_to.is_some() && outlet.target.as_deref() == reply_to {
                    return outlet.answer(body);
                }
                found = found.or(Some(outlet));
            }
        }
        if let Some(outlet) = found {
            outlet.answer(body);
        }
    }

    pub(crate) fn detach(&mut self, handle: u32, closed: bool, out: &mut BytesMut) {
        match self.links.remove(&handle) {
            Some(Link::Ended) | None => {}
            Some(Link::Inlet(_) | Link::Outlet(_)) => {
                performative::detach(out, self.channel, handle, closed, None);
            }
        }
    }

    /// Detaches readers that lost their place, and links whose token has ended.
    pub(crate) fn review(&mut self, claims: &Claims, out: &mut BytesMut, now: Timestamp) {
        let mut over = Vec::new();
        for (handle, link) in &self.links {
            let (node, reader) = match link {
                Link::Ended => continue,
                Link::Inlet(inlet) => (&inlet.node, None),
                Link::Outlet(outlet) => (&outlet.node, outlet.events.as_ref()),
            };
            let lost = reader.and_then(|events| events.reader.lost());
            let fault = lost.cloned().or_else(|| may_have(node, claims, now).err());
            over.extend(fault.map(|fault| (*handle, fault)));
        }
        for (handle, fault) in over {
            self.end_link(handle, &fault, out);
        }
    }

    /// Writes what links have to send; says whether there is more once that is out.
    pub(crate) fn pump(&mut self, out: &mut BytesMut, max_frame: usize, now: Timestamp) -> bool {
        let mut more = false;
        let mut drained = Vec::new();
        for (handle, link) in &mut self.links {
            let Link::Outlet(outlet) = link else { continue };
            let again = outlet.pump(
                out,
                (self.channel, *handle),
                &mut self.outgoing,
                max_frame,
                now,
            );
            more |= again;
            if !again && let Some(count) = outlet.drained() {
                drained.push((*handle, count, 0, true));
            }
        }
        for state in drained {
            self.tell(out, Some(state));
        }
        more
    }

    /// Whether any link reads events.
    pub(crate) fn reads_events(&self) -> bool {
        self.links
            .values()
            .any(|link| matches!(link, Link::Outlet(outlet) if outlet.events.is_some()))
    }

    fn end_link(&mut self, handle: u32, fault: &Fault, out: &mut BytesMut) {
        performative::detach(out, self.channel, handle, true, Some(fault));
        self.links.insert(handle, Link::Ended);
    }

    fn tell(&self, out: &mut BytesMut, link: Option<(u32, u32, u32, bool)>) {
        let (channel, outgoing) = (self.channel, &self.outgoing);
        performative::flow(
            out,
            channel,
            self.next_incoming,
            self.window,
            outgoing.next_transfer,
            link,
        );
    }
}

/// Makes a link, and the capabilities it has of those the peer asked for.
fn open(attach: &Attach, around: &mut Around<'_>) -> Result<(Link, Value), Fault> {
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
            let outlet = Outlet::new(node, attach, address(&target), Some(events));
            Ok((Link::Outlet(Box::new(outlet)), offered))
        }
        (Node::Cbs | Node::Management { .. }, true) => {
            let outlet = Outlet::new(node, attach, address(&target), None);
            Ok((Link::Outlet(Box::new(outlet)), Value::Null))
        }
        (Node::Cbs | Node::Management { .. } | Node::Devicebound, false) => {
            Ok((Link::Inlet(Inlet::new(node, attach)), Value::Null))
        }
        (Node::Partition { .. }, false) | (Node::Devicebound, true) => Err(Fault::new(
            "amqp:not-allowed",
            format!("'{address_of_node}' has no link in this direction."),
        )),
    }
}

fn may_have(node: &Node, claims: &Claims, now: Timestamp) -> Result<(), Fault> {
    match node.resource() {
        Some(resource) if !claims.allow(&resource, now) => Err(Fault::new(
            "amqp:unauthorized-access",
            format!("Unauthorized access. No token that holds opens '{resource}'."),
        )),
        _ => Ok(()),
    }
}
