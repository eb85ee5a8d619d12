//! The hub and its edge hubs: one registry, one lock, one journal.
//!
//! Everything a client or a person asks for happens under the lock of [`Core`] and without waiting: the change is
//! applied and staged, [`Core::commit`] hands it to the journal, and only then do deliveries leave and answers go out.
//!
//! **Invariant:** no client, watcher or caller learns of a change that the journal does not hold.
//!
//! Where to begin reading: `connecting` (who may, and what that changes), `batch` (a client's round of work), `telemetry`
//! (messages in, routes), `deliveries` (messages out), `twins`, `methods`, `identities` (the registry's administration),
//! `control` (levers, the clock's work), `recording` (the journal), `routing` (where events go), `own_events` (what the hub
//! tells by itself).

mod administration;
mod agents;
mod assigning;
mod authorities;
mod batch;
mod blobs;
mod comings;
mod configurations;
mod connecting;
mod control;
mod deliveries;
mod deployments;
mod device_pages;
mod event_search;
mod faults;
mod feedback;
mod files;
mod held_messages;
mod identities;
mod identity_documents;
mod inventory;
mod jobs;
mod keys;
mod links;
mod live;
mod methods;
mod metrics;
mod notices;
mod own_events;
mod partitions;
mod provisioning;
mod query;
mod recording;
mod restoring;
mod routing;
mod seeding;
mod sending;
mod sign_in;
mod telemetry;
#[cfg(test)]
mod tests;
mod transfers;
mod twins;
mod waiting;
mod walking;

use std::collections::HashMap;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use hub_proto::identity::Identity;
use jiff::Timestamp;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

pub(crate) use administration::{Step, Wanted};
pub use agents::{AgentCall, EdgeAgent};
pub(crate) use authorities::AuthorityFault;
pub(crate) use batch::Batch;
pub(crate) use blobs::{Among, BlobFault};
pub(crate) use configurations::ConfigurationFault;
pub(crate) use connecting::{Attached, Claim, Refusal};
pub(crate) use deployments::check_deployment;
pub use device_pages::{DevicePage, DeviceSearch, PageFrom, SearchFault};
pub use event_search::{EventBounds, FoundEvents};
pub(crate) use feedback::Outcome;
pub(crate) use files::{UploadFault, UploadReport};
pub(crate) use held_messages::Held;
pub use identities::{Credentials, IdentityFault};
pub(crate) use identities::{NewDevice, NewModule};
pub use inventory::{
    DeviceKind, DeviceSummary, IdentityDetail, ModuleSummary, WaitingMessage, WaitingState,
};
pub(crate) use jobs::{Due, JobFault};
pub(crate) use keys::{POLICIES, Right};
pub(crate) use methods::Caller;
pub use methods::InvokeError;
pub(crate) use partitions::{Place, Reading};
pub(crate) use provisioning::{Provision, Start, check_initial_twin};
pub(crate) use query::{COLLECTIONS, Key};
pub(crate) use restoring::HubState;
pub use routing::RoutingFault;
pub use sending::SendError;
pub(crate) use sign_in::Proof;
pub(crate) use transfers::{
    ConfigurationImport, DeviceImport, Errand, ImportStep, Line, Lines, PutWhen, Unreadable,
};
pub use twins::TwinFault;
pub(crate) use waiting::{Condition, Looked, Moment, Subject};

use self::comings::Comings;
use self::live::{InFlight, Live};
use crate::amqp::EventEndpoint;
use crate::blob::room::Room;
use crate::events::{EventHubs, EventLog};
use crate::history::{ConnectionLog, TwinHistory};
use crate::jobs::Workshop;
use crate::journal::{Journal, JournalError};
use crate::levers::Levers;
use crate::lock;
use crate::mailbox::{Delivery, Mailbox};
use crate::registry::{Client, Filter, Registry};
use crate::routing::Table;
use crate::trace::{Observation, Trace, What};

/// Events kept in memory for readers.
const EVENT_BYTES: usize = 4 << 20;

/// How long work that gives way waits for others: on a loaded machine their turn may come late.
const PATIENCE: Duration = Duration::from_millis(1);

/// Which of the hub's faces a client speaks to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Face {
    /// IoT Hub itself.
    Hub,
    /// The edge hub of the client's edge device.
    Edge,
}

/// The names this hub answers to.
#[derive(Debug, Clone)]
pub(crate) struct Names {
    /// What connection strings say.
    pub(crate) hub: String,
    /// What modules connect to.
    pub(crate) gateway: String,
    /// Every name and address a client may give as the hub's.
    pub(crate) accepted: Vec<String>,
}

/// The hub with its lock, and what is shared outside it.
#[derive(Debug)]
pub(crate) struct Hub {
    core: Mutex<Core>,
    /// How many wait for the lock.
    waiting: AtomicUsize,
    pub(crate) names: Names,
    pub(crate) trace: Arc<Trace>,
    /// Where the bytes of blobs are.
    pub(crate) room: Arc<Room>,
    /// Told when a client connects or subscribes: method calls may be waiting for it.
    presence: Notify,
    /// Told when what an Edge agent is to run has moved.
    agents_moved: Notify,
    /// Told when the event log has grown, or a notice waits.
    pub(crate) new_events: Notify,
    /// Those who read it.
    pub(crate) endpoint: EventEndpoint,
    /// Who came, went and was refused.
    pub(crate) connections: ConnectionLog,
    /// What carries jobs out.
    pub(crate) work: Workshop,
}

/// All state, behind the lock.
#[derive(Debug)]
pub(crate) struct Core {
    registry: Registry,
    /// The built-in endpoint's.
    events: EventLog,
    /// Those of custom endpoints.
    event_hubs: EventHubs,
    /// Where events go, when that is not the usual: then nobody looks at them on their way.
    routing: Option<Box<Table>>,
    /// How many went to custom endpoints since the start.
    routed: u64,
    journal: Journal,
    live: HashMap<Identity, Live>,
    levers: Levers,
    calls: methods::Calls,
    assigning: assigning::Assigning,
    agents: agents::Agents,
    /// Which devices scheduled jobs have still to do.
    jobs: jobs::Agenda,
    /// Tells whoever carries out an import or export that it is over; nobody does without.
    errand: Option<CancellationToken>,
    /// Parts of blobs that only a state speaks of whose place was taken. Their files go when the journal says so, too.
    parts_left: HashMap<Uuid, u64>,
    /// Deliveries that leave when the journal has what they are about.
    outgoing: Vec<(Arc<Mailbox>, Delivery)>,
    trace: Arc<Trace>,
    /// What watchers are told at the same moment.
    observed: Vec<Observation>,
    /// The newest input message each module was sent, to know what it may have seen before.
    inputs_sent: HashMap<Identity, u64>,
    connections: u64,
    /// Who came and went.
    comings: Comings,
    /// When those who are not connected now last were. In memory only: a write for each would be dear.
    left: HashMap<Identity, Timestamp>,
    twin_history: TwinHistory,
    events_told: u64,
    /// Whether notices came in or were given back since their readers were told.
    notices_moved: bool,
    /// When messages that have outlived their time were last looked for.
    expired_ms: i64,
}

impl Hub {
    /// A hub with what `state` holds, or with nothing.
    pub(crate) fn open(state: Option<&Path>, names: Names) -> Result<Self, JournalError> {
        let mut registry = Registry::default();
        let mut events = EventLog::new(EVENT_BYTES);
        let mut event_hubs = EventHubs::new(EVENT_BYTES);
        let mut understood = Ok(());
        let journal = match state {
            None => Journal::in_memory(),
            Some(directory) => {
                let journal = Journal::open(directory, |kind, payload| {
                    if understood.is_ok() {
                        let logs = (&mut events, &mut event_hubs);
                        understood = recording::replay(&mut registry, logs, kind, payload);
                    }
                })?;
                understood.map_err(|source| JournalError::Foreign {
                    path: directory.to_owned(),
                    source,
                })?;
                journal
            }
        };
        registry.rebuild();
        let trace = Arc::new(Trace::new());
        let mut core = Core::new(registry, (events, event_hubs), journal, trace.clone());
        core.wake(&names.hub);
        let room = Room::open(state, &core.registry.blobs.all_parts());
        Ok(Self {
            room,
            core: Mutex::new(core),
            waiting: AtomicUsize::new(0),
            names,
            trace,
            presence: Notify::new(),
            agents_moved: Notify::new(),
            new_events: Notify::new(),
            endpoint: EventEndpoint::new(Timestamp::now()),
            connections: ConnectionLog::default(),
            work: Workshop::default(),
        })
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Core> {
        match self.core.try_lock() {
            Ok(core) => core,
            Err(_) => {
                self.waiting.fetch_add(1, Ordering::Relaxed);
                let core = lock(&self.core);
                self.waiting.fetch_sub(1, Ordering::Relaxed);
                core
            }
        }
    }

    /// Lets others have their turn in the midst of long work, whether they wait for this thread or for the lock: who
    /// takes a lock anew at once mostly gets it before those who are only being woken for it.
    pub(crate) async fn give_way(&self) {
        tokio::task::yield_now().await;
        let begun = std::time::Instant::now();
        while self.waiting.load(Ordering::Relaxed) > 0 && begun.elapsed() < PATIENCE {
            std::thread::yield_now();
        }
    }

    /// Commits and tells those who wait for events.
    fn commit(&self, core: &mut Core) -> io::Result<()> {
        core.commit()?;
        if std::mem::take(&mut core.agents.moved) {
            self.agents_moved.notify_waiters();
        }
        let moved = std::mem::take(&mut core.notices_moved);
        if moved || core.events_told != core.events_taken() {
            core.events_told = core.events_taken();
            self.new_events.notify_waiters();
        }
        self.trace.stir();
        Ok(())
    }
}

impl Core {
    /// Works out what follows from the registry and is not written down, in a hub that is called `host`: at the start, and
    /// whenever another state was put in the place of the one that was.
    fn wake(&mut self, host: &str) {
        self.install_routing(host);
        self.compile_all_routes();
        self.retarget();
        // Whoever plays one has another twin to follow.
        self.agents.moved = true;
    }

    /// A hub with nobody connected and every lever at rest.
    fn new(
        registry: Registry,
        (events, event_hubs): (EventLog, EventHubs),
        journal: Journal,
        trace: Arc<Trace>,
    ) -> Self {
        Self {
            events_told: events.next_sequence(),
            registry,
            events,
            event_hubs,
            routing: None,
            routed: 0,
            journal,
            live: HashMap::new(),
            levers: Levers::default(),
            calls: methods::Calls::default(),
            assigning: assigning::Assigning::default(),
            agents: agents::Agents::default(),
            jobs: jobs::Agenda::default(),
            errand: None,
            parts_left: HashMap::new(),
            outgoing: Vec::new(),
            trace,
            observed: Vec::new(),
            inputs_sent: HashMap::new(),
            connections: 0,
            comings: Comings::default(),
            left: HashMap::new(),
            twin_history: TwinHistory::default(),
            notices_moved: true,
            expired_ms: 0,
        }
    }

    /// Tells watchers, when the journal has what this is about.
    fn observe(&mut self, about: Option<&Identity>, what: impl FnOnce() -> What) {
        self.observed.extend(self.trace.observe(about, what));
    }

    fn client(&self, identity: &Identity) -> Option<&Client> {
        self.registry.client(identity)
    }

    /// Sends to a client if it is connected and subscribed; says whether it was.
    fn deliver(
        &mut self,
        to: &Identity,
        filter: Filter,
        topic: String,
        payload: bytes::Bytes,
    ) -> bool {
        let subscribed = self.subscription(to, filter).is_some();
        let Some(live) = self.live.get(to).filter(|_| subscribed) else {
            return false;
        };
        // Method requests and twin traffic go at QoS 0, as from the real hub; nothing of it is kept.
        let delivery = Delivery {
            topic,
            payload,
            settles: None,
            duplicate: false,
        };
        self.outgoing.push((live.mailbox.clone(), delivery));
        true
    }
}
