//! The live story of the simulator: one observation for each thing a person would want to see happen.
//!
//! Observations are for watching, not for keeping: nobody waits for a slow watcher, and nothing is built while nobody
//! watches.

use std::sync::atomic::{AtomicUsize, Ordering};

use hub_proto::identity::Identity;
use serde::Serialize;
use serde_json::{Map, Value};
use tokio::sync::futures::Notified;
use tokio::sync::{Notify, broadcast};

/// How far a watcher may be behind before it misses something.
const BACKLOG: usize = 1024;

/// One thing that happened, as the control API shows it.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Observation {
    /// RFC 3339 UTC.
    pub time: jiff::Timestamp,
    /// The device concerned, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device_id: Option<String>,
    /// The module concerned, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub module_id: Option<String>,
    /// What happened.
    #[serde(flatten)]
    pub what: What,
}

/// What happened.
#[derive(Debug, Clone, Serialize)]
#[serde(
    tag = "kind",
    rename_all = "camelCase",
    rename_all_fields = "camelCase"
)]
pub enum What {
    /// A message was accepted by the hub, or by an edge hub.
    Message {
        /// Output name of a module's message.
        #[serde(skip_serializing_if = "Option::is_none")]
        output: Option<String>,
        /// Application properties.
        properties: Map<String, Value>,
        /// The body: JSON when it is JSON, else text or base64.
        body: Value,
        /// Length of the body.
        bytes: usize,
        /// The routes an edge hub sent it by; empty for a message straight to the hub.
        routes: Vec<RouteTaken>,
    },
    /// A module acknowledged a message on one of its inputs.
    Delivered {
        /// Input name.
        input: String,
        /// Number of the message in the edge's store.
        sequence: u64,
    },
    /// The state of an edge device's way to the hub.
    Upstream {
        /// `up` or `cut`.
        state: &'static str,
        /// Messages that wait for it.
        pending: usize,
    },
    /// A client came, went, or was refused.
    Connection {
        /// `connected`, `disconnected` or `refused`.
        state: &'static str,
        /// Why, in the hub's words.
        reason: String,
    },
    /// A twin section changed.
    Twin {
        /// `desired`, `reported` or `tags`.
        section: &'static str,
        /// The section's version after the change.
        version: u64,
        /// The patch that made the change.
        patch: Value,
    },
    /// A direct method was answered, or was not.
    Method {
        /// Method name.
        name: String,
        /// The module's status, or the hub's error number.
        status: i64,
        /// From the call to the answer.
        duration_ms: u64,
    },
    /// A device's attempt to register with the provisioning service was decided.
    Provisioning {
        /// Who registers.
        registration_id: String,
        /// `assigned`, `refused`, `disabled`, `failed` or `throttled`.
        state: &'static str,
        /// The enrolment that decided.
        #[serde(skip_serializing_if = "Option::is_none")]
        matched: Option<String>,
        /// The hub it was assigned to.
        #[serde(skip_serializing_if = "Option::is_none")]
        hub: Option<String>,
        /// Why it was not.
        reason: String,
    },
    /// A lever was moved.
    Lever {
        /// What it does from here on.
        text: String,
    },
}

/// One route an edge hub sent a message by.
#[derive(Debug, Clone, Serialize)]
pub struct RouteTaken {
    /// Name of the route in `$edgeHub`'s desired properties.
    pub name: String,
    /// `$upstream`, or `module/input`.
    pub to: String,
}

#[derive(Debug)]
pub(crate) struct Trace {
    observations: broadcast::Sender<Observation>,
    /// How many wait for the state to be otherwise.
    lookers: AtomicUsize,
    stirred: Notify,
}

/// One who waits for the state to be otherwise.
pub(crate) struct Looker<'a>(&'a Trace);

impl Looker<'_> {
    /// Resolves when something may have changed since this was asked for.
    pub(crate) fn stirred(&self) -> Notified<'_> {
        self.0.stirred.notified()
    }
}

impl Drop for Looker<'_> {
    fn drop(&mut self) {
        self.0.lookers.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Trace {
    pub(crate) fn new() -> Self {
        Self {
            observations: broadcast::Sender::new(BACKLOG),
            lookers: AtomicUsize::new(0),
            stirred: Notify::new(),
        }
    }

    #[cfg(test)]
    pub(crate) fn lookers(&self) -> usize {
        self.lookers.load(Ordering::Relaxed)
    }

    pub(crate) fn look(&self) -> Looker<'_> {
        self.lookers.fetch_add(1, Ordering::Relaxed);
        Looker(self)
    }

    /// Something may have changed, and the journal has it. Costs nothing while nobody looks.
    pub(crate) fn stir(&self) {
        if self.lookers.load(Ordering::Relaxed) > 0 {
            self.stirred.notify_waiters();
        }
    }

    pub(crate) fn watch(&self) -> broadcast::Receiver<Observation> {
        self.observations.subscribe()
    }

    /// An observation for the watchers, if there are any; `what` is only built then.
    pub(crate) fn observe(
        &self,
        about: Option<&Identity>,
        what: impl FnOnce() -> What,
    ) -> Option<Observation> {
        (self.observations.receiver_count() > 0).then(|| Observation {
            time: jiff::Timestamp::now(),
            device_id: about.map(|identity| identity.device_id().to_owned()),
            module_id: about.and_then(|identity| identity.module_id().map(str::to_owned)),
            what: what(),
        })
    }

    pub(crate) fn send(&self, observation: Observation) {
        // The last watcher may just have left.
        let _ = self.observations.send(observation);
    }

    /// Observes and sends at once: for what no journal has to hold.
    pub(crate) fn tell(&self, about: Option<&Identity>, what: impl FnOnce() -> What) {
        if let Some(observation) = self.observe(about, what) {
            self.send(observation);
        }
    }
}
