//! What a session wants done.

use std::sync::Arc;
use std::time::{Duration, Instant};

use hub_proto::twin::Object;
use serde_json::Value;

use crate::error::{LinkError, TwinError};
use crate::message::Message;
use crate::outbox::Ticket;
use crate::packet::Packet;
use crate::place::Place;
use crate::twin::{TwinAnswer, TwinState};

/// Something to do.
#[derive(Debug)]
pub(crate) enum Output {
    /// Ask the provisioning service where the device belongs.
    Register,
    /// Get a token and open a new connection.
    Open(Arc<Place>),
    /// Subscribe to all of these, in one packet.
    Subscribe(Vec<String>),
    /// Publish at QoS 1; the packet id comes back by [`Session::handle_sent`](super::Session::handle_sent).
    PublishAcknowledged(Packet),
    /// Publish at QoS 0.
    Publish(Packet),
    /// Acknowledge a packet that was received on the present connection.
    Acknowledge(u16),
    /// Send DISCONNECT and await the end.
    Disconnect,
    /// Give the connection up at once.
    Drop,
    /// Tell the application.
    Notify(Notice),
    /// Tell whoever sent this that it is acknowledged or dropped.
    Settle(Ticket, Settled),
    /// It is over.
    Closed { undelivered: usize },
}

/// How a request of the application ended.
#[derive(Debug)]
pub(crate) enum Settled {
    Acknowledged,
    Dropped,
    Twin(Result<TwinAnswer, TwinError>),
}

/// An [`Event`](crate::Event) without its handles.
#[derive(Debug)]
pub(crate) enum Notice {
    Assigned {
        place: Arc<Place>,
        payload: Option<Value>,
    },
    Connected,
    Disconnected {
        why: LinkError,
        retry_in: Duration,
    },
    Twin(TwinState),
    Desired {
        patch: Object,
        version: u64,
    },
    Input {
        name: String,
        message: Message,
        packet: u16,
    },
    CloudToDevice {
        message: Message,
        packet: u16,
    },
    Method {
        name: String,
        payload: Value,
        rid: String,
    },
}

/// A token's life, as far as it is known.
#[derive(Debug, Clone, Copy)]
pub(crate) struct TokenSpan {
    pub(crate) signed_at: Instant,
    pub(crate) life: Duration,
}
