//! Notices to back ends, `messages/serviceBound/feedback` and `…/filenotifications`: taken from their queues one by one,
//! as the peer gives credit.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use jiff::Timestamp;
use uuid::Uuid;

use super::encoding;
use super::link::Parcel;
use super::message::{self, Property};
use super::performative::Outcome;
use super::value::Value;
use crate::hub::Hub;
use crate::notices::{Channel, Handed};

/// One of the queues, for one link.
#[derive(Debug)]
pub(crate) struct Notices {
    hub: Arc<Hub>,
    channel: Channel,
}

impl Notices {
    pub(crate) fn new(hub: Arc<Hub>, channel: Channel) -> Self {
        Self { hub, channel }
    }

    /// Takes the oldest notice that nobody holds.
    pub(crate) fn next(&self, now: Timestamp) -> Option<Parcel> {
        match self.hub.next_notice(self.channel, now) {
            Ok(handed) => {
                let handed = handed?;
                let message = encode(&handed, self.channel, &self.hub.names.hub);
                Some(Parcel::with_ticket(message, handed.token.as_u128()))
            }
            Err(error) => {
                // It is told of when it is kept.
                tracing::debug!(%error, "the journal cannot be written");
                None
            }
        }
    }
}

/// Ends the notice that `ticket` holds, or gives it back.
pub(super) fn settle(hub: &Hub, channel: Channel, ticket: u128, outcome: Outcome, now: Timestamp) {
    let token = Uuid::from_u128(ticket);
    let held = if outcome.is_final() {
        hub.settle_notice(channel, token, now)
    } else {
        Ok(hub.release_notice(channel, token, now))
    };
    match held {
        Ok(true) => {}
        Ok(false) => tracing::debug!("a notice was settled whose lock was lost"),
        Err(error) => tracing::debug!(%error, "the journal cannot be written"),
    }
}

fn encode(handed: &Handed, channel: Channel, hub: &str) -> Bytes {
    let mut out = BytesMut::new();
    let mut header = vec![Value::Null; 5];
    // How often it was handed out before.
    header[4] = Value::Uint(handed.deliveries.saturating_sub(1));
    encoding::composite(&mut out, message::HEADER, &header);
    let enqueued_ms = handed.enqueued.as_millisecond();
    message::map_section(&mut out, message::MESSAGE_ANNOTATIONS, |out| {
        encoding::symbol(out, "x-opt-sequence-number");
        encoding::long(out, handed.sequence as i64);
        for name in ["x-opt-enqueued-time", "iothub-enqueuedtime"] {
            encoding::symbol(out, name);
            encoding::timestamp(out, enqueued_ms);
        }
        3
    });
    let user = Bytes::copy_from_slice(hub.as_bytes());
    message::properties(
        &mut out,
        [
            (Property::MessageId, Value::String(handed.token.to_string())),
            (Property::UserId, Value::Binary(user)),
            (
                Property::ContentType,
                Value::Symbol(channel.content_type().to_owned()),
            ),
            (Property::CreationTime, Value::Timestamp(enqueued_ms)),
        ],
    );
    message::data(&mut out, handed.body.to_string().as_bytes());
    out.freeze()
}
