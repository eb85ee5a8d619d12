//! Notices to back ends, handed out and settled.

use std::io;

use jiff::Timestamp;
use uuid::Uuid;

use super::{Core, Hub};
use crate::change::Change;
use crate::notices::{Channel, Handed};

impl Hub {
    /// Hands out the oldest notice of a channel that nobody holds.
    ///
    /// # Errors
    /// When the journal does not hold it yet and cannot be written.
    pub(crate) fn next_notice(
        &self,
        channel: Channel,
        now: Timestamp,
    ) -> io::Result<Option<Handed>> {
        let mut core = self.lock();
        if core.registry.notices.of(channel).is_empty() {
            return Ok(None);
        }
        self.commit(&mut core)?;
        Ok(core.registry.notices.hand_out(channel, Uuid::new_v4(), now))
    }

    /// Forgets the notice that `token` holds; says whether it holds one still.
    ///
    /// # Errors
    /// When the journal cannot be written.
    pub(crate) fn settle_notice(
        &self,
        channel: Channel,
        token: Uuid,
        now: Timestamp,
    ) -> io::Result<bool> {
        let mut core = self.lock();
        let Some(sequence) = core.registry.notices.of(channel).held_by(token, now) else {
            return Ok(false);
        };
        core.record(Change::NoticeSettled { channel, sequence });
        self.commit(&mut core)?;
        Ok(true)
    }

    /// Gives back the notice that `token` holds; says whether it holds one still.
    pub(crate) fn release_notice(&self, channel: Channel, token: Uuid, now: Timestamp) -> bool {
        let mut core = self.lock();
        let queue = core.registry.notices.of_mut(channel);
        let Some(sequence) = queue.held_by(token, now) else {
            return false;
        };
        queue.release(sequence);
        drop(core);
        self.new_events.notify_waiters();
        true
    }
}

impl Core {
    /// Gives back what was held too long, and forgets what is over.
    pub(super) fn review_notices(&mut self, now: Timestamp) {
        for channel in [Channel::Feedback, Channel::Files] {
            let queue = self.registry.notices.of_mut(channel);
            self.notices_moved |= queue.lapse(now);
            for sequence in queue.over(now) {
                self.record(Change::NoticeSettled { channel, sequence });
            }
        }
    }
}
