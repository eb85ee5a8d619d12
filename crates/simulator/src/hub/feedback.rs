//! What becomes of cloud-to-device messages, and what their senders hear of it.
//!
//! A message says in `iothub-ack` which ends are to be told of. The record is part of the change that ends the message,
//! so that a kill leaves both or neither.

use hub_proto::message::{Properties, SystemProperty};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::Core;
use crate::change::Change;
use crate::notices::{Channel, NewRecord};
use crate::registry::{CloudToDevice, Device};

/// How a message ended: `statusCode` of its feedback.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The device completed it.
    Success,
    /// Its time was over.
    Expired,
    /// The device got it too often without completing it.
    DeliveryCountExceeded,
    /// The device refused it.
    Rejected,
    /// A back end emptied the device's queue.
    Purged,
}

impl Outcome {
    fn name(self) -> &'static str {
        match self {
            Self::Success => "Success",
            Self::Expired => "Expired",
            Self::DeliveryCountExceeded => "DeliveryCountExceeded",
            Self::Rejected => "Rejected",
            Self::Purged => "Purged",
        }
    }
}

/// Which ends of a message its sender wants to hear of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wish {
    None,
    Positive,
    Negative,
    Full,
}

impl Wish {
    /// Reads `iothub-ack`; nothing when it is none of the four.
    pub(super) fn parse(text: &str) -> Option<Self> {
        [
            ("none", Self::None),
            ("positive", Self::Positive),
            ("negative", Self::Negative),
            ("full", Self::Full),
        ]
        .into_iter()
        .find_map(|(name, wish)| name.eq_ignore_ascii_case(text).then_some(wish))
    }

    fn covers(self, outcome: Outcome) -> bool {
        match self {
            Self::None => false,
            Self::Positive => outcome == Outcome::Success,
            Self::Negative => outcome != Outcome::Success,
            Self::Full => true,
        }
    }
}

impl Core {
    /// Ends a message that waits for a device, and tells its sender if it wants to know.
    pub(super) fn settle_message(
        &mut self,
        device: &str,
        sequence: u64,
        outcome: Outcome,
        now: Timestamp,
    ) {
        let feedback = self.feedback_on(device, sequence, outcome, now);
        self.notices_moved |= feedback.is_some();
        self.record(Change::MessageSettled {
            device: device.to_owned(),
            sequence,
            feedback,
        });
    }

    fn feedback_on(
        &self,
        id: &str,
        sequence: u64,
        outcome: Outcome,
        now: Timestamp,
    ) -> Option<NewRecord> {
        let device = self.registry.devices.get(id)?;
        let mut waiting = device.queue.waiting.iter();
        let message = waiting.find(|message| message.sequence == sequence)?;
        let record = record(id, device, message, outcome, now)?;
        Some(
            self.registry
                .notices
                .address(Channel::Feedback, record, now),
        )
    }
}

fn record(
    id: &str,
    device: &Device,
    message: &CloudToDevice,
    outcome: Outcome,
    now: Timestamp,
) -> Option<Value> {
    // The bag was written by this hub.
    let properties = Properties::decode(&message.bag).ok()?;
    let wish = Wish::parse(properties.get(SystemProperty::Ack)?)?;
    wish.covers(outcome).then(|| {
        json!({
            "originalMessageId": properties.get(SystemProperty::MessageId),
            "description": outcome.name(),
            "deviceGenerationId": device.client.generation,
            "deviceId": id,
            "enqueuedTimeUtc": hub_proto::time::format(now),
            "statusCode": outcome.name(),
        })
    })
}
