//! Cloud-to-device messages on their way into a device's queue.

use std::time::Duration;

use bytes::Bytes;
use hub_proto::identity::Identity;
use hub_proto::message::{MAX_CLOUD_TO_DEVICE_BYTES, Properties, SystemProperty};
use hub_proto::property_bag;
use jiff::Timestamp;
use thiserror::Error;

use super::Hub;
use super::feedback::Wish;
use crate::change::Change;
use crate::hold::Hold;
use crate::registry::{Body, CloudToDevice};
use crate::wire::MAX_TOPIC;

/// Messages that may wait for one device.
const MAX_WAITING: usize = 50;
/// How long a message waits for its device, if it does not say itself.
const MESSAGE_LIFE: Duration = Duration::from_secs(3600);
/// How long it may wait at most.
const LONGEST_LIFE: Duration = Duration::from_secs(48 * 3600);

/// Why a cloud-to-device message was not taken.
#[derive(Debug, Error)]
pub enum SendError {
    /// No such device.
    #[error("{0} is not registered")]
    NotFound(Identity),
    /// Modules have no cloud-to-device messages.
    #[error("{0} is a module; cloud-to-device messages go to devices")]
    Module(Identity),
    /// The device's queue is full.
    #[error("{MAX_WAITING} messages already wait for {0}")]
    QueueFull(Identity),
    /// Too large.
    #[error("a message of {0} bytes is more than {MAX_CLOUD_TO_DEVICE_BYTES}")]
    TooLarge(usize),
    /// More properties than a topic can carry.
    #[error("properties that take {0} bytes on the way are more than {MAX_TOPIC}")]
    TooManyProperties(usize),
    /// No wish for feedback.
    #[error("iothub-ack is {0:?}, and none of none, positive, negative and full")]
    Ack(String),
    /// No moment to end at.
    #[error("the expiry time {0:?} is not as in 2026-03-01T10:00:00Z")]
    Expiry(String),
    /// The message could not be kept.
    #[error("the journal cannot be written")]
    Journal(#[source] std::io::Error),
}

impl Hub {
    /// Queues a cloud-to-device message; returns its message id.
    ///
    /// # Errors
    /// When the device is unknown, its queue full, or the message too large.
    pub(crate) fn send(
        &self,
        to: &Identity,
        mut properties: Properties,
        body: Bytes,
    ) -> Result<String, SendError> {
        if to.module_id().is_some() {
            return Err(SendError::Module(to.clone()));
        }
        let size = body.len() + properties.size();
        if size > MAX_CLOUD_TO_DEVICE_BYTES {
            return Err(SendError::TooLarge(size));
        }
        let id = match properties.get(SystemProperty::MessageId) {
            Some(id) => id.to_owned(),
            None => uuid::Uuid::new_v4().to_string(),
        };
        properties.set(SystemProperty::MessageId, id.clone());
        let now = Timestamp::now();
        let expires = check_wishes(&properties, now)?;
        // The real hub always puts the destination first.
        let mut bag = String::new();
        property_bag::push_pair(
            &mut bag,
            "$.to",
            Some(&format!("/devices/{}/messages/deviceBound", to.device_id())),
        );
        bag.push('&');
        bag.push_str(&properties.encode());
        if bag.len() > MAX_TOPIC {
            return Err(SendError::TooManyProperties(bag.len()));
        }
        let mut core = self.lock();
        let device = core
            .registry
            .devices
            .get(to.device_id())
            .ok_or_else(|| SendError::NotFound(to.clone()))?;
        if device.queue.waiting.len() >= MAX_WAITING {
            return Err(SendError::QueueFull(to.clone()));
        }
        let message = CloudToDevice {
            sequence: device.queue.next,
            bag,
            body: Body(body),
            expires_ms: expires.as_millisecond(),
            delivered: false,
            hold: Hold::default(),
        };
        core.record(Change::MessageQueued {
            device: to.device_id().to_owned(),
            message,
        });
        core.pump_messages(to);
        self.commit(&mut core).map_err(SendError::Journal)?;
        Ok(id)
    }
}

/// Checks what a message says of its own end; returns when that is.
fn check_wishes(properties: &Properties, now: Timestamp) -> Result<Timestamp, SendError> {
    // Among the application's, as people write it who send by hand, it means the same to the device.
    let application = properties.application.get("iothub-ack");
    let wish = properties.get(SystemProperty::Ack).or(application);
    if let Some(unknown) = wish.filter(|wish| Wish::parse(wish).is_none()) {
        return Err(SendError::Ack(unknown.to_owned()));
    }
    let Some(text) = properties.get(SystemProperty::ExpiryTime) else {
        return Ok(now + MESSAGE_LIFE);
    };
    let expires: Timestamp = text
        .parse()
        .map_err(|_| SendError::Expiry(text.to_owned()))?;
    Ok(expires.min(now + LONGEST_LIFE))
}
