//! What somebody wants an entry to be, and to become.

use hub_proto::dps::enrollment::{
    AllocationPolicy, Attestation, Capabilities, EnrollmentGroup, IndividualEnrollment,
    InitialProperties, Keys, ProvisioningStatus, ReprovisionPolicy, Terms,
};
use serde::Deserialize;
use serde_json::{Map, Value};
use utoipa::ToSchema;

use super::{Allocation, Registering, Reprovision, desired_of, tags_of};
use crate::problem::Problem;

/// The enrolment of one device, to be: with symmetric keys, which the service makes.
#[derive(Debug, Clone, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct NewEnrollment {
    /// Who may register: letters, digits and `-._:`.
    pub registration_id: String,
    /// What the hub is to call it; the registration id unless it is said.
    pub device_id: Option<String>,
    /// Whether it is an IoT Edge device.
    #[serde(default)]
    pub edge: bool,
    /// The tags its twin begins with.
    #[serde(default)]
    #[schema(value_type = Object)]
    pub tags: Map<String, Value>,
    /// The desired properties its twin begins with.
    #[serde(default)]
    #[schema(value_type = Object)]
    pub desired_properties: Map<String, Value>,
    /// Whether it may register.
    #[serde(default)]
    pub provisioning_status: Registering,
    /// How its hub is chosen.
    pub allocation_policy: Option<Allocation>,
    /// From which hubs; from all when there are none.
    #[serde(default)]
    pub iot_hubs: Vec<String>,
    /// What becomes of it when it registers again: `migrate` unless it is said.
    pub reprovision: Option<Reprovision>,
}

impl NewEnrollment {
    /// As the service is asked for it.
    pub(crate) fn entry(self) -> Result<IndividualEnrollment, Problem> {
        let registration_id = self
            .registration_id
            .parse()
            .map_err(|error| Problem::field("registrationId", format!("{error}")))?;
        if self.device_id.as_deref() == Some("") {
            return Err(Problem::field("deviceId", "must not be empty"));
        }
        Ok(IndividualEnrollment {
            registration_id,
            device_id: self.device_id,
            registration_state: None,
            terms: terms(
                self.edge,
                EntryChange {
                    tags: Some(self.tags),
                    desired_properties: Some(self.desired_properties),
                    provisioning_status: Some(self.provisioning_status),
                    allocation_policy: self.allocation_policy,
                    iot_hubs: Some(self.iot_hubs),
                    reprovision: Some(self.reprovision.unwrap_or(Reprovision::Migrate)),
                    device_id: None,
                },
            ),
        })
    }
}

/// A group, to be: with symmetric keys, which the service makes.
#[derive(Debug, Clone, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct NewGroup {
    /// Its name: letters, digits and `-._:`.
    pub enrollment_group_id: String,
    /// Whether its devices are IoT Edge devices.
    #[serde(default)]
    pub edge: bool,
    /// The tags their twins begin with.
    #[serde(default)]
    #[schema(value_type = Object)]
    pub tags: Map<String, Value>,
    /// The desired properties their twins begin with.
    #[serde(default)]
    #[schema(value_type = Object)]
    pub desired_properties: Map<String, Value>,
    /// Whether they may register.
    #[serde(default)]
    pub provisioning_status: Registering,
    /// How their hub is chosen.
    pub allocation_policy: Option<Allocation>,
    /// From which hubs; from all when there are none.
    #[serde(default)]
    pub iot_hubs: Vec<String>,
    /// What becomes of one that registers again: `migrate` unless it is said.
    pub reprovision: Option<Reprovision>,
}

impl NewGroup {
    /// As the service is asked for it.
    pub(crate) fn entry(self) -> Result<EnrollmentGroup, Problem> {
        // Groups are named by the same rule.
        let id: hub_proto::dps::registration::RegistrationId =
            self.enrollment_group_id.parse().map_err(|error| {
                let why = format!("{error}").replace("registration id", "group id");
                Problem::field("enrollmentGroupId", why)
            })?;
        Ok(EnrollmentGroup {
            enrollment_group_id: id.as_str().to_owned(),
            terms: terms(
                self.edge,
                EntryChange {
                    tags: Some(self.tags),
                    desired_properties: Some(self.desired_properties),
                    provisioning_status: Some(self.provisioning_status),
                    allocation_policy: self.allocation_policy,
                    iot_hubs: Some(self.iot_hubs),
                    reprovision: Some(self.reprovision.unwrap_or(Reprovision::Migrate)),
                    device_id: None,
                },
            ),
        })
    }
}

fn terms(edge: bool, change: EntryChange) -> Terms {
    let attestation = Attestation::SymmetricKey {
        symmetric_key: Keys::default(),
    };
    let mut terms = Terms {
        capabilities: Some(Capabilities { iot_edge: edge }),
        ..Terms::new(attestation)
    };
    apply(&mut terms, change);
    terms
}

/// What to change of an enrolment or a group; what is absent stays.
#[derive(Debug, Clone, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct EntryChange {
    /// What the hub is to call the device; not for groups.
    pub device_id: Option<String>,
    /// Merged into the tags key by key; `null` removes one.
    #[schema(value_type = Option<Object>)]
    pub tags: Option<Map<String, Value>>,
    /// Merged into the desired properties key by key; `null` removes one.
    #[schema(value_type = Option<Object>)]
    pub desired_properties: Option<Map<String, Value>>,
    /// Whether devices may register.
    pub provisioning_status: Option<Registering>,
    /// How a hub is chosen.
    pub allocation_policy: Option<Allocation>,
    /// From which hubs.
    pub iot_hubs: Option<Vec<String>>,
    /// What becomes of a device that registers again.
    pub reprovision: Option<Reprovision>,
}

/// Changes what is said, and leaves the rest.
pub(crate) fn apply(terms: &mut Terms, change: EntryChange) {
    let mut twin = terms.initial_twin.take().unwrap_or_default();
    if let Some(tags) = change.tags {
        merge(twin.tags.get_or_insert_default(), tags);
    }
    if let Some(desired) = change.desired_properties {
        let properties = twin
            .properties
            .get_or_insert_with(InitialProperties::default);
        merge(properties.desired.get_or_insert_default(), desired);
    }
    terms.initial_twin =
        (tags_of(&twin).next().is_some() || desired_of(&twin).next().is_some()).then_some(twin);
    if let Some(status) = change.provisioning_status {
        terms.provisioning_status = match status {
            Registering::Enabled => ProvisioningStatus::Enabled,
            Registering::Disabled => ProvisioningStatus::Disabled,
        };
    }
    if let Some(policy) = change.allocation_policy {
        terms.allocation_policy = Some(match policy {
            Allocation::Hashed => AllocationPolicy::Hashed,
            Allocation::GeoLatency => AllocationPolicy::GeoLatency,
            Allocation::Static => AllocationPolicy::Static,
        });
    }
    if let Some(hubs) = change.iot_hubs {
        terms.iot_hubs = (!hubs.is_empty()).then_some(hubs);
    }
    if let Some(reprovision) = change.reprovision {
        terms.reprovision_policy = Some(ReprovisionPolicy {
            update_hub_assignment: reprovision != Reprovision::Never,
            migrate_device_data: reprovision == Reprovision::Migrate,
        });
    }
}

/// Key by key, as twins are merged (RFC 7396): `null` removes.
fn merge(into: &mut Map<String, Value>, from: Map<String, Value>) {
    for (key, value) in from {
        match (into.get_mut(&key), value) {
            (_, Value::Null) => {
                into.shift_remove(&key);
            }
            (Some(Value::Object(inner)), Value::Object(value)) => merge(inner, value),
            (_, Value::Object(value)) => {
                let mut inner = Map::new();
                merge(&mut inner, value);
                into.insert(key, Value::Object(inner));
            }
            (_, value) => {
                into.insert(key, value);
            }
        }
    }
}
