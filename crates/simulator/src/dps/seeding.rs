//! The provisioning service's part of a seed: enrolments and groups, as its service API has them.

use hub_proto::dps::enrollment::{EnrollmentGroup, IndividualEnrollment, Terms};
use hub_proto::dps::registration::RegistrationId;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::attestation::Authorities;
use super::change::Change;
use super::{Core, Dps};
use crate::seed::{Entry, Findings};
use crate::with_causes;

impl Dps {
    /// What has to change in `core` for a seed to be so.
    pub(crate) fn seed(
        &self,
        core: &Core,
        seed: &Entry<'_>,
        authorities: Authorities<'_>,
        findings: &mut Findings,
    ) -> Vec<Change> {
        let mut changes = Vec::new();
        for entry in findings.entries(seed, "enrollments", "enrolment ", "registrationId") {
            let Some(mut enrollment) = read::<IndividualEnrollment>(&entry, findings) else {
                continue;
            };
            let known = core
                .registry
                .enrollment(enrollment.registration_id.as_str());
            enrollment.registration_state = None;
            let terms = known.map(|known| &known.terms);
            let completed = self.complete(enrollment.terms.clone(), terms, false, authorities);
            match (completed, known) {
                (Err(fault), _) => findings.wrong(&entry, "", with_causes(&fault)),
                (Ok(terms), Some(known)) => {
                    compare(&entry, &enrollment, &terms, known, &known.terms, findings);
                }
                (Ok(terms), None) => {
                    enrollment.terms = terms;
                    let enrollment = Box::new(enrollment);
                    changes.push(Change::EnrollmentPut { enrollment });
                    findings.made(&entry);
                }
            }
        }
        for entry in findings.entries(seed, "enrollmentGroups", "group ", "enrollmentGroupId") {
            let Some(mut group) = read::<EnrollmentGroup>(&entry, findings) else {
                continue;
            };
            if let Err(error) = group.enrollment_group_id.parse::<RegistrationId>() {
                findings.wrong(&entry, "/enrollmentGroupId", error.to_string());
                continue;
            }
            let known = core.registry.group(&group.enrollment_group_id);
            let terms = known.map(|known| &known.terms);
            match (
                self.complete(group.terms.clone(), terms, true, authorities),
                known,
            ) {
                (Err(fault), _) => findings.wrong(&entry, "", with_causes(&fault)),
                (Ok(terms), Some(known)) => {
                    compare(&entry, &group, &terms, known, &known.terms, findings);
                }
                (Ok(terms), None) => {
                    group.terms = terms;
                    let group = Box::new(group);
                    changes.push(Change::GroupPut { group });
                    findings.made(&entry);
                }
            }
        }
        changes
    }
}

impl Core {
    pub(crate) fn record_all(&mut self, changes: Vec<Change>) {
        for change in changes {
            self.record(change);
        }
    }
}

fn read<T: DeserializeOwned>(entry: &Entry<'_>, findings: &mut Findings) -> Option<T> {
    match serde_json::from_value(entry.value.clone()) {
        Ok(document) => Some(document),
        Err(error) => {
            findings.wrong(entry, "", format!("it cannot be read: {error}"));
            None
        }
    }
}

/// Fields that the service writes, whatever is sent to it.
const OWN: [&str; 5] = [
    "attestation",
    "etag",
    "createdDateTimeUtc",
    "lastUpdatedDateTimeUtc",
    "registrationState",
];

fn compare<T: Serialize>(
    entry: &Entry<'_>,
    stated: &T,
    completed: &Terms,
    known: &T,
    known_terms: &Terms,
    findings: &mut Findings,
) {
    // With what is there filled in, so that keys and certificates that are the same are equal.
    if completed.attestation != known_terms.attestation {
        findings.contradicts(entry, "/attestation", "the attestation", "another one");
    }
    let object = |document: &T| match serde_json::to_value(document) {
        Ok(Value::Object(object)) => object,
        _ => Map::new(),
    };
    let (mut canonical, there) = (object(stated), object(known));
    // Only what is said is held against what is there: the rest of it are defaults.
    canonical.retain(|name, _| entry.value.get(name).is_some() && !OWN.contains(&name.as_str()));
    let missing = findings.missing(entry, "", &canonical, &there);
    for name in missing.keys() {
        findings.contradicts(entry, &format!("/{name}"), name, "not set");
    }
}
