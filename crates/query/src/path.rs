//! Which value of a document is meant.

use serde_json::Value as Json;

/// A way into a document: `properties.reported.echoes[0]`. It has at least one step, the first of which is a name.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Path {
    steps: Vec<Step>,
}

/// One step of a [`Path`].
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Step {
    /// Into an object, by name.
    Name(String),
    /// Into an array, counted from zero.
    Index(usize),
}

/// What twins, modules, jobs and enrolments have at the top. These names are the service's, and it takes them in any
/// case: its documentation asks for `DeviceId`, and shows an answer with `deviceId`. Everything below is the user's, and
/// two names that differ in case are two names.
const FIELDS: [&str; 49] = [
    "allocationPolicy",
    "attestation",
    "authenticationType",
    "capabilities",
    "cloudToDeviceMessageCount",
    "configurations",
    "connectionState",
    "connectionStateUpdatedTime",
    "createdDateTimeUtc",
    "createdTimeUtc",
    "customAllocationDefinition",
    "deviceEtag",
    "deviceId",
    "deviceScope",
    "endTimeUtc",
    "enrollmentGroupId",
    "error",
    "errorCode",
    "errorMessage",
    "etag",
    "generationId",
    "initialTwin",
    "iotHubHostName",
    "iotHubs",
    "jobId",
    "jobType",
    "lastActivityTime",
    "lastUpdatedDateTimeUtc",
    "managedBy",
    "modelId",
    "moduleId",
    "optionalDeviceInformation",
    "outcome",
    "parentScopes",
    "payload",
    "properties",
    "provisioningStatus",
    "registrationId",
    "registrationState",
    "reprovisionPolicy",
    "startTimeUtc",
    "status",
    "statusReason",
    "statusUpdateTime",
    "substatus",
    "tags",
    "type",
    "version",
    "x509Thumbprint",
];

impl Path {
    /// The path of these steps, when the first is a name. One of the service's own names is spelled as the service does.
    pub(crate) fn new(mut steps: Vec<Step>) -> Option<Self> {
        let Some(Step::Name(first)) = steps.first_mut() else {
            return None;
        };
        let known = FIELDS
            .iter()
            .find(|field| field.eq_ignore_ascii_case(first));
        if let Some(known) = known {
            (*known).clone_into(first);
        }
        Some(Self { steps })
    }

    /// The field of the document it begins at, and the steps from there.
    pub fn split(&self) -> (&str, &[Step]) {
        match self.steps.split_first() {
            Some((Step::Name(field), rest)) => (field, rest),
            // There is no such path; as a field it would be nowhere to be found.
            _ => ("", &[]),
        }
    }

    /// The field of the document it is, when it goes no deeper.
    pub fn field(&self) -> Option<&str> {
        match self.split() {
            (field, []) => Some(field),
            _ => None,
        }
    }

    /// What a result is called that nobody named: as the last step.
    pub(crate) fn last_name(&self) -> Option<&str> {
        match self.steps.last() {
            Some(Step::Name(name)) => Some(name),
            _ => None,
        }
    }
}

impl Step {
    /// Where these steps lead from a value, or none when there is nothing.
    pub fn walk<'v>(steps: &[Self], from: &'v Json) -> Option<&'v Json> {
        steps.iter().try_fold(from, |value, step| match step {
            Self::Name(name) => value.as_object()?.get(name),
            Self::Index(index) => value.as_array()?.get(*index),
        })
    }
}
