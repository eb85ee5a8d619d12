//! Deployments: what becomes of an edge device's modules and their twins.

use std::collections::{BTreeMap, BTreeSet};

use hub_proto::identity::Identity;
use hub_proto::twin::{Object, Twin, Update, diff};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::identities::{MANAGED_BY, SYSTEM_MODULES};
use super::{Core, Hub, IdentityFault, TwinFault};
use crate::assigning::{Layers, stack};
use crate::change::Change;
use crate::mailbox::EndReason;

/// Modules a deployment may have, the runtime's own not counted.
const MAX_DEPLOYED: usize = 50;

impl Hub {
    /// Applies a deployment (`{"modulesContent": {…}}`) to an edge device, as the service's
    /// `applyConfigurationContent` does: makes missing modules, replaces the desired properties of those named, and
    /// removes the modules an earlier deployment made and this one does not name.
    ///
    /// A device that automatic deployments are for gets theirs again.
    ///
    /// # Errors
    /// When the device is no edge device, or the content no deployment; nothing has changed then.
    pub(crate) fn apply_deployment(&self, id: &str, content: &Value) -> Result<(), IdentityFault> {
        let mut core = self.lock();
        core.apply_deployment(&Identity::device(id)?, content)?;
        self.commit(&mut core).map_err(IdentityFault::Journal)
    }
}

/// A module's desired properties, as a deployment wants them.
struct Wanted {
    target: Identity,
    document: Value,
    update: Update,
}

impl Core {
    /// As [`Hub::apply_deployment`], to be committed by the caller.
    pub(super) fn apply_deployment(
        &mut self,
        identity: &Identity,
        content: &Value,
    ) -> Result<(), IdentityFault> {
        let id = identity.device_id();
        let device = self.registry.devices.get(id);
        let device = device.ok_or_else(|| IdentityFault::NotFound(identity.clone()))?;
        if device.edge.is_none() {
            return Err(IdentityFault::NotEdge(identity.clone()));
        }
        self.deploy(id, &stack([modules_content(content)?]), true)?;
        self.assign_anew(id);
        Ok(())
    }

    /// Puts a deployment on an edge device. Twins that have what it says already are written only if `always`.
    ///
    /// # Errors
    /// When it is not valid; nothing has changed then.
    pub(super) fn deploy(
        &mut self,
        id: &str,
        modules: &BTreeMap<String, Layers>,
        always: bool,
    ) -> Result<(), IdentityFault> {
        let wanted = self.check_modules(id, modules, always)?;
        let named = self.deployed_modules(id, modules);
        let custom = named
            .iter()
            .filter(|module| !SYSTEM_MODULES.contains(&module.as_str()));
        if custom.count() > MAX_DEPLOYED {
            let many = format!("it has more than {MAX_DEPLOYED} modules");
            return Err(IdentityFault::Deployment(many));
        }
        let Some(device) = self.registry.devices.get(id) else {
            return Err(IdentityFault::NotFound(Identity::device(id)?));
        };
        let stale = device.modules.iter().filter(|(id, module)| {
            let managed = module.managed_by.as_deref() == Some(MANAGED_BY);
            managed && !named.contains(*id) && !SYSTEM_MODULES.contains(&id.as_str())
        });
        let stale: Vec<String> = stale.map(|(id, _)| id.clone()).collect();
        let missing = named.iter().filter(|id| !device.modules.contains_key(*id));
        let missing: Vec<&String> = missing.collect();
        for module in &missing {
            Identity::module(id, module.as_str())?;
        }
        for module in missing {
            self.add_module(id, module, true);
        }
        for module in stale {
            self.remove_module(id, module)?;
        }
        for wanted in wanted {
            let replace = wanted.update == Update::Replace;
            self.update_twin(&wanted.target, wanted.document, replace)
                .map_err(|source| refused(&wanted.target, source))?;
        }
        Ok(())
    }

    /// The twin documents of a deployment, each of which its module's twin will take.
    fn check_modules(
        &self,
        device: &str,
        modules: &BTreeMap<String, Layers>,
        always: bool,
    ) -> Result<Vec<Wanted>, IdentityFault> {
        let now = Timestamp::now();
        let mut wanted = Vec::new();
        for (module, layers) in modules {
            let target = Identity::module(device, module.as_str())?;
            let known = self.client(&target).map(|client| client.twin.clone());
            let mut twin = known.unwrap_or_else(|| Twin::new(now));
            let current = twin.desired().value();
            let desired = layers.on(current);
            if layers.is_empty() || !always && desired == *current {
                continue;
            }
            let (desired, update) = if layers.is_whole() {
                (desired, Update::Replace)
            } else {
                (diff(current, &desired), Update::Merge)
            };
            let document = json!({"properties": {"desired": desired}});
            twin.update(&document, update, now)
                .map_err(|error| refused(&target, TwinFault::Document(error)))?;
            wanted.push(Wanted {
                target,
                document,
                update,
            });
        }
        Ok(wanted)
    }

    /// Module ids a deployment is about: those with content, and those the agent is to run with it. What the agent runs
    /// already is of the deployment only where that adds to it.
    fn deployed_modules(
        &self,
        device: &str,
        modules: &BTreeMap<String, Layers>,
    ) -> BTreeSet<String> {
        let agent = modules.get("$edgeAgent").filter(|agent| !agent.is_empty());
        let desired = agent.map(|layers| {
            let agent = Identity::module(device, "$edgeAgent").ok();
            let known = agent.and_then(|agent| self.client(&agent));
            match known {
                Some(client) => layers.on(client.twin.desired().value()),
                None => layers.on(&Object::new()),
            }
        });
        let run = desired.as_ref().and_then(|desired| desired.get("modules"));
        let run = run
            .and_then(Value::as_object)
            .into_iter()
            .flat_map(Object::keys);
        modules.keys().chain(run).cloned().collect()
    }

    pub(super) fn remove_module(&mut self, device: &str, id: String) -> Result<(), IdentityFault> {
        let identity = Identity::module(device, id.as_str())?;
        self.inputs_sent.remove(&identity);
        self.left.remove(&identity);
        if let Some(live) = self.live.get(&identity) {
            live.mailbox.end(EndReason::Removed);
        }
        self.record(Change::ModuleRemoved {
            device: device.to_owned(),
            id,
        });
        Ok(())
    }
}

/// Whether this is a deployment at all, to be known before there is a device to try it on.
///
/// # Errors
/// When it has no modules' part, or that names what no module can be or have.
pub(crate) fn check_deployment(content: &Value) -> Result<(), IdentityFault> {
    let modules = stack([modules_content(content)?]);
    let now = Timestamp::UNIX_EPOCH;
    for (module, layers) in &modules {
        let target = Identity::module("device", module.as_str())?;
        let document = json!({"properties": {"desired": layers.on(&Object::new())}});
        Twin::new(now)
            .update(&document, Update::Replace, now)
            .map_err(|error| refused(&target, TwinFault::Document(error)))?;
    }
    Ok(())
}

fn modules_content(content: &Value) -> Result<&Object, IdentityFault> {
    let invalid = |what: String| IdentityFault::Deployment(what);
    let content = content.get("modulesContent").and_then(Value::as_object);
    let content =
        content.ok_or_else(|| invalid("it has no object \"modulesContent\"".to_owned()))?;
    for (module, sections) in content {
        let sections = sections
            .as_object()
            .ok_or_else(|| invalid(format!("{module} is no object")))?;
        if sections
            .get("properties.desired")
            .is_some_and(|all| !all.is_object())
        {
            return Err(invalid(format!(
                "{module}'s properties.desired is no object"
            )));
        }
    }
    Ok(content)
}

fn refused(target: &Identity, source: TwinFault) -> IdentityFault {
    IdentityFault::Properties {
        module: target.module_id().unwrap_or_default().to_owned(),
        source: Box::new(source),
    }
}
