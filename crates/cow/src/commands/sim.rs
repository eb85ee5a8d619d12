use std::net::IpAddr;
use std::path::PathBuf;

use axum::Router;
use simulator::LinkedHub;

use super::serve::ServeArgs;
use crate::deployment;
use crate::page;
use crate::street::Running;

#[derive(Debug, clap::Args)]
#[command(after_help = "\
Without --manifest it starts empty: `cow device add` makes devices.
With one, your modules find their connection strings and workload sockets in the line --json prints.")]
pub(crate) struct Args {
    /// Template or manifest to deploy to an Edge device, bay-01, whose modules you run yourself
    #[arg(long, value_name = "FILE")]
    manifest: Option<PathBuf>,
    /// A further hub at an address of its own, to which the provisioning service may assign devices; can be given more
    /// than once
    #[arg(long, value_name = "IP")]
    linked_hub: Vec<IpAddr>,
    /// Serve no page, only the control API
    #[arg(long)]
    headless: bool,
    #[command(flatten)]
    serve: ServeArgs,
}

pub(crate) async fn run(args: Args) -> anyhow::Result<()> {
    let mut plan = args.serve.plan();
    if let Some(manifest) = args.manifest {
        plan.deployment = Some(deployment::load(Some(&manifest))?);
        plan.bays = 1;
    }
    let linked = args.linked_hub.into_iter().map(|address| LinkedHub {
        address,
        weight: 1,
        latency_ms: 1,
    });
    plan.linked_hubs.extend(linked);
    args.serve
        .run(plan, (!args.headless).then_some(pages))
        .await
}

/// The hub's pages: its devices, enrolments and events.
fn pages(running: &mut Running) -> Router {
    page::hub::alone(running.street.simulator.clone())
}
