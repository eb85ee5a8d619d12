//! What stands for edgeAgent on a bay's machine: it has the machine run what `$edgeAgent`'s desired properties say, follows
//! them while the machine is up, reports how its modules are, and answers the agent's direct methods.
//!
//! It works on what the device has: while the upstream is cut nothing new comes, and its reports wait.

mod logs;
mod methods;

use std::collections::BTreeMap;
use std::time::Duration;

use hub_proto::twin::Object;
use jiff::Timestamp;
use runner::{Credentials, Exit, ModuleSpec, Runner};
use serde_json::Value;
use simulator::agent::{self, ModuleState, Report, Status};
use simulator::{AgentCall, EdgeAgent as Seat};
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};

use super::edge_daemon::EdgeDaemon;
use crate::deployment::Module;
use logs::Logs;

/// Changes that come together are reported together: a start is a dozen of them.
const GATHER: Duration = Duration::from_millis(100);

/// The agent of one machine, from its start to the machine's end.
pub(super) struct EdgeAgent<'a> {
    daemon: EdgeDaemon<'a>,
    device: String,
    seat: Seat,
    calls: mpsc::Receiver<AgentCall>,
    since: Timestamp,
    /// Of the desired properties that were looked at last, and what became of them.
    seen: Option<u64>,
    status: Status,
    /// Those that are in effect.
    applied: Object,
    /// Modules that cannot be run here, and why.
    failed: BTreeMap<String, String>,
    logs: Logs,
}

impl<'a> EdgeAgent<'a> {
    /// An agent that has looked at nothing yet.
    pub(super) fn new(daemon: EdgeDaemon<'a>, device: &str) -> anyhow::Result<Self> {
        let (seat, calls) = daemon.equipment.simulator.edge_agent(device)?;
        Ok(Self {
            daemon,
            device: device.to_owned(),
            seat,
            calls,
            since: Timestamp::now(),
            seen: None,
            status: Status::done(),
            applied: Object::new(),
            failed: BTreeMap::new(),
            logs: Logs::default(),
        })
    }

    /// What is to run from the machine's start on.
    pub(super) fn first_plan(&mut self) -> Vec<ModuleSpec> {
        let desired = self.seat.desired();
        let plan = desired.and_then(|(version, desired)| self.look_at(version, desired));
        plan.unwrap_or_default()
    }

    /// What is to run from here on; nothing when the desired properties are wrong, and then nothing changes.
    fn look_at(&mut self, version: u64, desired: Object) -> Option<Vec<ModuleSpec>> {
        self.seen = Some(version);
        let modules = match agent::read(&desired) {
            Ok(agent) => agent.modules.into_iter().filter(|module| !module.is_system),
            Err(status) => {
                tracing::warn!(
                    device = self.device,
                    code = status.code,
                    reason = status.description,
                    "The deployment is refused"
                );
                self.status = status;
                return None;
            }
        };
        let registries = registries(&desired);
        self.applied = desired;
        self.failed.clear();
        let mut plan = Vec::new();
        for module in modules.map(Module::from) {
            match self.daemon.spec(&self.device, &module, &registries) {
                Ok(spec) => plan.push(spec),
                Err(error) => {
                    let why = format!("{error:#}");
                    tracing::warn!(
                        device = self.device,
                        module = module.name,
                        error = why,
                        "A module cannot be run"
                    );
                    self.failed.insert(module.name, why);
                }
            }
        }
        self.status = match self.failed.len() {
            0 => Status::done(),
            _ => Status {
                code: 500,
                description: self.failed.values().cloned().collect::<Vec<_>>().join("; "),
            },
        };
        Some(plan)
    }

    /// Follows the desired properties and the modules for as long as the machine is up.
    pub(super) async fn run(mut self, runner: &mut Runner) {
        let modules = runner.modules().clone();
        let mut changes = modules.changes();
        let mut lines = modules.lines();
        let mut report_at = Some(Instant::now() + GATHER);
        loop {
            tokio::select! {
                (version, desired) = self.seat.desired_after(self.seen) => {
                    if let Some(plan) = self.look_at(version, desired)
                        && let Err(error) = runner.apply(plan).await
                    {
                        tracing::error!(device = self.device, %error, "The plan cannot be run");
                    }
                    report_at.get_or_insert_with(|| Instant::now() + GATHER);
                }
                Ok(()) = changes.changed() => {
                    report_at.get_or_insert_with(|| Instant::now() + GATHER);
                }
                Some(call) = self.calls.recv() => self.answer(call, runner).await,
                line = lines.recv() => match line {
                    Ok(line) => self.logs.take(&self.device, &line),
                    // What was lost is lost to everybody who listens.
                    Err(RecvError::Lagged(_)) => {}
                    Err(RecvError::Closed) => return,
                },
                () = due(report_at) => {
                    report_at = None;
                    self.report(runner);
                }
            }
        }
    }

    fn report(&self, runner: &Runner) {
        let failed = self
            .failed
            .iter()
            .map(|(name, why)| (name.clone(), cannot_run(why)));
        let modules = runner.modules();
        let running = modules.names().into_iter().filter_map(|process| {
            let (_, name) = process.split_once('/')?;
            Some((name.to_owned(), state_of(&modules.state(&process)?)))
        });
        let report = Report {
            version: self.seen.unwrap_or_default(),
            status: &self.status,
            applied: &self.applied,
            since: self.since,
            modules: running.chain(failed).collect(),
        };
        if let Err(error) = self.seat.report(&report) {
            tracing::error!(device = self.device, %error, "The agent's report cannot be kept");
        }
    }
}

async fn due(at: Option<Instant>) {
    match at {
        Some(at) => sleep_until(at).await,
        None => std::future::pending().await,
    }
}

fn cannot_run(why: &str) -> ModuleState {
    ModuleState {
        runtime_status: "failed",
        description: why.to_owned(),
        exit_code: Exit::NotStarted.code(),
        ..ModuleState::default()
    }
}

/// Where images may be pulled from, and as whom: the deployment's `registryCredentials`.
pub(super) fn registries(desired: &Object) -> Vec<Credentials> {
    let credentials = desired
        .get("runtime")
        .map(|runtime| &runtime["settings"]["registryCredentials"]);
    let all = credentials.and_then(Value::as_object).into_iter().flatten();
    let read = all.filter_map(|(_, one)| {
        let text = |name: &str| one[name].as_str().map(str::to_owned);
        Some(Credentials {
            address: text("address")?,
            username: text("username")?,
            password: text("password")?,
        })
    });
    read.collect()
}

fn state_of(state: &runner::ModuleState) -> ModuleState {
    let moment = |at: Option<std::time::SystemTime>| at.and_then(|at| Timestamp::try_from(at).ok());
    let description = match (state.pid, state.last_exit) {
        (Some(pid), _) => match &state.container {
            Some(container) => format!("runs as container {container}"),
            None => format!("runs as process {pid}"),
        },
        (None, Some(Exit::Code(code))) => format!("ended with code {code}"),
        (None, Some(Exit::Signal(signal))) => format!("ended by signal {signal}"),
        (None, Some(Exit::NotStarted)) => state.problem.clone().unwrap_or_default(),
        (None, None) => String::new(),
    };
    ModuleState {
        runtime_status: state.status.as_str(),
        description,
        exit_code: state.last_exit.map_or(0, Exit::code),
        started: moment(state.last_start_time),
        exited: moment(state.last_exit_time),
        restarts: state.restart_count,
    }
}
