//! Deployments: what `applyConfigurationContent` makes of an edge device.

use hub_proto::identity::Identity;
use hub_proto::twin::{Twin, Update};
use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::identities::{MANAGED_BY, SYSTEM_MODULES};
use super::{Core, Hub, IdentityFault, TwinFault};
use crate::change::Change;
use crate::mailbox::EndReason;

impl Hub {
    /// Applies a deployment (`{"modulesContent": {…}}`) to an edge device, as the service's
    /// `applyConfigurationContent` does: makes missing modules, replaces the desired properties of those named, and
    /// removes the modules an earlier deployment made and this one does not name.
    ///
    /// # Errors
    /// When the device is no edge device, or the content no deployment; nothing has changed then.
    pub(crate) fn apply_deployment(&self, id: &str, content: &Value) -> Result<(), IdentityFault> {
        let mut core = self.lock();
        core.apply_deployment(&Identity::device(id)?, content)?;
        self.commit(&mut core).map_err(IdentityFault::Journal)
    }
}

/// A twin document for one module, and whether it replaces.
type Document = (Identity, Value, bool);

impl Core {
    /// As [`Hub::apply_deployment`], to be committed by the caller.
    pub(super) fn apply_deployment(
        &mut self,
        identity: &Identity,
        content: &Value,
    ) -> Result<(), IdentityFault> {
        let id = identity.device_id();
        let device = self
            .registry
            .devices
            .get(id)
            .ok_or_else(|| IdentityFault::NotFound(identity.clone()))?;
        if device.edge.is_none() {
            return Err(IdentityFault::NotEdge(identity.clone()));
        }
        let content = modules_content(content)?;
        let named = deployed_modules(content);
        let stale = device.modules.iter().filter(|(id, module)| {
            let managed = module.managed_by.as_deref() == Some(MANAGED_BY);
            managed && !named.contains(id) && !SYSTEM_MODULES.contains(&id.as_str())
        });
        let stale: Vec<String> = stale.map(|(id, _)| id.clone()).collect();
        let documents = self.check_content(id, content)?;
        for module in &named {
            if self
                .client(&Identity::module(id, module.as_str())?)
                .is_none()
            {
                self.add_module(id, module, true);
            }
        }
        for module in stale {
            self.remove_module(id, module)?;
        }
        for (target, document, replace) in documents {
            self.update_twin(&target, document, replace)
                .map_err(|source| refused(&target, source))?;
        }
        Ok(())
    }

    /// The twin documents of a deployment, each of which its module's twin will take.
    fn check_content(
        &self,
        device: &str,
        content: &Map<String, Value>,
    ) -> Result<Vec<Document>, IdentityFault> {
        let now = Timestamp::now();
        let mut documents = Vec::new();
        for module in deployed_modules(content) {
            let target = Identity::module(device, module.as_str())?;
            let known = self.client(&target).map(|client| client.twin.clone());
            let mut twin = known.unwrap_or_else(|| Twin::new(now));
            for (document, replace) in desired_documents(content.get(&module)) {
                let update = if replace {
                    Update::Replace
                } else {
                    Update::Merge
                };
                twin.update(&document, update, now)
                    .map_err(|error| refused(&target, TwinFault::Document(error)))?;
                documents.push((target.clone(), document, replace));
            }
        }
        Ok(documents)
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
/// When it has no modules' part.
pub(crate) fn check_deployment(content: &Value) -> Result<(), IdentityFault> {
    modules_content(content).map(|_| ())
}

fn modules_content(content: &Value) -> Result<&Map<String, Value>, IdentityFault> {
    content
        .get("modulesContent")
        .and_then(Value::as_object)
        .ok_or_else(|| IdentityFault::Deployment("it has no object \"modulesContent\"".to_owned()))
}

fn refused(target: &Identity, source: TwinFault) -> IdentityFault {
    IdentityFault::Properties {
        module: target.module_id().unwrap_or_default().to_owned(),
        source: Box::new(source),
    }
}

/// Module ids a deployment is about: those with content, and those the agent is to run.
fn deployed_modules(content: &Map<String, Value>) -> Vec<String> {
    let agent = content
        .get("$edgeAgent")
        .and_then(|agent| agent.pointer("/properties.desired/modules"));
    let run = agent
        .and_then(Value::as_object)
        .into_iter()
        .flat_map(Map::keys);
    let mut named: Vec<String> = content.keys().chain(run).cloned().collect();
    named.sort_unstable();
    named.dedup();
    named
}

/// Twin documents of one module's content: `properties.desired` replaces the section, a layered
/// `properties.desired.a.b` sets one part of it.
fn desired_documents(sections: Option<&Value>) -> Vec<(Value, bool)> {
    let mut documents = Vec::new();
    for (key, value) in sections.and_then(Value::as_object).into_iter().flatten() {
        if key == "properties.desired" {
            documents.insert(0, (json!({"properties": {"desired": value}}), true));
        } else if let Some(path) = key.strip_prefix("properties.desired.") {
            let nested = path
                .rsplit('.')
                .fold(value.clone(), |inner, name| json!({name: inner}));
            documents.push((json!({"properties": {"desired": nested}}), false));
        }
    }
    documents
}
