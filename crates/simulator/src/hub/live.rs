//! What a hub knows of a client while it is connected. In memory only.

use std::collections::HashMap;
use std::sync::Arc;

use jiff::Timestamp;
use tokio::time::Instant;

use super::Face;
use crate::edge::Endpoint;
use crate::mailbox::Mailbox;
use crate::registry::Filter;

/// A connected client.
#[derive(Debug)]
pub(super) struct Live {
    /// Tells this connection from earlier ones of the same identity.
    pub(super) connection: u64,
    pub(super) face: Face,
    pub(super) mailbox: Arc<Mailbox>,
    pub(super) since: Timestamp,
    /// The input message this module has not acknowledged yet: edge hubs send one at a time.
    pub(super) in_flight: Option<InFlight>,
    /// When cloud-to-device messages went out on this connection that still wait, by their number in the queue.
    pub(super) locked: HashMap<u64, Instant>,
    /// What it listens to, where it says so by links.
    pub(super) links: Option<Vec<Filter>>,
}

#[derive(Debug)]
pub(super) struct InFlight {
    pub(super) sequence: u64,
    pub(super) endpoint: Endpoint,
    pub(super) sent: Instant,
}
