//! One bay: a place on the street with a board and a machine on it, whoever that machine is at the moment.

use std::net::{IpAddr, SocketAddr, TcpListener};
use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use board::simulated::SimulatedBoard;
use runner::{ModuleState, Modules};
use simulator::Simulator;
use tokio::sync::{mpsc, watch};

use super::disk::Disk;
use super::edge_daemon::{Equipment, deploy};
use super::host::{Host, Portal};
use super::machine::{Life, Machine, Switch, Vitals};
use super::spot::Spot;
use super::surroundings::Surroundings;
use super::{hub, taken};
use crate::card::{Card, Pin, Serial};
use crate::commands::module;
use crate::place::Place;
use crate::ports::Ports;
use crate::program::Program;

/// Somebody at a page may press a button twice.
const SWITCH_BACKLOG: usize = 4;

/// One bay of a street whose modules run here.
#[derive(Debug)]
pub(crate) struct Bay {
    /// What the street calls it, whichever device its machine is: `bay-01`.
    pub(crate) name: String,
    /// Where its board was when the street began.
    pub(crate) spot: Spot,
    /// Its board's serial number.
    pub(crate) serial: Serial,
    pub(crate) board: SimulatedBoard,
    /// In the manifest's order.
    pub(crate) modules: Vec<BayModule>,
    /// The machine's own page, where it has one.
    pub(crate) portal: Option<Portal>,
    pub(crate) disk: Disk,
    /// How its machine is.
    pub(crate) vitals: watch::Receiver<Vitals>,
    /// Which device of the hub its machine is, if it is one.
    pub(crate) device: watch::Receiver<Option<String>>,
    pub(crate) switch: mpsc::Sender<Switch>,
}

/// A module of a bay.
#[derive(Clone, Debug)]
pub(crate) struct BayModule {
    pub(crate) name: String,
    /// Which of this binary's own it is, if it is one.
    pub(crate) own: Option<module::Name>,
}

impl Bay {
    /// Its processes as they are now, by name.
    pub(crate) fn processes(&self) -> Vec<(String, ModuleState)> {
        let vitals = self.vitals.borrow();
        let states = vitals.processes.iter().flat_map(|modules| {
            let names = modules.names().into_iter();
            names.filter_map(|name| Some((name.clone(), modules.state(&name)?)))
        });
        states.collect()
    }

    /// The way to one of its processes.
    pub(crate) fn modules_with(&self, process: &str) -> Option<Modules> {
        let vitals = self.vitals.borrow();
        let mut runners = vitals.processes.iter();
        let found = runners.find(|modules| modules.state(process).is_some());
        found.cloned()
    }

    /// Whether somebody means this bay: by its name, its board's serial number, or the device it is now.
    pub(crate) fn is(&self, name: &str) -> bool {
        self.name == name
            || self.serial.as_str().eq_ignore_ascii_case(name)
            || self.device.borrow().as_deref() == Some(name)
    }
}

/// What a bay is built from.
pub(super) struct Site<'a> {
    pub(super) place: &'a Place,
    pub(super) address: IpAddr,
    pub(super) ports: Ports,
    pub(super) spot: Spot,
    pub(super) board: SimulatedBoard,
    /// The directory with the socket its modules reach the board by.
    pub(super) run: &'a Path,
    /// The host's provisioning service, for a machine that begins without an identity.
    pub(super) stock: Option<&'a Program>,
}

impl Site<'_> {
    /// A bay, and the machine that has to be run for it.
    pub(super) fn build(
        self,
        equipment: &Arc<Equipment>,
        closing: watch::Receiver<()>,
    ) -> anyhow::Result<(Bay, Machine)> {
        let name = self.spot.name();
        let serial = self.spot.serial()?;
        let disk = Disk::open(self.place, &name)?;
        let life = Life::new(&name);
        let host = match self.stock {
            Some(program) => {
                let (address, pin) = (self.portal_address()?, Pin::random()?);
                if self.spot.is_spare() {
                    image(&equipment.simulator, &serial, &pin, &disk)?;
                }
                Some(Host {
                    bay: name.clone(),
                    program: program.clone(),
                    portal: Portal { address, pin },
                })
            }
            None => {
                provision_manually(&equipment.simulator, &name, &disk)?;
                // In kept state it may have become another device since, which only the Edge daemon can tell.
                if disk.device_by_hand()?.as_ref() == Some(&name) {
                    deploy(&equipment.simulator, &name, &equipment.deployment)?;
                    // Known before it has booted: whoever opens the page at once need not wait.
                    life.become_device(Some(name.clone()));
                }
                None
            }
        };
        let deployed = equipment.deployment.modules.iter();
        let modules = deployed.filter_map(|module| {
            let means = equipment.programs.find(&module.name, &module.image).ok()?;
            Some(BayModule {
                name: module.name.clone(),
                own: means.own(),
            })
        });
        let (switch, switched) = mpsc::channel(SWITCH_BACKLOG);
        let bay = Bay {
            name,
            spot: self.spot,
            serial,
            board: self.board.clone(),
            modules: modules.collect(),
            portal: host.as_ref().map(|host| host.portal.clone()),
            disk: disk.clone(),
            vitals: life.vitals(),
            device: life.device(),
            switch,
        };
        let machine = Machine {
            equipment: equipment.clone(),
            board: self.board.clone(),
            surroundings: Surroundings::of(&self, &bay, equipment),
            disk,
            host,
            life,
            switch: switched,
            closing,
        };
        Ok((bay, machine))
    }

    /// Where the machine's own page is. By itself that would be port 8088, but here there may be many.
    fn portal_address(&self) -> anyhow::Result<SocketAddr> {
        let at = |port| {
            // The service is a process of its own: it can be told a port, but not handed one. Whoever else has that port
            // would be taken for it.
            let address = SocketAddr::new(self.address, port);
            let free = TcpListener::bind(address).and_then(|listener| listener.local_addr());
            free.map_err(|error| taken::explain(address, error))
        };
        let found = at(self.spot.portal(&self.ports));
        match found {
            // Nobody has asked for spare boards, so nothing of theirs is in the way of the rest.
            Err(_) if self.spot.is_spare() => at(0),
            found => found,
        }
    }
}

/// Makes a machine the device of its bay's name, as an operator does by hand.
fn provision_manually(simulator: &Simulator, name: &str, disk: &Disk) -> anyhow::Result<()> {
    let credentials = match simulator.credentials(name) {
        Some(credentials) => credentials,
        None => simulator.add_device(name, true, &[])?,
    };
    disk.provision_manually(name, &credentials.connection_string.parse()?)
}

/// Has imaged a spare board's card, unless its machine has an identity already.
fn image(simulator: &Simulator, serial: &Serial, pin: &Pin, disk: &Disk) -> anyhow::Result<()> {
    if disk.edge_config().exists() || disk.identity_file().exists() {
        return Ok(());
    }
    let info = simulator.info();
    let id = serial.clone().into_registration_id();
    let key = hub::stock_key(simulator, &id)
        .context("no board can be put in stock (--spares 0 starts without)")?;
    let endpoint = info.provisioning_host.parse().map_err(anyhow::Error::msg)?;
    let card = Card {
        id_scope: info.id_scope.parse().map_err(anyhow::Error::msg)?,
        registration_id: id,
        key,
        endpoint: Some(endpoint),
        pin: pin.clone(),
    };
    card.write(&disk.identity_file(), true)
}
