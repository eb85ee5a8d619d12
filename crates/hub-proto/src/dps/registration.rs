//! What a device and the provisioning service say to each other.
//!
//! | step | over MQTT | over HTTPS |
//! |---|---|---|
//! | register | [`crate::topic::dps_register`] | PUT [`register_path`] |
//! | ask again | [`crate::topic::dps_operation_status`] | GET [`operation_path`] |
//! | look up | – | POST [`lookup_path`] |
//!
//! Each answer is an [`Operation`], or an [`ErrorBody`](super::error::ErrorBody) with a status of 400 or more.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use thiserror::Error;

use crate::percent;
use crate::user_name::DPS_API_VERSION;

/// The service's host name for all the world; an instance has a name of its own as well.
pub const GLOBAL_ENDPOINT: &str = "global.azure-devices-provisioning.net";

/// The policy name in a registration's token (`skn`). The Python SDK leaves it out.
pub const POLICY: &str = "registration";

/// The longest registration id, in characters.
pub const MAX_REGISTRATION_ID_LENGTH: usize = 128;

/// Who registers: the name of an individual enrolment, or of one device of a group.
///
/// Compared without case, kept as it was written.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct RegistrationId(String);

/// Why a text is no registration id.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum RegistrationIdError {
    /// It is the empty text.
    #[error("registration id is empty")]
    Empty,
    /// It is longer than [`MAX_REGISTRATION_ID_LENGTH`].
    #[error("registration id is longer than {MAX_REGISTRATION_ID_LENGTH} characters")]
    TooLong,
    /// It holds a character that the service does not allow.
    #[error("registration id contains {0:?}; allowed are letters, digits and - . _ :")]
    Character(char),
    /// It ends with a character that may only stand inside.
    #[error("registration id ends with {0:?}; its last character must be a letter, a digit or -")]
    LastCharacter(char),
}

impl RegistrationId {
    /// The id as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The id in lower case, under which it is the same for the service.
    #[must_use]
    pub fn to_lowercase(&self) -> String {
        self.0.to_ascii_lowercase()
    }
}

impl FromStr for RegistrationId {
    type Err = RegistrationIdError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::try_from(text.to_owned())
    }
}

impl TryFrom<String> for RegistrationId {
    type Error = RegistrationIdError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let Some(last) = text.chars().next_back() else {
            return Err(RegistrationIdError::Empty);
        };
        let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_' | ':');
        if let Some(character) = text.chars().find(|&c| !allowed(c)) {
            return Err(RegistrationIdError::Character(character));
        }
        // Only ASCII is left, so bytes are characters.
        if text.len() > MAX_REGISTRATION_ID_LENGTH {
            return Err(RegistrationIdError::TooLong);
        }
        if !last.is_ascii_alphanumeric() && last != '-' {
            return Err(RegistrationIdError::LastCharacter(last));
        }
        Ok(Self(text))
    }
}

impl From<RegistrationId> for String {
    fn from(id: RegistrationId) -> Self {
        id.0
    }
}

impl fmt::Display for RegistrationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl PartialEq for RegistrationId {
    fn eq(&self, other: &Self) -> bool {
        self.0.eq_ignore_ascii_case(&other.0)
    }
}

impl Eq for RegistrationId {}

impl Hash for RegistrationId {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.to_lowercase().hash(state);
    }
}

/// What a registration's token is for.
#[must_use]
pub fn audience(id_scope: &str, registration_id: &str) -> String {
    format!("{id_scope}/registrations/{registration_id}")
}

/// `/{idScope}/registrations/{registrationId}/register?api-version=…`
#[must_use]
pub fn register_path(id_scope: &str, registration_id: &RegistrationId) -> String {
    path(id_scope, registration_id, "/register")
}

/// `/{idScope}/registrations/{registrationId}/operations/{operationId}?api-version=…`
#[must_use]
pub fn operation_path(
    id_scope: &str,
    registration_id: &RegistrationId,
    operation_id: &str,
) -> String {
    let operation = format!("/operations/{}", percent::encode(operation_id));
    path(id_scope, registration_id, &operation)
}

/// `/{idScope}/registrations/{registrationId}?api-version=…`
#[must_use]
pub fn lookup_path(id_scope: &str, registration_id: &RegistrationId) -> String {
    path(id_scope, registration_id, "")
}

fn path(id_scope: &str, registration_id: &RegistrationId, rest: &str) -> String {
    format!(
        "/{}/registrations/{}{rest}?api-version={DPS_API_VERSION}",
        percent::encode(id_scope),
        percent::encode(registration_id.as_str())
    )
}

/// The body of a registration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RegisterBody {
    /// Who registers, once more; C leaves it out.
    #[serde(default)]
    pub registration_id: Option<RegistrationId>,
    /// What the device wants the allocation to know; `{"modelId": …}` announces its model.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payload: Option<Value>,
}

/// How far a registration is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Status {
    /// Enrolled, never registered.
    Unassigned,
    /// Being worked on: ask again.
    Assigning,
    /// The device has a hub.
    Assigned,
    /// No hub could be found, or none took it.
    Failed,
    /// The enrolment is disabled.
    Disabled,
}

/// How a device came to its hub.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Substatus {
    /// For the first time.
    InitialAssignment,
    /// It moved, and its twin came along.
    DeviceDataMigrated,
    /// It moved, and its twin began anew.
    DeviceDataReset,
    /// It was sent back to where its enrolment first put it.
    ReprovisionedToInitialAssignment,
}

/// The record of a registration.
///
/// Moments are kept as text: services write seven digits of a second, fewer, or null.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RegistrationState {
    /// Who registered; absent from answers to devices that only hear of a failure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub registration_id: Option<RegistrationId>,
    /// When it first did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_date_time_utc: Option<String>,
    /// The hub's host name, once there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub assigned_hub: Option<String>,
    /// The device's id in that hub.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device_id: Option<String>,
    /// How far it is.
    pub status: Status,
    /// How it came there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub substatus: Option<Substatus>,
    /// Why it failed: the service's number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_code: Option<u32>,
    /// Why it failed, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error_message: Option<String>,
    /// When it last changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_updated_date_time_utc: Option<String>,
    /// Its entity tag.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub etag: Option<String>,
    /// What the allocation has for the device.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payload: Option<Value>,
    /// `{"enrollmentGroupId": …}` for a device of a group with symmetric keys.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub symmetric_key: Option<Value>,
    /// The certificates a device registered with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub x509: Option<Value>,
}

impl RegistrationState {
    /// A record that says nothing yet but how far it is.
    #[must_use]
    pub const fn new(registration_id: Option<RegistrationId>, status: Status) -> Self {
        Self {
            registration_id,
            created_date_time_utc: None,
            assigned_hub: None,
            device_id: None,
            status,
            substatus: None,
            error_code: None,
            error_message: None,
            last_updated_date_time_utc: None,
            etag: None,
            payload: None,
            symmetric_key: None,
            x509: None,
        }
    }
}

/// The answer to a registration, and to each question how far it is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Operation {
    /// What to ask with.
    pub operation_id: String,
    /// How far it is.
    pub status: Status,
    /// The record; the Edge identity service wants it in every answer but the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub registration_state: Option<RegistrationState>,
}
