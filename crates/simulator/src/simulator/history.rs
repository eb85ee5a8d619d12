//! What can be looked up of what was.

use hub_proto::identity::Identity;

use super::Simulator;
use crate::history::{ConnectionEvent, TwinRevisions};
use crate::hub::TwinFault;

impl Simulator {
    /// The connection log, newest first: of a device with its modules, or of everybody. It is kept in memory, the
    /// newest of each.
    #[must_use]
    pub fn connections(&self, device: Option<&Identity>, most: usize) -> Vec<ConnectionEvent> {
        self.hub.connections.newest(device, most)
    }

    /// A twin and what is remembered of how it became what it is, since the start.
    ///
    /// # Errors
    /// When nobody is registered under the name.
    pub fn twin_history(&self, target: &Identity) -> Result<TwinRevisions, TwinFault> {
        self.hub.twin_history(target)
    }
}
