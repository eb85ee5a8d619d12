//! The changes of the provisioning service's registry: the only way its data moves, live and in replay.
//!
//! **Invariant:** as for the hub's: the same changes in the same order give the same registry, since a change carries
//! every key, time and entity tag it needs.

use hub_proto::dps::enrollment::{EnrollmentGroup, IndividualEnrollment};
use serde::{Deserialize, Serialize};

use super::registry::{Record, Registry, Source};
use crate::registry::StoredKey;

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "change", rename_all = "camelCase")]
pub(crate) enum Change {
    ScopeDrawn {
        id_scope: String,
    },
    PolicySet {
        name: String,
        key: StoredKey,
    },
    EnrollmentPut {
        enrollment: Box<IndividualEnrollment>,
    },
    /// Its registration goes with it.
    EnrollmentRemoved {
        id: String,
    },
    GroupPut {
        group: Box<EnrollmentGroup>,
    },
    /// The registrations of its devices go with it.
    GroupRemoved {
        id: String,
    },
    Registered {
        id: String,
        record: Box<Record>,
    },
    RegistrationRemoved {
        id: String,
    },
}

impl Registry {
    /// Carries out one change. A target that does not exist is no error: the change then means nothing.
    pub(crate) fn apply(&mut self, change: Change) {
        match change {
            Change::ScopeDrawn { id_scope } => self.id_scope = id_scope,
            Change::PolicySet { name, key } => {
                self.policies.insert(name, key);
            }
            Change::EnrollmentPut { enrollment } => {
                let id = enrollment.registration_id.to_lowercase();
                self.enrollments.insert(id, *enrollment);
            }
            Change::EnrollmentRemoved { id } => {
                let id = id.to_ascii_lowercase();
                self.enrollments.remove(&id);
                if matches!(self.registrations.get(&id), Some(record) if record.source == Source::Individual)
                {
                    self.registrations.remove(&id);
                }
            }
            Change::GroupPut { group } => {
                let id = group.enrollment_group_id.to_ascii_lowercase();
                self.groups.insert(id, *group);
            }
            Change::GroupRemoved { id } => {
                self.groups.remove(&id.to_ascii_lowercase());
                self.registrations.retain(|_, record| {
                    !matches!(&record.source, Source::Group(of) if of.eq_ignore_ascii_case(&id))
                });
            }
            Change::Registered { id, record } => {
                self.registrations.insert(id.to_ascii_lowercase(), *record);
            }
            Change::RegistrationRemoved { id } => {
                self.registrations.remove(&id.to_ascii_lowercase());
            }
        }
    }
}
