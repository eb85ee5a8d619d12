//! The explain view: what each device presented, which enrolment matched, and why it was or was not assigned.
//!
//! Kept in memory, the newest only: it is for the person who wonders why a device does not come up.

use std::collections::VecDeque;

use hub_proto::dps::registration::RegistrationId;
use jiff::Timestamp;
use serde::Serialize;

use super::Core;
use super::registry::Source;
use crate::trace::What;

/// How many attempts are remembered.
const KEPT: usize = 1000;
/// Longest text of an attempt, in characters.
const LONGEST_TEXT: usize = 400;

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

impl Core {
    /// Keeps an attempt for the explain view, and tells watchers once the journal has what it led to.
    pub(super) fn explain(&mut self, mut attempt: Attempt) {
        for text in [
            &mut attempt.registration_id,
            &mut attempt.presented,
            &mut attempt.reason,
        ] {
            shorten(text);
        }
        if attempt.outcome != Outcome::Assigning {
            self.tell(&attempt);
        }
        self.attempts.add(attempt);
    }

    /// An attempt that was not decided is now.
    pub(super) fn explain_outcome(
        &mut self,
        operation_id: &str,
        outcome: Outcome,
        reason: String,
        placed: Option<(&str, &str)>,
    ) {
        let Some(attempt) = self.attempts.of_operation(operation_id) else {
            return;
        };
        attempt.outcome = outcome;
        attempt.reason = reason;
        attempt.hub = placed.map(|(hub, _)| hub.to_owned());
        attempt.device_id = placed.map(|(_, device)| device.to_owned());
        let attempt = attempt.clone();
        self.tell(&attempt);
    }

    fn tell(&mut self, attempt: &Attempt) {
        let device = attempt.device_id.as_deref();
        let device = device.and_then(|id| hub_proto::identity::Identity::device(id).ok());
        let observation = self.trace.observe(device.as_ref(), || What::Provisioning {
            registration_id: attempt.registration_id.clone(),
            state: attempt.outcome.name(),
            matched: attempt.matched.clone(),
            hub: attempt.hub.clone(),
            reason: attempt.reason.clone(),
        });
        self.observed.extend(observation);
    }
}

/// Much of an attempt is what a stranger wrote.
fn shorten(text: &mut String) {
    if let Some((end, _)) = text.char_indices().nth(LONGEST_TEXT) {
        text.truncate(end);
        text.push('…');
    }
}

/// An enrolment, as the explain view names it.
pub(crate) fn name_of(source: &Source, id: &RegistrationId) -> String {
    match source {
        Source::Individual => format!("enrolment {id}"),
        Source::Group(group) => format!("group {group}"),
    }
}
