//! A round of work for one connected client: the lock is taken once for all that it sent.

use std::io;
use std::sync::MutexGuard;

use jiff::Timestamp;

use super::{Attached, Core, Hub, Outcome};
use crate::levers::AckPolicy;
use crate::mailbox::Settles;

/// What one client's packets do, under the hub's lock.
pub(crate) struct Batch<'a> {
    pub(super) hub: &'a Hub,
    pub(super) core: MutexGuard<'a, Core>,
    pub(super) attached: &'a Attached,
    pub(super) now: Timestamp,
}

impl Hub {
    /// One locked round of work for a connected client.
    pub(crate) fn batch<'a>(&'a self, attached: &'a Attached) -> Batch<'a> {
        Batch {
            hub: self,
            core: self.lock(),
            attached,
            now: Timestamp::now(),
        }
    }
}

impl Batch<'_> {
    pub(crate) fn ack_policy(&self) -> AckPolicy {
        self.core.levers.acks(&self.attached.identity)
    }

    pub(crate) fn note_dropped_ack(&mut self) {
        self.core.levers.ack_dropped(&self.attached.identity);
    }

    /// The client acknowledged a delivery.
    pub(crate) fn acknowledged(&mut self, settles: Settles) {
        match settles {
            Settles::CloudToDevice(sequence) => {
                let device = self.attached.identity.device_id();
                self.core
                    .settle_message(device, sequence, Outcome::Success, self.now);
            }
            Settles::EdgeInput(sequence) => self.input_acknowledged(sequence),
        }
    }

    /// Puts the round into the journal and lets its deliveries go.
    pub(crate) fn commit(mut self) -> io::Result<()> {
        self.hub.commit(&mut self.core)
    }
}
