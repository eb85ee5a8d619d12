//! Edge agents: whoever plays one in this process, and what is reported where nobody does.
//!
//! A street runs an edge device's modules and plays its agent by [`EdgeAgent`]. Where the hub is alone, nobody here runs
//! a module: its state is whether it is connected, and the report says so. A client that connects as `$edgeAgent`
//! speaks for itself.

use std::collections::{BTreeMap, HashMap};
use std::io;
use std::sync::Arc;

use bytes::Bytes;
use hub_proto::identity::{Identity, IdentityError};
use hub_proto::method::MethodRequest;
use hub_proto::twin::{Object, Section, diff};
use jiff::Timestamp;
use serde_json::Value;
use tokio::sync::{mpsc, oneshot};

use super::{Caller, Core, Hub};
use crate::agent::{self, ModuleState, Report, Status};
use crate::change::Change;

const AGENT: &str = "$edgeAgent";

/// Calls that may wait for one agent.
const CALL_BACKLOG: usize = 16;

/// The agents that are played in this process.
#[derive(Debug, Default)]
pub(super) struct Agents {
    seats: HashMap<String, Seat>,
    taken: u64,
    /// Whether what one of them is told has moved in this round.
    pub(super) moved: bool,
}

#[derive(Debug)]
struct Seat {
    number: u64,
    calls: mpsc::Sender<AgentCall>,
}

/// An edge device's agent, as whoever plays it sees the hub. The device is without one when this is dropped.
#[derive(Debug)]
pub struct EdgeAgent {
    hub: Arc<Hub>,
    identity: Identity,
    number: u64,
}

/// A direct method that was called on an agent.
#[derive(Debug)]
pub struct AgentCall {
    /// The method's name, as the caller wrote it.
    pub method: String,
    /// What came with it.
    pub payload: Value,
    answer: oneshot::Sender<(i32, Bytes)>,
}

impl AgentCall {
    /// Answers the caller, who may have left.
    pub fn answer(self, status: i32, payload: &Value) {
        let body = if payload.is_null() {
            Bytes::new()
        } else {
            payload.to_string().into()
        };
        let _ = self.answer.send((status, body));
    }
}

impl EdgeAgent {
    /// Takes the seat of a device's agent; whoever had it before is no longer asked.
    pub(crate) fn take_seat(
        hub: &Arc<Hub>,
        device: &str,
    ) -> Result<(Self, mpsc::Receiver<AgentCall>), IdentityError> {
        let identity = Identity::module(device, AGENT)?;
        let (calls, received) = mpsc::channel(CALL_BACKLOG);
        let mut core = hub.lock();
        core.agents.taken += 1;
        let number = core.agents.taken;
        core.agents
            .seats
            .insert(device.to_owned(), Seat { number, calls });
        drop(core);
        // Calls may be waiting for it.
        hub.presence.notify_waiters();
        let agent = Self {
            hub: hub.clone(),
            identity,
            number,
        };
        Ok((agent, received))
    }

    /// What the agent is told to run, with its version, when that is another than the one it has `seen`. While the
    /// upstream is cut, that stays as it was.
    pub async fn desired_after(&self, seen: Option<u64>) -> (u64, Object) {
        loop {
            let moved = self.hub.agents_moved.notified();
            tokio::pin!(moved);
            // What moves from here on is not missed.
            moved.as_mut().enable();
            if let Some(desired) = self.desired_unless(seen) {
                return desired;
            }
            moved.await;
        }
    }

    /// What the agent is told to run, as of now.
    #[must_use]
    pub fn desired(&self) -> Option<(u64, Object)> {
        self.desired_unless(None)
    }

    fn desired_unless(&self, seen: Option<u64>) -> Option<(u64, Object)> {
        let core = self.hub.lock();
        let desired = core.desired_at_edge(&self.identity)?;
        let version = desired.version();
        (Some(version) != seen).then(|| (version, desired.value().clone()))
    }

    /// Reports: writes what differs from what was reported before, and null for what is gone. It waits on the device
    /// while the upstream is cut.
    ///
    /// # Errors
    /// When the journal cannot be written.
    pub fn report(&self, report: &Report<'_>) -> io::Result<()> {
        let mut core = self.hub.lock();
        core.report_at_edge(&self.identity, &report.properties());
        self.hub.commit(&mut core)
    }
}

impl Drop for EdgeAgent {
    fn drop(&mut self) {
        let mut core = self.hub.lock();
        let device = self.identity.device_id();
        let seat = core.agents.seats.get(device);
        if seat.is_some_and(|seat| seat.number == self.number) {
            core.agents.seats.remove(device);
        }
    }
}

impl Core {
    /// Whether the target is an agent that is played here, and the caller can reach it.
    pub(super) fn can_call_agent(&self, target: &Identity, caller: Caller<'_>) -> bool {
        let played = self.agents.seats.contains_key(target.device_id());
        let is_cut = caller == Caller::Cloud && self.is_offline(target);
        target.module_id() == Some(AGENT) && played && !is_cut
    }

    /// Hands a call to an agent that is played here; nothing if too many wait for it.
    pub(super) fn call_agent(
        &mut self,
        target: &Identity,
        request: &MethodRequest,
    ) -> Option<oneshot::Receiver<(i32, Bytes)>> {
        let seat = self.agents.seats.get(target.device_id())?;
        let (answer, received) = oneshot::channel();
        let call = AgentCall {
            method: request.method_name.clone(),
            payload: request.payload.clone(),
            answer,
        };
        seat.calls.try_send(call).ok().map(|()| received)
    }

    /// What an edge device's agent is told has moved.
    pub(super) fn agent_told(&mut self, device: &str) {
        self.agents.moved = true;
        self.report_connections(device);
    }

    /// Reports for the agent of a device whose modules run elsewhere.
    pub(super) fn report_connections(&mut self, device: &str) {
        let Ok(identity) = Identity::module(device, AGENT) else {
            return;
        };
        let played = self.agents.seats.contains_key(device) || self.live.contains_key(&identity);
        let Some(desired) = self.desired_at_edge(&identity).filter(|_| !played) else {
            return;
        };
        // One that was never told anything has never run.
        if desired.version() == 1 {
            return;
        }
        let (version, told) = (desired.version(), desired.value().clone());
        let read = agent::read(&told);
        let modules: BTreeMap<String, ModuleState> = match &read {
            Ok(agent) => {
                let custom = agent.modules.iter().filter(|module| !module.is_system);
                custom
                    .map(|module| (module.name.clone(), self.connection_of(device, module)))
                    .collect()
            }
            Err(_) => BTreeMap::new(),
        };
        let known = self
            .reported_at_edge(&identity)
            .cloned()
            .unwrap_or_default();
        let status = read.as_ref().err().cloned().unwrap_or_else(Status::done);
        let report = Report {
            version,
            status: &status,
            applied: &told,
            since: self.agent_since(&known),
            modules,
        };
        let mut properties = report.properties();
        if read.is_err() {
            // Nothing has changed but that.
            for name in ["runtime", "systemModules", "modules"] {
                match known.get(name) {
                    Some(before) => properties.insert(name.to_owned(), before.clone()),
                    None => properties.shift_remove(name),
                };
            }
        }
        self.report_at_edge(&identity, &properties);
    }

    /// When the agent was first heard of.
    fn agent_since(&self, known: &Object) -> Timestamp {
        let started = known
            .get("systemModules")
            .and_then(|system| system.pointer("/edgeAgent/lastStartTimeUtc"));
        let started = started
            .and_then(Value::as_str)
            .and_then(|at| at.parse().ok());
        started.unwrap_or_else(Timestamp::now)
    }

    fn connection_of(&self, device: &str, module: &manifest::Module) -> ModuleState {
        let identity = Identity::module(device, module.name.as_str()).ok();
        let live = identity
            .as_ref()
            .and_then(|identity| self.live.get(identity));
        let left = identity
            .as_ref()
            .and_then(|identity| self.left.get(identity));
        let (runtime_status, description) = match (live, module.status) {
            (Some(_), _) => ("running", "it is connected; nothing is run here"),
            (None, manifest::Status::Stopped) => ("stopped", "it is not connected"),
            (None, manifest::Status::Running) => {
                ("unknown", "it is not connected, and nothing is run here")
            }
        };
        ModuleState {
            runtime_status,
            description: description.to_owned(),
            started: live.map(|live| live.since),
            exited: left.copied(),
            ..ModuleState::default()
        }
    }

    fn desired_at_edge(&self, identity: &Identity) -> Option<&Section> {
        let store = self.registry.edge(identity.device_id())?;
        let offline = store.offline.as_ref();
        let kept = offline.and_then(|offline| offline.desired.get(identity.module_id()?));
        kept.or_else(|| Some(self.client(identity)?.twin.desired()))
    }

    fn reported_at_edge(&self, identity: &Identity) -> Option<&Object> {
        let store = self.registry.edge(identity.device_id())?;
        let offline = store.offline.as_ref();
        let kept = offline.and_then(|offline| offline.reported.get(identity.module_id()?));
        let section = kept.or_else(|| Some(self.client(identity)?.twin.reported()));
        section.map(Section::value)
    }

    /// Reports what differs, to the hub or, while the upstream is cut, for when it is back.
    fn report_at_edge(&mut self, identity: &Identity, properties: &Object) {
        let Some(known) = self.reported_at_edge(identity) else {
            return;
        };
        let patch = diff(known, properties);
        if patch.is_empty() {
            return;
        }
        let at = Timestamp::now();
        let done = if self.is_offline(identity) {
            self.try_record(Change::UpstreamReported {
                device: identity.device_id().to_owned(),
                module: AGENT.to_owned(),
                patch,
                at,
            })
            .map(drop)
        } else {
            self.report(identity, Value::Object(patch), at)
        };
        if let Err(error) = done {
            tracing::warn!(%identity, %error, "the agent's report is none that a twin can hold");
        }
    }
}
