use std::fs;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, anyhow};
use axum::Router;
use board::scenario::Scenario;
use tokio::sync::broadcast::error::RecvError;

use super::fleet;
use super::module::Name;
use super::serve::ServeArgs;
use crate::deployment::{self, Deployment};
use crate::page;
use crate::ports::Ports;
use crate::program::{Exec, Programs};
use crate::street::{Plan, Running};

/// Enough for a first order.
const SPARES: usize = 3;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  cow up                      one bay; open the page it names
  cow up --bays 4 --spares 0  four bays, and no board in stock
  cow up --headless --json    for programs: the first line says where everything is
  cow up --stock              one bay that nobody knows yet; the page leads through the rest
  cow up --scenario scenarios/busy-street.scenario
  cow up --manifest my.template.json --exec sensor='python3 sensor.py'
  cow up --containers         the same modules, each in a container of its own")]
pub(crate) struct Args {
    /// How many bays, each an Edge device with every module; as many as the scenario speaks of, or 1
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=99))]
    bays: Option<u16>,
    /// Play a scenario file on the simulated boards
    #[arg(long, value_name = "FILE")]
    scenario: Option<PathBuf>,
    /// Template or manifest to deploy; deployment.template.json of this directory, or a built-in copy
    #[arg(long, value_name = "FILE")]
    manifest: Option<PathBuf>,
    /// Run a shell command for a module whose image cow does not hold, or instead of one it does
    #[arg(long = "exec", value_name = "MODULE=COMMAND")]
    execs: Vec<Exec>,
    /// Run modules as containers of this machine's Docker engine, made from the manifest's images and create options
    #[arg(long)]
    containers: bool,
    /// Begin with boards that have no identity, as freshly imaged; each serves its own page
    #[arg(long)]
    stock: bool,
    /// Boards that wait in stock for somebody to order them, beside the bays; 3 where the operator's service runs, unless
    /// with --stock or --containers
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(0..=20))]
    spares: Option<u16>,
    /// Serve no page, only the control API; the operator's service does not run either
    #[arg(long)]
    headless: bool,
    /// Run the street without the operator's service
    #[arg(long)]
    no_fleet: bool,
    #[command(flatten)]
    serve: ServeArgs,
}

pub(crate) async fn run(args: Args) -> anyhow::Result<()> {
    let scenario = args.scenario.as_deref().map(read_scenario).transpose()?;
    let deployment = deployment::load(args.manifest.as_deref())?;
    let mut plan = args.serve.plan();
    let spoken_of = scenario.as_ref().map_or(1, Scenario::bays).max(1);
    plan.bays = args.bays.map_or(spoken_of, usize::from);
    let programs = programs(&deployment, &args.execs, args.containers)?;
    plan.in_containers = args.containers;
    if args.stock {
        plan.stock = Some(programs.service());
    }
    plan.has_fleet = fleet::IS_HERE && !args.headless && !args.no_fleet;
    let can_be_ordered =
        plan.has_fleet && !args.stock && !args.containers && has_provisioning(&deployment);
    let usual = if can_be_ordered { SPARES } else { 0 };
    plan.spares = args.spares.map_or(usual, usize::from);
    plan.programs = Some(programs);
    plan.deployment = Some(deployment);
    plan.module_log_level = args.serve.log.level();
    plan.scenario = scenario;
    args.serve
        .run(plan, (!args.headless).then_some(pages))
        .await
}

/// Whether its devices can be told by the operator's service who they are to be.
fn has_provisioning(deployment: &Deployment) -> bool {
    let mut modules = deployment.modules.iter();
    modules.any(|module| module.name == Name::Provisioning.as_str())
}

/// One bay with the built-in manifest, on whichever ports are free.
pub(crate) fn desk_plan() -> anyhow::Result<Plan> {
    let deployment = deployment::built_in()?;
    Ok(Plan {
        bays: 1,
        programs: Some(programs(&deployment, &[], false)?),
        deployment: Some(deployment),
        ..Plan::simulator_alone(Ipv4Addr::LOCALHOST.into(), Ports::from_base(0))
    })
}

fn programs(
    deployment: &Deployment,
    execs: &[Exec],
    in_containers: bool,
) -> anyhow::Result<Programs> {
    let modules = &deployment.modules;
    let images = modules
        .iter()
        .map(|module| (module.name.as_str(), module.image.as_str()));
    Ok(Programs::of(images, &cow()?, execs, in_containers)?)
}

fn cow() -> anyhow::Result<PathBuf> {
    std::env::current_exe().context("cannot tell where this program is")
}

fn read_scenario(path: &Path) -> anyhow::Result<Scenario> {
    let text = fs::read_to_string(path)
        .with_context(|| format!("cannot read the scenario {}", path.display()))?;
    // The error lists every mistake on a line of its own.
    text.parse()
        .map_err(|error| anyhow!("the scenario {} has mistakes:\n{error}", path.display()))
}

/// The pages of a running street, which are told what happens for as long as it runs.
fn pages(running: &mut Running) -> Router {
    let street = &running.street;
    let bays = street.bays.iter().map(|bay| page::Bay {
        name: bay.name.clone(),
        device: bay.device.clone(),
        vitals: bay.vitals.clone(),
        serial: bay.serial.as_str().to_owned(),
        is_spare: bay.spot.is_spare(),
        has_portal: bay.portal.is_some(),
        board: bay.board.clone(),
        modules: bay
            .modules
            .iter()
            .map(|module| page::Module {
                id: module.name.clone(),
                model: module.own.map(super::module::Name::model),
            })
            .collect(),
    });
    let info = street.simulator.info();
    let shown = Arc::new(page::Street::new(info.hub_host_name, bays.collect()));
    let mut observations = street.simulator.watch();
    let told = shown.clone();
    let hub = page::hub::beside_bays(street.simulator.clone());
    running.spawn(async move {
        loop {
            match observations.recv().await {
                Ok(observation) => match serde_json::to_value(observation) {
                    Ok(observation) => told.note(observation),
                    Err(error) => tracing::error!(%error, "An observation is not JSON"),
                },
                Err(RecvError::Lagged(_)) => {}
                Err(RecvError::Closed) => return,
            }
        }
    });
    page::router(shown).merge(hub)
}
