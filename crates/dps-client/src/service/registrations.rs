//! Records of registrations: which device came to which hub.

use hub_proto::dps::registration::{RegistrationId, RegistrationState};
use hub_proto::percent;
use transport::http::Method;

use super::pages::Pages;
use super::{Call, Service, ServiceError, accepted};

/// The records of registrations.
#[derive(Debug, Clone, Copy)]
pub struct Registrations<'a> {
    service: &'a Service,
}

impl<'a> Registrations<'a> {
    pub(super) const fn new(service: &'a Service) -> Self {
        Self { service }
    }

    /// The record of one device.
    ///
    /// # Errors
    /// [`ServiceError::NotFound`] when it never registered, and as every request.
    pub async fn get(&self, id: &RegistrationId) -> Result<RegistrationState, ServiceError> {
        let call = Call::new(Method::GET, path(id.as_str(), ""));
        self.service.document(call, "registration").await
    }

    /// Forgets a record: the device's next registration counts as its first. It stays in its hub. With an entity
    /// tag, only if the record has not changed since that was read.
    ///
    /// # Errors
    /// [`ServiceError::NotFound`], [`ServiceError::Changed`], and as every request.
    pub async fn delete(
        &self,
        id: &RegistrationId,
        etag: Option<&str>,
    ) -> Result<(), ServiceError> {
        let call = Call::new(Method::DELETE, path(id.as_str(), "")).if_match(etag);
        accepted(self.service.call(call).await?).map(drop)
    }

    /// The records of a group's devices, a page at a time. Without a page size, the service chooses.
    #[must_use]
    pub fn of_group(&self, group: &str, page_size: Option<u32>) -> Pages<'a, RegistrationState> {
        // The group is in the path; the query's text is the one the C# samples send.
        let query = "SELECT * FROM enrollmentGroups";
        Pages::new(self.service, path(group, "/query"), query, page_size)
    }
}

fn path(id: &str, rest: &str) -> String {
    format!("/registrations/{}{rest}", percent::encode(id))
}
