//! Cloud-to-device messages on their way to a device: taken from its queue one by one, as it gives credit.

use std::io;
use std::sync::Arc;

use bytes::BytesMut;
use hub_proto::identity::Identity;
use jiff::Timestamp;
use uuid::Uuid;

use super::outbound;
use crate::amqp::link::Parcel;
use crate::amqp::performative::Outcome;
use crate::amqp::value::Value;
use crate::amqp::{encoding, message};
use crate::hub::{self, Held, Hub};

/// The queue of one device.
#[derive(Debug)]
pub(crate) struct Queue {
    hub: Arc<Hub>,
    owner: Identity,
}

impl Queue {
    pub(crate) fn new(hub: Arc<Hub>, owner: Identity) -> Self {
        Self { hub, owner }
    }

    /// Takes the oldest message that nobody holds.
    pub(crate) fn next(&self, now: Timestamp) -> Option<Parcel> {
        let held = match self.hub.take_message(&self.owner, now) {
            Ok(held) => held?,
            Err(error) => {
                // It is handed out when it is kept.
                tracing::debug!(%error, "the journal cannot be written");
                return None;
            }
        };
        let token = held.token.as_u128();
        let mut out = BytesMut::with_capacity(512 + held.body.len());
        sections(&mut out, &held);
        Some(Parcel::with_ticket(out.freeze(), token))
    }
}

/// Ends the message that `ticket` holds, or gives it back.
///
/// # Errors
/// When the journal cannot be written.
pub(super) fn settle(
    hub: &Hub,
    owner: &Identity,
    ticket: u128,
    outcome: Outcome,
    now: Timestamp,
) -> io::Result<()> {
    let token = Uuid::from_u128(ticket);
    let held = match outcome {
        Outcome::Accepted => hub.settle_held(owner, token, hub::Outcome::Success, now)?,
        outcome if outcome.is_final() => {
            hub.settle_held(owner, token, hub::Outcome::Rejected, now)?
        }
        _ => hub.release_held(owner, token, now)?,
    };
    if !held {
        tracing::debug!(%owner, "a message was settled whose lock was lost");
    }
    Ok(())
}

fn sections(out: &mut BytesMut, held: &Held) {
    let mut header = vec![Value::Null; 5];
    // How often it was handed out before.
    header[4] = Value::Uint(held.deliveries.saturating_sub(1));
    encoding::composite(out, message::HEADER, &header);
    message::map_section(out, message::MESSAGE_ANNOTATIONS, |out| {
        encoding::symbol(out, "x-opt-sequence-number");
        encoding::long(out, held.sequence as i64);
        1
    });
    outbound::content(out, &held.properties, &held.body);
}
