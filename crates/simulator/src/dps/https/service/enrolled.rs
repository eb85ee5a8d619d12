//! Both kinds of enrolment, which the service API treats alike.

use hub_proto::dps::enrollment::{
    Attestation, BulkError, BulkMode, BulkResult, EnrollmentGroup, IndividualEnrollment,
};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::dps::Dps;
use crate::dps::enrolling::EnrollFault;
use crate::precondition::Precondition;

/// Most enrolments in one request.
const MOST_AT_ONCE: usize = 10;

/// One of the two kinds.
pub(super) trait Enrolled {
    type Document: DeserializeOwned;
    /// Of a query's answer.
    const ITEM_TYPE: &'static str;
    /// What the list of a bulk request is called.
    const LIST: &'static str;

    fn id(document: &Self::Document) -> String;
    fn etag(document: &Self::Document) -> Option<&str>;
    /// Names what a part of a bulk request was about.
    fn name(error: BulkError, id: String) -> BulkError;
    fn put(
        dps: &Dps,
        id: &str,
        document: Self::Document,
        when: Precondition<'_>,
    ) -> Result<Value, EnrollFault>;
    fn get(dps: &Dps, id: &str) -> Result<Value, EnrollFault>;
    fn attestation(dps: &Dps, id: &str) -> Result<Attestation, EnrollFault>;
    fn remove(dps: &Dps, id: &str, when: Precondition<'_>) -> Result<(), EnrollFault>;
    fn all(dps: &Dps) -> Result<Vec<Value>, EnrollFault>;
}

pub(super) struct Individuals;
pub(super) struct Groups;

/// As it is shown: without keys.
fn individual(enrollment: IndividualEnrollment) -> Value {
    value(&IndividualEnrollment {
        terms: enrollment.terms.without_keys(),
        ..enrollment
    })
}

fn group(group: EnrollmentGroup) -> Value {
    value(&EnrollmentGroup {
        terms: group.terms.without_keys(),
        ..group
    })
}

pub(super) fn value(document: &impl Serialize) -> Value {
    // Plain documents: there is nothing in them that JSON could not say.
    serde_json::to_value(document).unwrap_or_default()
}

impl Enrolled for Individuals {
    type Document = IndividualEnrollment;
    const ITEM_TYPE: &'static str = "Enrollment";
    const LIST: &'static str = "enrollments";

    fn id(document: &Self::Document) -> String {
        document.registration_id.to_string()
    }

    fn etag(document: &Self::Document) -> Option<&str> {
        document.terms.etag.as_deref()
    }

    fn name(error: BulkError, id: String) -> BulkError {
        BulkError {
            registration_id: Some(id),
            ..error
        }
    }

    fn put(
        dps: &Dps,
        id: &str,
        document: Self::Document,
        when: Precondition<'_>,
    ) -> Result<Value, EnrollFault> {
        dps.put_enrollment(id, document, when).map(individual)
    }

    fn get(dps: &Dps, id: &str) -> Result<Value, EnrollFault> {
        dps.enrollment(id).map(individual)
    }

    fn attestation(dps: &Dps, id: &str) -> Result<Attestation, EnrollFault> {
        Ok(dps.enrollment(id)?.terms.attestation)
    }

    fn remove(dps: &Dps, id: &str, when: Precondition<'_>) -> Result<(), EnrollFault> {
        dps.remove_enrollment(id, when)
    }

    fn all(dps: &Dps) -> Result<Vec<Value>, EnrollFault> {
        Ok(dps.enrollments()?.into_iter().map(individual).collect())
    }
}

impl Enrolled for Groups {
    type Document = EnrollmentGroup;
    const ITEM_TYPE: &'static str = "EnrollmentGroup";
    const LIST: &'static str = "enrollmentGroups";

    fn id(document: &Self::Document) -> String {
        document.enrollment_group_id.clone()
    }

    fn etag(document: &Self::Document) -> Option<&str> {
        document.terms.etag.as_deref()
    }

    fn name(error: BulkError, id: String) -> BulkError {
        BulkError {
            enrollment_group_id: Some(id),
            ..error
        }
    }

    fn put(
        dps: &Dps,
        id: &str,
        document: Self::Document,
        when: Precondition<'_>,
    ) -> Result<Value, EnrollFault> {
        dps.put_group(id, document, when).map(group)
    }

    fn get(dps: &Dps, id: &str) -> Result<Value, EnrollFault> {
        dps.group(id).map(group)
    }

    fn attestation(dps: &Dps, id: &str) -> Result<Attestation, EnrollFault> {
        Ok(dps.group(id)?.terms.attestation)
    }

    fn remove(dps: &Dps, id: &str, when: Precondition<'_>) -> Result<(), EnrollFault> {
        dps.remove_group(id, when)
    }

    fn all(dps: &Dps) -> Result<Vec<Value>, EnrollFault> {
        Ok(dps.groups()?.into_iter().map(group).collect())
    }
}

/// A bulk request, whichever name its list has.
#[derive(Deserialize)]
pub(super) struct Bulk {
    mode: BulkMode,
    #[serde(flatten)]
    lists: serde_json::Map<String, Value>,
}

/// Does each part of a bulk request by itself, and says which of them failed.
///
/// # Errors
/// When the request as a whole is none, and nothing was done.
pub(super) fn bulk<E: Enrolled>(dps: &Dps, mut request: Bulk) -> Result<BulkResult, EnrollFault> {
    let Some(Value::Array(parts)) = request.lists.remove(E::LIST) else {
        let reason = format!("The body has no list {:?}.", E::LIST);
        return Err(EnrollFault::Document(reason));
    };
    if parts.is_empty() || parts.len() > MOST_AT_ONCE {
        let reason = format!("A bulk request has 1 to {MOST_AT_ONCE} enrolments.");
        return Err(EnrollFault::Document(reason));
    }
    let documents: Vec<E::Document> = parts
        .into_iter()
        .map(serde_json::from_value)
        .collect::<Result<_, _>>()
        .map_err(|error| EnrollFault::Document(format!("An enrolment cannot be read: {error}")))?;
    let mut errors = Vec::new();
    for document in documents {
        let id = E::id(&document);
        let etag = E::etag(&document).map(str::to_owned);
        let done = match (request.mode, etag.as_deref()) {
            (BulkMode::Create, _) => E::put(dps, &id, document, Precondition::Absent).map(drop),
            (BulkMode::Update, _) => E::put(dps, &id, document, Precondition::Present).map(drop),
            (BulkMode::UpdateIfMatchEtag, Some(tag)) => {
                E::put(dps, &id, document, Precondition::Tag(tag)).map(drop)
            }
            (BulkMode::UpdateIfMatchEtag, None) => {
                Err(EnrollFault::Document("An etag is missing.".to_owned()))
            }
            (BulkMode::Delete, _) => E::remove(dps, &id, Precondition::None),
        };
        if let Err(fault) = done {
            let error = BulkError {
                registration_id: None,
                enrollment_group_id: None,
                error_code: fault.code().number(),
                error_status: crate::with_causes(&fault),
            };
            errors.push(E::name(error, id));
        }
    }
    Ok(BulkResult {
        is_successful: errors.is_empty(),
        errors,
    })
}
