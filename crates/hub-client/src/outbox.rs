//! Messages from being taken until being acknowledged. Pure: it knows neither sockets nor clocks.
//!
//! Entries stay in the order they were taken. Those at the front are on their way: first the ones the
//! transport has given a packet id, then the ones it was handed but has not written yet. A connection's
//! end puts the boundary back to the front, and everything is sent again in the same order.

use std::collections::VecDeque;
use std::time::Instant;

use bytes::Bytes;

use crate::options::{OutboxLimits, WhenFull};

/// Names a request of the application until it is settled.
pub(crate) type Ticket = u64;

/// So much may be on its way at once; one message always may, whatever its size.
pub(crate) const MAX_IN_FLIGHT: usize = 64;
const _: () = assert!(MAX_IN_FLIGHT <= transport::mqtt::MAX_IN_FLIGHT as usize);
const MAX_BYTES_IN_FLIGHT: usize = 1 << 20;

/// A message as it waits. Its topic is only made when it goes out, since by then the device may have another
/// name at another hub.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Letter {
    /// The properties, encoded.
    pub(crate) bag: String,
    pub(crate) payload: Bytes,
}

impl Letter {
    fn size(&self) -> usize {
        self.bag.len() + self.payload.len()
    }
}

#[derive(Debug)]
pub(crate) struct Outbox {
    limits: OutboxLimits,
    entries: VecDeque<Entry>,
    bytes: usize,
    /// The first entries, which have a packet id.
    sent: usize,
    /// The first entries, which the transport was handed; never fewer than `sent`.
    handed: usize,
    bytes_handed: usize,
}

#[derive(Debug)]
struct Entry {
    ticket: Ticket,
    letter: Letter,
    handed_at: Option<Instant>,
    packet_id: u16,
}

/// The outbox is full, and its policy or the size of the message leaves no room to make.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Full;

impl Outbox {
    pub(crate) const fn new(limits: OutboxLimits) -> Self {
        Self {
            limits,
            entries: VecDeque::new(),
            bytes: 0,
            sent: 0,
            handed: 0,
            bytes_handed: 0,
        }
    }

    /// Takes a message. Gives the tickets of those that had to make room.
    pub(crate) fn push(&mut self, ticket: Ticket, letter: Letter) -> Result<Vec<Ticket>, Full> {
        let size = letter.size();
        let mut dropped = Vec::new();
        if !self.fits(self.entries.len(), self.bytes, size) {
            let room = match self.limits.when_full {
                WhenFull::RefuseNewest => None,
                WhenFull::DropOldest => self.room_for(size),
            };
            for entry in self.entries.drain(self.handed..room.ok_or(Full)?) {
                self.bytes -= entry.letter.size();
                dropped.push(entry.ticket);
            }
        }
        self.bytes += size;
        self.entries.push_back(Entry {
            ticket,
            letter,
            handed_at: None,
            packet_id: 0,
        });
        Ok(dropped)
    }

    /// The end of the shortest run of waiting entries without which a message of `size` fits.
    fn room_for(&self, size: usize) -> Option<usize> {
        let (mut count, mut bytes) = (self.entries.len(), self.bytes);
        for (index, entry) in self.entries.iter().enumerate().skip(self.handed) {
            count -= 1;
            bytes -= entry.letter.size();
            if self.fits(count, bytes, size) {
                return Some(index + 1);
            }
        }
        None
    }

    const fn fits(&self, count: usize, bytes: usize, size: usize) -> bool {
        count < self.limits.messages && bytes + size <= self.limits.bytes
    }

    /// The next message to hand to the transport, if the window has room for it; it counts as handed.
    pub(crate) fn next(&mut self, now: Instant) -> Option<&Letter> {
        let entry = self.entries.get_mut(self.handed)?;
        let size = entry.letter.size();
        let room = self.handed < MAX_IN_FLIGHT && self.bytes_handed + size <= MAX_BYTES_IN_FLIGHT;
        if !room && self.handed > 0 {
            return None;
        }
        entry.handed_at = Some(now);
        self.handed += 1;
        self.bytes_handed += size;
        Some(&entry.letter)
    }

    /// The transport wrote the oldest message it was handed, with this packet id.
    pub(crate) fn handle_sent(&mut self, packet_id: u16) {
        if self.sent < self.handed {
            self.entries[self.sent].packet_id = packet_id;
            self.sent += 1;
        }
    }

    /// The hub acknowledged a packet id. Gives the ticket of the message it stood for.
    pub(crate) fn handle_acked(&mut self, packet_id: u16) -> Option<Ticket> {
        let index = self
            .entries
            .range(..self.sent)
            .position(|entry| entry.packet_id == packet_id)?;
        let entry = self.entries.remove(index)?;
        self.sent -= 1;
        self.handed -= 1;
        self.bytes -= entry.letter.size();
        self.bytes_handed -= entry.letter.size();
        Some(entry.ticket)
    }

    /// The connection is gone: whatever has no acknowledgement waits again.
    pub(crate) fn handle_down(&mut self) {
        for entry in self.entries.range_mut(..self.handed) {
            entry.handed_at = None;
            entry.packet_id = 0;
        }
        (self.sent, self.handed, self.bytes_handed) = (0, 0, 0);
    }

    /// Since when the oldest message on its way has been waiting for its acknowledgement.
    pub(crate) fn oldest_in_flight(&self) -> Option<Instant> {
        self.entries.front().and_then(|entry| entry.handed_at)
    }

    pub(crate) const fn in_flight(&self) -> usize {
        self.handed
    }

    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

#[cfg(test)]
mod tests;
