//! What a street is to be, before there is one.

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;

use board::scenario::Scenario;
use runner::{Engine, LogLine};
use serde_json::Value;
use simulator::{LinkedHub, Simulator};
use tokio::sync::broadcast;

use super::edge_daemon::Equipment;
use super::spot::Spot;
use crate::deployment::Deployment;
use crate::ports::Ports;
use crate::program::{Program, Programs};

/// What to run.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) address: IpAddr,
    /// Where the control API and the page are: they show keys, and where they listen is their only lock.
    pub(crate) control_address: IpAddr,
    pub(crate) ports: Ports,
    /// Where state is kept, if it is.
    pub(crate) state: Option<PathBuf>,
    /// What is to be there from the beginning.
    pub(crate) seed: Option<PathBuf>,
    /// The hub's names, where it is not called by its address.
    pub(crate) hosts: Vec<String>,
    /// How many Edge devices to make, each with the deployment's modules.
    pub(crate) bays: usize,
    pub(crate) deployment: Option<Deployment>,
    /// What runs for the deployment's modules; without, somebody else runs them, and there are no boards.
    pub(crate) programs: Option<Programs>,
    /// Whether modules are containers, but for those that are said to be programs.
    pub(crate) in_containers: bool,
    /// What modules log, unless the manifest says otherwise: edgeAgent's `RuntimeLogLevel`.
    pub(crate) module_log_level: &'static str,
    pub(crate) scenario: Option<Scenario>,
    /// The host's provisioning service: with it, bays begin without an identity.
    pub(crate) stock: Option<Program>,
    /// How many boards wait in stock beside the bays.
    pub(crate) spares: usize,
    /// Hubs beside the street's own, for devices that are not of the street.
    pub(crate) linked_hubs: Vec<LinkedHub>,
    /// The hub's message routing, where it is to be another than the one kept.
    pub(crate) routing: Option<Value>,
    /// Whether the operator's service runs beside it.
    pub(crate) has_fleet: bool,
}

impl Plan {
    /// What machines need, where there are to be machines.
    pub(super) fn equipment(
        &mut self,
        simulator: &Arc<Simulator>,
        lines: broadcast::Sender<LogLine>,
        engine: Option<Engine>,
    ) -> Option<Equipment> {
        Some(Equipment {
            simulator: simulator.clone(),
            programs: self.programs.take()?,
            deployment: self.deployment.take()?,
            log_level: self.module_log_level,
            lines,
            is_alone: self.bays + self.spares == 1,
            engine,
        })
    }

    /// The devices that the street's own bays are from the beginning.
    pub(super) fn own_devices(&self) -> Vec<String> {
        match self.stock {
            Some(_) => Vec::new(),
            None => (1..=self.bays)
                .map(|number| Spot::Bay(number).name())
                .collect(),
        }
    }

    /// Hub and Edge runtime without any device.
    pub(crate) fn simulator_alone(address: IpAddr, ports: Ports) -> Self {
        Self {
            address,
            control_address: address,
            ports,
            state: None,
            seed: None,
            hosts: Vec::new(),
            bays: 0,
            deployment: None,
            programs: None,
            in_containers: false,
            module_log_level: "warn",
            scenario: None,
            stock: None,
            spares: 0,
            linked_hubs: Vec::new(),
            routing: None,
            has_fleet: false,
        }
    }
}
