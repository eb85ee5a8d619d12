use clap::{Parser, Subcommand};

use crate::commands::{
    bench, board, completion, deployment, device, dps, fleet, image, manifest, manual, method,
    module, monitor, reset, route, seed, send, sim, snapshot, twin, up, wait,
};

/// A parking bay, and the Azure IoT Hub and Edge runtime it speaks to, on one machine.
#[derive(Debug, Parser)]
#[command(
    name = "cow",
    version,
    max_term_width = 100,
    after_help = "Start with `cow up`, then open the page it names. Exit codes: 0 done, 1 failed, 2 used wrongly."
)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the whole street: simulator, bays with their modules, and the page
    Up(up::Args),
    /// Run the simulator alone, for modules and devices of your own
    Sim(sim::Args),
    /// Run the operator's service: stock, projects, bays and bookings
    Fleet(fleet::Args),
    /// Run one module, as its container does
    Module(module::Args),
    /// Add, list and remove identities of the simulated hub
    #[command(subcommand)]
    Device(device::Command),
    /// Put a deployment on an Edge device, and see what became of it
    #[command(subcommand)]
    Deployment(deployment::Command),
    /// Enrol devices in the simulated Device Provisioning Service, and see what came of it
    #[command(subcommand)]
    Dps(dps::Command),
    /// See what hardware this machine has for a bay, and aim its sensor
    #[command(subcommand)]
    Board(board::Command),
    /// Prepare cards for bays
    #[command(subcommand)]
    Image(image::Command),
    /// Follow the messages that reach the simulated hub
    Monitor(monitor::Args),
    /// Read a device's or module's twin, or patch it
    #[command(subcommand)]
    Twin(twin::Command),
    /// Invoke a direct method of a device or module
    Method(method::Args),
    /// Send a cloud-to-device message
    Send(send::Args),
    /// Wait until something is so, or the time for it is over
    Wait(wait::Args),
    /// Make what a seed file says and what is missing
    Seed(seed::Args),
    /// Set a running simulator back to what it began with
    Reset(reset::Args),
    /// Save the whole state of a running simulator, or put a saved one back
    #[command(subcommand)]
    Snapshot(snapshot::Command),
    /// Check a deployment template or manifest, or expand a template
    #[command(subcommand)]
    Manifest(manifest::Command),
    /// Check a route, and try a message on it
    #[command(subcommand)]
    Route(route::Command),
    /// Measure the simulator and the street on this machine
    #[command(subcommand)]
    Bench(bench::Command),
    /// Print what makes a shell complete cow's commands
    Completion(completion::Args),
    /// Write the manual pages
    #[command(hide = true)]
    Manual(manual::Args),
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_arguments_fit_together() {
        Cli::command().debug_assert();
    }
}
