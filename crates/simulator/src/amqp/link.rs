//! Links: one direction each, with credit that the receiving side gives.

mod outgoing;

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};
use hub_proto::identity::Identity;
use jiff::Timestamp;

use self::outgoing::{Leaving, SettleMode};
pub(crate) use self::outgoing::{Outgoing, Parcel, Sent};
use super::address::Node;
use super::device::Queue;
use super::frame::MAX_FRAME;
use super::performative::{self, Attach, Fault, LinkFlow, Transfer};
use super::servicebound::Notices;
use super::stream::EventStream;
use crate::mailbox::CAPACITY;
use crate::notices::Channel;
use crate::registry::Filter;

/// The largest message taken: a cloud-to-device message is smaller, and so is everything else a client sends.
pub(crate) const MAX_MESSAGE: usize = 256 << 10;
/// Messages a peer may send before it is given more credit.
pub(crate) const CREDIT: u32 = 100;
/// Answers that wait for a peer which asks and gives no credit.
const MAX_ANSWERS: usize = 64;
/// More than a transfer's own fields take in a frame.
const TRANSFER_BYTES: usize = 64;
/// With this much to be written, nothing is added.
pub(crate) const FULL: usize = 256 << 10;

/// A link as this side keeps it, under the handle of the peer.
#[derive(Debug)]
pub(crate) enum Link {
    /// Detached by this side; the peer has not said so yet, and may still send.
    Ended,
    /// The peer sends.
    Inlet(Inlet),
    /// The peer receives.
    Outlet(Box<Outlet>),
}

impl Link {
    /// The device or module whose it is.
    pub(crate) fn owner(&self) -> Option<&Identity> {
        match self.node()? {
            Node::Client(owner, _) => Some(owner),
            _ => None,
        }
    }

    /// What its owner hears by it.
    pub(crate) fn filter(&self) -> Option<Filter> {
        match self {
            Self::Outlet(outlet) => match &outlet.node {
                Node::Client(owner, channel) => channel.filter(owner),
                _ => None,
            },
            Self::Inlet(_) | Self::Ended => None,
        }
    }

    /// The notices that a back end gets by it.
    pub(crate) fn notices(&self) -> Option<Channel> {
        match self {
            Self::Outlet(outlet) => match outlet.node {
                Node::Servicebound(channel) => Some(channel),
                _ => None,
            },
            Self::Inlet(_) | Self::Ended => None,
        }
    }

    /// The bytes that came of a delivery that is not whole.
    pub(crate) fn unfinished(&self) -> usize {
        match self {
            Self::Inlet(inlet) => inlet.payload.len(),
            Self::Outlet(_) | Self::Ended => 0,
        }
    }

    fn node(&self) -> Option<&Node> {
        match self {
            Self::Ended => None,
            Self::Inlet(inlet) => Some(&inlet.node),
            Self::Outlet(outlet) => Some(&outlet.node),
        }
    }
}

/// Where a peer's messages come in.
#[derive(Debug)]
pub(crate) struct Inlet {
    pub(crate) node: Node,
    pub(crate) credit: u32,
    pub(crate) delivery_count: u32,
    /// The delivery that is coming in.
    coming: Option<Coming>,
    payload: BytesMut,
}

/// A delivery of which some frames are here.
#[derive(Debug, Clone, Copy)]
struct Coming {
    delivery: u32,
    /// Whether the peer has settled it already.
    settled: bool,
    format: u32,
}

/// A delivery that came in whole.
#[derive(Debug)]
pub(crate) struct Delivered {
    pub(crate) delivery: u32,
    pub(crate) settled: bool,
    /// How the payload is to be read.
    pub(crate) format: u32,
    pub(crate) payload: Bytes,
}

impl Inlet {
    pub(crate) fn new(node: Node, attach: &Attach) -> Self {
        Self {
            node,
            credit: CREDIT,
            delivery_count: attach.initial_delivery_count,
            coming: None,
            payload: BytesMut::new(),
        }
    }

    /// Takes one frame; returns the delivery it completes.
    ///
    /// # Errors
    /// What the peer did that ends the link.
    pub(crate) fn take(&mut self, transfer: Transfer) -> Result<Option<Delivered>, Fault> {
        let mut coming = match (self.coming, transfer.delivery_id) {
            (Some(coming), _) => coming,
            (None, Some(delivery)) => Coming {
                delivery,
                settled: false,
                format: transfer.message_format,
            },
            (None, None) => {
                return Err(Fault::new(
                    "amqp:invalid-field",
                    "A delivery has no number.",
                ));
            }
        };
        coming.settled |= transfer.settled;
        if self.credit == 0 {
            return Err(Fault::new(
                "amqp:link:transfer-limit-exceeded",
                "More messages were sent than there was credit for.",
            ));
        }
        if self.payload.len() + transfer.payload.len() > MAX_MESSAGE {
            return Err(Fault::new(
                "amqp:link:message-size-exceeded",
                format!("A message is larger than {MAX_MESSAGE} bytes."),
            ));
        }
        self.payload.extend_from_slice(&transfer.payload);
        self.coming = (transfer.more && !transfer.aborted).then_some(coming);
        if self.coming.is_some() {
            return Ok(None);
        }
        self.credit -= 1;
        self.delivery_count = self.delivery_count.wrapping_add(1);
        let payload = std::mem::take(&mut self.payload).freeze();
        Ok((!transfer.aborted).then_some(Delivered {
            delivery: coming.delivery,
            settled: coming.settled,
            format: coming.format,
            payload,
        }))
    }
}

/// Where a peer gets messages.
#[derive(Debug)]
pub(crate) struct Outlet {
    pub(crate) node: Node,
    /// What the peer calls its own end: where an answer goes, if a request says so.
    pub(crate) target: Option<String>,
    source: Option<Source>,
    mode: SettleMode,
    credit: u32,
    delivery_count: u32,
    drain: bool,
    queue: VecDeque<Parcel>,
    leaving: Option<Leaving>,
}

/// Where an outlet fetches its messages, as its peer has credit for them.
#[derive(Debug)]
pub(crate) enum Source {
    Events(EventStream),
    /// Of a device.
    Messages(Queue),
    Notices(Notices),
}

impl Outlet {
    pub(crate) fn new(
        node: Node,
        attach: &Attach,
        target: Option<String>,
        source: Option<Source>,
    ) -> Self {
        Self {
            node,
            target,
            source,
            mode: SettleMode::of(attach.snd_settle_mode),
            credit: 0,
            delivery_count: 0,
            drain: false,
            queue: VecDeque::new(),
            leaving: None,
        }
    }

    /// The events it reads, if it does.
    pub(crate) fn events(&self) -> Option<&EventStream> {
        match &self.source {
            Some(Source::Events(events)) => Some(events),
            Some(Source::Messages(_) | Source::Notices(_)) | None => None,
        }
    }

    pub(crate) fn flow(&mut self, flow: &LinkFlow) {
        // Credit counts from the peer's last word of the count; what has left since is already used up.
        let given = flow.delivery_count.unwrap_or(0).wrapping_add(flow.credit);
        let credit = given.wrapping_sub(self.delivery_count);
        // A peer that takes credit back may have been overtaken by deliveries.
        self.credit = if credit > i32::MAX as u32 { 0 } else { credit };
        self.drain = flow.drain;
    }

    /// Puts an answer into the queue. A peer that never takes any gets no more.
    pub(crate) fn answer(&mut self, message: Bytes) {
        if self.queue.len() < MAX_ANSWERS {
            self.queue.push_back(message.into());
        }
    }

    /// Puts a message into the queue, if it does not wait there already; says whether there was room for it.
    pub(crate) fn push(&mut self, parcel: Parcel) -> bool {
        let waits = |other: &Parcel| parcel.ticket.is_some() && other.ticket == parcel.ticket;
        if self.queue.iter().any(waits) {
            return true;
        }
        let has_room = self.queue.len() < CAPACITY;
        if has_room {
            self.queue.push_back(parcel);
        }
        has_room
    }

    /// Writes what credit and window allow; says whether it should be asked again once that is out.
    pub(crate) fn pump(
        &mut self,
        out: &mut BytesMut,
        (channel, handle): (u16, u32),
        session: &mut Outgoing,
        max_frame: usize,
        now: Timestamp,
    ) -> bool {
        let room = max_frame.min(MAX_FRAME as usize) - TRANSFER_BYTES;
        while session.window > 0 {
            if out.len() >= FULL {
                return true;
            }
            let Some(leaving) = &mut self.leaving else {
                match self.next(now) {
                    Next::Message(parcel) => {
                        self.leaving = Some(session.begin(handle, parcel, self.mode));
                        continue;
                    }
                    Next::Later => return true,
                    Next::Nothing => break,
                }
            };
            let rest = &leaving.payload[leaving.sent..];
            let part = &rest[..rest.len().min(room)];
            let more = part.len() < rest.len();
            let first = (leaving.sent == 0).then_some((leaving.delivery, &leaving.tag[..]));
            let settled = leaving.settled;
            performative::transfer(out, (channel, handle), first, settled, more, part);
            leaving.sent += part.len();
            session.window -= 1;
            session.next_transfer = session.next_transfer.wrapping_add(1);
            if !more {
                self.leaving = None;
            }
        }
        false
    }

    fn next(&mut self, now: Timestamp) -> Next {
        if self.credit == 0 {
            return Next::Nothing;
        }
        match &mut self.source {
            Some(Source::Events(events)) if self.queue.is_empty() => {
                let more = events.fetch(self.credit as usize, &mut self.queue, now);
                if self.queue.is_empty() && more {
                    return Next::Later;
                }
            }
            Some(Source::Messages(queue)) => self.queue.extend(queue.next(now)),
            Some(Source::Notices(notices)) => self.queue.extend(notices.next(now)),
            Some(Source::Events(_)) | None => {}
        }
        let Some(message) = self.queue.pop_front() else {
            return Next::Nothing;
        };
        self.credit -= 1;
        self.delivery_count = self.delivery_count.wrapping_add(1);
        Next::Message(message)
    }

    /// Gives back credit that a draining peer has no message for; says what the count then is.
    pub(crate) fn drained(&mut self) -> Option<u32> {
        if !self.drain || self.leaving.is_some() || !self.queue.is_empty() {
            return None;
        }
        self.drain = false;
        self.delivery_count = self.delivery_count.wrapping_add(self.credit);
        self.credit = 0;
        Some(self.delivery_count)
    }

    /// Count and credit, for a peer that asks.
    pub(crate) fn state(&self) -> (u32, u32, bool) {
        (self.delivery_count, self.credit, self.drain)
    }
}

enum Next {
    Message(Parcel),
    /// There may be one, after others had their turn.
    Later,
    Nothing,
}
