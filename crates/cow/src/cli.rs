use clap::{Parser, Subcommand};

use crate::commands::{device, method, monitor, send, twin};

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
    /// Add, list and remove identities of the simulated hub
    #[command(subcommand)]
    Device(device::Command),
    /// Follow the messages that reach the simulated hub
    Monitor(monitor::Args),
    /// Read a device's or module's twin, or patch it
    #[command(subcommand)]
    Twin(twin::Command),
    /// Invoke a direct method of a device or module
    Method(method::Args),
    /// Send a cloud-to-device message
    Send(send::Args),
}
