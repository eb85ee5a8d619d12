//! The administration of enrolments, as the service API and the control API ask for it.

use std::io;

use hub_proto::dps::enrollment::{
    AllocationPolicy, Attestation, EnrollmentGroup, IndividualEnrollment, Keys, ReprovisionPolicy,
    Terms,
};
use hub_proto::dps::error::DpsErrorCode;
use hub_proto::dps::registration::{
    RegistrationId, RegistrationIdError, RegistrationState, Status,
};
use hub_proto::identity::Identity;
use hub_proto::sas::SymmetricKey;
use hub_proto::time;
use jiff::Timestamp;
use thiserror::Error;

use super::change::Change;
use super::registry::keys;
use super::{Core, Dps, attestation};
use crate::hub::check_initial_twin;
use crate::outgoing::Url;
use crate::precondition::{Mismatch, Precondition};

/// Bytes the service takes for a key, and makes one of.
const KEY_BYTES: std::ops::RangeInclusive<usize> = 16..=64;

/// Why an enrolment was not written, read or removed.
#[derive(Debug, Error)]
pub enum EnrollFault {
    /// The document breaks a rule.
    #[error("{0}")]
    Document(String),
    /// An id breaks the rules.
    #[error("the id cannot be used")]
    Id(#[from] RegistrationIdError),
    /// No such enrolment, group or registration.
    #[error("{0} not found.")]
    NotFound(&'static str),
    /// It is there already, and was to be new.
    #[error("{0} is enrolled already")]
    Exists(String),
    /// The entity tag is another one.
    #[error("the entity tag does not match: somebody else has changed {0}")]
    Precondition(String),
    /// It could not be kept.
    #[error("the journal cannot be written")]
    Journal(#[source] io::Error),
}

impl EnrollFault {
    /// The service's number for it.
    pub(crate) const fn code(&self) -> DpsErrorCode {
        match self {
            Self::Document(_) | Self::Id(_) => DpsErrorCode::BadRequest,
            Self::NotFound(_) => DpsErrorCode::NotFound,
            Self::Exists(_) => DpsErrorCode::Conflict,
            Self::Precondition(_) => DpsErrorCode::PreconditionFailed,
            Self::Journal(_) => DpsErrorCode::Internal,
        }
    }
}

/// Holds a precondition against what is there.
fn check(
    when: Precondition<'_>,
    kind: &'static str,
    id: &str,
    stored: Option<&Terms>,
) -> Result<(), EnrollFault> {
    let stored = stored.map(|terms| terms.etag.as_deref().unwrap_or_default());
    when.check(stored).map_err(|mismatch| match mismatch {
        Mismatch::Exists => EnrollFault::Exists(id.to_owned()),
        Mismatch::Missing => EnrollFault::NotFound(kind),
        Mismatch::Changed => EnrollFault::Precondition(id.to_owned()),
    })
}

const ENROLLMENT: &str = "Enrollment";
const GROUP: &str = "Enrollment group";
const REGISTRATION: &str = "Registration";

impl Dps {
    /// Writes an individual enrolment; makes the keys it lacks. Returns it as it is kept, with its keys.
    pub(crate) fn put_enrollment(
        &self,
        id: &str,
        mut enrollment: IndividualEnrollment,
        when: Precondition<'_>,
    ) -> Result<IndividualEnrollment, EnrollFault> {
        let mut core = self.lock();
        if !enrollment.registration_id.as_str().eq_ignore_ascii_case(id) {
            let other = &enrollment.registration_id;
            return Err(EnrollFault::Document(format!(
                "The path is {id}'s and the body {other}'s."
            )));
        }
        if let Some(device_id) = enrollment.device_id.as_deref().filter(|id| !id.is_empty()) {
            Identity::device(device_id)
                .map_err(|error| EnrollFault::Document(error.to_string()))?;
        }
        let stored = core.registry.enrollment(id).map(|known| &known.terms);
        check(when, ENROLLMENT, id, stored)?;
        enrollment.terms = self.complete(enrollment.terms, stored, false, &|name| {
            self.authority(name)
        })?;
        // The service writes this, whatever was sent back to it.
        enrollment.registration_state = None;
        core.record(Change::EnrollmentPut {
            enrollment: Box::new(enrollment.clone()),
        });
        core.commit().map_err(EnrollFault::Journal)?;
        enrollment.registration_state = Some(core.state_of(&enrollment.registration_id));
        Ok(enrollment)
    }

    /// Writes a group; makes the keys it lacks. Returns it as it is kept, with its keys.
    pub(crate) fn put_group(
        &self,
        id: &str,
        mut group: EnrollmentGroup,
        when: Precondition<'_>,
    ) -> Result<EnrollmentGroup, EnrollFault> {
        let mut core = self.lock();
        // Groups' ids have the form of registration ids.
        group.enrollment_group_id.parse::<RegistrationId>()?;
        if !group.enrollment_group_id.eq_ignore_ascii_case(id) {
            let other = &group.enrollment_group_id;
            return Err(EnrollFault::Document(format!(
                "The path is {id}'s and the body {other}'s."
            )));
        }
        let stored = core.registry.group(id).map(|known| &known.terms);
        check(when, GROUP, id, stored)?;
        group.terms = self.complete(group.terms, stored, true, &|name| self.authority(name))?;
        core.record(Change::GroupPut {
            group: Box::new(group.clone()),
        });
        core.commit().map_err(EnrollFault::Journal)?;
        Ok(group)
    }

    /// An individual enrolment with its keys and how far its registration is.
    pub(crate) fn enrollment(&self, id: &str) -> Result<IndividualEnrollment, EnrollFault> {
        let core = self.lock_kept().map_err(EnrollFault::Journal)?;
        let mut enrollment = core
            .registry
            .enrollment(id)
            .cloned()
            .ok_or(EnrollFault::NotFound(ENROLLMENT))?;
        enrollment.registration_state = Some(core.state_of(&enrollment.registration_id));
        Ok(enrollment)
    }

    /// A group with its keys.
    pub(crate) fn group(&self, id: &str) -> Result<EnrollmentGroup, EnrollFault> {
        let core = self.lock_kept().map_err(EnrollFault::Journal)?;
        let group = core.registry.group(id).cloned();
        group.ok_or(EnrollFault::NotFound(GROUP))
    }

    /// Every individual enrolment by id, as a query shows them: without registrations.
    pub(crate) fn enrollments(&self) -> Result<Vec<IndividualEnrollment>, EnrollFault> {
        let core = self.lock_kept().map_err(EnrollFault::Journal)?;
        Ok(core.registry.enrollments.values().cloned().collect())
    }

    /// Every group by id.
    pub(crate) fn groups(&self) -> Result<Vec<EnrollmentGroup>, EnrollFault> {
        let core = self.lock_kept().map_err(EnrollFault::Journal)?;
        Ok(core.registry.groups.values().cloned().collect())
    }

    /// Forgets an individual enrolment and its registration. The device stays in its hub.
    pub(crate) fn remove_enrollment(
        &self,
        id: &str,
        when: Precondition<'_>,
    ) -> Result<(), EnrollFault> {
        let mut core = self.lock();
        let stored = core.registry.enrollment(id).map(|known| &known.terms);
        check(when, ENROLLMENT, id, stored)?;
        stored.ok_or(EnrollFault::NotFound(ENROLLMENT))?;
        let id = id.to_owned();
        core.record(Change::EnrollmentRemoved { id });
        core.commit().map_err(EnrollFault::Journal)
    }

    /// Forgets a group and its devices' registrations. The devices stay in their hubs.
    pub(crate) fn remove_group(&self, id: &str, when: Precondition<'_>) -> Result<(), EnrollFault> {
        let mut core = self.lock();
        let stored = core.registry.group(id).map(|known| &known.terms);
        check(when, GROUP, id, stored)?;
        stored.ok_or(EnrollFault::NotFound(GROUP))?;
        let id = id.to_owned();
        core.record(Change::GroupRemoved { id });
        core.commit().map_err(EnrollFault::Journal)
    }

    /// The key a device of a group registers with, derived from the primary one.
    pub(crate) fn derive_key(
        &self,
        group: &str,
        id: &RegistrationId,
    ) -> Result<SymmetricKey, EnrollFault> {
        let group = self.group(group)?;
        let primary = keys(&group.terms).and_then(|keys| keys.primary_key.as_ref());
        primary
            .map(|key| key.derive(id.as_str()))
            .ok_or_else(no_keys)
    }

    /// The record of one registration.
    pub(crate) fn registration(&self, id: &str) -> Result<RegistrationState, EnrollFault> {
        let core = self.lock_kept().map_err(EnrollFault::Journal)?;
        let record = core.registry.registration(id);
        record
            .map(|record| record.state.clone())
            .ok_or(EnrollFault::NotFound(REGISTRATION))
    }

    /// Every record, or those of one group.
    pub(crate) fn registrations(
        &self,
        group: Option<&str>,
    ) -> Result<Vec<RegistrationState>, EnrollFault> {
        let core = self.lock_kept().map_err(EnrollFault::Journal)?;
        let states = match group {
            None => core
                .registry
                .registrations
                .values()
                .map(|record| record.state.clone())
                .collect(),
            Some(group) => {
                core.registry
                    .group(group)
                    .ok_or(EnrollFault::NotFound(GROUP))?;
                let of_group = core.registry.registrations_of(group);
                of_group.map(|record| record.state.clone()).collect()
            }
        };
        Ok(states)
    }

    /// Forgets a record: the device's next registration counts as its first. It stays in its hub.
    pub(crate) fn remove_registration(
        &self,
        id: &str,
        if_match: Option<&str>,
    ) -> Result<(), EnrollFault> {
        let mut core = self.lock();
        let record = core
            .registry
            .registration(id)
            .ok_or(EnrollFault::NotFound(REGISTRATION))?;
        if let Precondition::Tag(tag) = Precondition::of_header(if_match)
            && record.state.etag.as_deref() != Some(tag.trim_matches('"'))
        {
            return Err(EnrollFault::Precondition(id.to_owned()));
        }
        let id = id.to_owned();
        core.record(Change::RegistrationRemoved { id });
        core.commit().map_err(EnrollFault::Journal)
    }

    /// Checks what an operator wrote, and fills in what the service does: keys, defaults, tag and times.
    pub(super) fn complete(
        &self,
        mut terms: Terms,
        stored: Option<&Terms>,
        of_group: bool,
        authorities: attestation::Authorities<'_>,
    ) -> Result<Terms, EnrollFault> {
        match &mut terms.attestation {
            Attestation::SymmetricKey { symmetric_key } => {
                // Who reads an enrolment and writes it back has not seen its keys, and does not mean to change them.
                let known = stored.and_then(keys).cloned().unwrap_or_default();
                complete_keys(symmetric_key, known)?;
            }
            Attestation::X509 { x509 } => {
                attestation::check_certificates(x509, authorities, of_group)
                    .map_err(EnrollFault::Document)?;
            }
            Attestation::Tpm { .. } if of_group => {
                let reason = "A group's devices cannot be attested by TPM.".to_owned();
                return Err(EnrollFault::Document(reason));
            }
            Attestation::Tpm { .. } => {}
        }
        if let Some(initial) = &terms.initial_twin {
            check_initial_twin(initial)
                .map_err(|fault| EnrollFault::Document(fault.to_string()))?;
        }
        self.check_allocation(&terms)?;
        let now = time::format(Timestamp::now());
        let own = terms.iot_hub_host_name.as_deref().unwrap_or_default();
        terms.allocation_policy.get_or_insert(if own.is_empty() {
            AllocationPolicy::Hashed
        } else {
            AllocationPolicy::Static
        });
        terms.reprovision_policy.get_or_insert(ReprovisionPolicy {
            update_hub_assignment: true,
            migrate_device_data: true,
        });
        terms.etag = Some(format!("\"{}\"", uuid::Uuid::new_v4()));
        terms.created_date_time_utc = stored
            .and_then(|stored| stored.created_date_time_utc.clone())
            .or_else(|| Some(now.clone()));
        terms.last_updated_date_time_utc = Some(now);
        Ok(terms)
    }

    fn check_allocation(&self, terms: &Terms) -> Result<(), EnrollFault> {
        let named = terms.iot_hubs.iter().flatten().chain(
            terms
                .iot_hub_host_name
                .iter()
                .filter(|name| !name.is_empty()),
        );
        for name in named {
            super::allocation::linked_as(&self.candidates, name).map_err(|fault| {
                let linked = self.hub_names().join(", ");
                EnrollFault::Document(format!("{fault}; linked are {linked}"))
            })?;
        }
        match (terms.allocation_policy, &terms.custom_allocation_definition) {
            (Some(AllocationPolicy::Custom), None) => Err(EnrollFault::Document(
                super::allocation::AllocationFault::NoWebhook.to_string(),
            )),
            (_, Some(custom)) => Url::parse(&custom.webhook_url)
                .map(|_| ())
                .map_err(|error| EnrollFault::Document(format!("the webhook's URL is {error}"))),
            _ => Ok(()),
        }
    }
}

/// An enrolment by certificate has no keys to show.
pub(crate) fn no_keys() -> EnrollFault {
    EnrollFault::Document("this enrolment has no symmetric keys".to_owned())
}

fn complete_keys(given: &mut Keys, known: Keys) -> Result<(), EnrollFault> {
    for key in given.iter() {
        if !KEY_BYTES.contains(&key.len()) {
            let (least, most) = (KEY_BYTES.start(), KEY_BYTES.end());
            return Err(EnrollFault::Document(format!(
                "A symmetric key has {least} to {most} bytes, and this one {}.",
                key.len()
            )));
        }
    }
    let complete = |given: Option<SymmetricKey>, known: Option<SymmetricKey>| {
        Some(given.or(known).unwrap_or_else(new_key))
    };
    *given = Keys {
        primary_key: complete(given.primary_key.take(), known.primary_key),
        secondary_key: complete(given.secondary_key.take(), known.secondary_key),
    };
    Ok(())
}

fn new_key() -> SymmetricKey {
    let mut bytes = [0; *KEY_BYTES.end()];
    // Without randomness from the system nothing here would be secret.
    getrandom::fill(&mut bytes).expect("the system gives random bytes");
    SymmetricKey::from_bytes(bytes)
}

impl Core {
    fn state_of(&self, id: &RegistrationId) -> RegistrationState {
        match self.registry.registration(id.as_str()) {
            Some(record) => record.state.clone(),
            None => RegistrationState::new(Some(id.clone()), Status::Unassigned),
        }
    }
}
