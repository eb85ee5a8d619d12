//! Identities as a service reads them.

use std::io;

use hub_proto::identity::Identity;
use hub_proto::time;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::{Core, Hub, IdentityFault};
use crate::authentication::Authentication;
use crate::registry::{Client, Device};

/// How many devices there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Census {
    pub(crate) devices: usize,
    pub(crate) enabled: usize,
    pub(crate) connected: usize,
}

impl Hub {
    /// One device or module, with its keys.
    ///
    /// # Errors
    /// When it is not registered.
    pub(crate) fn identity_document(&self, target: &Identity) -> Result<Value, IdentityFault> {
        let core = self.lock_kept().map_err(IdentityFault::Journal)?;
        let document = core.identity_document(target);
        document.ok_or_else(|| core.missing(target))
    }

    /// The first `most` devices by id.
    ///
    /// # Errors
    /// When the journal cannot be written.
    pub(crate) fn device_documents(&self, most: usize) -> io::Result<Vec<Value>> {
        let core = self.lock_kept()?;
        let ids = core.registry.devices.keys().take(most);
        Ok(ids
            .filter_map(|id| core.identity_document(&Identity::device(id.as_str()).ok()?))
            .collect())
    }

    /// The modules of a device by id.
    ///
    /// # Errors
    /// When the device is not registered.
    pub(crate) fn module_documents(&self, device: &Identity) -> Result<Vec<Value>, IdentityFault> {
        let core = self.lock_kept().map_err(IdentityFault::Journal)?;
        let id = device.device_id();
        let Some(known) = core.registry.devices.get(id) else {
            return Err(IdentityFault::NotFound(device.clone()));
        };
        let modules = known.modules.keys();
        Ok(modules
            .filter_map(|module| {
                core.identity_document(&Identity::module(id, module.as_str()).ok()?)
            })
            .collect())
    }

    /// Counts devices.
    ///
    /// # Errors
    /// When the journal cannot be written.
    pub(crate) fn census(&self) -> io::Result<Census> {
        let core = self.lock_kept()?;
        let devices = &core.registry.devices;
        let connected = core.live.keys().filter(|of| of.module_id().is_none());
        Ok(Census {
            devices: devices.len(),
            enabled: devices.values().filter(|device| device.enabled).count(),
            connected: connected.count(),
        })
    }
}

impl Core {
    /// When a client last came or went; nothing if it never did, or not since the start.
    pub(super) fn last_activity(&self, of: &Identity) -> Option<Timestamp> {
        let live = self.live.get(of).map(|live| live.since);
        live.or_else(|| self.left.get(of).copied())
    }

    pub(super) fn identity_document(&self, of: &Identity) -> Option<Value> {
        let device = self.registry.devices.get(of.device_id())?;
        let client = self.client(of)?;
        let moment =
            |at: Option<Timestamp>| at.map_or_else(|| time::NEVER.to_owned(), time::format);
        let connected = self.live.contains_key(of);
        let last_activity = moment(self.last_activity(of));
        let mut document = json!({
            "deviceId": of.device_id(),
            "generationId": client.generation,
            "etag": client.etag(),
            "connectionState": if connected { "Connected" } else { "Disconnected" },
            "connectionStateUpdatedTime": last_activity,
            "lastActivityTime": last_activity,
            "cloudToDeviceMessageCount": 0,
            "authentication": authentication(client),
        });
        match of.module_id() {
            Some(id) => {
                let module = device.modules.get(id)?;
                document["moduleId"] = id.into();
                document["managedBy"] = json!(module.managed_by);
            }
            None => {
                document["status"] = if device.enabled {
                    "enabled"
                } else {
                    "disabled"
                }
                .into();
                document["statusReason"] = json!(device.status_reason);
                document["statusUpdatedTime"] = moment(device.status_updated).into();
                document["cloudToDeviceMessageCount"] = device.queue.waiting.len().into();
                document["capabilities"] = json!({"iotEdge": device.edge.is_some()});
                scopes(&mut document, of.device_id(), device);
            }
        }
        Some(document)
    }
}

/// An edge device spans a scope of its own; a device behind one is in its parent's.
pub(super) fn scopes(document: &mut Value, id: &str, device: &Device) {
    let parent = device.parent_scope.as_deref();
    let own = device.edge.as_ref().map(|_| device.own_scope(id));
    if let Some(scope) = own.as_deref().or(parent) {
        document["deviceScope"] = scope.into();
        document["parentScopes"] = parent.into_iter().collect::<Vec<_>>().into();
    }
}

/// With the keys where they count, as the service shows them.
fn authentication(client: &Client) -> Value {
    let sas = client.authentication == Authentication::Sas;
    let key = |key: &crate::registry::StoredKey| sas.then(|| key.as_secret_str().to_owned());
    json!({
        "type": client.authentication.name(),
        "symmetricKey": {"primaryKey": key(&client.primary), "secondaryKey": key(&client.secondary)},
        "x509Thumbprint": thumbprints(&client.authentication),
    })
}

pub(super) fn thumbprints(authentication: &Authentication) -> Value {
    match authentication {
        Authentication::SelfSigned { primary, secondary } => {
            json!({"primaryThumbprint": primary, "secondaryThumbprint": secondary})
        }
        _ => json!({"primaryThumbprint": null, "secondaryThumbprint": null}),
    }
}
