//! How to start a simulator: where it listens, what it is called, where it keeps things.

use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::Value;

use crate::hub::Names;
use crate::listening::Ports;

/// How to start a simulator.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where to listen; also the host name, unless it is 127.0.0.1, whose name is `localhost`.
    pub address: IpAddr,
    /// TCP ports.
    pub ports: Ports,
    /// Where registry, twins, queues and events are kept. Without it they live as long as the process.
    pub state: Option<PathBuf>,
    /// Where the certificate authority is kept.
    pub pki: PathBuf,
    /// Where the modules' sockets are made: a directory that is this process's own.
    pub run: PathBuf,
    /// The hub's name and further ones it answers to, instead of its address: for a simulator in a container.
    pub hosts: Vec<String>,
    /// What modules connect to, where it is to differ from the hub's name.
    pub gateway: Option<String>,
    /// A network that modules share with this machine, where they are in containers.
    pub bridge: Option<Bridge>,
    /// Further hubs that the provisioning service may assign devices to.
    pub more_hubs: Vec<LinkedHub>,
    /// What the provisioning service lets a device wait between its questions: whole seconds, at least one. The real
    /// service says 3.
    pub retry_after: Duration,
    /// The deployment (`{"modulesContent": {…}}`) of an edge device that the provisioning service makes.
    pub default_deployment: Option<Value>,
    /// Message routing, as a hub's resource has it under `properties.routing`. Without it that which was kept stays.
    pub routing: Option<Value>,
}

/// Where the simulator is for modules that are in a network of their own, beside [`Options::address`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bridge {
    /// This machine's address in that network, to listen on as well: on the official ports, or where one of them is taken,
    /// on that of [`Options::address`].
    pub address: IpAddr,
    /// What modules there call it.
    pub host: String,
}

/// A further hub of the provisioning service, with an address of its own: official SDKs choose no port, so that hubs
/// differ by address only. It listens on the same ports, and its name is its address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LinkedHub {
    /// Where it listens.
    pub address: IpAddr,
    /// Its share of the devices under the `hashed` policy, where the simulator's own hub has 1.
    pub weight: u32,
    /// How far it is under the `geoLatency` policy, where the simulator's own hub is at 0.
    pub latency_ms: u32,
}

impl Options {
    /// A simulator with everything under `directory`: state, certificates and sockets.
    #[must_use]
    pub fn in_directory(directory: &Path) -> Self {
        Self {
            address: Ipv4Addr::LOCALHOST.into(),
            ports: Ports::default(),
            state: Some(directory.join("hub")),
            pki: directory.join("pki"),
            run: directory.join("run"),
            hosts: Vec::new(),
            gateway: None,
            bridge: None,
            more_hubs: Vec::new(),
            retry_after: Duration::from_secs(1),
            default_deployment: None,
            routing: None,
        }
    }

    /// The same without state, on ports the system chooses: for tests side by side.
    #[must_use]
    pub fn on_free_ports(directory: &Path) -> Self {
        Self {
            ports: Ports {
                mqtt: 0,
                https: 0,
                amqp: 0,
            },
            state: None,
            ..Self::in_directory(directory)
        }
    }

    /// The same for a further hub: everything at an address of its own.
    pub(crate) fn of_linked(&self, linked: &LinkedHub) -> Self {
        let name = linked.address.to_string();
        Self {
            address: linked.address,
            state: self
                .state
                .as_ref()
                .map(|state| state.join("hubs").join(&name)),
            hosts: Vec::new(),
            gateway: None,
            bridge: None,
            more_hubs: Vec::new(),
            routing: None,
            ..self.clone()
        }
    }

    /// The names the hub answers to: 127.0.0.1 is `localhost`, any other address stands for itself.
    pub(crate) fn names(&self) -> Names {
        let hub = if let Some(first) = self.hosts.first() {
            first.clone()
        } else if self.address == IpAddr::V4(Ipv4Addr::LOCALHOST) {
            "localhost".to_owned()
        } else {
            self.address.to_string()
        };
        let gateway = self.gateway.clone().unwrap_or_else(|| hub.clone());
        let mut accepted = vec![
            hub.clone(),
            self.address.to_string(),
            gateway.clone(),
            "localhost".to_owned(),
        ];
        accepted.extend(self.hosts.iter().cloned());
        accepted.extend(self.bridge.iter().map(|bridge| bridge.host.clone()));
        if self.address.is_unspecified() {
            accepted.extend(
                std::fs::read_to_string("/etc/hostname")
                    .ok()
                    .map(|name| name.trim().to_owned()),
            );
        }
        accepted.sort_unstable();
        accepted.dedup();
        Names {
            hub,
            gateway,
            accepted,
        }
    }
}
