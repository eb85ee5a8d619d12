//! Registrations: how they are asked for, how far they are, and what they end in.
//!
//! The assignment itself is in `assigning`. A device asks, hears `assigning`, and asks again until it is done: so it is
//! with the real service, also where there is nothing to wait for.

use std::sync::Arc;

use hub_proto::dps::error::DpsErrorCode;
use hub_proto::dps::registration::{
    Operation, RegisterBody, RegistrationId, RegistrationState, Status,
};
use jiff::Timestamp;
use serde_json::Value;

use super::answer::Answer;
use super::attempts::{Attempt, Outcome, Transport, name_of};
use super::attestation::{self, Admitted, Proof, Refused};
use super::registry::Source;
use super::{Core, Dps};

/// Who asks, before anything is checked.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Caller<'a> {
    pub(crate) id_scope: &'a str,
    pub(crate) registration_id: &'a str,
    pub(crate) proof: Proof<'a>,
    pub(crate) transport: Transport,
}

/// A registration that was let in and is not decided.
#[derive(Debug, Clone)]
pub(super) struct Begun {
    pub(super) id: RegistrationId,
    pub(super) operation_id: String,
    pub(super) admitted: Admitted,
    /// What the device has for the allocation.
    pub(super) payload: Option<Value>,
    pub(super) at: Timestamp,
}

/// Why a registration waits.
#[derive(Debug)]
pub(super) enum Pending {
    /// A lever holds it.
    Held(Box<Begun>),
    /// A webhook is being asked.
    Asking { operation_id: String },
}

impl Pending {
    fn operation_id(&self) -> &str {
        match self {
            Self::Held(begun) => &begun.operation_id,
            Self::Asking { operation_id } => operation_id,
        }
    }
}

impl Dps {
    /// A device asks to be registered.
    pub(crate) fn register(self: &Arc<Self>, caller: &Caller<'_>, body: &[u8]) -> Answer {
        let mut core = self.lock();
        let now = Timestamp::now();
        let begun = self.admit(&mut core, caller, body, now);
        let answer = match begun {
            Ok(begun) => {
                let answer = self.assigning(&begun.operation_id, None);
                self.decide(&mut core, begun);
                answer
            }
            Err(answer) => answer,
        };
        match core.commit() {
            Ok(()) => answer,
            Err(error) => self.unwritten(&error),
        }
    }

    /// A device asks how far its registration is.
    pub(crate) fn operation(&self, caller: &Caller<'_>, operation_id: &str) -> Answer {
        let core = match self.lock_kept() {
            Ok(core) => core,
            Err(error) => return self.unwritten(&error),
        };
        let now = Timestamp::now();
        let id = match self.authorize(&core, caller, now) {
            Ok(id) => id,
            Err(answer) => return answer,
        };
        if let Some(pending) = core.pending.get(&id.to_lowercase())
            && pending.operation_id() == operation_id
        {
            return self.assigning(operation_id, Some(id));
        }
        let of_record = core
            .registry
            .registration(id.as_str())
            .filter(|record| record.operation_id == operation_id)
            .map(|record| Operation {
                operation_id: operation_id.to_owned(),
                status: record.state.status,
                registration_state: Some(record.state.clone()),
            });
        let outcome = of_record.or_else(|| {
            let is_asked_about = |outcome: &&Operation| {
                let state = outcome.registration_state.as_ref();
                outcome.operation_id == operation_id
                    && state.and_then(|state| state.registration_id.as_ref()) == Some(&id)
            };
            core.outcomes.iter().find(is_asked_about).cloned()
        });
        match outcome {
            Some(operation) => Answer::new(200, None, &operation),
            None => Answer::error(DpsErrorCode::NotFound, "Operation not found.", now),
        }
    }

    /// A device looks its record up.
    pub(crate) fn look_up(&self, caller: &Caller<'_>) -> Answer {
        let core = match self.lock_kept() {
            Ok(core) => core,
            Err(error) => return self.unwritten(&error),
        };
        let now = Timestamp::now();
        let id = match self.authorize(&core, caller, now) {
            Ok(id) => id,
            Err(answer) => return answer,
        };
        match core.registry.registration(id.as_str()) {
            Some(record) => Answer::new(200, None, &record.state),
            None => Answer::error(DpsErrorCode::NotFound, "Registration not found.", now),
        }
    }

    /// Whether the service can be reached at all.
    pub(crate) fn is_unreachable(&self) -> bool {
        self.lock().levers.unreachable
    }

    /// Lets a registration begin, or says why not.
    fn admit(
        &self,
        core: &mut Core,
        caller: &Caller<'_>,
        body: &[u8],
        now: Timestamp,
    ) -> Result<Begun, Answer> {
        let mut attempt = Attempt {
            at: now,
            registration_id: shown(caller.registration_id).to_owned(),
            transport: caller.transport,
            presented: attestation::describe(caller.proof),
            matched: None,
            outcome: Outcome::Refused,
            reason: String::new(),
            operation_id: None,
            model_id: None,
            hub: None,
            device_id: None,
        };
        let id = match self.identify(core, caller, now) {
            Ok(id) => id,
            Err((answer, reason)) => {
                if answer.status == DpsErrorCode::Throttled.status() {
                    attempt.outcome = Outcome::Throttled;
                }
                attempt.reason = reason;
                core.explain(attempt);
                return Err(answer);
            }
        };
        let body = match read_body(body, &id) {
            Ok(body) => body,
            Err(reason) => {
                attempt.reason.clone_from(&reason);
                core.explain(attempt);
                return Err(Answer::error(DpsErrorCode::BadRequest, &reason, now));
            }
        };
        let model_id = body.payload.as_ref().and_then(|payload| {
            let model = payload.get("modelId")?.as_str()?;
            Some(model.to_owned())
        });
        attempt.model_id = model_id;
        let operation_id = new_operation_id();
        match self.attest(core, &id, caller.proof, now) {
            Ok(admitted) => {
                attempt.matched = Some(name_of(&admitted.source, &id));
                attempt.outcome = Outcome::Assigning;
                attempt.operation_id = Some(operation_id.clone());
                core.explain(attempt);
                Ok(Begun {
                    id,
                    operation_id,
                    admitted,
                    payload: body.payload,
                    at: now,
                })
            }
            Err(refused) => {
                attempt.matched = refused.matched.as_ref().map(|source| name_of(source, &id));
                attempt.reason.clone_from(&refused.reason);
                let answer = if refused.code == DpsErrorCode::Disabled {
                    attempt.outcome = Outcome::Disabled;
                    attempt.operation_id = Some(operation_id.clone());
                    // The device learns of it as of every other outcome: by asking.
                    let mut state = RegistrationState::new(Some(id), Status::Disabled);
                    state.last_updated_date_time_utc = Some(hub_proto::time::format(now));
                    core.remember(Operation {
                        operation_id: operation_id.clone(),
                        status: Status::Disabled,
                        registration_state: Some(state),
                    });
                    self.assigning(&operation_id, None)
                } else {
                    refusal(&refused, now)
                };
                core.explain(attempt);
                Err(answer)
            }
        }
    }

    /// Who a later question is from; a disabled enrolment may still ask what became of it.
    fn authorize(
        &self,
        core: &Core,
        caller: &Caller<'_>,
        now: Timestamp,
    ) -> Result<RegistrationId, Answer> {
        let id = self
            .identify(core, caller, now)
            .map_err(|(answer, _)| answer)?;
        match self.attest(core, &id, caller.proof, now) {
            Err(refused) if refused.code != DpsErrorCode::Disabled => Err(refusal(&refused, now)),
            _ => Ok(id),
        }
    }

    /// What comes before any credential: levers, the scope, and the form of the id.
    fn identify(
        &self,
        core: &Core,
        caller: &Caller<'_>,
        now: Timestamp,
    ) -> Result<RegistrationId, (Answer, String)> {
        if let Some(seconds) = core.levers.throttle {
            let answer = Answer::error(DpsErrorCode::Throttled, "Too many requests.", now);
            return Err((
                Answer {
                    retry_after: Some(seconds),
                    ..answer
                },
                "a lever throttles the service".to_owned(),
            ));
        }
        let scope = &core.registry.id_scope;
        if !caller.id_scope.eq_ignore_ascii_case(scope) {
            return Err((
                Answer::error(DpsErrorCode::NotFound, "ID scope not found.", now),
                // What it said instead is not repeated: people mix up the fields of a form, and one of them is a key.
                format!("the id scope is not {scope}"),
            ));
        }
        caller.registration_id.parse().map_err(
            |error: hub_proto::dps::registration::RegistrationIdError| {
                let reason = error.to_string();
                (
                    Answer::error(DpsErrorCode::BadRequest, &reason, now),
                    reason,
                )
            },
        )
    }

    fn attest(
        &self,
        core: &Core,
        id: &RegistrationId,
        proof: Proof<'_>,
        now: Timestamp,
    ) -> Result<Admitted, Refused> {
        if core.levers.refuse {
            return Err(Refused {
                code: DpsErrorCode::Unauthorized,
                reason: "a lever refuses every credential".to_owned(),
                matched: None,
            });
        }
        attestation::attest(&core.registry, &|name| self.authority(name), id, proof, now)
    }

    /// `assigning`: come back. The record stands in every answer but the first.
    fn assigning(&self, operation_id: &str, id: Option<RegistrationId>) -> Answer {
        let operation = Operation {
            operation_id: operation_id.to_owned(),
            status: Status::Assigning,
            registration_state: id.map(|id| RegistrationState::new(Some(id), Status::Assigning)),
        };
        Answer {
            operation_id: Some(operation_id.to_owned()),
            ..Answer::new(202, Some(self.retry_after), &operation)
        }
    }

    fn unwritten(&self, error: &std::io::Error) -> Answer {
        tracing::error!(%error, "the provisioning service's journal cannot be written");
        Answer::error(
            DpsErrorCode::Internal,
            "The service cannot keep what it decides.",
            Timestamp::now(),
        )
    }
}

/// A registration id as people may see it. What is none is not repeated: it may be the key, in the wrong field.
pub(super) fn shown(registration_id: &str) -> &str {
    match registration_id.parse::<RegistrationId>() {
        Ok(_) => registration_id,
        Err(_) => "(no registration id)",
    }
}

/// A device that is not let in hears no more than the number's name: the reason is for the operator.
fn refusal(refused: &Refused, now: Timestamp) -> Answer {
    let message = match refused.code {
        DpsErrorCode::NotFound => "Enrollment not found.",
        _ => "Unauthorized",
    };
    Answer::error(refused.code, message, now)
}

fn read_body(body: &[u8], id: &RegistrationId) -> Result<RegisterBody, String> {
    let nothing = RegisterBody {
        registration_id: None,
        payload: None,
    };
    if body.trim_ascii().is_empty() {
        return Ok(nothing);
    }
    // Through an object: a list would be taken for the fields in their order. What is wrong is not repeated, since the
    // explain view shows it, and a device may have put its key there.
    let body: RegisterBody = serde_json::from_slice::<serde_json::Map<_, _>>(body)
        .map_err(|error| {
            let (line, column) = (error.line(), error.column());
            format!("The body is no JSON object, see line {line}, column {column}.")
        })
        .and_then(|body| {
            serde_json::from_value(Value::Object(body))
                .map_err(|_| "The body's registrationId is no registration id.".to_owned())
        })?;
    match &body.registration_id {
        Some(other) if other != id => Err(format!(
            "The body registers {other}, and the connection is {id}'s."
        )),
        _ => Ok(body),
    }
}

/// The form the service uses: a number, the instance, and a UUID.
fn new_operation_id() -> String {
    let drawn = uuid::Uuid::new_v4().simple().to_string();
    format!("4.{}.{}", &drawn[..16], uuid::Uuid::new_v4())
}

/// The record's note of what proved the device, as the service shows it.
pub(super) fn note_of(admitted: &Admitted) -> (Option<Value>, Option<Value>) {
    let Source::Group(group) = &admitted.source else {
        return (None, None);
    };
    let note = serde_json::json!({"enrollmentGroupId": group});
    match &admitted.credential {
        attestation::Credential::Keys { .. } => (Some(note), None),
        attestation::Credential::Certificates { .. } => (None, Some(note)),
    }
}
