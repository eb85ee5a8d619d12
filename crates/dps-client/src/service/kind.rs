//! What tells an enrolment of one device and one of a group apart on the wire.

use hub_proto::dps::enrollment::{Bulk, BulkMode, EnrollmentGroup, IndividualEnrollment, Terms};
use hub_proto::sas::SymmetricKey;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::keys::GroupKey;

/// What tells the two kinds apart on the wire.
pub trait Kind: Clone + Serialize + DeserializeOwned {
    const PATH: &'static str;
    const QUERY: &'static str;
    /// A device's own key, or a group's.
    type Key: From<SymmetricKey>;

    fn id(&self) -> &str;
    fn terms(&self) -> &Terms;
    fn terms_mut(&mut self) -> &mut Terms;
    fn bulk(mode: BulkMode, entries: Vec<Self>) -> Bulk;
}

impl Kind for IndividualEnrollment {
    const PATH: &'static str = "/enrollments";
    const QUERY: &'static str = "SELECT * FROM enrollments";
    type Key = SymmetricKey;

    fn id(&self) -> &str {
        self.registration_id.as_str()
    }

    fn terms(&self) -> &Terms {
        &self.terms
    }

    fn terms_mut(&mut self) -> &mut Terms {
        &mut self.terms
    }

    fn bulk(mode: BulkMode, entries: Vec<Self>) -> Bulk {
        Bulk {
            mode,
            enrollments: entries,
            enrollment_groups: Vec::new(),
        }
    }
}

impl Kind for EnrollmentGroup {
    const PATH: &'static str = "/enrollmentGroups";
    const QUERY: &'static str = "SELECT * FROM enrollmentGroups";
    type Key = GroupKey;

    fn id(&self) -> &str {
        &self.enrollment_group_id
    }

    fn terms(&self) -> &Terms {
        &self.terms
    }

    fn terms_mut(&mut self) -> &mut Terms {
        &mut self.terms
    }

    fn bulk(mode: BulkMode, entries: Vec<Self>) -> Bulk {
        Bulk {
            mode,
            enrollments: Vec::new(),
            enrollment_groups: entries,
        }
    }
}
