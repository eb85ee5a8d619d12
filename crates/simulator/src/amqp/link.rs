//! Links: one direction each, with credit that the receiving side gives.

use std::collections::VecDeque;

use bytes::{Bytes, BytesMut};
use jiff::Timestamp;

use super::address::Node;
use super::frame::MAX_FRAME;
use super::performative::{self, Attach, Fault, LinkFlow, Transfer};
use super::stream::EventStream;

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

/// Where a peer's messages come in.
#[derive(Debug)]
pub(crate) struct Inlet {
    pub(crate) node: Node,
    pub(crate) credit: u32,
    pub(crate) delivery_count: u32,
    /// The delivery that is coming in: its number, and whether the peer has settled it.
    coming: Option<(u32, bool)>,
    payload: BytesMut,
}

/// A delivery that came in whole.
#[derive(Debug)]
pub(crate) struct Delivered {
    pub(crate) delivery: u32,
    pub(crate) settled: bool,
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
        let (delivery, settled) = match (self.coming, transfer.delivery_id) {
            (Some((delivery, settled)), _) => (delivery, settled || transfer.settled),
            (None, Some(delivery)) => (delivery, transfer.settled),
            (None, None) => {
                return Err(Fault::new(
                    "amqp:invalid-field",
                    "A delivery has no number.",
                ));
            }
        };
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
        self.coming = (transfer.more && !transfer.aborted).then_some((delivery, settled));
        if self.coming.is_some() {
            return Ok(None);
        }
        self.credit -= 1;
        self.delivery_count = self.delivery_count.wrapping_add(1);
        let payload = std::mem::take(&mut self.payload).freeze();
        Ok((!transfer.aborted).then_some(Delivered {
            delivery,
            settled,
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
    pub(crate) events: Option<EventStream>,
    settled: bool,
    credit: u32,
    delivery_count: u32,
    drain: bool,
    queue: VecDeque<Bytes>,
    leaving: Option<Leaving>,
}

/// A message of which some frames may be out.
#[derive(Debug)]
struct Leaving {
    delivery: u32,
    payload: Bytes,
    sent: usize,
}

/// The numbers a session keeps of what goes out.
#[derive(Debug)]
pub(crate) struct Outgoing {
    pub(crate) next_transfer: u32,
    pub(crate) next_delivery: u32,
    /// Frames the peer's session takes.
    pub(crate) window: u32,
}

impl Outlet {
    pub(crate) fn new(
        node: Node,
        attach: &Attach,
        target: Option<String>,
        events: Option<EventStream>,
    ) -> Self {
        Self {
            node,
            target,
            events,
            // Nothing is kept for redelivery, so that only a peer that insists is left to settle.
            settled: attach.snd_settle_mode != 0,
            credit: 0,
            delivery_count: 0,
            drain: false,
            queue: VecDeque::new(),
            leaving: None,
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
            self.queue.push_back(message);
        }
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
                    Next::Message(payload) => {
                        self.leaving = Some(Leaving {
                            delivery: session.next_delivery,
                            payload,
                            sent: 0,
                        });
                        session.next_delivery = session.next_delivery.wrapping_add(1);
                        continue;
                    }
                    Next::Later => return true,
                    Next::Nothing => break,
                }
            };
            let rest = &leaving.payload[leaving.sent..];
            let part = &rest[..rest.len().min(room)];
            let more = part.len() < rest.len();
            let delivery = (leaving.delivery, leaving.sent == 0);
            performative::transfer(out, channel, handle, delivery, self.settled, more, part);
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
        if let (true, Some(events)) = (self.queue.is_empty(), &mut self.events) {
            let more = events.fetch(self.credit as usize, &mut self.queue, now);
            if self.queue.is_empty() && more {
                return Next::Later;
            }
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
    Message(Bytes),
    /// There may be one, after others had their turn.
    Later,
    Nothing,
}
