//! What is asked of an enrolment, and what is shown of one: the same for single devices and for groups, and never a key.

mod wanted;

use hub_proto::dps::enrollment::{
    AllocationPolicy, Attestation, EnrollmentGroup, IndividualEnrollment, InitialTwin,
    ProvisioningStatus, Terms,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

pub(crate) use self::wanted::{EntryChange, NewEnrollment, NewGroup, apply};
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

fn tags_of(twin: &InitialTwin) -> impl Iterator<Item = (&String, &Value)> {
    twin.tags.iter().flatten()
}

fn desired_of(twin: &InitialTwin) -> impl Iterator<Item = (&String, &Value)> {
    twin.desired().into_iter().flatten()
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
