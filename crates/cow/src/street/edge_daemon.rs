//! What stands for the Edge daemon on a bay's machine.
//!
//! It reads the machine's configuration when the machine boots, learns which device that makes it, if need be from the
//! provisioning service as `aziot-identityd` does, and starts that device's modules as edgeAgent does. It does *not*
//! follow the configuration while the machine runs: on a real one, whoever changes it restarts the daemon or the machine.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use dps_client::{Attestation, Endpoint, Limits, Protocol, Registration, register};
use hub_proto::identity::Identity;
use provisioning::edge_config::{self, DpsIdentity, Who};
use runner::{Backoff, LogLine, ModuleSpec, Options, Runner};
use simulator::Simulator;
use tokio::sync::broadcast;
use transport::Trust;

use super::Programs;
use super::disk::Disk;
use super::machine::{Life, Phase};
use crate::deployment::{Deployment, Module};
use crate::program::{self, Program};

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
}

/// The daemon of one machine.
pub(super) struct EdgeDaemon<'a> {
    pub(super) equipment: &'a Equipment,
    pub(super) disk: &'a Disk,
    /// What the machine tells every module on it: its board, and where the host's files are mounted.
    pub(super) surroundings: &'a [(String, String)],
}

impl EdgeDaemon<'_> {
    /// Resolves when the device's modules have been started; never on a machine without an identity.
    pub(super) async fn start(&self, life: &Life) -> Runner {
        let mut wait = RETRY_FIRST;
        loop {
            match self.try_start(life).await {
                Ok(Some(runner)) => {
                    life.enter(Phase::Running, None);
                    return runner;
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

    async fn try_start(&self, life: &Life) -> anyhow::Result<Option<Runner>> {
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
        let modules = self.equipment.deployment.modules.iter();
        let specs: Result<Vec<_>, _> = modules
            .filter_map(|module| self.spec(&device, module))
            .collect();
        life.become_device(Some(device));
        self.run(specs?).await.map(Some)
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

    /// The process that stands for a module, where there is a program for it.
    fn spec(&self, device: &str, module: &Module) -> Option<anyhow::Result<ModuleSpec>> {
        let program = self.equipment.programs.get(&module.name)?;
        Some(self.spec_of(device, module, program))
    }

    fn spec_of(
        &self,
        device: &str,
        module: &Module,
        program: &Program,
    ) -> anyhow::Result<ModuleSpec> {
        let identity = Identity::module(device, module.name.as_str())?;
        let runtime = self
            .equipment
            .simulator
            .module_environment(&identity)
            .with_context(|| format!("cannot serve the workload API for {identity}"))?;
        let state = if program::image_name(&module.image) == "provisioning" {
            self.disk.provisioning()
        } else {
            self.disk.module(&module.name)?
        };
        let own = [
            (
                "RuntimeLogLevel".to_owned(),
                self.equipment.log_level.to_owned(),
            ),
            ("BAY_STATE_DIR".to_owned(), state.display().to_string()),
        ];
        let [level, state] = own;
        // Of a variable given twice the later value holds.
        let env = [
            &[level],
            module.env.as_slice(),
            &runtime,
            self.surroundings,
            &[state],
        ]
        .concat();
        Ok(ModuleSpec {
            name: identity.to_string(),
            program: program.path.clone(),
            args: program.args.clone(),
            env,
            startup_order: module.startup_order,
            restart_policy: module.restart_policy,
            status: module.status,
        })
    }

    async fn run(&self, specs: Vec<ModuleSpec>) -> anyhow::Result<Runner> {
        Ok(Runner::start_logging(specs, options(), self.equipment.lines.clone()).await?)
    }
}

/// How a desk treats its processes.
pub(super) fn options() -> Options {
    Options {
        backoff: Backoff::DESK,
        ..Options::default()
    }
}

/// Gives an Edge device the street's deployment, unless it has one with these modules already.
fn deploy_once(simulator: &Simulator, device: &str, deployment: &Deployment) -> anyhow::Result<()> {
    let agent = Identity::module(device, "$edgeAgent")?;
    let twin = simulator.twin(&agent).unwrap_or_default();
    let deployed = &twin["properties"]["desired"]["modules"];
    let has = |module: &Module| deployed[&module.name].is_object();
    if deployment.modules.is_empty() || !deployment.modules.iter().all(has) {
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
