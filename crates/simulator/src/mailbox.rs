//! What the hub wants one connection to do: deliveries to write, or to end.
//!
//! The hub fills it under its own lock; the connection's task empties it. It is bounded: a client that does not read
//! is disconnected rather than remembered, since every delivery that matters is kept elsewhere until acknowledged.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use tokio::sync::Notify;

use crate::lock;

/// Room that an emptied mailbox keeps: idle connections are the many.
const KEPT: usize = 16;
/// Deliveries a client may be behind before its connection is ended.
pub(crate) const CAPACITY: usize = 1024;

/// One PUBLISH to write.
#[derive(Debug, Clone)]
pub(crate) struct Delivery {
    pub(crate) topic: String,
    pub(crate) payload: Bytes,
    /// Present when the client has to acknowledge (QoS 1): what its PUBACK settles.
    pub(crate) settles: Option<Settles>,
    /// The client may have seen it before.
    pub(crate) duplicate: bool,
}

/// What a client's PUBACK means to the hub.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Settles {
    /// A cloud-to-device message, by its number in the device's queue.
    CloudToDevice(u64),
    /// A message on a module's input, by its number in the edge's store.
    EdgeInput(u64),
}

/// Why the hub ends a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum EndReason {
    TakenOver,
    LinkCut,
    Disabled,
    Removed,
    ProofChanged,
    CapabilityChanged,
    TokenExpired,
    Overrun,
    Replaced,
    ShuttingDown,
}

impl EndReason {
    pub(crate) fn text(self) -> &'static str {
        match self {
            Self::TakenOver => "400027 ConnectionForcefullyClosedOnNewConnection",
            Self::LinkCut => "the link was cut by a lever",
            Self::Disabled => "the device was disabled",
            Self::Removed => "the identity was removed",
            Self::ProofChanged => "what the identity signs in with was changed",
            Self::CapabilityChanged => "the device became an edge device, or is one no more",
            Self::TokenExpired => "401003 IotHubUnauthorized: the token has expired",
            Self::Overrun => "the client does not read what is sent to it",
            Self::Replaced => "the simulator went back to another state",
            Self::ShuttingDown => "the simulator is stopping",
        }
    }
}

#[derive(Debug, Default)]
pub(crate) struct Mailbox {
    inner: Mutex<Inner>,
    changed: Arc<Notify>,
}

#[derive(Debug, Default)]
struct Inner {
    deliveries: Vec<Delivery>,
    end: Option<EndReason>,
}

impl Mailbox {
    /// One that wakes whoever empties several.
    pub(crate) fn waking(changed: Arc<Notify>) -> Self {
        Self {
            inner: Mutex::default(),
            changed,
        }
    }

    /// There is something to fetch elsewhere.
    pub(crate) fn nudge(&self) {
        self.changed.notify_one();
    }

    pub(crate) fn push(&self, delivery: Delivery) {
        let mut inner = lock(&self.inner);
        if inner.deliveries.len() >= CAPACITY {
            inner.end.get_or_insert(EndReason::Overrun);
        } else {
            inner.deliveries.push(delivery);
        }
        drop(inner);
        self.changed.notify_one();
    }

    pub(crate) fn end(&self, reason: EndReason) {
        lock(&self.inner).end.get_or_insert(reason);
        self.changed.notify_one();
    }

    /// Why the connection is to end, if it is.
    pub(crate) fn ended(&self) -> Option<EndReason> {
        lock(&self.inner).end
    }

    /// Resolves once something may have changed; safe to drop and ask again.
    pub(crate) async fn changed(&self) {
        self.changed.notified().await;
    }

    /// Moves the waiting deliveries into `into`.
    ///
    /// # Errors
    /// The reason, when the connection is to end; what was waiting is then not delivered.
    pub(crate) fn take(&self, into: &mut Vec<Delivery>) -> Result<(), EndReason> {
        let mut inner = lock(&self.inner);
        match inner.end {
            Some(reason) => Err(reason),
            None => {
                into.append(&mut inner.deliveries);
                inner.deliveries.shrink_to(KEPT);
                Ok(())
            }
        }
    }
}
