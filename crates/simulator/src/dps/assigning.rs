//! Assignments: a hub is chosen, the device made there, and only then does anybody hear of it.

use std::sync::Arc;

use hub_proto::dps::enrollment::{InitialTwin, ReprovisionPolicy};
use hub_proto::dps::error::DpsErrorCode;
use hub_proto::dps::registration::{RegistrationState, Status, Substatus};
use hub_proto::time;
use jiff::Timestamp;
use serde_json::Value;

use super::allocation::{self, Candidate, Choice};
use super::attempts::Outcome;
use super::change::Change;
use super::registering::{Begun, Pending, note_of};
use super::registry::{Placement, Record};
use super::webhook::{Allocation, Question};
use super::{Core, Dps};
use crate::hub::{Hub, Provision, Start};
use crate::lock;

/// Why a registration failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Failure {
    pub(super) code: DpsErrorCode,
    pub(super) message: String,
}

/// What a webhook, or nobody, adds to the enrolment.
#[derive(Debug, Default)]
pub(super) struct Extras {
    pub(super) initial_twin: Option<InitialTwin>,
    /// What the device is told.
    pub(super) payload: Option<Value>,
}

impl Dps {
    /// Brings a registration on its way: assigned or failed at once, unless a lever or a webhook has a say.
    pub(super) fn decide(self: &Arc<Self>, core: &mut Core, begun: Begun) {
        let key = begun.id.to_lowercase();
        if core.levers.hold {
            core.pending.insert(key, Pending::Held(Box::new(begun)));
            return;
        }
        core.pending.remove(&key);
        let policy = policy_of(&begun);
        let placed = core
            .registry
            .registration(begun.id.as_str())
            .and_then(|record| record.placed.clone());
        if let (false, Some(placed)) = (policy.update_hub_assignment, placed)
            && let Ok(hub) = allocation::linked_as(&self.candidates, &placed.hub)
        {
            return self.assign(core, begun, hub, Extras::default());
        }
        let terms = begun.admitted.terms.clone();
        match allocation::choose(&terms, &begun.id, &self.candidates) {
            Ok(Choice::Hub(hub)) => self.assign(core, begun, hub, Extras::default()),
            Ok(Choice::Ask(webhook, among)) => {
                let question = Question::new(&core.registry, &begun, &among);
                let operation_id = begun.operation_id.clone();
                core.pending.insert(key, Pending::Asking { operation_id });
                let (dps, webhook) = (self.clone(), webhook.clone());
                let stop = self.stop.clone();
                self.tasks.spawn(async move {
                    let asked = dps.ask(&webhook.webhook_url, &question);
                    tokio::select! {
                        () = stop.cancelled() => {}
                        answer = asked => dps.answered(begun, answer),
                    }
                });
            }
            Err(fault) => {
                let message = fault.to_string();
                let code = DpsErrorCode::BadRequest;
                self.fail(core, begun, Failure { code, message });
            }
        }
    }

    /// Goes on with what a lever held.
    pub(super) fn release(self: &Arc<Self>, core: &mut Core) {
        for (key, pending) in std::mem::take(&mut core.pending) {
            match pending {
                Pending::Held(begun) => self.decide(core, *begun),
                asking @ Pending::Asking { .. } => {
                    core.pending.insert(key, asking);
                }
            }
        }
        if let Err(error) = core.commit() {
            tracing::error!(%error, "the provisioning service's journal cannot be written");
        }
    }

    /// A webhook has answered, or has not.
    fn answered(&self, begun: Begun, answer: Result<Allocation, Failure>) {
        let mut core = self.lock();
        let key = begun.id.to_lowercase();
        match core.pending.get(&key) {
            Some(Pending::Asking { operation_id }) if *operation_id == begun.operation_id => {}
            // A later registration has taken its place.
            _ => return,
        }
        core.pending.remove(&key);
        let chosen = answer.and_then(|answer| {
            let hub = allocation::linked_as(&self.candidates, &answer.iot_hub_host_name).map_err(
                |fault| Failure {
                    code: DpsErrorCode::CustomAllocationFailed,
                    message: format!("Custom allocation failed: {fault}"),
                },
            )?;
            Ok((
                hub,
                Extras {
                    initial_twin: answer.initial_twin,
                    payload: answer.payload,
                },
            ))
        });
        match chosen {
            Ok((hub, extras)) => self.assign(&mut core, begun, hub, extras),
            Err(failure) => self.fail(&mut core, begun, failure),
        }
        if let Err(error) = core.commit() {
            tracing::error!(%error, "the provisioning service's journal cannot be written");
        }
    }

    /// Makes the device in the hub, and the record of it.
    fn assign(&self, core: &mut Core, begun: Begun, hub: &Candidate, extras: Extras) {
        let before = core.registry.registration(begun.id.as_str()).cloned();
        let was = before.as_ref().and_then(|record| record.placed.clone());
        let here = Placement {
            hub: hub.name.clone(),
            device_id: begun.admitted.device_id.clone(),
        };
        let policy = policy_of(&begun);
        let initial = extras
            .initial_twin
            .as_ref()
            .or(begun.admitted.terms.initial_twin.as_ref());
        let moved_from = was.as_ref().filter(|was| **was != here);
        let device = moved_from
            .filter(|_| policy.migrate_device_data)
            .and_then(|from| self.hub(&from.hub)?.take_out(&from.device_id));
        let resets = policy.update_hub_assignment && !policy.migrate_device_data;
        let (twin, substatus) = match (&was, device) {
            (None, _) => (Start::Keep(initial), Substatus::InitialAssignment),
            (Some(_), Some(device)) => (
                Start::Moved(Box::new(device)),
                Substatus::DeviceDataMigrated,
            ),
            (Some(_), None) if resets || moved_from.is_some() => {
                (Start::Reset(initial), Substatus::DeviceDataReset)
            }
            (Some(_), None) => (
                Start::Keep(initial),
                Substatus::ReprovisionedToInitialAssignment,
            ),
        };
        let deployment = lock(&self.deployment).clone();
        let wanted = Provision {
            device_id: &here.device_id,
            credential: &begun.admitted.credential,
            edge: begun.admitted.terms.is_edge(),
            twin,
            deployment: deployment.as_ref(),
        };
        // The hub's journal has the device before this service's has the record: a kill in between costs one question.
        let provisioned = match self.hub(&here.hub) {
            Some(hub) => hub
                .provision(wanted)
                .map_err(|fault| crate::with_causes(&fault)),
            None => Err(format!("the hub {} is not linked", here.hub)),
        };
        if let Err(message) = provisioned {
            let code = DpsErrorCode::HubUnavailable;
            return self.fail(core, begun, Failure { code, message });
        }
        let left_over = before
            .as_ref()
            .and_then(|record| record.leaving.clone())
            .filter(|from| *from != here);
        let created = before.and_then(|record| record.state.created_date_time_utc);
        let (symmetric_key, x509) = note_of(&begun.admitted);
        let state = RegistrationState {
            created_date_time_utc: created.or_else(|| Some(time::format(begun.at))),
            assigned_hub: Some(here.hub.clone()),
            device_id: Some(here.device_id.clone()),
            substatus: Some(substatus),
            last_updated_date_time_utc: Some(time::format(Timestamp::now())),
            etag: Some(record_etag()),
            payload: extras.payload,
            symmetric_key,
            x509,
            ..RegistrationState::new(Some(begun.id.clone()), Status::Assigned)
        };
        let record = Record {
            state,
            source: begun.admitted.source,
            operation_id: begun.operation_id.clone(),
            placed: Some(here.clone()),
            leaving: moved_from.cloned().or(left_over),
        };
        let id = begun.id.to_lowercase();
        core.record(Change::Registered {
            id: id.clone(),
            record: Box::new(record),
        });
        self.leave(core, &id);
        core.explain_outcome(
            &begun.operation_id,
            Outcome::Assigned,
            String::new(),
            Some((&here.hub, &here.device_id)),
        );
    }

    /// Keeps the record of a failure, and where the device still is.
    fn fail(&self, core: &mut Core, begun: Begun, failure: Failure) {
        let before = core.registry.registration(begun.id.as_str()).cloned();
        let created = before
            .as_ref()
            .and_then(|record| record.state.created_date_time_utc.clone());
        let (symmetric_key, x509) = note_of(&begun.admitted);
        let state = RegistrationState {
            created_date_time_utc: created.or_else(|| Some(time::format(begun.at))),
            error_code: Some(failure.code.number()),
            error_message: Some(failure.message.clone()),
            last_updated_date_time_utc: Some(time::format(Timestamp::now())),
            etag: Some(record_etag()),
            symmetric_key,
            x509,
            ..RegistrationState::new(Some(begun.id.clone()), Status::Failed)
        };
        let (placed, leaving) =
            before.map_or((None, None), |record| (record.placed, record.leaving));
        let record = Record {
            state,
            source: begun.admitted.source,
            operation_id: begun.operation_id.clone(),
            placed,
            leaving,
        };
        core.record(Change::Registered {
            id: begun.id.to_lowercase(),
            record: Box::new(record),
        });
        core.explain_outcome(&begun.operation_id, Outcome::Failed, failure.message, None);
    }

    /// Takes a device that moved away from where it was, once its record says where it is now.
    pub(super) fn leave(&self, core: &mut Core, id: &str) {
        let Some(record) = core.registry.registration(id).cloned() else {
            return;
        };
        let Some(from) = &record.leaving else {
            return;
        };
        // Only when the journal knows the new place may the old one go.
        if let Err(error) = core.commit() {
            tracing::error!(%error, "the provisioning service's journal cannot be written");
            return;
        }
        let shared = core
            .registry
            .registrations
            .values()
            .any(|other| other.placed.as_ref() == Some(from));
        if let Some(hub) = self.hub(&from.hub).filter(|_| !shared)
            && let Err(error) = hub.remove_device(&from.device_id)
        {
            tracing::debug!(%error, device = from.device_id, "a device that moved was not where it had been");
        }
        let record = Box::new(Record {
            leaving: None,
            ..record
        });
        let id = id.to_owned();
        core.record(Change::Registered { id, record });
    }

    fn hub(&self, name: &str) -> Option<&Arc<Hub>> {
        let at = self
            .candidates
            .iter()
            .position(|hub| hub.name.eq_ignore_ascii_case(name))?;
        self.hubs.get(at)
    }
}

/// An enrolment of an early version has none: its devices stay where they are.
fn policy_of(begun: &Begun) -> ReprovisionPolicy {
    begun
        .admitted
        .terms
        .reprovision_policy
        .unwrap_or(ReprovisionPolicy {
            update_hub_assignment: false,
            migrate_device_data: false,
        })
}

/// Entity tags of records are base64 of a quoted text.
fn record_etag() -> String {
    let drawn = uuid::Uuid::new_v4();
    base64::Engine::encode(
        &base64::engine::general_purpose::STANDARD,
        format!("\"{drawn}\""),
    )
}
