//! The registry as a person looks into it: devices at a glance, one identity, its queue.

use hub_proto::identity::Identity;
use hub_proto::message::SystemProperty;
use hub_proto::property_bag;
use hub_proto::twin::Object;
use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Map, Value};

use super::{Core, Hub, identity_documents};
use crate::events::body_json;
use crate::registry::{CloudToDevice, Device};

/// What a device is to the hub.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum DeviceKind {
    /// A device that connects by itself.
    Device,
    /// It runs the Edge runtime.
    Edge,
    /// It is behind an Edge device.
    Leaf,
}

/// One device at a glance. Holds no key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DeviceSummary {
    /// Its id.
    pub device_id: String,
    /// What it is.
    pub kind: DeviceKind,
    /// Whether it may connect.
    pub enabled: bool,
    /// An operator's words on that.
    pub status_reason: Option<String>,
    /// Since when it is connected; none while it is not.
    pub connected_since: Option<Timestamp>,
    /// When it last came or went, as far as is known since the start.
    pub last_activity: Option<Timestamp>,
    /// `sas`, `selfSigned`, `certificateAuthority` or `none`.
    pub authentication: &'static str,
    /// Cloud-to-device messages that wait for it.
    pub waiting: usize,
    /// How many modules it has, system modules included.
    pub modules: usize,
    /// How many of these are connected.
    pub modules_connected: usize,
    /// Its tags.
    pub tags: Object,
}

/// One module at a glance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct ModuleSummary {
    /// Its id.
    pub module_id: String,
    /// Since when it is connected; none while it is not.
    pub connected_since: Option<Timestamp>,
    /// When it last came or went, as far as is known since the start.
    pub last_activity: Option<Timestamp>,
    /// How it signs in.
    pub authentication: &'static str,
    /// `IotEdge` for modules that a deployment made.
    pub managed_by: Option<String>,
}

/// A device or a module, looked at closely. Holds no key.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct IdentityDetail {
    /// The device, its own or the module's.
    pub device: DeviceSummary,
    /// The module, where it is one.
    pub module: Option<ModuleSummary>,
    /// Tells it from an earlier one of the same name.
    pub generation_id: String,
    /// The Plug and Play model it announced; empty for none.
    pub model_id: String,
    /// Primary and secondary thumbprint, where it signs in with these.
    pub thumbprints: Value,
    /// The scope of the Edge device it is behind.
    pub parent_scope: Option<String>,
    /// Its modules, or those beside it.
    pub modules: Vec<ModuleSummary>,
}

/// A cloud-to-device message that waits.
#[derive(Debug, Clone, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct WaitingMessage {
    /// Its number in the device's queue.
    pub sequence: u64,
    /// As its sender called it, or the hub.
    pub message_id: String,
    /// How far it is.
    pub state: WaitingState,
    /// When it is given up.
    pub expires: Option<Timestamp>,
    /// Application properties.
    pub properties: Map<String, Value>,
    /// As JSON where it is JSON, else as text or base64.
    pub body: Value,
    /// Length of the body.
    pub bytes: usize,
}

/// How far a waiting message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum WaitingState {
    /// It was not sent yet.
    Waiting,
    /// It was sent on this connection, or taken, and is not acknowledged.
    Sent,
    /// It was sent before, and goes again.
    Again,
}

impl Hub {
    /// One device or module.
    pub(crate) fn identity_detail(&self, target: &Identity) -> Option<IdentityDetail> {
        let core = self.lock();
        let id = target.device_id();
        let device = core.registry.devices.get(id)?;
        let client = core.client(target)?;
        let modules = device.modules.keys();
        let modules = modules.filter_map(|module| core.module_summary(id, device, module));
        Some(IdentityDetail {
            device: core.summary(id, device)?,
            module: target
                .module_id()
                .and_then(|module| core.module_summary(id, device, module)),
            generation_id: client.generation.clone(),
            model_id: client.model_id.clone(),
            thumbprints: identity_documents::thumbprints(&client.authentication),
            parent_scope: device.parent_scope.clone(),
            modules: modules.collect(),
        })
    }

    /// The messages that wait for a device, oldest first; nothing when it is not registered.
    pub(crate) fn queue(&self, device: &str) -> Option<Vec<WaitingMessage>> {
        let core = self.lock();
        let queue = &core.registry.devices.get(device)?.queue;
        let live = core.live.get(&Identity::device(device).ok()?);
        let now_ms = Timestamp::now().as_millisecond();
        let shown = queue.waiting.iter().map(|message| {
            let locked = message.hold.is_held(now_ms)
                || live.is_some_and(|live| live.locked.contains_key(&message.sequence));
            waiting(message, locked)
        });
        Some(shown.collect())
    }
}

impl Core {
    pub(super) fn summary(&self, id: &str, device: &Device) -> Option<DeviceSummary> {
        let identity = Identity::device(id).ok()?;
        let modules = device.modules.keys();
        let connected = modules.filter(|module| {
            Identity::module(id, module.as_str()).is_ok_and(|of| self.live.contains_key(&of))
        });
        Some(DeviceSummary {
            device_id: id.to_owned(),
            kind: match (&device.edge, &device.parent_scope) {
                (Some(_), _) => DeviceKind::Edge,
                (None, Some(_)) => DeviceKind::Leaf,
                (None, None) => DeviceKind::Device,
            },
            enabled: device.enabled,
            status_reason: device.status_reason.clone(),
            connected_since: self.live.get(&identity).map(|live| live.since),
            last_activity: self.last_activity(&identity),
            authentication: device.client.authentication.name(),
            waiting: device.queue.waiting.len(),
            modules: device.modules.len(),
            modules_connected: connected.count(),
            tags: device.client.twin.tags().clone(),
        })
    }

    fn module_summary(&self, id: &str, device: &Device, module: &str) -> Option<ModuleSummary> {
        let identity = Identity::module(id, module).ok()?;
        let found = device.modules.get(module)?;
        Some(ModuleSummary {
            module_id: module.to_owned(),
            connected_since: self.live.get(&identity).map(|live| live.since),
            last_activity: self.last_activity(&identity),
            authentication: found.client.authentication.name(),
            managed_by: found.managed_by.clone(),
        })
    }
}

fn waiting(message: &CloudToDevice, locked: bool) -> WaitingMessage {
    let mut message_id = String::new();
    let mut properties = Map::new();
    for (name, value) in property_bag::pairs(&message.bag).flatten() {
        let value = value.unwrap_or_default();
        match SystemProperty::from_wire(&name) {
            Some(SystemProperty::MessageId) => message_id = value.into_owned(),
            // `$.to` and its like are the hub's.
            Some(_) => {}
            None if name.starts_with('$') => {}
            None => {
                properties.insert(name.into_owned(), value.into_owned().into());
            }
        }
    }
    let state = match (locked, message.delivered) {
        (true, _) => WaitingState::Sent,
        (false, true) => WaitingState::Again,
        (false, false) => WaitingState::Waiting,
    };
    let (_, body) = body_json(&message.body.0);
    WaitingMessage {
        sequence: message.sequence,
        message_id,
        state,
        expires: Timestamp::from_millisecond(message.expires_ms).ok(),
        properties,
        body,
        bytes: message.body.0.len(),
    }
}
