//! The explain view: what each device presented, which enrolment matched, and why it was or was not assigned.
//!
//! Kept in memory, the newest only: it is for the person who wonders why a device does not come up.

use std::collections::VecDeque;

use hub_proto::dps::registration::RegistrationId;
use jiff::Timestamp;
use serde::Serialize;

use super::registry::Source;

/// How many attempts are remembered.
const KEPT: usize = 1000;

/// The way a registration came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Transport {
    Mqtt,
    Https,
}

/// What became of an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Outcome {
    /// Not decided yet: a webhook is being asked, or a lever holds it.
    Assigning,
    Assigned,
    /// The credential opens nothing, or nothing is enrolled.
    Refused,
    Disabled,
    Failed,
    Throttled,
}

impl Outcome {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Assigning => "assigning",
            Self::Assigned => "assigned",
            Self::Refused => "refused",
            Self::Disabled => "disabled",
            Self::Failed => "failed",
            Self::Throttled => "throttled",
        }
    }
}

/// One attempt to register. Never holds a key or a token.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Attempt {
    pub(crate) at: Timestamp,
    pub(crate) registration_id: String,
    pub(crate) transport: Transport,
    /// The credential, in words.
    pub(crate) presented: String,
    /// The enrolment that decided, in words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) matched: Option<String>,
    pub(crate) outcome: Outcome,
    /// Why, for people.
    pub(crate) reason: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) operation_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) model_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) hub: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) device_id: Option<String>,
}

/// The newest attempts.
#[derive(Debug, Default)]
pub(crate) struct Attempts(VecDeque<Attempt>);

impl Attempts {
    pub(crate) fn add(&mut self, attempt: Attempt) {
        if self.0.len() == KEPT {
            self.0.pop_front();
        }
        self.0.push_back(attempt);
    }

    /// The attempt an operation belongs to, while it is remembered.
    pub(crate) fn of_operation(&mut self, operation_id: &str) -> Option<&mut Attempt> {
        self.0
            .iter_mut()
            .rev()
            .find(|attempt| attempt.operation_id.as_deref() == Some(operation_id))
    }

    /// Newest first; of one registration, or of all.
    pub(crate) fn newest(&self, registration_id: Option<&str>) -> Vec<Attempt> {
        let wanted = |attempt: &&Attempt| {
            registration_id.is_none_or(|id| id.eq_ignore_ascii_case(&attempt.registration_id))
        };
        self.0.iter().rev().filter(wanted).cloned().collect()
    }
}

/// An enrolment, as the explain view names it.
pub(crate) fn name_of(source: &Source, id: &RegistrationId) -> String {
    match source {
        Source::Individual => format!("enrolment {id}"),
        Source::Group(group) => format!("group {group}"),
    }
}
