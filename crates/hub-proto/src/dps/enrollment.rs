//! What an operator enrols: the documents of the service's REST API.
//!
//! Whoever may write them may read their keys, so they are serialised in the clear; what is shown to
//! others goes through [`Terms::without_keys`]. Fields this crate does not know are kept.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value};

use super::registration::{RegistrationId, RegistrationState};
use crate::sas::SymmetricKey;

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

/// What proves a device.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(
    tag = "type",
    rename_all = "camelCase",
    rename_all_fields = "camelCase"
)]
pub enum Attestation {
    /// A key, or for a group the key from which each device's is derived.
    SymmetricKey {
        /// The keys; the service makes those that are missing.
        #[serde(default, skip_serializing_if = "Keys::is_empty")]
        symmetric_key: Keys,
    },
    /// A certificate.
    X509 {
        /// Which one, or which authority's.
        x509: Box<X509Attestation>,
    },
    /// A trusted platform module.
    Tpm {
        /// Its endorsement and storage root key.
        tpm: Value,
    },
}

/// Primary and secondary key, either of which proves a device.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Keys {
    /// The first.
    #[serde(default, with = "base64_key", skip_serializing_if = "Option::is_none")]
    pub primary_key: Option<SymmetricKey>,
    /// The second, so that the first can be changed while devices use this one.
    #[serde(default, with = "base64_key", skip_serializing_if = "Option::is_none")]
    pub secondary_key: Option<SymmetricKey>,
}

impl Keys {
    /// Whether there is no key at all.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.primary_key.is_none() && self.secondary_key.is_none()
    }

    /// The keys that are there, primary first.
    pub fn iter(&self) -> impl Iterator<Item = &SymmetricKey> {
        self.primary_key.iter().chain(&self.secondary_key)
    }
}

/// Clients send an empty or a null key where the service is to make one.
mod base64_key {
    use super::{Deserialize, Deserializer, Serializer, SymmetricKey};

    #[expect(clippy::ref_option, reason = "serde asks for this signature")]
    pub(super) fn serialize<S: Serializer>(
        key: &Option<SymmetricKey>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match key {
            Some(key) => serializer.serialize_str(&key.to_base64()),
            None => serializer.serialize_none(),
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<SymmetricKey>, D::Error> {
        Option::<String>::deserialize(deserializer)?
            .filter(|text| !text.trim().is_empty())
            .map(|text| SymmetricKey::from_base64(&text).map_err(serde::de::Error::custom))
            .transpose()
    }
}

/// Which certificates prove a device.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct X509Attestation {
    /// The device's own certificate, for an individual enrolment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_certificates: Option<CertificatePair>,
    /// The authority that signs devices' certificates, for a group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signing_certificates: Option<CertificatePair>,
    /// Authorities the service has verified before, by name.
    #[serde(
        default,
        rename = "caReferences",
        skip_serializing_if = "Option::is_none"
    )]
    pub ca_references: Option<CaReferences>,
}

/// Primary and secondary certificate.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct CertificatePair {
    /// The first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub primary: Option<Certificate>,
    /// The second, to roll over to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secondary: Option<Certificate>,
}

/// A certificate: on the way in its text, on the way out what it says.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Certificate {
    /// PEM, or base64 of DER.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate: Option<String>,
    /// What the service read in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub info: Option<CertificateInfo>,
}

/// What a certificate says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CertificateInfo {
    /// Whose it is.
    pub subject_name: String,
    /// SHA-1 of the DER, in hexadecimal digits.
    pub sha1_thumbprint: String,
    /// SHA-256 of the DER, in hexadecimal digits.
    pub sha256_thumbprint: String,
    /// Who signed it.
    pub issuer_name: String,
    /// From when it counts.
    pub not_before_utc: String,
    /// Until when it counts.
    pub not_after_utc: String,
    /// Its number.
    pub serial_number: String,
    /// Its version, 3.
    pub version: u32,
}

/// Authorities by name.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CaReferences {
    /// The first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub primary: Option<String>,
    /// The second.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secondary: Option<String>,
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

/// A change of many enrolments in one request, ten at most.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Bulk {
    /// What to do.
    pub mode: BulkMode,
    /// With which single enrolments.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub enrollments: Vec<IndividualEnrollment>,
    /// With which groups.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub enrollment_groups: Vec<EnrollmentGroup>,
}

/// What a [`Bulk`] does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum BulkMode {
    /// Makes new ones.
    #[serde(rename = "create")]
    Create,
    /// Overwrites.
    #[serde(rename = "update")]
    Update,
    /// Overwrites where the entity tag is the one given.
    #[serde(rename = "updateIfMatchETag")]
    UpdateIfMatchEtag,
    /// Removes.
    #[serde(rename = "delete")]
    Delete,
}

/// How a [`Bulk`] went.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BulkResult {
    /// Whether all of it was done.
    pub is_successful: bool,
    /// What was not, one entry each.
    #[serde(default)]
    pub errors: Vec<BulkError>,
}

/// One part of a [`Bulk`] that was not done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BulkError {
    /// Of which enrolment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub registration_id: Option<String>,
    /// Of which group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enrollment_group_id: Option<String>,
    /// The service's number.
    pub error_code: u32,
    /// Why, for people.
    pub error_status: String,
}
