//! Sessions: windows of frames, and the links within.

mod opening;
mod settling;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use hub_proto::identity::Identity;
use jiff::Timestamp;
use tokio::sync::Notify;

use super::address::Node;
use super::claims::Claims;
use super::device::Devices;
use super::link::{CREDIT, Delivered, Link, MAX_MESSAGE, Outgoing, Outlet};
use super::message::{Message, Property, answer};
use super::performative::{self, Attach, Begin, Fault, Flow, Transfer};
use super::value::Value;
use super::{devicebound, management};
use crate::hub::Hub;
use crate::registry::Filter;

/// Frames a peer may send before it is told of more room.
pub(crate) const WINDOW: u32 = 2048;
/// The names under which `$cbs` tells a status.
const CBS_DIALECT: [&str; 2] = ["status-code", "status-description"];

/// What a session needs of its connection.
pub(crate) struct Around<'a> {
    pub(crate) hub: &'a Arc<Hub>,
    pub(crate) claims: &'a mut Claims,
    pub(crate) devices: &'a mut Devices,
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
    /// Deliveries that were taken and of which a lever keeps the peer from hearing before then.
    held: VecDeque<(Timestamp, u32)>,
}

/// When a peer hears that its message was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Heard {
    Now,
    At(Timestamp),
    Never,
}

impl Session {
    pub(crate) fn begin(channel: u16, begin: &Begin, out: &mut BytesMut) -> Self {
        performative::begin(out, channel, WINDOW);
        Self {
            channel,
            next_incoming: begin.next_outgoing_id,
            window: WINDOW,
            outgoing: Outgoing::new(begin.incoming_window),
            links: BTreeMap::new(),
            held: VecDeque::new(),
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
        let link = match opening::open(attach, around) {
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
        let handle = transfer.handle;
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
                self.end_link(handle, &fault, around);
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
                self.acknowledge(delivered.delivery, outcome, around.out);
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
    ) -> Result<Heard, Fault> {
        let wrong =
            |error: super::value::DecodeError| Fault::new("amqp:decode-error", error.to_string());
        let (hub, now) = (around.hub, around.now);
        if let Node::Client(owner, channel) = node {
            let messages =
                Message::decode_all(&delivered.payload, delivered.format).map_err(wrong)?;
            return around.devices.take(hub, owner, *channel, messages, now);
        }
        let message = Message::decode(&delivered.payload).map_err(wrong)?;
        match node {
            Node::Cbs => {
                let status = around.claims.put_token(hub, around.devices, &message, now);
                tracing::debug!(
                    code = status.code,
                    reason = status.description,
                    "a token was put"
                );
                let body = answer(&message, &status, CBS_DIALECT, &Value::Null);
                self.answer(node, &message, body);
            }
            Node::Management { .. } => {
                let body = management::serve(hub, around.claims, &message, now);
                self.answer(node, &message, body);
            }
            Node::Devicebound => devicebound::send(hub, message)?,
            Node::Partition { .. } | Node::Servicebound(_) | Node::Client(..) => {
                let text = "Nothing is written here.";
                return Err(Fault::new("amqp:not-allowed", text));
            }
        }
        Ok(Heard::Now)
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

    pub(crate) fn detach(&mut self, handle: u32, closed: bool, around: &mut Around<'_>) {
        match self.links.remove(&handle) {
            Some(Link::Ended) | None => {}
            Some(link) => {
                performative::detach(around.out, self.channel, handle, closed, None);
                self.forget(handle, &link, around);
            }
        }
    }

    /// Detaches readers that lost their place, and links whose token has ended.
    pub(crate) fn review(&mut self, around: &mut Around<'_>) {
        let mut over = Vec::new();
        for (handle, link) in &self.links {
            let (node, reader) = match link {
                Link::Ended => continue,
                Link::Inlet(inlet) => (&inlet.node, None),
                Link::Outlet(outlet) => (&outlet.node, outlet.events()),
            };
            let lost = reader.and_then(|events| events.reader.lost());
            let fault = lost
                .cloned()
                .or_else(|| opening::may_have(node, around.claims, around.now).err());
            over.extend(fault.map(|fault| (*handle, fault)));
        }
        for (handle, fault) in over {
            self.end_link(handle, &fault, around);
        }
    }

    /// Detaches all links of a device or module.
    pub(crate) fn end_links_of(
        &mut self,
        owner: &Identity,
        fault: &Fault,
        around: &mut Around<'_>,
    ) {
        let links = self.links.iter();
        let own = links.filter(|(_, link)| link.owner() == Some(owner));
        let handles: Vec<u32> = own.map(|(handle, _)| *handle).collect();
        for handle in handles {
            self.end_link(handle, fault, around);
        }
    }

    /// Whether a device or module has a link here, and what it listens to by them.
    pub(crate) fn links_of(&self, owner: &Identity) -> impl Iterator<Item = Option<Filter>> {
        let links = self.links.values();
        links
            .filter(move |link| link.owner() == Some(owner))
            .map(Link::filter)
    }

    /// The link by which a device or module hears what `filter` is for.
    pub(crate) fn outlet_of(&mut self, owner: &Identity, filter: Filter) -> Option<&mut Outlet> {
        self.links.values_mut().find_map(|link| {
            if link.owner() != Some(owner) || link.filter() != Some(filter) {
                return None;
            }
            match link {
                Link::Outlet(outlet) => Some(&mut **outlet),
                Link::Inlet(_) | Link::Ended => None,
            }
        })
    }

    /// Whatever is attached is so no more.
    pub(crate) fn close(&mut self, around: &mut Around<'_>) {
        for (handle, link) in std::mem::take(&mut self.links) {
            self.forget(handle, &link, around);
        }
    }

    /// Writes what links have to send; says whether there is more once that is out.
    pub(crate) fn pump(&mut self, around: &mut Around<'_>, max_frame: usize) -> bool {
        self.release_held(around.out, around.now);
        let mut more = false;
        let mut drained = Vec::new();
        for (handle, link) in &mut self.links {
            let Link::Outlet(outlet) = link else { continue };
            let again = outlet.pump(
                around.out,
                (self.channel, *handle),
                &mut self.outgoing,
                max_frame,
                around.now,
            );
            more |= again;
            if !again && let Some(count) = outlet.drained() {
                drained.push((*handle, count, 0, true));
            }
        }
        for state in drained {
            self.tell(around.out, Some(state));
        }
        self.settle_taken(around);
        more
    }

    /// Whether any link reads events, or waits for notices.
    pub(crate) fn reads_events(&self) -> bool {
        self.links.values().any(|link| {
            let reads = matches!(link, Link::Outlet(outlet) if outlet.events().is_some());
            reads || link.notices().is_some()
        })
    }

    /// The links there are. One that has ended here is only a handle that its peer has not given back.
    pub(crate) fn link_count(&self) -> usize {
        let links = self.links.values();
        links.filter(|link| !matches!(link, Link::Ended)).count()
    }

    /// The bytes that came of deliveries that are not whole.
    pub(crate) fn unfinished(&self) -> usize {
        let links = self.links.values();
        links.map(Link::unfinished).sum()
    }

    fn end_link(&mut self, handle: u32, fault: &Fault, around: &mut Around<'_>) {
        performative::detach(around.out, self.channel, handle, true, Some(fault));
        if let Some(link) = self.links.insert(handle, Link::Ended) {
            self.forget(handle, &link, around);
        }
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
