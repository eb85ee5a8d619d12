//! The registry and the event log, looked through by people.

use hub_proto::identity::Identity;
use serde_json::Value;

use super::Simulator;
use crate::control::dps_overview;
use crate::dps::EnrollFault;
use crate::events::EventFilter;
use crate::hub::{
    DevicePage, DeviceSearch, EventBounds, FoundEvents, IdentityDetail, IdentityFault, PageFrom,
    TwinFault, WaitingMessage,
};
use crate::precondition::Precondition;

impl Simulator {
    /// A page of the devices a search finds, by id. A search goes through all of them, and gives way in between; what
    /// changes meanwhile may be seen as it was before or after.
    pub async fn device_page(
        &self,
        search: &DeviceSearch,
        from: PageFrom<'_>,
        most: usize,
    ) -> DevicePage {
        self.hub.device_page(search, from, most).await
    }

    /// A device or a module, looked at closely; nothing when it is not registered.
    #[must_use]
    pub fn identity_detail(&self, target: &Identity) -> Option<IdentityDetail> {
        self.hub.identity_detail(target)
    }

    /// The cloud-to-device messages that wait for a device, oldest first; nothing when it is not registered.
    #[must_use]
    pub fn queue(&self, device: &str) -> Option<Vec<WaitingMessage>> {
        self.hub.queue(device)
    }

    /// Forgets the cloud-to-device messages that wait for a device; returns how many these were.
    ///
    /// # Errors
    /// When it is not registered.
    pub fn purge(&self, device: &Identity) -> Result<usize, IdentityFault> {
        self.hub.purge(device)
    }

    /// As [`Simulator::patch_twin`], if the twin's entity tag still is this one.
    ///
    /// # Errors
    /// As there, or when somebody else has changed the twin.
    pub fn patch_twin_when(
        &self,
        target: &Identity,
        document: Value,
        etag: Option<&str>,
    ) -> Result<Value, TwinFault> {
        let when = Precondition::of_header(etag);
        self.hub.update_twin_when(target, document, false, when)
    }

    /// Looks through the event log from the sequence number `from` on.
    #[must_use]
    pub fn find_events(&self, filter: &EventFilter, from: u64, bounds: EventBounds) -> FoundEvents {
        self.hub.find_events(filter, from, bounds)
    }

    /// The provisioning service's enrolments, groups and registrations, without keys, as `GET /control/dps` shows them.
    ///
    /// # Errors
    /// When its journal cannot be written.
    pub fn enrolments(&self) -> Result<Value, EnrollFault> {
        dps_overview(self)
    }

    /// The newest attempts to register, newest first; of one registration id, or of all.
    #[must_use]
    pub fn registration_attempts(&self, registration_id: Option<&str>) -> Value {
        // Plain data: there is nothing in it that JSON could not say.
        serde_json::to_value(self.dps.attempts(registration_id)).unwrap_or_default()
    }
}
