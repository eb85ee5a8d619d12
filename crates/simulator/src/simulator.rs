//! The simulator as a whole: how it starts, what it offers, and how it stops.

mod connection_strings;
mod events;
mod history;
mod info;
mod inventory;
mod pending;
mod provisioning;
mod seeding;
mod snapshots;
mod starting;
mod workloads;

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use hub_proto::identity::{Identity, IdentityError};
use hub_proto::message::Properties;
use hub_proto::method::{MethodRequest, MethodResponse};
use serde_json::Value;
use thiserror::Error;
use tokio::sync::{broadcast, mpsc};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::dps::Dps;
use crate::hub::{
    AgentCall, Caller, Credentials, EdgeAgent, Hub, IdentityFault, InvokeError, RoutingFault,
    SendError, TwinFault,
};
use crate::journal::JournalError;
use crate::levers::{Lever, Target};
use crate::listening::Ports;
use crate::pki::{Authority, PkiError};
use crate::trace::Observation;
use crate::{blob, control, lock};

pub use info::Info;
pub(crate) use snapshots::Snapshot;
pub use snapshots::SnapshotError;

/// Why a simulator did not start.
#[derive(Debug, Error)]
pub enum StartError {
    /// A port could not be had.
    #[error("cannot listen on {address}")]
    Bind {
        /// The address and port asked for.
        address: SocketAddr,
        /// Why.
        source: io::Error,
    },
    /// The certificates could not be had.
    #[error(transparent)]
    Pki(#[from] PkiError),
    /// The state could not be read.
    #[error(transparent)]
    State(#[from] JournalError),
    /// What a new hub needs could not be written down.
    #[error("the journal cannot be written")]
    Journal(#[source] io::Error),
    /// What a kill interrupted could not be finished.
    #[error("what was begun before the simulator was ended cannot be finished")]
    Unfinished(#[source] SnapshotError),
    /// The default deployment is none.
    #[error("the default deployment cannot be used")]
    Deployment(#[source] IdentityFault),
    /// The routing is none.
    #[error("the routing cannot be used")]
    Routing(#[source] RoutingFault),
    /// The directory for sockets could not be made.
    #[error("cannot make the directory {path} for the modules' sockets")]
    Run {
        /// Which directory.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

/// A running simulator.
#[derive(Debug)]
pub struct Simulator {
    hub: Arc<Hub>,
    /// Those the provisioning service may assign devices to as well.
    more_hubs: Vec<Arc<Hub>>,
    dps: Arc<Dps>,
    authority: Arc<Authority>,
    run: PathBuf,
    mqtt: SocketAddr,
    https: SocketAddr,
    amqp: SocketAddr,
    bridge: Option<Ports>,
    /// What was begun and has to be finished, whatever happens in between.
    pending: pending::Pending,
    /// The deployment that the simulator began with.
    first_deployment: Mutex<Option<Value>>,
    /// Workload sockets by module.
    sockets: Mutex<BTreeMap<Identity, PathBuf>>,
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl Simulator {
    fn hubs(&self) -> impl Iterator<Item = &Arc<Hub>> {
        std::iter::once(&self.hub).chain(&self.more_hubs)
    }

    /// Where it listens at the address of [`Options::bridge`](crate::Options::bridge), if it does.
    #[must_use]
    pub fn bridge_ports(&self) -> Option<Ports> {
        self.bridge
    }

    /// The control API (`/control/…`), to be served where its user can reach it and nobody else.
    pub fn control(self: &Arc<Self>) -> axum::Router {
        control::router(self.clone())
    }

    /// Registers a device with modules.
    ///
    /// # Errors
    /// When an id is not allowed or taken.
    pub fn add_device(
        &self,
        id: &str,
        edge: bool,
        modules: &[String],
    ) -> Result<Credentials, IdentityFault> {
        self.hub.add_device(id, edge, modules)
    }

    /// Forgets a device, ending its connections.
    ///
    /// # Errors
    /// When it is not registered.
    pub fn remove_device(&self, id: &str) -> Result<(), IdentityFault> {
        self.hub.remove_device(id)
    }

    /// Enables or disables a device, which takes effect on live connections.
    ///
    /// # Errors
    /// When it is not registered.
    pub fn enable_device(&self, id: &str, enabled: bool) -> Result<(), IdentityFault> {
        self.hub.enable_device(id, enabled)
    }

    /// What a device and its modules connect with, workload sockets included where they are served.
    #[must_use]
    pub fn credentials(&self, id: &str) -> Option<Credentials> {
        let mut credentials = self.hub.credentials(id)?;
        let sockets = lock(&self.sockets);
        for module in &mut credentials.modules {
            let identity = Identity::module(id, module.module_id.as_str()).ok()?;
            module.workload_uri = sockets
                .get(&identity)
                .map(|path| format!("unix://{}", path.display()));
        }
        Some(credentials)
    }

    /// Every device, with its modules and whether they are connected.
    #[must_use]
    pub fn devices(&self) -> Value {
        self.hub.devices()
    }

    /// Plays the agent of an edge device, whose direct methods come to the receiver.
    ///
    /// # Errors
    /// When the id is none.
    pub fn edge_agent(
        &self,
        device: &str,
    ) -> Result<(EdgeAgent, mpsc::Receiver<AgentCall>), IdentityError> {
        EdgeAgent::take_seat(&self.hub, device)
    }

    /// Applies a deployment (`{"modulesContent": {…}}`) to an edge device.
    ///
    /// # Errors
    /// When the device is no edge device, or the content no deployment.
    pub fn apply_deployment(&self, device: &str, content: &Value) -> Result<(), IdentityFault> {
        self.hub.apply_deployment(device, content)
    }

    /// The twin as the service shows it.
    ///
    /// # Errors
    /// When nobody is registered under the name.
    pub fn twin(&self, target: &Identity) -> Result<Value, TwinFault> {
        self.hub.twin(target)
    }

    /// Patches `tags` and `properties.desired` of a twin; returns the whole of it.
    ///
    /// # Errors
    /// When the target is unknown or the document breaks a rule.
    pub fn patch_twin(&self, target: &Identity, document: Value) -> Result<Value, TwinFault> {
        self.hub.update_twin(target, document, false)
    }

    /// Calls a direct method from the cloud's side.
    ///
    /// # Errors
    /// When the target is unknown, not connected in time, or does not answer in time.
    pub async fn invoke(
        &self,
        target: &Identity,
        request: &MethodRequest,
    ) -> Result<MethodResponse, InvokeError> {
        self.hub.invoke(target, request, Caller::Cloud).await
    }

    /// Queues a cloud-to-device message; returns its message id.
    ///
    /// # Errors
    /// When the device is unknown, its queue full, or the message too large.
    pub fn send(
        &self,
        to: &Identity,
        properties: Properties,
        body: Vec<u8>,
    ) -> Result<String, SendError> {
        self.hub.send(to, properties, body.into())
    }

    /// The live story: one observation for each thing that happens from here on.
    #[must_use]
    pub fn watch(&self) -> broadcast::Receiver<Observation> {
        self.hub.trace.watch()
    }

    /// Moves a lever.
    ///
    /// # Errors
    /// When what follows from it cannot be written to the journal.
    pub fn pull(&self, target: &Target, lever: Lever) -> io::Result<()> {
        self.hub.pull(target, lever)
    }

    /// The levers that are not at rest, and each edge's way to the hub.
    #[must_use]
    pub fn levers(&self) -> Value {
        let mut levers = self.hub.levers();
        levers["dps"] = serde_json::to_value(self.dps.levers()).unwrap_or_default();
        levers
    }

    /// Ends every connection, then the listeners; what was acknowledged is in the journal by then.
    pub async fn shutdown(&self) {
        for hub in self.hubs() {
            hub.end_all();
        }
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }

    /// The hub's blob store: host, with the port where it is not the usual one, and path.
    pub(crate) fn blob_endpoint(&self) -> String {
        let (host, account) = (&self.hub.names.hub, blob::ACCOUNT);
        match self.https.port() {
            443 => format!("{host}/{account}"),
            port => format!("{host}:{port}/{account}"),
        }
    }

    /// The certificate to trust, in PEM.
    #[must_use]
    pub fn certificate_pem(&self) -> &str {
        self.authority.certificate_pem()
    }

    /// The hub itself, for the control API.
    pub(crate) fn hub(&self) -> &Hub {
        &self.hub
    }

    /// Resolves when the simulator stops: for streams that would otherwise keep it from stopping.
    pub(crate) fn stopped(&self) -> CancellationToken {
        self.stop.clone()
    }
}

#[cfg(test)]
mod tests;
