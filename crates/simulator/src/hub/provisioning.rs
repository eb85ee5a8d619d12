//! What the provisioning service does in a hub: makes a device, gives it its keys and twin, moves it, takes it away.

use hub_proto::dps::enrollment::InitialTwin;
use hub_proto::identity::Identity;
use hub_proto::twin::{Twin, Update};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::identities::{SYSTEM_MODULES, new_client};
use super::{Core, Hub, IdentityFault, TwinFault};
use crate::authentication::Authentication;
use crate::change::Change;
use crate::dps::Credential;
use crate::mailbox::EndReason;
use crate::registry::{Client, CloudToDeviceQueue, Device};

/// A device to be there.
#[derive(Debug)]
pub(crate) struct Provision<'a> {
    pub(crate) device_id: &'a str,
    pub(crate) credential: &'a Credential,
    /// Whether it is an IoT Edge device. One that is stays one: its modules would be lost.
    pub(crate) edge: bool,
    pub(crate) twin: Start<'a>,
    /// What an edge device runs from the moment it becomes one.
    pub(crate) deployment: Option<&'a Value>,
}

/// What the device's twin begins with.
#[derive(Debug)]
pub(crate) enum Start<'a> {
    /// The one that is there; else a new one with this in it.
    Keep(Option<&'a InitialTwin>),
    /// A new one with this in it, and nothing else of the device that was: no modules, no messages.
    Reset(Option<&'a InitialTwin>),
    /// That of the hub it comes from, with its modules.
    Moved(Box<Device>),
}

impl Provision<'_> {
    /// Whether a device is already all that is wanted of it.
    fn is_met_by(&self, device: &Device) -> bool {
        matches!(self.twin, Start::Keep(_))
            && (device.edge.is_some() || !self.edge)
            && proves_by(&device.client, self.credential)
    }
}

impl Hub {
    /// Makes the device, or gives the one that is there its credential, twin and capability. When this returns, the
    /// device can connect, and a kill does not take it away.
    ///
    /// # Errors
    /// When the id is none of the hub's, a twin or the deployment breaks a rule, or the journal cannot be written.
    pub(crate) fn provision(&self, wanted: Provision<'_>) -> Result<(), IdentityFault> {
        let id = wanted.device_id;
        let identity = Identity::device(id)?;
        let now = Timestamp::now();
        let mut core = self.lock();
        let known = core.registry.devices.get(id);
        // Edge devices register at each start, and what waits in them can be a great deal to write again.
        if known.is_some_and(|device| wanted.is_met_by(device)) {
            // It may be here and not yet in the journal, if that could not be written when it was made.
            return self.commit(&mut core).map_err(IdentityFault::Journal);
        }
        let known = known.map(|device| Device::clone(device));
        let (known, fresh_twin) = match wanted.twin {
            Start::Keep(initial) => {
                let twin = known.is_none().then(|| initial_twin(initial, now));
                (known, twin)
            }
            Start::Reset(initial) => (None, Some(initial_twin(initial, now))),
            Start::Moved(device) => (Some(*device), None),
        };
        let fresh_twin = fresh_twin
            .transpose()
            .map_err(|source| IdentityFault::Properties {
                module: String::new(),
                source: Box::new(source),
            })?;
        if known.is_none() {
            core.forget_connections(id);
        }
        let was_edge = known.as_ref().is_some_and(|device| device.edge.is_some());
        let becomes_edge = wanted.edge && !was_edge;
        let mut device = match known {
            Some(mut device) => {
                device.client.revision += 1;
                device
            }
            None => Device::new(new_client(), false),
        };
        if let Some(twin) = fresh_twin {
            device.client.twin = twin;
        }
        prove_by(&mut device.client, wanted.credential);
        if becomes_edge {
            device.edge = Some(Box::default());
        }
        core.record(Change::DevicePut {
            id: id.to_owned(),
            device: Box::new(device),
        });
        if becomes_edge {
            for module in SYSTEM_MODULES {
                if core.client(&Identity::module(id, module)?).is_none() {
                    core.add_module(id, module, true);
                }
            }
        }
        core.compile_routes(id);
        let deployed = match wanted.deployment.filter(|_| becomes_edge) {
            Some(deployment) => core.apply_deployment(&identity, deployment),
            None => Ok(()),
        };
        // The device is there even if its deployment is not: what was recorded has to be kept.
        self.commit(&mut core).map_err(IdentityFault::Journal)?;
        deployed
    }

    /// A copy of a device with its modules, to be put into another hub. What waits for it stays behind.
    pub(crate) fn take_out(&self, id: &str) -> Option<Device> {
        let mut device = Device::clone(self.lock().registry.devices.get(id)?);
        device.queue = CloudToDeviceQueue::default();
        device.client.subscriptions.clear();
        device.client.assigned.clear();
        if device.edge.is_some() {
            device.edge = Some(Box::default());
        }
        let generation = new_client().generation;
        device.client.generation.clone_from(&generation);
        for module in device.modules.values_mut() {
            module.client.subscriptions.clear();
            // The other hub has configurations of its own.
            module.client.assigned.clear();
            module.client.generation.clone_from(&generation);
        }
        Some(device)
    }
}

impl Core {
    /// Ends what is left of a device that is made anew.
    fn forget_connections(&mut self, id: &str) {
        self.inputs_sent.retain(|of, _| of.device_id() != id);
        for (of, live) in &self.live {
            if of.device_id() == id {
                live.mailbox.end(EndReason::Removed);
            }
        }
    }
}

/// From here on the client proves itself with what it registered with.
fn prove_by(client: &mut Client, credential: &Credential) {
    match credential {
        Credential::Keys { primary, secondary } => {
            client.authentication = Authentication::Sas;
            client.primary = primary.into();
            client.secondary = secondary.into();
        }
        Credential::Certificates { primary, secondary } => {
            client.authentication = Authentication::SelfSigned {
                primary: primary.clone(),
                secondary: secondary.clone(),
            };
        }
    }
}

fn proves_by(client: &Client, credential: &Credential) -> bool {
    match (&client.authentication, credential) {
        (Authentication::Sas, Credential::Keys { primary, secondary }) => {
            client.primary.key() == *primary && client.secondary.key() == *secondary
        }
        (
            Authentication::SelfSigned { primary, secondary },
            Credential::Certificates {
                primary: wanted,
                secondary: second_wanted,
            },
        ) => primary == wanted && secondary == second_wanted,
        _ => false,
    }
}

/// A twin at its beginning.
fn initial_twin(initial: Option<&InitialTwin>, now: Timestamp) -> Result<Twin, TwinFault> {
    let mut twin = Twin::new(now);
    let Some(initial) = initial else {
        return Ok(twin);
    };
    let mut document = json!({});
    if let Some(tags) = &initial.tags {
        document["tags"] = Value::Object(tags.clone());
    }
    if let Some(desired) = initial.desired() {
        document["properties"] = json!({"desired": desired});
    }
    if document
        .as_object()
        .is_some_and(|document| !document.is_empty())
    {
        twin.update(&document, Update::Merge, now)
            .map_err(TwinFault::Document)?;
    }
    Ok(twin)
}

/// Whether an enrolment's initial twin will be taken, to be known when it is enrolled and not when it registers.
///
/// # Errors
/// Which rule it breaks.
pub(crate) fn check_initial_twin(initial: &InitialTwin) -> Result<(), TwinFault> {
    initial_twin(Some(initial), Timestamp::UNIX_EPOCH).map(|_| ())
}
