//! Identities as a service administers them: made, settled, removed, each under an `If-Match`.

use std::io;

use hub_proto::identity::Identity;
use hub_proto::twin::{Twin, Update};
use jiff::Timestamp;
use serde_json::Value;

use super::identities::{SYSTEM_MODULES, new_client};
use super::{Core, Hub, IdentityFault, Outcome, TwinFault};
use crate::authentication::Authentication;
use crate::change::Change;
use crate::mailbox::EndReason;
use crate::precondition::{Mismatch, Precondition};
use crate::registry::{Client, Device, Module, Settings, Standing, StoredKey};

/// Modules a device may have.
const MAX_MODULES: usize = 50;

/// What a service wants an identity to be. What it leaves out stays as it is, or is the usual for a new one.
#[derive(Debug, Default)]
pub(crate) struct Wanted {
    pub(crate) authentication: Option<Authentication>,
    pub(crate) primary: Option<StoredKey>,
    pub(crate) secondary: Option<StoredKey>,
    pub(crate) enabled: Option<bool>,
    /// Unlike the rest, gone when it is left out.
    pub(crate) status_reason: Option<String>,
    pub(crate) edge: Option<bool>,
    /// The scope of the edge device it is behind; empty for none.
    pub(crate) parent_scope: Option<String>,
    /// Empty for nobody.
    pub(crate) managed_by: Option<String>,
    /// What a new identity's twin begins with, as in a PATCH of it.
    pub(crate) twin: Option<Value>,
}

/// One thing a service asks of the registry.
#[derive(Debug)]
pub(crate) enum Step<'a> {
    Put(Box<Wanted>, Precondition<'a>),
    Remove(Precondition<'a>),
    UpdateTwin(Value, Precondition<'a>),
}

impl Hub {
    /// Does one thing and returns when it is kept.
    ///
    /// # Errors
    /// Why it was not done; nothing has changed then.
    pub(crate) fn administer(
        &self,
        target: &Identity,
        step: Step<'_>,
    ) -> Result<(), IdentityFault> {
        let mut core = self.lock();
        core.administer(target, step)?;
        self.commit(&mut core).map_err(IdentityFault::Journal)
    }

    /// Does several things, each of which may fail without the others, and keeps them at once.
    ///
    /// # Errors
    /// When the journal cannot be written.
    pub(crate) fn administer_all(
        &self,
        steps: Vec<(Identity, Step<'_>)>,
    ) -> io::Result<Vec<Result<(), IdentityFault>>> {
        let mut core = self.lock();
        let done = steps
            .into_iter()
            .map(|(target, step)| core.administer(&target, step))
            .collect();
        self.commit(&mut core)?;
        Ok(done)
    }

    /// Forgets the cloud-to-device messages that wait for a device; returns how many these were.
    ///
    /// # Errors
    /// When it is not registered.
    pub(crate) fn purge(&self, device: &Identity) -> Result<usize, IdentityFault> {
        let now = Timestamp::now();
        let mut core = self.lock();
        let id = device.device_id();
        let known = core.registry.devices.get(id);
        let known = known.ok_or_else(|| IdentityFault::NotFound(device.clone()))?;
        let waiting: Vec<u64> = known
            .queue
            .waiting
            .iter()
            .map(|message| message.sequence)
            .collect();
        for &sequence in &waiting {
            core.settle_message(id, sequence, Outcome::Purged, now);
        }
        self.commit(&mut core).map_err(IdentityFault::Journal)?;
        Ok(waiting.len())
    }
}

impl Core {
    pub(super) fn administer(
        &mut self,
        target: &Identity,
        step: Step<'_>,
    ) -> Result<(), IdentityFault> {
        match step {
            Step::Put(wanted, when) => {
                let known = self.check(target, when)?;
                if let Some(scope) = wanted.parent_scope.as_deref() {
                    self.check_parent(target, scope)?;
                }
                if known {
                    self.settle(target, *wanted)
                } else {
                    self.create(target, *wanted)
                }
            }
            Step::Remove(when) => {
                if !self.check(target, when)? {
                    return Err(self.missing(target));
                }
                match target.module_id() {
                    None => self.remove_device(target.device_id()),
                    Some(module) => self.remove_module(target.device_id(), module.to_owned())?,
                }
                Ok(())
            }
            Step::UpdateTwin(document, when) => {
                Ok(self.update_twin_when(target, document, false, when)?)
            }
        }
    }

    /// Whether the identity is there, as it has to be.
    fn check(&self, target: &Identity, when: Precondition<'_>) -> Result<bool, IdentityFault> {
        let etag = self.client(target).map(Client::etag);
        match when.check(etag.as_deref()) {
            Ok(()) => Ok(etag.is_some()),
            Err(Mismatch::Exists) => Err(IdentityFault::Exists(target.clone())),
            Err(Mismatch::Missing) => Err(self.missing(target)),
            Err(Mismatch::Changed) => Err(IdentityFault::Precondition(target.clone())),
        }
    }

    /// What is not there of a target that is not: the device, or the module of it.
    pub(super) fn missing_of(&self, target: &Identity) -> Identity {
        if self.registry.devices.contains_key(target.device_id()) {
            target.clone()
        } else {
            target.parent()
        }
    }

    pub(super) fn missing(&self, target: &Identity) -> IdentityFault {
        IdentityFault::NotFound(self.missing_of(target))
    }

    /// Whether `scope` is what another edge device of this hub spans.
    fn check_parent(&self, child: &Identity, scope: &str) -> Result<(), IdentityFault> {
        let parent = scope
            .strip_prefix("ms-azure-iot-edge://")
            .and_then(|rest| rest.rsplit_once('-'))
            .and_then(|(id, _)| Some((id, self.registry.devices.get(id)?)));
        let spans = parent.is_some_and(|(id, parent)| {
            id != child.device_id() && parent.edge.is_some() && parent.own_scope(id) == scope
        });
        if spans || scope.is_empty() {
            Ok(())
        } else {
            Err(IdentityFault::Scope(scope.to_owned()))
        }
    }

    fn create(&mut self, target: &Identity, wanted: Wanted) -> Result<(), IdentityFault> {
        let fresh = new_client();
        let client = Client {
            authentication: wanted.authentication.unwrap_or_default(),
            primary: wanted.primary.unwrap_or(fresh.primary),
            secondary: wanted.secondary.unwrap_or(fresh.secondary),
            twin: beginning(target, wanted.twin.as_ref())?,
            ..fresh
        };
        let id = target.device_id().to_owned();
        let Some(module) = target.module_id() else {
            let edge = wanted.edge.unwrap_or_default();
            let mut device = Device::new(client, edge);
            device.enabled = wanted.enabled.unwrap_or(true);
            device.status_reason = wanted.status_reason;
            device.parent_scope = wanted.parent_scope.filter(|scope| !scope.is_empty());
            self.record(Change::DevicePut {
                id: id.clone(),
                device: Box::new(device),
            });
            if edge {
                self.begin_edge(&id);
            }
            return Ok(());
        };
        let device = self.registry.devices.get(&id);
        let device = device.ok_or_else(|| IdentityFault::NotFound(target.parent()))?;
        if device.modules.len() >= MAX_MODULES {
            return Err(IdentityFault::TooManyModules(target.parent()));
        }
        let managed_by = wanted.managed_by.filter(|name| !name.is_empty());
        self.record(Change::ModulePut {
            device: id,
            id: module.to_owned(),
            module: Box::new(Module { client, managed_by }),
        });
        Ok(())
    }

    fn settle(&mut self, target: &Identity, wanted: Wanted) -> Result<(), IdentityFault> {
        let (Some(known), Some(client)) = (self.registry.settings(target), self.client(target))
        else {
            return Err(self.missing(target));
        };
        let was_edge = matches!(known.standing, Standing::Device { edge: true, .. });
        let settings = wanted.put_on(known);
        let another_proof = settings.asks_for_another_proof_than(client);
        let standing = settings.standing.clone();
        self.record(Change::IdentitySettled {
            target: target.clone(),
            settings: Box::new(settings),
            at: Timestamp::now(),
        });
        if let Some(live) = self.live.get(target).filter(|_| another_proof) {
            live.mailbox.end(EndReason::ProofChanged);
        }
        if let Standing::Device { enabled, edge, .. } = standing {
            let id = target.device_id();
            if !enabled {
                self.end_device(id, EndReason::Disabled);
            }
            if edge != was_edge {
                // Its modules speak to another hub from here on.
                self.end_device(id, EndReason::CapabilityChanged);
            }
            if edge && !was_edge {
                self.begin_edge(id);
            }
            if was_edge && !edge {
                for module in SYSTEM_MODULES {
                    self.remove_module(id, module.to_owned())?;
                }
            }
        }
        Ok(())
    }

    /// Gives a device that has become an edge device what each of them has.
    fn begin_edge(&mut self, id: &str) {
        for module in SYSTEM_MODULES {
            self.add_module(id, module, true);
        }
        self.compile_routes(id);
    }
}

impl Wanted {
    fn put_on(self, known: Settings) -> Settings {
        let standing = match known.standing {
            Standing::Device {
                enabled,
                parent_scope,
                edge,
                ..
            } => Standing::Device {
                enabled: self.enabled.unwrap_or(enabled),
                status_reason: self.status_reason,
                parent_scope: self
                    .parent_scope
                    .or(parent_scope)
                    .filter(|scope| !scope.is_empty()),
                edge: self.edge.unwrap_or(edge),
            },
            Standing::Module { managed_by } => Standing::Module {
                managed_by: self
                    .managed_by
                    .or(managed_by)
                    .filter(|name| !name.is_empty()),
            },
        };
        Settings {
            authentication: self.authentication.unwrap_or(known.authentication),
            primary: self.primary.unwrap_or(known.primary),
            secondary: self.secondary.unwrap_or(known.secondary),
            standing,
        }
    }
}

/// A new twin with `document` in it.
fn beginning(target: &Identity, document: Option<&Value>) -> Result<Twin, IdentityFault> {
    let now = Timestamp::now();
    let mut twin = Twin::new(now);
    if let Some(document) = document {
        twin.update(document, Update::Merge, now)
            .map_err(|source| IdentityFault::Properties {
                module: target.module_id().unwrap_or_default().to_owned(),
                source: Box::new(TwinFault::Document(source)),
            })?;
    }
    Ok(twin)
}
