//! The registry's administration: devices, modules, and what a deployment makes of an edge device.

use hub_proto::connection_string::{ConnectionString, Credential};
use hub_proto::identity::{Identity, IdentityError};
use hub_proto::twin::Twin;
use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Value, json};
use thiserror::Error;

use super::{Core, Hub, TwinFault};
use crate::authentication::Authentication;
use crate::change::Change;
use crate::mailbox::EndReason;
use crate::registry::{Client, Device, Module, StoredKey};

/// Modules every edge device has.
pub(super) const SYSTEM_MODULES: [&str; 2] = ["$edgeAgent", "$edgeHub"];
pub(super) const MANAGED_BY: &str = "IotEdge";

/// What one identity connects with. Holds keys: to be shown to its owner and nobody else.
#[derive(Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Credentials {
    /// Device id.
    pub device_id: String,
    /// The device's connection string.
    pub connection_string: String,
    /// Its modules.
    pub modules: Vec<ModuleCredentials>,
}

/// What one module connects with.
#[derive(Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ModuleCredentials {
    /// Module id.
    pub module_id: String,
    /// The module's connection string; through the gateway on an edge device.
    pub connection_string: String,
    /// Where the runtime listens for this module, once it does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub workload_uri: Option<String>,
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credentials")
            .field("device_id", &self.device_id)
            .finish_non_exhaustive()
    }
}

impl std::fmt::Debug for ModuleCredentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ModuleCredentials")
            .field("module_id", &self.module_id)
            .finish_non_exhaustive()
    }
}

/// A device to register.
#[derive(Debug)]
pub(crate) struct NewDevice {
    pub(crate) id: String,
    pub(crate) edge: bool,
    pub(crate) authentication: Authentication,
    pub(crate) modules: Vec<NewModule>,
}

/// A module to register with its device.
#[derive(Debug)]
pub(crate) struct NewModule {
    pub(crate) id: String,
    pub(crate) authentication: Authentication,
}

/// Why the registry refused something.
#[derive(Debug, Error)]
pub enum IdentityFault {
    /// The id breaks the hub's rules.
    #[error(transparent)]
    Id(#[from] IdentityError),
    /// Creating what is there.
    #[error("{0} is already registered")]
    Exists(Identity),
    /// No such device.
    #[error("{0} is not registered")]
    NotFound(Identity),
    /// A deployment for a device that is no edge device.
    #[error("{0} is not an edge device; register it with the edge capability")]
    NotEdge(Identity),
    /// The deployment is no deployment.
    #[error("the deployment is not valid: {0}")]
    Deployment(String),
    /// A twin in the deployment breaks a rule.
    #[error("the deployment's properties of {module} are refused")]
    Properties {
        /// Which module.
        module: String,
        /// Why.
        source: Box<TwinFault>,
    },
    /// The entity tag is another one.
    #[error("the entity tag does not match: somebody else has changed {0}")]
    Precondition(Identity),
    /// Creating one module more than a device may have.
    #[error("{0} has as many modules as a device may have")]
    TooManyModules(Identity),
    /// A parent that is none.
    #[error("deviceScope {0:?} is that of no other edge device here")]
    Scope(String),
    /// A twin was not changed.
    #[error(transparent)]
    Twin(#[from] TwinFault),
    /// The change could not be kept.
    #[error("the journal cannot be written")]
    Journal(#[source] std::io::Error),
}

impl Hub {
    /// Registers a device with modules. An edge device gets its system modules too.
    ///
    /// # Errors
    /// When an id is not allowed or taken.
    pub(crate) fn add_device(
        &self,
        id: &str,
        edge: bool,
        modules: &[String],
    ) -> Result<Credentials, IdentityFault> {
        let modules = modules.iter().map(|module| NewModule {
            id: module.clone(),
            authentication: Authentication::Sas,
        });
        self.register(&NewDevice {
            id: id.to_owned(),
            edge,
            authentication: Authentication::Sas,
            modules: modules.collect(),
        })
    }

    /// As [`Hub::add_device`], with ways to sign in that may differ.
    ///
    /// # Errors
    /// When an id is not allowed or taken.
    pub(crate) fn register(&self, new: &NewDevice) -> Result<Credentials, IdentityFault> {
        let (id, edge) = (new.id.as_str(), new.edge);
        let identity = Identity::device(id)?;
        for module in &new.modules {
            Identity::module(id, module.id.as_str())?;
        }
        let mut core = self.lock();
        if core.client(&identity).is_some() {
            return Err(IdentityFault::Exists(identity));
        }
        let client = Client {
            authentication: new.authentication.clone(),
            ..new_client()
        };
        let device = Device::new(client, edge);
        core.record(Change::DevicePut {
            id: id.to_owned(),
            device: Box::new(device),
        });
        for module in SYSTEM_MODULES.iter().filter(|_| edge) {
            core.add_module(id, module, true);
        }
        for module in &new.modules {
            core.put_module(id, &module.id, None, &module.authentication);
        }
        core.compile_routes(id);
        self.commit(&mut core).map_err(IdentityFault::Journal)?;
        self.credentials_in(&core, id)
            .ok_or(IdentityFault::NotFound(identity))
    }

    /// Forgets a device, ending its connections.
    ///
    /// # Errors
    /// When it is not registered.
    pub(crate) fn remove_device(&self, id: &str) -> Result<(), IdentityFault> {
        let identity = Identity::device(id)?;
        let mut core = self.lock();
        if core.client(&identity).is_none() {
            return Err(IdentityFault::NotFound(identity));
        }
        core.remove_device(id);
        self.commit(&mut core).map_err(IdentityFault::Journal)
    }

    /// Enables or disables a device; disabling ends its connections at once.
    ///
    /// # Errors
    /// When it is not registered.
    pub(crate) fn enable_device(&self, id: &str, enabled: bool) -> Result<(), IdentityFault> {
        let identity = Identity::device(id)?;
        let mut core = self.lock();
        if core.client(&identity).is_none() {
            return Err(IdentityFault::NotFound(identity));
        }
        core.record(Change::DeviceEnabled {
            id: id.to_owned(),
            enabled,
            at: Some(Timestamp::now()),
        });
        if !enabled {
            core.end_device(id, EndReason::Disabled);
        }
        self.commit(&mut core).map_err(IdentityFault::Journal)
    }

    /// What a device and its modules connect with.
    pub(crate) fn credentials(&self, id: &str) -> Option<Credentials> {
        self.credentials_in(&self.lock(), id)
    }

    fn credentials_in(&self, core: &Core, id: &str) -> Option<Credentials> {
        let device = core.registry.devices.get(id)?;
        let string = |identity: &Identity, client: &Client| {
            let credential = match client.authentication {
                Authentication::Sas => Credential::Key {
                    policy: None,
                    key: client.primary.key(),
                },
                _ => Credential::X509,
            };
            let string = ConnectionString {
                host_name: self.names.hub.clone(),
                gateway_host_name: None,
                identity: Some(identity.clone()),
                credential,
            };
            let behind_edge = identity.module_id().is_some() && device.edge.is_some();
            let string = if behind_edge {
                string.through_gateway(&self.names.gateway)
            } else {
                string
            };
            string.to_secret_string()
        };
        let shown = device
            .modules
            .iter()
            .filter(|(id, _)| !SYSTEM_MODULES.contains(&id.as_str()));
        let modules = shown.filter_map(|(module_id, module)| {
            let identity = Identity::module(id, module_id.as_str()).ok()?;
            let connection_string = string(&identity, &module.client);
            Some(ModuleCredentials {
                module_id: module_id.clone(),
                connection_string,
                workload_uri: None,
            })
        });
        let identity = Identity::device(id).ok()?;
        let connection_string = string(&identity, &device.client);
        Some(Credentials {
            device_id: id.to_owned(),
            connection_string,
            modules: modules.collect(),
        })
    }

    /// Every device with its modules and whether they are connected.
    pub(crate) fn devices(&self) -> Value {
        let core = self.lock();
        let connected = |identity: Result<Identity, IdentityError>| {
            identity.is_ok_and(|identity| core.live.contains_key(&identity))
        };
        let devices = core.registry.devices.iter().map(|(id, device)| {
            let modules = device.modules.keys().map(|module| {
                json!({"moduleId": module, "connected": connected(Identity::module(id.as_str(), module.as_str()))})
            });
            json!({
                "deviceId": id,
                "edge": device.edge.is_some(),
                "enabled": device.enabled,
                "authentication": device.client.authentication.name(),
                "connected": connected(Identity::device(id.as_str())),
                "modules": modules.collect::<Vec<_>>(),
            })
        });
        devices.collect()
    }
}

impl Core {
    /// Forgets a device that is there, ending its connections and those of its modules.
    pub(super) fn remove_device(&mut self, id: &str) {
        self.record(Change::DeviceRemoved { id: id.to_owned() });
        self.inputs_sent.retain(|of, _| of.device_id() != id);
        self.left.retain(|of, _| of.device_id() != id);
        self.end_device(id, EndReason::Removed);
    }

    /// Ends the connections of a device and of its modules.
    pub(super) fn end_device(&self, id: &str, reason: EndReason) {
        for (of, live) in &self.live {
            if of.device_id() == id {
                live.mailbox.end(reason);
            }
        }
    }

    pub(super) fn add_module(&mut self, device: &str, id: &str, managed: bool) {
        let managed_by = managed.then(|| MANAGED_BY.to_owned());
        self.put_module(device, id, managed_by, &Authentication::Sas);
    }

    pub(super) fn put_module(
        &mut self,
        device: &str,
        id: &str,
        managed_by: Option<String>,
        authentication: &Authentication,
    ) {
        let module = Module {
            client: Client {
                authentication: authentication.clone(),
                ..new_client()
            },
            managed_by,
        };
        self.record(Change::ModulePut {
            device: device.to_owned(),
            id: id.to_owned(),
            module: Box::new(module),
        });
    }
}

pub(super) fn new_client() -> Client {
    let now = Timestamp::now();
    Client {
        // The form the hub uses: ticks since year one, as far as anybody can tell.
        generation: (now.as_microsecond() * 10 + 621_355_968_000_000_000).to_string(),
        authentication: Authentication::Sas,
        primary: StoredKey::generate(),
        secondary: StoredKey::generate(),
        twin: Twin::new(now),
        model_id: String::new(),
        subscriptions: Vec::new(),
        revision: 0,
        assigned: Vec::new(),
    }
}
