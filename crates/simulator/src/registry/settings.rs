//! What a service settles about an identity: how it signs in, whether it may, and where it stands.

use hub_proto::identity::Identity;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Client, Registry, StoredKey};
use crate::authentication::Authentication;

/// All of it, as one change writes it.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Settings {
    pub(crate) authentication: Authentication,
    pub(crate) primary: StoredKey,
    pub(crate) secondary: StoredKey,
    #[serde(flatten)]
    pub(crate) standing: Standing,
}

/// The part that devices and modules do not share.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "of", rename_all = "camelCase", rename_all_fields = "camelCase")]
pub(crate) enum Standing {
    Device {
        enabled: bool,
        status_reason: Option<String>,
        parent_scope: Option<String>,
        edge: bool,
    },
    Module {
        managed_by: Option<String>,
    },
}

impl Settings {
    /// Whether whoever is connected by what counted before would have to sign in anew.
    pub(crate) fn asks_for_another_proof_than(&self, client: &Client) -> bool {
        self.authentication != client.authentication
            || self.authentication == Authentication::Sas
                && (self.primary != client.primary || self.secondary != client.secondary)
    }
}

impl Registry {
    /// As things are.
    pub(crate) fn settings(&self, of: &Identity) -> Option<Settings> {
        let device = self.devices.get(of.device_id())?;
        let client = self.client(of)?;
        let standing = match of.module_id() {
            None => Standing::Device {
                enabled: device.enabled,
                status_reason: device.status_reason.clone(),
                parent_scope: device.parent_scope.clone(),
                edge: device.edge.is_some(),
            },
            Some(module) => Standing::Module {
                managed_by: device.modules.get(module)?.managed_by.clone(),
            },
        };
        Some(Settings {
            authentication: client.authentication.clone(),
            primary: client.primary.clone(),
            secondary: client.secondary.clone(),
            standing,
        })
    }

    /// Carries out one change of them.
    pub(crate) fn settle(&mut self, target: &Identity, settings: Settings, at: Timestamp) {
        let Some(client) = self.client_mut(target) else {
            return;
        };
        client.authentication = settings.authentication;
        client.primary = settings.primary;
        client.secondary = settings.secondary;
        client.revision += 1;
        let Some(device) = self.devices.get_mut(target.device_id()) else {
            return;
        };
        match (settings.standing, target.module_id()) {
            (
                Standing::Device {
                    enabled,
                    status_reason,
                    parent_scope,
                    edge,
                },
                None,
            ) => {
                if device.enabled != enabled {
                    device.status_updated = Some(at);
                }
                device.enabled = enabled;
                device.status_reason = status_reason;
                device.parent_scope = parent_scope;
                // What waits in an edge device that stays one is kept.
                match edge {
                    true => drop(device.edge.get_or_insert_default()),
                    false => device.edge = None,
                }
            }
            (Standing::Module { managed_by }, Some(module)) => {
                if let Some(module) = device.modules.get_mut(module) {
                    module.managed_by = managed_by;
                }
            }
            // A change that was made for the other kind means nothing here.
            _ => {}
        }
    }
}
