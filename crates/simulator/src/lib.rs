//! Azure IoT Hub, its Device Provisioning Service and the IoT Edge runtime in one process, for laptops and CI.
//!
//! One registry with the faces the cloud and a gateway show: MQTT 3.1.1 over TLS for hub, provisioning and edge hub,
//! HTTPS for MQTT over WebSocket, for methods between modules, for the hub's service API and for the provisioning
//! service's device and service APIs, AMQP 1.0 for readers of events and senders of cloud-to-device messages, the
//! workload API on a Unix socket per module, and a control API with levers. Semantics are the hub's, not a broker's: a
//! client gets what is meant for its identity, a second connection ends the first, and a PUBACK means that the message
//! is in the journal.
//!
//! **Not here:** the modules, the boards and the pages of a bay (they are put together by `cow`), and devices over
//! AMQP.
//!
//! **Invariant:** nothing is acknowledged that a kill of this process could take back, once it has a state directory.
//!
//! # Example
//!
//! ```
//! # async fn example() -> Result<(), simulator::StartError> {
//! let simulator = simulator::Simulator::start(simulator::Options::on_free_ports("target/example".as_ref())).await?;
//! let device = simulator.add_device("pump7", false, &[]).expect("the id is free");
//! println!("connect with {}", device.connection_string);
//! simulator.shutdown().await;
//! # Ok(())
//! # }
//! ```

pub mod agent;
mod amqp;
mod assigning;
mod authentication;
mod blob;
mod certificates;
mod change;
mod connection;
mod control;
mod device_api;
mod digital_twin;
mod dps;
mod edge;
mod edge_methods;
mod events;
mod history;
mod hold;
mod hub;
mod jobs;
mod journal;
mod levers;
mod listening;
mod mailbox;
mod notices;
mod options;
mod outgoing;
mod pki;
mod policy;
mod precondition;
mod registry;
mod rest;
mod routing;
mod seed;
mod service;
mod simulator;
mod trace;
mod websocket;
mod wire;
mod workload;

use std::sync::{Mutex, MutexGuard, PoisonError};

pub use dps::{DpsLever, EnrollFault};
pub use events::EventFilter;
pub use history::{
    ConnectionEvent, ConnectionState, PropertyChange, Revision, RevisionSection, TwinRevisions,
};
pub use hub::{
    AgentCall, Credentials, DeviceKind, DevicePage, DeviceSearch, DeviceSummary, EdgeAgent,
    EventBounds, FoundEvents, IdentityDetail, IdentityFault, InvokeError, ModuleSummary, PageFrom,
    RoutingFault, SearchFault, SendError, TwinFault, WaitingMessage, WaitingState,
};
pub use journal::JournalError;
pub use levers::{Lever, LinkState, Target};
pub use listening::Ports;
pub use options::{Bridge, LinkedHub, Options};
pub use pki::PkiError;
pub use seed::{SeedError, SeedProblem, Seeded};
pub use simulator::{Info, Simulator, SnapshotError, StartError};
pub use trace::{Observation, RouteTaken, What};

/// A panic elsewhere is a bug that was reported there; the data behind a lock here is changed in whole steps.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Compares keys or signatures without telling by the time it takes how much of them is the same.
fn is_same_secret(own: &[u8], given: &[u8]) -> bool {
    own.len() == given.len()
        && own
            .iter()
            .zip(given)
            .fold(0, |differ, (a, b)| differ | (a ^ b))
            == 0
}

/// 32 hexadecimal digits, as the hub puts into its error bodies.
fn tracking_id() -> String {
    uuid::Uuid::new_v4().simple().to_string()
}

/// An error in one line, with what caused it.
pub(crate) fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        text = format!("{text}: {next}");
        cause = next.source();
    }
    text
}
