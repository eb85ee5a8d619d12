//! Messages that go out, and the deliveries they become.

use std::collections::BTreeMap;

use bytes::Bytes;

/// A message on its way to a peer.
#[derive(Debug)]
pub(crate) struct Parcel {
    pub(super) payload: Bytes,
    /// What its sender knows it by, if it wants to hear what became of it.
    pub(super) ticket: Option<u128>,
}

impl From<Bytes> for Parcel {
    fn from(payload: Bytes) -> Self {
        Self {
            payload,
            ticket: None,
        }
    }
}

impl Parcel {
    pub(crate) fn with_ticket(payload: Bytes, ticket: u128) -> Self {
        Self {
            payload,
            ticket: Some(ticket),
        }
    }
}

/// A message of which some frames may be out.
#[derive(Debug)]
pub(super) struct Leaving {
    pub(super) delivery: u32,
    /// What the peer may name it by: a lock's token, or else its number.
    pub(super) tag: Bytes,
    pub(super) settled: bool,
    pub(super) payload: Bytes,
    pub(super) sent: usize,
}

/// The numbers a session keeps of what goes out.
#[derive(Debug)]
pub(crate) struct Outgoing {
    pub(crate) next_transfer: u32,
    pub(crate) next_delivery: u32,
    /// Frames the peer's session takes.
    pub(crate) window: u32,
    /// Deliveries of which the peer has to say what became of them.
    pub(crate) unsettled: BTreeMap<u32, Sent>,
    /// The same of deliveries that counted as taken when they left.
    pub(crate) taken: Vec<Sent>,
}

/// Who sent a delivery, and what they know it by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sent {
    pub(crate) handle: u32,
    pub(crate) ticket: u128,
}

impl Outgoing {
    pub(crate) fn new(window: u32) -> Self {
        Self {
            next_transfer: 0,
            next_delivery: 0,
            window,
            unsettled: BTreeMap::new(),
            taken: Vec::new(),
        }
    }

    /// Numbers a message; says what it goes out as.
    pub(super) fn begin(&mut self, handle: u32, parcel: Parcel, mode: SettleMode) -> Leaving {
        let delivery = self.next_delivery;
        self.next_delivery = delivery.wrapping_add(1);
        let settled = match (mode, parcel.ticket) {
            (SettleMode::Unsettled, _) | (SettleMode::Mixed, Some(_)) => false,
            (SettleMode::Settled, _) | (SettleMode::Mixed, None) => true,
        };
        if let Some(ticket) = parcel.ticket {
            let sent = Sent { handle, ticket };
            // What is sent again is settled by its newest delivery only.
            self.unsettled.retain(|_, older| *older != sent);
            match settled {
                true => self.taken.push(sent),
                false => drop(self.unsettled.insert(delivery, sent)),
            }
        }
        let tag = match parcel.ticket {
            Some(ticket) => Bytes::copy_from_slice(&ticket.to_be_bytes()),
            None => Bytes::copy_from_slice(&delivery.to_be_bytes()),
        };
        Leaving {
            delivery,
            tag,
            settled,
            payload: parcel.payload,
            sent: 0,
        }
    }
}

/// Who settles deliveries first: `snd-settle-mode` of the attach.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum SettleMode {
    /// The peer, always.
    Unsettled,
    /// This side, as it sends.
    Settled,
    /// The peer where its word counts, and else this side.
    Mixed,
}

impl SettleMode {
    pub(super) fn of(attached: u8) -> Self {
        match attached {
            0 => Self::Unsettled,
            1 => Self::Settled,
            _ => Self::Mixed,
        }
    }
}
