//! Cloud-to-device messages as a device takes them one by one: under a lock, to be completed, refused or given back.

use std::io;

use bytes::Bytes;
use hub_proto::identity::Identity;
use hub_proto::message::Properties;
use jiff::Timestamp;
use uuid::Uuid;

use super::{Core, Hub, Outcome};

/// A message that a device has taken.
#[derive(Debug)]
pub(crate) struct Held {
    /// What completes, refuses or gives it back.
    pub(crate) token: Uuid,
    pub(crate) sequence: u64,
    /// How often the device got it, this time included.
    pub(crate) deliveries: u32,
    pub(crate) properties: Properties,
    pub(crate) body: Bytes,
}

impl Hub {
    /// Hands a device the oldest message that it neither holds already nor was sent on a connection of its own.
    ///
    /// # Errors
    /// When the journal cannot be written.
    pub(crate) fn take_message(
        &self,
        device: &Identity,
        now: Timestamp,
    ) -> io::Result<Option<Held>> {
        Ok(self.lock_kept()?.hold_message(device, now))
    }

    /// Ends the message that `token` holds; says whether it holds one still.
    ///
    /// # Errors
    /// When the journal cannot be written.
    pub(crate) fn settle_held(
        &self,
        device: &Identity,
        token: Uuid,
        outcome: Outcome,
        now: Timestamp,
    ) -> io::Result<bool> {
        let mut core = self.lock();
        let Some(sequence) = core.held_by(device, token, now) else {
            return Ok(false);
        };
        core.settle_message(device.device_id(), sequence, outcome, now);
        self.commit(&mut core)?;
        Ok(true)
    }

    /// Gives back the message that `token` holds, or gives it up when the device had it too often; says whether
    /// `token` holds one still.
    ///
    /// # Errors
    /// When the journal cannot be written.
    pub(crate) fn release_held(
        &self,
        device: &Identity,
        token: Uuid,
        now: Timestamp,
    ) -> io::Result<bool> {
        let mut core = self.lock();
        let Some(sequence) = core.held_by(device, token, now) else {
            return Ok(false);
        };
        let queue = core.registry.devices.get_mut(device.device_id());
        let mut waiting = queue.into_iter().flat_map(|known| &mut known.queue.waiting);
        let message = waiting.find(|message| message.sequence == sequence);
        let is_spent = message.is_some_and(|message| {
            message.hold.release();
            message.hold.is_spent(now.as_millisecond())
        });
        if is_spent {
            let outcome = Outcome::DeliveryCountExceeded;
            core.settle_message(device.device_id(), sequence, outcome, now);
        }
        core.pump_messages(device);
        self.commit(&mut core)?;
        Ok(true)
    }
}

impl Core {
    fn hold_message(&mut self, device: &Identity, now: Timestamp) -> Option<Held> {
        let locked = self.live.get(device).map(|live| &live.locked);
        let queue = &mut self.registry.devices.get_mut(device.device_id())?.queue;
        let now_ms = now.as_millisecond();
        let message = queue.waiting.iter_mut().find(|message| {
            message.expires_ms > now_ms
                && !message.hold.is_held(now_ms)
                && !message.hold.is_spent(now_ms)
                && !locked.is_some_and(|locked| locked.contains_key(&message.sequence))
        })?;
        let token = Uuid::new_v4();
        message.hold.take(token, now_ms);
        message.delivered = true;
        Some(Held {
            token,
            sequence: message.sequence,
            deliveries: message.hold.deliveries(),
            // The bag was written by this hub.
            properties: Properties::decode(&message.bag).unwrap_or_default(),
            body: message.body.0.clone(),
        })
    }

    fn held_by(&self, device: &Identity, token: Uuid, now: Timestamp) -> Option<u64> {
        let device = self.registry.devices.get(device.device_id())?;
        let mut waiting = device.queue.waiting.iter();
        let held = waiting.find(|message| message.hold.is_held_by(token, now.as_millisecond()))?;
        Some(held.sequence)
    }

    /// Ends the messages that devices had too often.
    pub(super) fn give_up_spent(&mut self, now: Timestamp) {
        let mut spent = Vec::new();
        for (id, device) in &self.registry.devices {
            let messages = device.queue.waiting.iter();
            let over = messages.filter(|message| message.hold.is_spent(now.as_millisecond()));
            spent.extend(over.map(|message| (id.clone(), message.sequence)));
        }
        for (device, sequence) in spent {
            self.settle_message(&device, sequence, Outcome::DeliveryCountExceeded, now);
        }
    }
}
