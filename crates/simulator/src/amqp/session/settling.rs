//! What became of deliveries, told in both directions.

use bytes::BytesMut;
use jiff::Timestamp;

use super::{Around, Heard, Session};
use crate::amqp::link::{Link, Sent};
use crate::amqp::performative::{self, Disposition, Fault, Outcome};
use crate::amqp::servicebound;

impl Session {
    /// Takes what the peer says of this side's deliveries.
    pub(crate) fn disposition(&mut self, told: &Disposition, around: &mut Around<'_>) {
        // Of its own deliveries it has nothing to say: they are settled when it hears of them.
        if !told.receiver {
            return;
        }
        // What is forgotten without a word was not taken.
        let forgotten = told.settled.then_some(Outcome::Released);
        let Some(outcome) = told.outcome.or(forgotten) else {
            return;
        };
        let span = told.last.wrapping_sub(told.first);
        if span > i32::MAX as u32 {
            // The numbers go round; so far apart, the last is before the first.
            return;
        }
        let is_meant = |delivery: &u32| delivery.wrapping_sub(told.first) <= span;
        let unsettled = self.outgoing.unsettled.keys().copied();
        let meant: Vec<u32> = unsettled.filter(is_meant).collect();
        for delivery in meant {
            if let Some(sent) = self.outgoing.unsettled.remove(&delivery) {
                self.settle(sent, outcome, around);
            }
        }
        if !told.settled {
            let (first, last) = (told.first, told.last);
            performative::settlement(around.out, self.channel, (first, last), outcome);
        }
    }

    /// Settles what counted as taken when it left.
    pub(super) fn settle_taken(&mut self, around: &mut Around<'_>) {
        for sent in std::mem::take(&mut self.outgoing.taken) {
            self.settle(sent, Outcome::Accepted, around);
        }
    }

    fn settle(&self, sent: Sent, outcome: Outcome, around: &mut Around<'_>) {
        if let Some(link) = self.links.get(&sent.handle) {
            settle(link, sent, outcome, around);
        }
    }

    /// What is left to do for a link that is no more: what its peer did not settle is given back.
    pub(super) fn forget(&mut self, handle: u32, link: &Link, around: &mut Around<'_>) {
        let unsettled = &mut self.outgoing.unsettled;
        for (_, sent) in unsettled.extract_if(.., |_, sent| sent.handle == handle) {
            settle(link, sent, Outcome::Released, around);
        }
        around.devices.links_changed();
    }

    /// Tells the peer what became of a delivery of its own.
    pub(super) fn acknowledge(
        &mut self,
        delivery: u32,
        outcome: Result<Heard, Fault>,
        out: &mut BytesMut,
    ) {
        let outcome = match outcome {
            Ok(Heard::Never) => return,
            Ok(Heard::At(due)) => return self.held.push_back((due, delivery)),
            Ok(Heard::Now) => Ok(()),
            Err(fault) => Err(fault),
        };
        performative::disposition(out, self.channel, delivery, &outcome);
    }

    /// Tells the peer what a lever has held back for long enough.
    pub(super) fn release_held(&mut self, out: &mut BytesMut, now: Timestamp) {
        while let Some((_, delivery)) = self.held.pop_front_if(|(due, _)| *due <= now) {
            performative::disposition(out, self.channel, delivery, &Ok(()));
        }
    }

    /// When the next of them is due.
    pub(crate) fn next_held(&self) -> Option<Timestamp> {
        self.held.front().map(|(due, _)| *due)
    }
}

/// Tells whoever sent a delivery by a link what became of it.
fn settle(link: &Link, sent: Sent, outcome: Outcome, around: &mut Around<'_>) {
    if let Some(channel) = link.notices() {
        servicebound::settle(around.hub, channel, sent.ticket, outcome, around.now);
    }
    if let (Some(owner), Some(filter)) = (link.owner(), link.filter()) {
        let (hub, now) = (around.hub, around.now);
        around
            .devices
            .settle(hub, owner, filter, sent.ticket, outcome, now);
    }
}
