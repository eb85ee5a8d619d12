//! The changes of the registry: the only way its data moves, live and when the journal is replayed.
//!
//! **Invariant:** applying the same changes in the same order gives the same registry. So a change carries the time
//! and every key it needs, and [`Registry::apply`] reads no clock and draws nothing at random. A change that fails
//! leaves the registry as it was, and is then not written.

use hub_proto::identity::Identity;
use hub_proto::twin::{Object, TwinError, Update};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::blob::change::BlobChange;
use crate::certificates::Certificate;
use crate::edge::{Accepted, Endpoint, Offline};
use crate::notices::{Channel, NewRecord};
use crate::registry::{
    Assignment, CloudToDevice, Configuration, ConnectionEvents, Device, JobStep, Module, Registry,
    Settings, StoredKey, Subscription, TransferStep, Upload,
};
use crate::routing::Definition;

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "change", rename_all = "camelCase")]
pub(crate) enum Change {
    PolicySet {
        name: String,
        key: StoredKey,
    },
    AuthorityPut {
        name: String,
        certificate: Box<Certificate>,
    },
    AuthorityRemoved {
        name: String,
    },
    DevicePut {
        id: String,
        device: Box<Device>,
    },
    DeviceEnabled {
        id: String,
        enabled: bool,
        #[serde(default)]
        at: Option<Timestamp>,
    },
    /// What a service settles about a device or module that is there.
    IdentitySettled {
        target: Identity,
        settings: Box<Settings>,
        at: Timestamp,
    },
    DeviceRemoved {
        id: String,
    },
    ModulePut {
        device: String,
        id: String,
        module: Box<Module>,
    },
    ModuleRemoved {
        device: String,
        id: String,
    },
    ConfigurationPut {
        id: String,
        configuration: Box<Configuration>,
    },
    ConfigurationRemoved {
        id: String,
    },
    RoutingPut {
        routing: Box<Definition>,
    },
    /// An event of a connection took the next number.
    ConnectionCounted {
        to: ConnectionEvents,
    },
    /// Which configurations count for a twin from here on. What they set is a change of its own, before this.
    Assigned {
        twin: Identity,
        assigned: Vec<Assignment>,
    },
    /// A service's PATCH or PUT of a twin: `tags` and `properties.desired`.
    TwinUpdated {
        target: Identity,
        document: Value,
        replace: bool,
        at: Timestamp,
    },
    Reported {
        target: Identity,
        patch: Value,
        at: Timestamp,
    },
    ModelAnnounced {
        target: Identity,
        model_id: String,
    },
    Subscribed {
        target: Identity,
        subscriptions: Vec<Subscription>,
    },
    MessageQueued {
        device: String,
        message: CloudToDevice,
    },
    /// A message to a device has ended, one way or another.
    MessageSettled {
        device: String,
        sequence: u64,
        /// What its sender hears of it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        feedback: Option<NewRecord>,
    },
    /// A notice was taken by a back end, or by nobody for too long.
    NoticeSettled {
        channel: Channel,
        sequence: u64,
    },
    /// Something happened in the blob store.
    Blobs {
        what: Box<BlobChange>,
    },
    /// A device was told where to put a file.
    UploadBegun {
        id: String,
        upload: Box<Upload>,
    },
    /// It is done, or gave up, or took too long.
    UploadEnded {
        id: String,
        /// What back ends hear of it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        notice: Option<NewRecord>,
    },
    EdgeAccepted {
        device: String,
        message: Box<Accepted>,
    },
    EdgeSettled {
        device: String,
        sequence: u64,
        endpoint: Endpoint,
    },
    UpstreamCut {
        device: String,
        offline: Box<Offline>,
    },
    UpstreamReported {
        device: String,
        module: String,
        patch: Object,
        at: Timestamp,
    },
    UpstreamRestored {
        device: String,
    },
    /// What becomes of a scheduled job.
    Job {
        id: String,
        step: JobStep,
    },
    /// What becomes of a job that imports or exports devices.
    Transfer {
        id: String,
        step: TransferStep,
    },
}

impl Registry {
    /// Carries out one change and returns what a device has to be told of it, if its desired properties moved.
    /// A target that does not exist is no error: the change then means nothing.
    pub(crate) fn apply(&mut self, change: Change) -> Result<Option<Object>, TwinError> {
        match change {
            Change::PolicySet { name, key } => {
                self.policies.insert(name, key);
            }
            Change::AuthorityPut { name, certificate } => {
                self.authorities.insert(name, *certificate);
            }
            Change::AuthorityRemoved { name } => {
                self.authorities.remove(&name);
            }
            Change::DevicePut { id, device } => {
                self.devices.insert(id, device);
            }
            Change::DeviceEnabled { id, enabled, at } => {
                if let Some(device) = self.devices.get_mut(&id) {
                    device.enabled = enabled;
                    device.status_updated = at;
                    device.client.revision += 1;
                }
            }
            Change::IdentitySettled {
                target,
                settings,
                at,
            } => self.settle(&target, *settings, at),
            Change::DeviceRemoved { id } => {
                self.devices.remove(&id);
            }
            Change::ModulePut { device, id, module } => {
                if let Some(device) = self.devices.get_mut(&device) {
                    device.modules.insert(id, *module);
                }
            }
            Change::ModuleRemoved { device, id } => {
                if let Some(device) = self.devices.get_mut(&device) {
                    device.modules.remove(&id);
                }
            }
            Change::ConfigurationPut { id, configuration } => {
                self.configurations.insert(id, *configuration);
            }
            Change::ConfigurationRemoved { id } => {
                self.configurations.remove(&id);
            }
            Change::RoutingPut { routing } => self.routing = Some(routing),
            Change::ConnectionCounted { to } => self.connection_events = to,
            Change::Assigned { twin, assigned } => {
                if let Some(client) = self.client_mut(&twin) {
                    client.assigned = assigned;
                }
            }
            Change::TwinUpdated {
                target,
                document,
                replace,
                at,
            } => {
                if let Some(client) = self.client_mut(&target) {
                    let update = if replace {
                        Update::Replace
                    } else {
                        Update::Merge
                    };
                    return client.twin.update(&document, update, at);
                }
            }
            Change::Reported { target, patch, at } => {
                if let Some(client) = self.client_mut(&target) {
                    client.twin.report(&patch, at)?;
                }
            }
            Change::ModelAnnounced { target, model_id } => {
                if let Some(client) = self.client_mut(&target) {
                    client.model_id = model_id;
                }
            }
            Change::Subscribed {
                target,
                subscriptions,
            } => {
                if let Some(client) = self.client_mut(&target) {
                    client.subscriptions = subscriptions;
                }
            }
            Change::MessageQueued { device, message } => {
                if let Some(device) = self.devices.get_mut(&device) {
                    device.queue.next = message.sequence + 1;
                    device.queue.waiting.push_back(message);
                }
            }
            Change::MessageSettled {
                device,
                sequence,
                feedback,
            } => {
                if let Some(record) = feedback {
                    self.notices.of_mut(Channel::Feedback).add(record);
                }
                if let Some(device) = self.devices.get_mut(&device) {
                    device
                        .queue
                        .waiting
                        .retain(|message| message.sequence != sequence);
                }
            }
            Change::NoticeSettled { channel, sequence } => {
                self.notices.of_mut(channel).remove(sequence);
            }
            Change::Blobs { what } => self.blobs.apply(*what),
            Change::UploadBegun { id, upload } => {
                self.uploads.insert(id, *upload);
            }
            Change::UploadEnded { id, notice } => {
                self.uploads.remove(&id);
                if let Some(record) = notice {
                    self.notices.of_mut(Channel::Files).add(record);
                }
            }
            Change::EdgeAccepted { device, message } => {
                if let Some(edge) = self.edge_mut(&device) {
                    edge.accept(*message);
                }
            }
            Change::EdgeSettled {
                device,
                sequence,
                endpoint,
            } => {
                if let Some(edge) = self.edge_mut(&device) {
                    edge.settle(sequence, &endpoint);
                }
            }
            Change::UpstreamCut { device, offline } => {
                if let Some(edge) = self.edge_mut(&device) {
                    edge.offline.get_or_insert(*offline);
                }
            }
            Change::UpstreamReported {
                device,
                module,
                patch,
                at,
            } => {
                if let Some(device) = self.devices.get_mut(&device) {
                    let hub = device
                        .modules
                        .get(&module)
                        .map(|module| module.client.twin.reported());
                    let offline = device.edge.as_mut().and_then(|edge| edge.offline.as_mut());
                    if let (Some(hub), Some(offline)) = (hub, offline) {
                        offline
                            .reported
                            .entry(module)
                            .or_insert_with(|| hub.clone())
                            .merge(&patch, at)?;
                    }
                }
            }
            Change::UpstreamRestored { device } => {
                if let Some(edge) = self.edge_mut(&device) {
                    edge.offline = None;
                }
            }
            Change::Job { id, step } => self.apply_job(id, step),
            Change::Transfer { id, step } => self.apply_transfer(id, step),
        }
        Ok(None)
    }
}
