//! `cow bench`: figures a person can repeat, always beside a peer in the same run.
//!
//! Figures are printed, never asserted: machines differ and are shared.

mod dps;
mod fleet;
mod hub;
mod lamp;
mod load;
mod round;
mod servers;
mod service;
mod street;

use anyhow::Result;

#[derive(Debug, clap::Subcommand)]
pub(crate) enum Command {
    /// Registrations per second with the simulated provisioning service, and how long one takes
    Dps(dps::Args),
    /// How soon the operator's service is ready, and how much memory it holds
    Fleet(fleet::Args),
    /// Messages per second, latency and memory of the simulated hub over TLS, beside mosquitto
    Hub(hub::Args),
    /// The simulated hub as back ends use it: identities, twins, queries, events, memory and start
    HubService(service::Args),
    /// From the sensor's sample to the lamp: what the way through module, edge hub and module takes
    Lamp(lamp::Args),
    /// How soon a street is ready, and how much memory its processes hold
    Street(street::Args),
}

pub(crate) async fn run(command: Command) -> Result<()> {
    match command {
        Command::Dps(args) => dps::run(args).await,
        Command::Fleet(args) => fleet::run(args).await,
        Command::Hub(args) => hub::run(args).await,
        Command::HubService(args) => service::run(args).await,
        Command::Lamp(args) => lamp::run(args).await,
        Command::Street(args) => street::run(args).await,
    }
}
