//! The registry as a person looks through it: a page of devices, one identity, its queue.

use std::ops::Bound;

use hub_proto::identity::Identity;
use hub_proto::message::SystemProperty;
use hub_proto::property_bag;
use hub_proto::twin::Object;
use jiff::Timestamp;
use query::{Collection, Query};
use serde::Serialize;
use serde_json::{Map, Value};
use thiserror::Error;

use super::query::TwinView;
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

/// A page of the registry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct DevicePage {
    /// By id.
    pub devices: Vec<DeviceSummary>,
    /// Devices there are.
    pub registered: usize,
    /// How many of these are connected.
    pub connected: usize,
    /// Devices that the search finds.
    pub matching: usize,
    /// Whether there are some before these.
    pub has_previous: bool,
    /// Whether there are some after these.
    pub has_next: bool,
}

/// Where a page of the registry begins or ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PageFrom<'a> {
    /// With the first device.
    Start,
    /// After this id.
    After(&'a str),
    /// Before this id.
    Before(&'a str),
}

/// Which devices to show.
#[derive(Debug)]
pub enum DeviceSearch {
    /// All of them.
    All,
    /// Those with this in their id, or in a tag; in any case.
    Text(String),
    /// Those for which a condition of the query language is true.
    Condition(Box<Query>),
}

/// A condition that is none.
#[derive(Debug, Error)]
#[error("{0}")]
pub struct SearchFault(String);

impl DeviceSearch {
    /// Reads what a person typed: a condition where it has the signs of one, else a text to find.
    ///
    /// # Errors
    /// When it looks like a condition, and is none; it says where and what to write instead.
    pub fn parse(typed: &str) -> Result<Self, SearchFault> {
        let typed = typed.trim();
        if typed.is_empty() {
            return Ok(Self::All);
        }
        // Ids may hold `=`, `(` and `'`, but no blank; a condition is hardly ever without all of these.
        let is_condition = typed.contains(['=', '<', '>', '(', '[', '\'']);
        if !is_condition {
            return Ok(Self::Text(typed.to_lowercase()));
        }
        match Query::parse_condition(typed, Collection::DEVICES) {
            Ok(query) => Ok(Self::Condition(Box::new(query))),
            Err(error) => Err(SearchFault(format!("{error}: {}", error.help))),
        }
    }
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
    /// A page of the devices a search finds, at most `most` of them.
    pub(crate) fn device_page(
        &self,
        search: &DeviceSearch,
        from: PageFrom<'_>,
        most: usize,
    ) -> DevicePage {
        let core = self.lock();
        let devices = &core.registry.devices;
        #[allow(
            clippy::borrowed_box,
            reason = "it is what the tree gives, and its iterators take no other"
        )]
        let finds = |(id, device): &(&String, &Box<Device>)| core.finds(search, id, device);
        let range = |from, to| devices.range::<str, _>((from, to)).filter(finds);
        // One more than is shown tells whether there are more.
        let mut rows: Vec<_> = match from {
            PageFrom::Start => range(Bound::Unbounded, Bound::Unbounded)
                .take(most + 1)
                .collect(),
            PageFrom::After(id) => range(Bound::Excluded(id), Bound::Unbounded)
                .take(most + 1)
                .collect(),
            PageFrom::Before(id) => range(Bound::Unbounded, Bound::Excluded(id))
                .rev()
                .take(most + 1)
                .collect(),
        };
        let has_more = rows.len() > most;
        rows.truncate(most);
        let is_before = matches!(from, PageFrom::Before(_));
        if is_before {
            rows.reverse();
        }
        let (first, last) = (rows.first(), rows.last());
        let any = |bounds: (Bound<&str>, Bound<&str>)| {
            let mut between = devices.range::<str, _>(bounds);
            between.any(|pair| finds(&pair))
        };
        let before = |id| any((Bound::Unbounded, Bound::Excluded(id)));
        let after = |id| any((Bound::Excluded(id), Bound::Unbounded));
        let (has_previous, has_next) = match from {
            PageFrom::Start => (false, has_more),
            PageFrom::After(id) => (before(first.map_or(id, |(id, _)| id.as_str())), has_more),
            PageFrom::Before(id) => (has_more, after(last.map_or(id, |(id, _)| id.as_str()))),
        };
        let of_devices = core.live.keys().filter(|of| of.module_id().is_none());
        DevicePage {
            registered: devices.len(),
            connected: of_devices.count(),
            matching: match search {
                DeviceSearch::All => devices.len(),
                _ => devices.iter().filter(finds).count(),
            },
            has_previous,
            has_next,
            devices: rows
                .into_iter()
                .filter_map(|(id, device)| core.summary(id, device))
                .collect(),
        }
    }

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
    fn finds(&self, search: &DeviceSearch, id: &str, device: &Device) -> bool {
        match search {
            DeviceSearch::All => true,
            DeviceSearch::Text(text) => {
                let tags = device.client.twin.tags();
                holds(id, text) || tags.values().any(|tag| tag_holds(tag, text))
            }
            DeviceSearch::Condition(query) => query.matches(&TwinView::of_device(self, id, device)),
        }
    }

    fn summary(&self, id: &str, device: &Device) -> Option<DeviceSummary> {
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

/// `text` is in lower case.
fn holds(whole: &str, text: &str) -> bool {
    whole.to_lowercase().contains(text)
}

fn tag_holds(tag: &Value, text: &str) -> bool {
    match tag {
        Value::String(tag) => holds(tag, text),
        Value::Object(tags) => tags.values().any(|tag| tag_holds(tag, text)),
        Value::Array(tags) => tags.iter().any(|tag| tag_holds(tag, text)),
        Value::Null => false,
        Value::Bool(_) | Value::Number(_) => tag.to_string().as_str() == text,
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
