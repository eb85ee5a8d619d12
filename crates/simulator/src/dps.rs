//! The Device Provisioning Service beside the hub: one registry, one lock, one journal of its own.
//!
//! A device proves itself by an enrolment, gets a hub chosen, and exists there before it hears of it. The faces are
//! `mqtt` and `devices` (the device API), `service` (the operator's REST API) and the control API's part.
//!
//! **Not here:** attestation by TPM.
//!
//! **Invariant:** a device that is told `assigned` is in its hub's journal, and its record in this one. The lock here is
//! taken before a hub's, never after.

mod allocation;
mod answer;
mod assigning;
mod attempts;
mod attestation;
mod change;
mod enrolling;
mod https;
mod levers;
mod mqtt;
mod registering;
mod registry;
mod restoring;
mod seeding;
mod webhook;

use std::collections::{HashMap, VecDeque};
use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use hub_proto::connection_string::ConnectionString;
use hub_proto::dps::enrollment::OWNER_POLICY;
use hub_proto::dps::registration::Operation;
use serde_json::Value;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub(crate) use attestation::Credential;
pub use enrolling::EnrollFault;
pub(crate) use enrolling::no_keys;
pub(crate) use https::serve_request;
pub use levers::DpsLever;
pub(crate) use mqtt::{is_meant, serve};
pub(crate) use registry::Registry;

use self::allocation::Candidate;
use self::attempts::{Attempt, Attempts};
use self::change::Change;
use self::levers::DpsLevers;
use self::registering::Pending;
use crate::certificates::Certificate;
use crate::hub::Hub;
use crate::journal::{Journal, JournalError, Kind};
use crate::lock;
use crate::registry::StoredKey;
use crate::trace::{Observation, Trace, What};

/// Outcomes that leave no record, such as those of disabled enrolments, are remembered for the device to ask about.
const OUTCOMES_KEPT: usize = 1000;

/// A hub that devices can be assigned to.
#[derive(Debug)]
pub(crate) struct Linked {
    pub(crate) hub: Arc<Hub>,
    pub(crate) weight: u32,
    pub(crate) latency_ms: u32,
}

/// The service with its lock, and what is shared outside it.
#[derive(Debug)]
pub(crate) struct Dps {
    core: Mutex<Core>,
    hubs: Vec<Arc<Hub>>,
    /// As allocation sees them, in the order of `hubs`.
    candidates: Vec<Candidate>,
    /// The name in connection strings, and the first of those it answers to.
    pub(crate) host: String,
    accepted: Vec<String>,
    /// Seconds between a device's questions.
    retry_after: u32,
    /// What an edge device runs from the moment it is assigned.
    deployment: Mutex<Option<Value>>,
    /// This simulator's own authority, which webhooks may be certified by.
    authority_pem: String,
    webhook_within: Duration,
    trace: Arc<Trace>,
    tasks: TaskTracker,
    stop: CancellationToken,
}

/// All state, behind the lock.
#[derive(Debug)]
pub(crate) struct Core {
    registry: Registry,
    journal: Journal,
    /// Registrations that are being worked on, by id.
    pending: HashMap<String, Pending>,
    outcomes: VecDeque<Operation>,
    attempts: Attempts,
    levers: DpsLevers,
    trace: Arc<Trace>,
    /// What watchers are told when the journal has it.
    observed: Vec<Observation>,
    /// Whether anything is other than what those who wait have seen.
    changed: bool,
}

/// How to open the service.
#[derive(Debug)]
pub(crate) struct Opening<'a> {
    pub(crate) state: Option<&'a Path>,
    /// The first is the simulator's own hub. Never empty.
    pub(crate) linked: Vec<Linked>,
    pub(crate) retry_after: Duration,
    pub(crate) deployment: Option<Value>,
    pub(crate) authority_pem: String,
    pub(crate) tasks: TaskTracker,
    pub(crate) stop: CancellationToken,
}

impl Dps {
    /// A service with what its state directory holds, or with nothing but a scope and a policy.
    pub(crate) fn open(opening: Opening<'_>) -> Result<Self, JournalError> {
        let mut registry = Registry::default();
        let mut understood = Ok(());
        let journal = match opening.state {
            None => Journal::in_memory(),
            Some(directory) => {
                let journal = Journal::open(directory, |kind, payload| {
                    if understood.is_ok() {
                        understood = replay(&mut registry, kind, payload);
                    }
                })?;
                understood.map_err(|source| JournalError::Foreign {
                    path: directory.to_owned(),
                    source,
                })?;
                journal
            }
        };
        let own = &opening.linked[0].hub;
        let trace = own.trace.clone();
        let (host, accepted) = (own.names.hub.clone(), own.names.accepted.clone());
        let candidates = opening.linked.iter().map(|linked| Candidate {
            name: linked.hub.names.hub.clone(),
            weight: linked.weight,
            latency_ms: linked.latency_ms,
        });
        Ok(Self {
            candidates: candidates.collect(),
            hubs: opening
                .linked
                .into_iter()
                .map(|linked| linked.hub)
                .collect(),
            host,
            accepted,
            retry_after: levers::whole_seconds(opening.retry_after),
            deployment: Mutex::new(opening.deployment),
            authority_pem: opening.authority_pem,
            webhook_within: webhook::WITHIN,
            tasks: opening.tasks,
            stop: opening.stop,
            core: Mutex::new(Core::new(registry, journal, trace.clone())),
            trace,
        })
    }

    /// Draws what a new service needs, and ends what a kill left half done.
    pub(crate) fn make_ready(&self) -> io::Result<()> {
        let mut core = self.lock();
        if core.registry.id_scope.is_empty() {
            let mut drawn = [0; 4];
            // Without randomness from the system nothing here would be secret.
            getrandom::fill(&mut drawn).expect("the system gives random bytes");
            let id_scope = format!("0ne{:08X}", u32::from_be_bytes(drawn));
            core.record(Change::ScopeDrawn { id_scope });
        }
        if !core.registry.policies.contains_key(OWNER_POLICY) {
            core.record(Change::PolicySet {
                name: OWNER_POLICY.to_owned(),
                key: StoredKey::generate(),
            });
        }
        let leaving: Vec<String> = core
            .registry
            .registrations
            .iter()
            .filter(|(_, record)| record.leaving.is_some())
            .map(|(id, _)| id.clone())
            .collect();
        for id in leaving {
            self.leave(&mut core, &id);
        }
        core.commit()
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Core> {
        lock(&self.core)
    }

    /// The state, when the journal has all of it: for those who are told of it.
    fn lock_kept(&self) -> io::Result<MutexGuard<'_, Core>> {
        let mut core = self.lock();
        // A write that failed may have left changes that nobody may hear of.
        core.commit()?;
        Ok(core)
    }

    /// An authority by its name. The service's own are its hub's: who registers one means both.
    fn authority(&self, name: &str) -> Option<Certificate> {
        self.hubs[0].authority(name)
    }

    pub(crate) fn id_scope(&self) -> String {
        self.lock().registry.id_scope.clone()
    }

    /// The names of the linked hubs.
    pub(crate) fn hub_names(&self) -> Vec<String> {
        self.candidates.iter().map(|hub| hub.name.clone()).collect()
    }

    /// For operators: the policy that may do everything.
    pub(crate) fn service_connection_string(&self) -> String {
        let core = self.lock();
        // The policy was made before anybody could ask.
        let key = core.registry.policies.get(OWNER_POLICY).map(StoredKey::key);
        key.map(|key| {
            ConnectionString::for_service(&self.host, OWNER_POLICY, key).to_secret_string()
        })
        .unwrap_or_default()
    }

    /// What edge devices run from the moment they are assigned, from here on.
    pub(crate) fn set_deployment(&self, deployment: Option<Value>) {
        *lock(&self.deployment) = deployment;
    }

    /// Moves a lever; releasing [`DpsLever::Hold`] assigns those that waited.
    pub(crate) fn pull(self: &Arc<Self>, lever: DpsLever) {
        let mut core = self.lock();
        core.levers.set(lever);
        if lever == DpsLever::Hold(false) {
            self.release(&mut core);
        }
        drop(core);
        self.trace.tell(None, || What::Lever {
            text: lever.to_string(),
        });
    }

    /// The explain view, newest first.
    pub(crate) fn attempts(&self, registration_id: Option<&str>) -> Vec<Attempt> {
        self.lock().attempts.newest(registration_id)
    }

    pub(crate) fn levers(&self) -> DpsLevers {
        self.lock().levers
    }
}

impl Core {
    /// A service with nothing under way and every lever at rest.
    fn new(registry: Registry, journal: Journal, trace: Arc<Trace>) -> Self {
        Self {
            registry,
            journal,
            pending: HashMap::new(),
            outcomes: VecDeque::new(),
            attempts: Attempts::default(),
            levers: DpsLevers::default(),
            trace,
            observed: Vec::new(),
            changed: true,
        }
    }

    /// Applies a change and stages it.
    fn record(&mut self, change: Change) {
        if self.journal.is_durable() {
            match serde_json::to_vec(&change) {
                Ok(bytes) => self.journal.stage(Kind::Change, &bytes),
                Err(error) => tracing::error!(%error, "a change cannot be written down"),
            }
        }
        self.registry.apply(change);
        self.changed = true;
    }

    fn commit(&mut self) -> io::Result<()> {
        self.journal.commit()?;
        for observation in self.observed.drain(..) {
            self.trace.send(observation);
        }
        if std::mem::take(&mut self.changed) {
            self.trace.stir();
        }
        if self.journal.is_segment_full() {
            let snapshot = serde_json::to_vec(&self.registry).map_err(io::Error::other)?;
            // What was staged is written; a segment that grows beyond its length loses nothing.
            if let Err(error) = self.journal.roll(&snapshot) {
                tracing::warn!(%error, "a new segment of the journal cannot be begun");
            }
        }
        Ok(())
    }

    fn remember(&mut self, outcome: Operation) {
        if self.outcomes.len() == OUTCOMES_KEPT {
            self.outcomes.pop_front();
        }
        self.outcomes.push_back(outcome);
    }
}

/// Does what a frame of the journal says.
///
/// # Errors
/// When this version does not understand the frame: starting without it would lose what was acknowledged.
fn replay(registry: &mut Registry, kind: Kind, payload: &[u8]) -> Result<(), serde_json::Error> {
    match kind {
        Kind::Snapshot | Kind::Restored => *registry = serde_json::from_slice(payload)?,
        Kind::Change => registry.apply(serde_json::from_slice(payload)?),
        Kind::Event | Kind::Routed | Kind::Group => {
            return Err(serde::de::Error::custom("this journal has no events"));
        }
    }
    Ok(())
}

#[cfg(test)]
pub(crate) mod tests;
