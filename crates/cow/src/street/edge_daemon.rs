//! What stands for the Edge daemon on a bay's machine.
//!
//! It reads the machine's configuration when the machine boots, learns which device that makes it, if need be from the
//! provisioning service as `aziot-identityd` does, and hands over to that device's agent. It does *not*
//! follow the configuration while the machine runs: on a real one, whoever changes it restarts the daemon or the machine.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use dps_client::{Attestation, Endpoint, Limits, Protocol, Registration, register};
use hub_proto::identity::Identity;
use provisioning::edge_config::{self, DpsIdentity, Who};
use runner::{
    Backoff, Credentials, Engine, LogLine, ModuleSpec, Options, ProcessSpec, Runner, Workload,
};
use simulator::Simulator;
use tokio::sync::broadcast;
use transport::Trust;

use super::containers;
use super::disk::Disk;
use super::edge_agent::EdgeAgent;
use super::machine::{Life, Phase};
use super::surroundings::Surroundings;
use crate::deployment::{Deployment, Module};
use crate::program::{self, Means, Program, Programs};

/// A daemon that fails is started again after a while; on a desk, not as late as on a pole.
const RETRY_FIRST: Duration = Duration::from_secs(1);
const RETRY_LONGEST: Duration = Duration::from_secs(15);

/// Nobody at a desk waits longer to be told that a service does not answer.
const REGISTER_WITHIN: Duration = Duration::from_secs(30);

/// What every machine of a street has in common.
#[derive(Debug)]
pub(super) struct Equipment {
    pub(super) simulator: Arc<Simulator>,
    pub(super) deployment: Deployment,
    pub(super) programs: Programs,
    /// What modules log, unless the manifest says otherwise: edgeAgent's `RuntimeLogLevel`.
    pub(super) log_level: &'static str,
    pub(super) lines: broadcast::Sender<LogLine>,
    /// Whether the street has one bay.
    pub(super) is_alone: bool,
    /// Where containers run, if modules are to be containers.
    pub(super) engine: Option<Engine>,
}

/// The daemon of one machine.
#[derive(Clone, Copy)]
pub(super) struct EdgeDaemon<'a> {
    pub(super) equipment: &'a Equipment,
    pub(super) disk: &'a Disk,
    pub(super) surroundings: &'a Surroundings,
}

impl<'a> EdgeDaemon<'a> {
    /// Resolves when the device's modules have been started, with the agent that is to look after them; never on a
    /// machine without an identity.
    pub(super) async fn start(&self, life: &Life) -> (Runner, EdgeAgent<'a>) {
        let mut wait = RETRY_FIRST;
        loop {
            match self.try_start(life).await {
                Ok(Some(started)) => {
                    life.enter(Phase::Running, None);
                    return started;
                }
                Ok(None) => {
                    life.become_device(None);
                    life.enter(Phase::Unprovisioned, None);
                    return std::future::pending().await;
                }
                Err(error) => {
                    let why = format!("{error:#}");
                    tracing::warn!(
                        bay = life.bay(),
                        error = why,
                        "The Edge daemon did not start"
                    );
                    life.enter(Phase::Refused, Some(why));
                }
            }
            tokio::time::sleep(wait).await;
            wait = (wait * 2).min(RETRY_LONGEST);
        }
    }

    async fn try_start(&self, life: &Life) -> anyhow::Result<Option<(Runner, EdgeAgent<'a>)>> {
        let device = match self.disk.read_edge_config()?.identity() {
            edge_config::Identity::None => return Ok(None),
            edge_config::Identity::Dps(identity) => {
                life.enter(Phase::Registering, None);
                self.register(identity).await?
            }
            edge_config::Identity::Other(Who::Other {
                device_id: Some(device),
                ..
            }) => device.clone(),
            edge_config::Identity::Other(who) => {
                bail!("this street cannot tell which device {who} is")
            }
        };
        deploy_once(
            &self.equipment.simulator,
            &device,
            &self.equipment.deployment,
        )?;
        let mut agent = EdgeAgent::new(*self, &device)?;
        let plan = agent.first_plan();
        life.become_device(Some(device));
        let lines = self.equipment.lines.clone();
        let runner = Runner::start_logging(plan, options(), lines).await?;
        Ok(Some((runner, agent)))
    }

    /// Asks the provisioning service over HTTPS, as `aziot-identityd` does.
    async fn register(&self, identity: &DpsIdentity) -> anyhow::Result<String> {
        let info = self.equipment.simulator.info();
        let mut endpoint: Endpoint = identity.global_endpoint.as_str().parse()?;
        if endpoint.host == info.provisioning_host {
            // Names stay what they are for as long as a machine lives; the ports of a street on a desk do not.
            endpoint = endpoint.with_ports(info.mqtt.port(), info.https.port());
        }
        let registration = Registration {
            global_endpoint: endpoint,
            trust: Trust::File(info.ca_file),
            protocol: Protocol::Https,
            ..Registration::new(
                identity.id_scope.clone(),
                identity.registration_id.clone(),
                Attestation::SymmetricKey(identity.symmetric_key.clone()),
            )
        };
        let limits = Limits {
            give_up_after: REGISTER_WITHIN,
            ..Limits::default()
        };
        let assignment = register(&registration, limits).await?;
        if assignment.hub != info.hub_host_name {
            bail!(
                "{} was assigned to {}, whose Edge runtime this street does not play",
                assignment.device_id,
                assignment.hub
            );
        }
        Ok(assignment.device_id)
    }

    /// What is to run for a module: a process or a container. `registries` are those the deployment has credentials for.
    ///
    /// # Errors
    /// When this machine has nothing to run for it.
    pub(super) fn spec(
        &self,
        device: &str,
        module: &Module,
        registries: &[Credentials],
    ) -> anyhow::Result<ModuleSpec> {
        let means = self.equipment.programs.find(&module.name, &module.image)?;
        let identity = Identity::module(device, module.name.as_str())?;
        let runtime = self
            .equipment
            .simulator
            .module_environment(&identity)
            .with_context(|| format!("cannot serve the workload API for {identity}"))?;
        let workload = match means {
            Means::Process(program) => Workload::Process(self.process(&program, module, &runtime)?),
            Means::Container(own) => {
                let container =
                    containers::spec(self, &identity, module, own, &runtime, registries)?;
                Workload::Container(Box::new(container))
            }
        };
        Ok(ModuleSpec {
            name: identity.to_string(),
            workload,
            startup_order: module.startup_order,
            restart_policy: module.restart_policy,
            status: module.status,
        })
    }

    fn process(
        &self,
        program: &Program,
        module: &Module,
        runtime: &[(String, String)],
    ) -> anyhow::Result<ProcessSpec> {
        let state = if program::image_name(&module.image) == "provisioning" {
            self.disk.provisioning()
        } else {
            self.disk.module(&module.name)?
        };
        let state = ("BAY_STATE_DIR".to_owned(), state.display().to_string());
        // Of a variable given twice the later value holds.
        let env = [
            &[self.equipment.log_level()],
            module.env.as_slice(),
            runtime,
            &self.surroundings.of_process,
            &[state],
        ];
        Ok(ProcessSpec {
            program: program.path.clone(),
            args: program.args.clone(),
            env: env.concat(),
        })
    }
}

impl Equipment {
    /// What modules log, as a variable.
    pub(super) fn log_level(&self) -> (String, String) {
        ("RuntimeLogLevel".to_owned(), self.log_level.to_owned())
    }
}

/// How a desk treats its modules.
pub(super) fn options() -> Options {
    Options {
        backoff: Backoff::DESK,
        ..Options::default()
    }
}

/// Gives an Edge device the street's deployment, unless it has had one before.
fn deploy_once(simulator: &Simulator, device: &str, deployment: &Deployment) -> anyhow::Result<()> {
    let agent = Identity::module(device, "$edgeAgent")?;
    let twin = simulator.twin(&agent).unwrap_or_default();
    if !twin["properties"]["desired"]["modules"].is_object() {
        deploy(simulator, device, deployment)?;
    }
    Ok(())
}

/// Gives an Edge device the street's deployment.
pub(super) fn deploy(
    simulator: &Simulator,
    device: &str,
    deployment: &Deployment,
) -> anyhow::Result<()> {
    simulator
        .apply_deployment(device, &deployment.content)
        .with_context(|| format!("cannot deploy to {device}"))
}
