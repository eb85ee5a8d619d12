//! What the hub has been told, and where it sends that.

use serde_json::Value;

use super::Simulator;
use crate::hub::{Hub, RoutingFault};
use crate::routing::{BUILT_IN, Definition};

impl Simulator {
    /// The sequence number the next event at the hub gets.
    #[must_use]
    pub fn next_event(&self) -> u64 {
        self.hub.next_event()
    }

    /// Events at the hub from `sequence` on, of one device or of all; and where to read on.
    #[must_use]
    pub fn events(&self, from: u64, device: Option<&str>, most: usize) -> (Vec<Value>, u64) {
        self.hub.events(from, device, most)
    }

    /// As [`Simulator::events`], at an endpoint of the hub's routing by its name; nothing where there is none.
    #[must_use]
    pub fn events_at(
        &self,
        endpoint: &str,
        from: u64,
        device: Option<&str>,
        most: usize,
    ) -> Option<(Vec<Value>, u64)> {
        self.hub.events_at(endpoint, from, device, most)
    }

    /// As [`Simulator::next_event`], at an endpoint.
    #[must_use]
    pub fn next_event_at(&self, endpoint: &str) -> Option<u64> {
        self.hub.next_event_at(endpoint)
    }

    /// Resolves when the built-in endpoint has more than it had at `from`.
    pub async fn events_after(&self, from: u64) {
        self.events_after_at(BUILT_IN, from).await;
    }

    /// Resolves when an endpoint has more than it had at `from`, or is gone.
    pub async fn events_after_at(&self, endpoint: &str, from: u64) {
        loop {
            let grown = self.hub.new_events.notified();
            if self.hub.has_grown(endpoint, from) {
                return;
            }
            grown.await;
        }
    }

    /// Puts a routing in force: the document that a hub's resource has as `properties.routing`.
    ///
    /// # Errors
    /// When it breaks rules, or cannot be kept.
    pub fn set_routing(&self, document: Value) -> Result<(), RoutingFault> {
        route(&self.hub, document)
    }
}

pub(super) fn route(hub: &Hub, document: Value) -> Result<(), RoutingFault> {
    let definition = Definition::read(document)?;
    hub.set_routing(definition).map_err(RoutingFault::Journal)
}
