//! Who the hub knows: devices and modules with their keys, twins, subscriptions and queues.
//!
//! Plain data, serialised as it is into the journal's snapshots.

mod assignment;
mod configuration;
mod job;
mod settings;
mod transfer;
mod upload;

use std::collections::{BTreeMap, VecDeque};

use hub_proto::identity::Identity;
use hub_proto::sas::{KeyError, SymmetricKey};
use hub_proto::topic::Filter as TopicFilter;
use hub_proto::twin::Twin;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

pub(crate) use assignment::{Assignment, section as assignments_section};
pub(crate) use configuration::Configuration;
pub(crate) use job::{End, Job, JobState, JobStep, Progress, Run, Task};
pub(crate) use settings::{Settings, Standing};
pub(crate) use transfer::{
    Container, Direction, ImportProgress, Transfer, TransferState, TransferStep,
};
pub(crate) use upload::Upload;

use crate::authentication::Authentication;
use crate::blob::Blobs;
use crate::certificates::Certificate;
use crate::edge::EdgeStore;
use crate::events::{Come, Partition};
use crate::hold::Hold;
use crate::notices::Notices;
use crate::routing::Definition;

/// Everything the hub keeps, apart from the events themselves.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Registry {
    /// Boxed, since a tree's nodes are mostly half empty.
    pub(crate) devices: BTreeMap<String, Box<Device>>,
    /// Shared access policies of the hub by name, e.g. `iothubowner`.
    pub(crate) policies: BTreeMap<String, StoredKey>,
    /// Authorities below which devices' certificates lie, by the name they were registered under.
    #[serde(default)]
    pub(crate) authorities: BTreeMap<String, Certificate>,
    /// Configurations by id.
    #[serde(default)]
    pub(crate) configurations: BTreeMap<String, Configuration>,
    /// Containers and what is in them.
    #[serde(default)]
    pub(crate) blobs: Blobs,
    /// Files that devices are uploading, by correlation id.
    #[serde(default)]
    pub(crate) uploads: BTreeMap<String, Upload>,
    /// What waits for back ends.
    #[serde(default)]
    pub(crate) notices: Notices,
    /// Message routing, once somebody has set it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) routing: Option<Box<Definition>>,
    /// The newest of the events of connections.
    #[serde(default)]
    pub(crate) connection_events: ConnectionEvents,
    /// Scheduled jobs by id.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) jobs: BTreeMap<String, Job>,
    /// Jobs that import or export devices, by id.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) transfers: BTreeMap<String, Transfer>,
    /// The number the next event gets; written into snapshots only.
    pub(crate) next_event: u64,
    /// How far each partition of the event log has come; written into snapshots only.
    #[serde(default)]
    pub(crate) partitions: Vec<Partition>,
    /// The same of the event hubs behind custom endpoints; written into snapshots only.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) event_hubs: BTreeMap<String, Come>,
    /// Which restoration brought this state, if one did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) restored: Option<String>,
}

/// Where the numbering of connections' events is: their numbers grow, whatever the clock does.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ConnectionEvents {
    /// The latest time that any had, in milliseconds of Unix time.
    pub(crate) at_ms: i64,
    /// How many there have been.
    pub(crate) count: u64,
}

/// One device identity.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Device {
    pub(crate) client: Client,
    pub(crate) enabled: bool,
    pub(crate) modules: BTreeMap<String, Module>,
    pub(crate) queue: CloudToDeviceQueue,
    /// Present when the device has the IoT Edge capability.
    pub(crate) edge: Option<Box<EdgeStore>>,
    /// An operator's words on why it is enabled or not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) status_reason: Option<String>,
    /// When it was last enabled or disabled.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) status_updated: Option<Timestamp>,
    /// The scope of the edge device that it is behind.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) parent_scope: Option<String>,
}

impl Device {
    /// An enabled device with nothing in it.
    pub(crate) fn new(client: Client, edge: bool) -> Self {
        Self {
            client,
            enabled: true,
            modules: BTreeMap::new(),
            queue: CloudToDeviceQueue::default(),
            edge: edge.then(Box::default),
            status_reason: None,
            status_updated: None,
            parent_scope: None,
        }
    }

    /// The scope that an edge device spans: what children name as their parent.
    pub(crate) fn own_scope(&self, id: &str) -> String {
        format!("ms-azure-iot-edge://{id}-{}", self.client.generation)
    }
}

/// One module identity.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Module {
    pub(crate) client: Client,
    /// `IotEdge` for modules that a deployment made.
    pub(crate) managed_by: Option<String>,
}

/// What device and module have in common: they connect.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Client {
    pub(crate) generation: String,
    /// What it signs in with. Its keys open it only if it is [`Authentication::Sas`].
    #[serde(default)]
    pub(crate) authentication: Authentication,
    pub(crate) primary: StoredKey,
    pub(crate) secondary: StoredKey,
    pub(crate) twin: Twin,
    /// The Plug and Play model it announced when it last connected; empty for none.
    #[serde(default)]
    pub(crate) model_id: String,
    /// Kept over connections and restarts: the Python SDK never subscribes twice.
    pub(crate) subscriptions: Vec<Subscription>,
    /// Raised by every change of the identity itself; its twin counts for itself.
    #[serde(default)]
    pub(crate) revision: u64,
    /// The configurations whose target condition it fulfils; those that are applied come first, the weakest of them
    /// before the others.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) assigned: Vec<Assignment>,
}

/// A granted subscription.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Subscription {
    pub(crate) filter: Filter,
    /// 0 or 1.
    pub(crate) qos: u8,
}

/// A symmetric key in base64, never shown by `Debug`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub(crate) struct StoredKey(String);

impl From<StoredKey> for String {
    fn from(key: StoredKey) -> Self {
        key.0
    }
}

/// A snapshot that somebody sends holds keys too, and not everything is one.
impl TryFrom<String> for StoredKey {
    type Error = KeyError;

    fn try_from(text: String) -> Result<Self, KeyError> {
        SymmetricKey::from_base64(&text)?;
        Ok(Self(text))
    }
}

impl StoredKey {
    pub(crate) fn generate() -> Self {
        let mut bytes = [0; 32];
        // Without randomness from the system nothing here would be secret.
        getrandom::fill(&mut bytes).expect("the system gives random bytes");
        Self(base64::Engine::encode(
            &base64::engine::general_purpose::STANDARD,
            bytes,
        ))
    }

    /// The key in the clear, for an answer that must hold it.
    pub(crate) fn as_secret_str(&self) -> &str {
        &self.0
    }

    pub(crate) fn key(&self) -> SymmetricKey {
        SymmetricKey::from_base64(&self.0)
            .expect("the registry only stores keys it made or checked")
    }
}

impl From<&SymmetricKey> for StoredKey {
    fn from(key: &SymmetricKey) -> Self {
        Self(key.to_base64())
    }
}

impl std::fmt::Debug for StoredKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("StoredKey(…)")
    }
}

/// Messages waiting for a device, oldest first; the hub holds at most 50.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct CloudToDeviceQueue {
    pub(crate) waiting: VecDeque<CloudToDevice>,
    pub(crate) next: u64,
}

/// One cloud-to-device message.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct CloudToDevice {
    pub(crate) sequence: u64,
    /// Encoded bag as the device gets it.
    pub(crate) bag: String,
    pub(crate) body: Body,
    pub(crate) expires_ms: i64,
    pub(crate) delivered: bool,
    /// Who holds it, where a device takes its messages one by one.
    #[serde(skip)]
    pub(crate) hold: Hold,
}

/// Message bytes, as base64 where the form is text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Body(pub(crate) bytes::Bytes);

impl Serialize for Body {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&base64::display::Base64Display::new(
            &self.0,
            &base64::engine::general_purpose::STANDARD,
        ))
    }
}

impl<'de> Deserialize<'de> for Body {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        base64::Engine::decode(&base64::engine::general_purpose::STANDARD, text)
            .map(|bytes| Self(bytes.into()))
            .map_err(serde::de::Error::custom)
    }
}

impl Registry {
    /// Puts together again what is not written down.
    pub(crate) fn rebuild(&mut self) {
        for device in self.devices.values_mut() {
            if let Some(edge) = device.edge.as_mut() {
                edge.rebuild();
            }
        }
    }

    /// Takes the place of another registry: what numbers clients and services may have seen go on from there.
    pub(crate) fn go_on_from(&mut self, replaced: &Self) {
        let (own, known) = (&mut self.connection_events, &replaced.connection_events);
        own.at_ms = own.at_ms.max(known.at_ms);
        own.count = own.count.max(known.count);
        self.blobs.go_on_from(&replaced.blobs);
        self.notices.go_on_from(&replaced.notices);
        for (id, configuration) in &mut self.configurations {
            if let Some(known) = replaced.configurations.get(id) {
                configuration.go_on_from(known);
            }
        }
        for (id, device) in &mut self.devices {
            let Some(known) = replaced.devices.get(id) else {
                continue;
            };
            device.client.go_on_from(&known.client);
            device.queue.next = device.queue.next.max(known.queue.next);
            for (id, module) in &mut device.modules {
                if let Some(known) = known.modules.get(id) {
                    module.client.go_on_from(&known.client);
                }
            }
        }
    }

    pub(crate) fn client(&self, identity: &Identity) -> Option<&Client> {
        let device = self.devices.get(identity.device_id())?;
        match identity.module_id() {
            None => Some(&device.client),
            Some(module) => device.modules.get(module).map(|module| &module.client),
        }
    }

    pub(crate) fn client_mut(&mut self, identity: &Identity) -> Option<&mut Client> {
        let device = self.devices.get_mut(identity.device_id())?;
        match identity.module_id() {
            None => Some(&mut device.client),
            Some(module) => device
                .modules
                .get_mut(module)
                .map(|module| &mut module.client),
        }
    }

    pub(crate) fn edge(&self, device: &str) -> Option<&EdgeStore> {
        self.devices.get(device)?.edge.as_deref()
    }

    pub(crate) fn edge_mut(&mut self, device: &str) -> Option<&mut EdgeStore> {
        self.devices.get_mut(device)?.edge.as_deref_mut()
    }
}

/// The deliveries a client can subscribe to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Filter {
    Devicebound,
    Inputs,
    MethodRequests,
    TwinResponses,
    DesiredPatches,
}

impl Filter {
    /// What a topic filter means for this client; nothing when it is not this client's to ask for.
    pub(crate) fn of(identity: &Identity, filter: &str) -> Option<Self> {
        Some(match TopicFilter::parse(filter)? {
            TopicFilter::Devicebound { device } if identity.is(device, None) => Self::Devicebound,
            TopicFilter::Inputs { device, module } if identity.is(device, Some(module)) => {
                Self::Inputs
            }
            TopicFilter::MethodRequests => Self::MethodRequests,
            TopicFilter::TwinResponses => Self::TwinResponses,
            TopicFilter::DesiredPatches => Self::DesiredPatches,
            _ => return None,
        })
    }
}

impl Client {
    fn go_on_from(&mut self, replaced: &Self) {
        if self.revision < replaced.revision {
            self.revision = replaced.revision + 1;
        }
        self.twin.go_on_from(&replaced.twin);
        // Sessions are the clients', and SDKs never subscribe twice: one that lives on would else be deaf.
        if !replaced.subscriptions.is_empty() {
            self.subscriptions.clone_from(&replaced.subscriptions);
        }
    }

    /// The entity tag of the identity. Removed and made again it has another, since its generation is another.
    pub(crate) fn etag(&self) -> String {
        base64::Engine::encode(
            &base64::engine::general_purpose::STANDARD,
            format!("{}.{}", self.generation, self.revision),
        )
    }

    pub(crate) fn subscription(&self, filter: Filter) -> Option<Subscription> {
        self.subscriptions
            .iter()
            .copied()
            .find(|subscription| subscription.filter == filter)
    }
}
