//! Many enrolments in one request.

use serde::{Deserialize, Serialize};

use super::{EnrollmentGroup, IndividualEnrollment};

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
