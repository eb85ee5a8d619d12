//! One bay: an Edge device, the deployment on it, and the simulated board its modules drive.

use std::path::Path;

use anyhow::Context;
use board::simulated::SimulatedBoard;
use hub_proto::identity::Identity;
use runner::ModuleSpec;
use simulator::Simulator;

use crate::commands::module;
use crate::deployment::{Deployment, Module};
use crate::place::Place;
use crate::program::Program;

use super::{Plan, Programs};

/// One bay of a street whose modules run here.
#[derive(Clone, Debug)]
pub(crate) struct Bay {
    pub(crate) device_id: String,
    pub(crate) board: SimulatedBoard,
    /// In the manifest's order.
    pub(crate) modules: Vec<BayModule>,
}

/// A module of a bay.
#[derive(Clone, Debug)]
pub(crate) struct BayModule {
    pub(crate) name: String,
    /// Which of this binary's own it is, if it is one.
    pub(crate) own: Option<module::Name>,
}

/// A module as the Edge runtime knows it: who it is, and what the runtime tells it.
pub(super) struct Deployed<'a> {
    module: &'a Module,
    identity: Identity,
    runtime: Vec<(String, String)>,
}

/// Makes the Edge device of a bay, or finds it in the kept state, and deploys to it. The workload sockets are there
/// from here on, wherever the modules run.
pub(super) fn deploy<'a>(
    simulator: &Simulator,
    device: &str,
    deployment: Option<&'a Deployment>,
) -> anyhow::Result<Vec<Deployed<'a>>> {
    if simulator.credentials(device).is_none() {
        simulator.add_device(device, true, &[])?;
    }
    let Some(deployment) = deployment else {
        return Ok(Vec::new());
    };
    simulator.apply_deployment(device, &deployment.content)?;
    let deployed = deployment.modules.iter().map(|module| {
        let identity = Identity::module(device, module.name.as_str())?;
        let runtime = simulator
            .module_environment(&identity)
            .with_context(|| format!("cannot serve the workload API for {identity}"))?;
        Ok(Deployed {
            module,
            identity,
            runtime,
        })
    });
    deployed.collect()
}

impl Deployed<'_> {
    /// The process that stands for it, on the simulated board at `board`.
    pub(super) fn spec(
        &self,
        plan: &Plan,
        program: &Program,
        place: &Place,
        board: &Path,
    ) -> anyhow::Result<ModuleSpec> {
        let state = place.module_state(self.identity.device_id(), &self.module.name)?;
        let own = [
            ("BAY_BOARD".to_owned(), format!("sim:{}", board.display())),
            ("BAY_STATE_DIR".to_owned(), state.display().to_string()),
        ];
        let level = (
            "RuntimeLogLevel".to_owned(),
            plan.module_log_level.to_owned(),
        );
        // Of a variable given twice the later value holds.
        let env = [&[level], self.module.env.as_slice(), &self.runtime, &own].concat();
        Ok(ModuleSpec {
            name: self.identity.to_string(),
            program: program.path.clone(),
            args: program.args.clone(),
            env,
            startup_order: self.module.startup_order,
            restart_policy: self.module.restart_policy,
            status: self.module.status,
        })
    }

    pub(super) fn program<'p>(&self, programs: &'p Programs) -> Option<&'p Program> {
        programs.get(&self.module.name)
    }

    pub(super) fn on_bay(&self, program: &Program) -> BayModule {
        BayModule {
            name: self.module.name.clone(),
            own: program.own,
        }
    }
}
