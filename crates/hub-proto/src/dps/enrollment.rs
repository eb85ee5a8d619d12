//! What an operator enrols: the documents of the service's REST API.
//!
//! Whoever may write them may read their keys, so they are serialised in the clear; what is shown to
//! others goes through [`Terms::without_keys`]. Fields this crate does not know are kept.

mod attestation;
mod bulk;

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

pub use attestation::{
    Attestation, CaReferences, Certificate, CertificateInfo, CertificatePair, Keys, X509Attestation,
};
pub use bulk::{Bulk, BulkError, BulkMode, BulkResult};

use super::registration::{RegistrationId, RegistrationState};

/// The api-version of the service API.
pub const SERVICE_API_VERSION: &str = "2021-10-01";

/// The policy that may do everything with the service API.
pub const OWNER_POLICY: &str = "provisioningserviceowner";

/// One device's enrolment.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct IndividualEnrollment {
    /// Who may register.
    pub registration_id: RegistrationId,
    /// The device's id in the hub; the registration id when there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device_id: Option<String>,
    /// How far its registration is. The service writes this, nobody else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub registration_state: Option<RegistrationState>,
    /// What proves the device, and what it is given.
    #[serde(flatten)]
    pub terms: Terms,
}

/// An enrolment for many devices: each with a key derived from the group's, or a certificate below its authority.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EnrollmentGroup {
    /// The group's name.
    pub enrollment_group_id: String,
    /// What proves a device, and what it is given.
    #[serde(flatten)]
    pub terms: Terms,
}

/// What both kinds of enrolment say.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Terms {
    /// What a device proves itself with.
    pub attestation: Attestation,
    /// What the device is able to be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub capabilities: Option<Capabilities>,
    /// The hub, for [`AllocationPolicy::Static`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub iot_hub_host_name: Option<String>,
    /// What the twin begins with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub initial_twin: Option<InitialTwin>,
    /// Whether devices may register.
    #[serde(default)]
    pub provisioning_status: ProvisioningStatus,
    /// What becomes of a device that registers again; without one it stays where it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reprovision_policy: Option<ReprovisionPolicy>,
    /// How a hub is chosen; the service's own policy when there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allocation_policy: Option<AllocationPolicy>,
    /// Which hubs to choose from; all linked ones when there are none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub iot_hubs: Option<Vec<String>>,
    /// Whom to ask, for [`AllocationPolicy::Custom`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub custom_allocation_definition: Option<CustomAllocation>,
    /// The entity tag, with its quotes inside the text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub etag: Option<String>,
    /// When it was made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_date_time_utc: Option<String>,
    /// When it last changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_updated_date_time_utc: Option<String>,
    /// Everything else, such as `optionalDeviceInformation`.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

impl Terms {
    /// An enabled enrolment with everything else as the service has it by default.
    #[must_use]
    pub fn new(attestation: Attestation) -> Self {
        Self {
            attestation,
            capabilities: None,
            iot_hub_host_name: None,
            initial_twin: None,
            provisioning_status: ProvisioningStatus::Enabled,
            reprovision_policy: None,
            allocation_policy: None,
            iot_hubs: None,
            custom_allocation_definition: None,
            etag: None,
            created_date_time_utc: None,
            last_updated_date_time_utc: None,
            other: Map::new(),
        }
    }

    /// The same, fit to be shown: symmetric keys are left out.
    #[must_use]
    pub fn without_keys(&self) -> Self {
        let mut shown = self.clone();
        if let Attestation::SymmetricKey { symmetric_key } = &mut shown.attestation {
            *symmetric_key = Keys::default();
        }
        shown
    }

    /// Whether its devices are IoT Edge devices.
    #[must_use]
    pub fn is_edge(&self) -> bool {
        self.capabilities
            .as_ref()
            .is_some_and(|capabilities| capabilities.iot_edge)
    }
}

/// What a device is able to be.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Capabilities {
    /// An IoT Edge device, which runs modules.
    #[serde(default)]
    pub iot_edge: bool,
}

/// What a twin begins with.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct InitialTwin {
    /// The twin's tags.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tags: Option<Map<String, Value>>,
    /// The twin's properties.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub properties: Option<InitialProperties>,
}

impl InitialTwin {
    /// The desired properties, if there are any.
    #[must_use]
    pub fn desired(&self) -> Option<&Map<String, Value>> {
        self.properties.as_ref()?.desired.as_ref()
    }
}

/// The properties a twin begins with.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct InitialProperties {
    /// Those the service desires.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub desired: Option<Map<String, Value>>,
}

/// Whether devices may register.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ProvisioningStatus {
    /// They may.
    #[default]
    Enabled,
    /// They may not.
    Disabled,
}

/// How a hub is chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum AllocationPolicy {
    /// Spread evenly, by weight, always the same for the same device.
    Hashed,
    /// The nearest.
    GeoLatency,
    /// The one the enrolment names.
    Static,
    /// The one a webhook names.
    Custom,
}

/// What becomes of a device that registers again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ReprovisionPolicy {
    /// Whether its hub is chosen anew.
    #[serde(default)]
    pub update_hub_assignment: bool,
    /// Whether its twin moves along; otherwise it begins anew.
    #[serde(default)]
    pub migrate_device_data: bool,
}

/// Whom to ask for a hub.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CustomAllocation {
    /// Where to send the question. Often holds a secret, so `Debug` does not show it.
    pub webhook_url: String,
    /// The version of the question's form.
    pub api_version: String,
}

impl fmt::Debug for CustomAllocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CustomAllocation")
            .field("api_version", &self.api_version)
            .finish_non_exhaustive()
    }
}
