//! What is asked of an enrolment, and what is shown of one: the same for single devices and for groups, and never a key.

use hub_proto::dps::enrollment::{
    AllocationPolicy, Attestation, Capabilities, EnrollmentGroup, IndividualEnrollment,
    InitialProperties, InitialTwin, Keys, ProvisioningStatus, ReprovisionPolicy, Terms,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::problem::Problem;

/// Whether devices may register.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Registering {
    /// They may.
    #[default]
    Enabled,
    /// They may not.
    Disabled,
}

/// How a hub is chosen, where there are several.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Allocation {
    /// Spread evenly, always the same for the same device.
    Hashed,
    /// The nearest.
    GeoLatency,
    /// The one that `iotHubs` names.
    Static,
}

/// What becomes of a device that registers again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Reprovision {
    /// It stays where it is.
    Never,
    /// Its hub is chosen anew, and its twin comes along.
    Migrate,
    /// Its hub is chosen anew, and its twin begins anew.
    Reset,
}

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

/// An enrolment or a group, without its keys.
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct EntryView {
    /// Who may register; of an enrolment.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub registration_id: Option<String>,
    /// What the hub calls the device; of an enrolment.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device_id: Option<String>,
    /// Its name; of a group.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enrollment_group_id: Option<String>,
    /// What devices prove themselves with: `symmetricKey`, `x509` or `tpm`.
    pub attestation: &'static str,
    /// Whether devices are IoT Edge devices.
    pub edge: bool,
    /// The tags twins begin with.
    #[schema(value_type = Object)]
    pub tags: Map<String, Value>,
    /// The desired properties twins begin with.
    #[schema(value_type = Object)]
    pub desired_properties: Map<String, Value>,
    /// Whether devices may register.
    pub provisioning_status: Registering,
    /// How a hub is chosen; absent where a webhook of the service does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allocation_policy: Option<Allocation>,
    /// From which hubs; from all when there are none.
    pub iot_hubs: Vec<String>,
    /// What becomes of a device that registers again.
    pub reprovision: Reprovision,
    /// When it was made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub created_at: Option<String>,
    /// When it last changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub updated_at: Option<String>,
    /// Its entity tag at the provisioning service.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub etag: Option<String>,
}

/// What the two kinds have in common.
pub(crate) trait Entry: dps_client::service::Enrolled {
    /// What it is called.
    const WHAT: &'static str;

    /// Its name.
    fn name(&self) -> &str;
    /// What it says.
    fn said(&self) -> &Terms;
    /// The same, to change it.
    fn said_mut(&mut self) -> &mut Terms;
    /// The device's name at its hub, where there is one device.
    fn set_device_id(&mut self, id: String) -> Result<(), Problem>;
    /// The part of the view that differs.
    fn name_view(&self, view: &mut EntryView);
}

impl Entry for IndividualEnrollment {
    const WHAT: &'static str = "enrolment";

    fn name(&self) -> &str {
        self.registration_id.as_str()
    }

    fn said(&self) -> &Terms {
        &self.terms
    }

    fn said_mut(&mut self) -> &mut Terms {
        &mut self.terms
    }

    fn set_device_id(&mut self, id: String) -> Result<(), Problem> {
        self.device_id = Some(id);
        Ok(())
    }

    fn name_view(&self, view: &mut EntryView) {
        view.registration_id = Some(self.registration_id.to_string());
        view.device_id = self
            .device_id
            .clone()
            .or_else(|| view.registration_id.clone());
    }
}

impl Entry for EnrollmentGroup {
    const WHAT: &'static str = "enrolment group";

    fn name(&self) -> &str {
        &self.enrollment_group_id
    }

    fn said(&self) -> &Terms {
        &self.terms
    }

    fn said_mut(&mut self) -> &mut Terms {
        &mut self.terms
    }

    fn set_device_id(&mut self, _: String) -> Result<(), Problem> {
        Err(Problem::field("deviceId", "a group has many devices"))
    }

    fn name_view(&self, view: &mut EntryView) {
        view.enrollment_group_id = Some(self.enrollment_group_id.clone());
    }
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

fn tags_of(twin: &InitialTwin) -> impl Iterator<Item = (&String, &Value)> {
    twin.tags.iter().flatten()
}

fn desired_of(twin: &InitialTwin) -> impl Iterator<Item = (&String, &Value)> {
    twin.desired().into_iter().flatten()
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

/// What is shown of it.
pub(crate) fn view<T: Entry>(entry: &T) -> EntryView {
    let terms = entry.said();
    let policy = terms.reprovision_policy;
    let twin = terms.initial_twin.as_ref();
    let copy = |(key, value): (&String, &Value)| (key.clone(), value.clone());
    let mut view = EntryView {
        registration_id: None,
        device_id: None,
        enrollment_group_id: None,
        attestation: match terms.attestation {
            Attestation::SymmetricKey { .. } => "symmetricKey",
            Attestation::X509 { .. } => "x509",
            Attestation::Tpm { .. } => "tpm",
        },
        edge: terms.is_edge(),
        tags: twin.into_iter().flat_map(tags_of).map(copy).collect(),
        desired_properties: twin.into_iter().flat_map(desired_of).map(copy).collect(),
        provisioning_status: match terms.provisioning_status {
            ProvisioningStatus::Enabled => Registering::Enabled,
            ProvisioningStatus::Disabled => Registering::Disabled,
        },
        allocation_policy: match terms.allocation_policy {
            Some(AllocationPolicy::Hashed) => Some(Allocation::Hashed),
            Some(AllocationPolicy::GeoLatency) => Some(Allocation::GeoLatency),
            Some(AllocationPolicy::Static) => Some(Allocation::Static),
            Some(AllocationPolicy::Custom) | None => None,
        },
        iot_hubs: terms.iot_hubs.clone().unwrap_or_default(),
        reprovision: match policy {
            Some(policy) if policy.migrate_device_data => Reprovision::Migrate,
            Some(policy) if policy.update_hub_assignment => Reprovision::Reset,
            _ => Reprovision::Never,
        },
        created_at: terms.created_date_time_utc.clone(),
        updated_at: terms.last_updated_date_time_utc.clone(),
        etag: terms.etag.clone(),
    };
    entry.name_view(&mut view);
    view
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn object(value: Value) -> Map<String, Value> {
        value.as_object().expect("an object").clone()
    }

    #[test]
    fn a_change_merges_key_by_key_and_leaves_the_rest() {
        let new = NewEnrollment {
            registration_id: "pump7".to_owned(),
            tags: object(json!({"town": "Herstal", "floor": {"level": 1, "side": "east"}})),
            edge: true,
            ..NewEnrollment::default()
        };
        let mut entry = new.entry().expect("an enrolment");
        assert!(
            entry
                .terms
                .initial_twin
                .as_ref()
                .expect("a twin")
                .desired()
                .is_none_or(Map::is_empty)
        );
        let change = EntryChange {
            tags: Some(object(json!({"town": null, "floor": {"level": 2}}))),
            desired_properties: Some(object(json!({"period": 8}))),
            provisioning_status: Some(Registering::Disabled),
            ..EntryChange::default()
        };
        apply(&mut entry.terms, change);
        let shown = view(&entry);
        assert_eq!(
            Value::Object(shown.tags),
            json!({"floor": {"level": 2, "side": "east"}})
        );
        assert_eq!(
            Value::Object(shown.desired_properties),
            json!({"period": 8})
        );
        assert_eq!(shown.provisioning_status, Registering::Disabled);
        assert_eq!(shown.reprovision, Reprovision::Migrate);
        assert!(shown.edge);
        assert_eq!(shown.device_id.as_deref(), Some("pump7"));
    }

    #[test]
    fn names_are_looked_at() {
        for id in ["", "a b", "x.", &"x".repeat(129)] {
            let new = NewEnrollment {
                registration_id: id.to_owned(),
                ..NewEnrollment::default()
            };
            let problem = new.entry().expect_err("no id");
            assert_eq!(problem.field.as_deref(), Some("registrationId"), "{id}");
        }
        let group = NewGroup {
            enrollment_group_id: "a/b".to_owned(),
            ..NewGroup::default()
        };
        let problem = group.entry().expect_err("no id");
        assert_eq!(problem.field.as_deref(), Some("enrollmentGroupId"));
        assert!(problem.detail.contains("group id"), "{}", problem.detail);
    }
}
