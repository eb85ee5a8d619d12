//! Whom the provisioning service knows: enrolments, groups, and the records of those who registered.
//!
//! Plain data, serialised as it is into the journal. Ids are the same without case, so maps go by the lower-case form.

use std::collections::BTreeMap;

use hub_proto::dps::enrollment::{Attestation, EnrollmentGroup, IndividualEnrollment, Keys, Terms};
use hub_proto::dps::registration::{RegistrationId, RegistrationState};
use serde::{Deserialize, Serialize};

use crate::registry::StoredKey;

/// Everything the service keeps.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Registry {
    /// `0ne` and eight hexadecimal digits, drawn once.
    pub(crate) id_scope: String,
    /// Shared access policies by name.
    pub(crate) policies: BTreeMap<String, StoredKey>,
    pub(crate) enrollments: BTreeMap<String, IndividualEnrollment>,
    pub(crate) groups: BTreeMap<String, EnrollmentGroup>,
    pub(crate) registrations: BTreeMap<String, Record>,
    /// Which restoration brought this state, if one did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) restored: Option<String>,
}

/// The enrolment a device registered by.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Source {
    /// The individual enrolment of its registration id.
    Individual,
    /// A group, by its id as it was written.
    Group(String),
}

/// The record of one registration.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Record {
    /// What devices and operators are shown of it.
    pub(crate) state: RegistrationState,
    pub(crate) source: Source,
    /// The operation that led to it; a device may still ask about it after a restart.
    pub(crate) operation_id: String,
    /// Where the device is, also while a later attempt has failed.
    pub(crate) placed: Option<Placement>,
    /// Where it was and is still to be removed from.
    pub(crate) leaving: Option<Placement>,
}

/// A device in a hub.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Placement {
    pub(crate) hub: String,
    pub(crate) device_id: String,
}

impl Registry {
    pub(crate) fn enrollment(&self, id: &str) -> Option<&IndividualEnrollment> {
        self.enrollments.get(&id.to_ascii_lowercase())
    }

    pub(crate) fn group(&self, id: &str) -> Option<&EnrollmentGroup> {
        self.groups.get(&id.to_ascii_lowercase())
    }

    pub(crate) fn registration(&self, id: &str) -> Option<&Record> {
        self.registrations.get(&id.to_ascii_lowercase())
    }

    /// The device id an enrolment gives. A device that spells its registration id in another way than before is the
    /// same device.
    pub(crate) fn device_id(&self, id: &RegistrationId, source: &Source) -> String {
        let own = match source {
            Source::Individual => self.enrollment(id.as_str()).map(|enrollment| {
                let named = enrollment.device_id.as_deref().filter(|id| !id.is_empty());
                named.unwrap_or(enrollment.registration_id.as_str())
            }),
            Source::Group(_) => self
                .registration(id.as_str())
                .and_then(|record| record.placed.as_ref())
                .map(|placed| placed.device_id.as_str())
                .filter(|before| before.eq_ignore_ascii_case(id.as_str())),
        };
        own.unwrap_or(id.as_str()).to_owned()
    }

    /// Records of the devices that registered by a group.
    pub(crate) fn registrations_of<'a>(
        &'a self,
        group: &'a str,
    ) -> impl Iterator<Item = &'a Record> {
        self.registrations.values().filter(move |record| {
            matches!(&record.source, Source::Group(of) if of.eq_ignore_ascii_case(group))
        })
    }
}

/// The symmetric keys of an enrolment, if that is what proves its devices.
pub(crate) fn keys(terms: &Terms) -> Option<&Keys> {
    match &terms.attestation {
        Attestation::SymmetricKey { symmetric_key } => Some(symmetric_key),
        Attestation::X509 { .. } | Attestation::Tpm { .. } => None,
    }
}
