//! The hub and its journal: changes and events made and staged, committed, and made again when the journal is read.

use std::io;
use std::sync::MutexGuard;

use hub_proto::twin::{Object, TwinError};

use super::{Core, Hub, HubState};
use crate::change::Change;
use crate::edge::Endpoint;
use crate::events::{Event, EventHubs, EventLog};
use crate::history::TwinHistory;
use crate::journal::Kind;
use crate::registry::Registry;

impl Hub {
    /// The state, when the journal has all of it: for those who are told of it.
    pub(super) fn lock_kept(&self) -> io::Result<MutexGuard<'_, Core>> {
        let mut core = self.lock();
        // A write that failed may have left changes that nobody may hear of.
        if core.journal.has_staged() {
            self.commit(&mut core)?;
        }
        Ok(core)
    }

    /// As [`Hub::lock_kept`], for those who look again when the journal can be written.
    pub(super) fn lock_if_kept(&self) -> Option<MutexGuard<'_, Core>> {
        let kept = self.lock_kept();
        kept.inspect_err(|error| tracing::debug!(%error, "the journal cannot be written"))
            .ok()
    }
}

impl Core {
    /// Applies a change that cannot be refused, and stages it.
    pub(super) fn record(&mut self, change: Change) {
        // Only twin documents can be refused, and those go through `try_record`.
        if let Err(error) = self.try_record(change) {
            tracing::error!(%error, "a change of the registry was refused");
        }
    }

    /// Applies a change and stages it; returns what a device has to be told of its desired properties.
    pub(super) fn try_record(&mut self, change: Change) -> Result<Option<Object>, TwinError> {
        match self.routing {
            None => self.apply(change),
            Some(_) => self.record_and_tell(change),
        }
    }

    pub(super) fn apply(&mut self, change: Change) -> Result<Option<Object>, TwinError> {
        let concerned = self.assigning.concerned(&change);
        let foreseen = TwinHistory::foresee(&self.registry, &change);
        let staged = self.journal.is_durable().then(|| change.clone());
        let told = self.registry.apply(change)?;
        if let Some(foreseen) = foreseen {
            self.twin_history.keep(&self.registry, foreseen);
        }
        if let Some(change) = staged {
            match serde_json::to_vec(&change) {
                Ok(bytes) => self.journal.stage(Kind::Change, &bytes),
                Err(error) => tracing::error!(%error, "a change cannot be written down"),
            }
        }
        if let Some(device) = concerned {
            self.assigning.note(device);
        }
        Ok(told)
    }

    /// Stages all that `work` does so that a kill leaves all of it or nothing.
    pub(super) fn together<T>(&mut self, work: impl FnOnce(&mut Self) -> T) -> T {
        let group = self.journal.begin_group();
        let done = work(self);
        self.journal.end_group(group);
        done
    }

    /// Takes an event into the logs and stages it.
    pub(super) fn append(&mut self, event: &Event<'_>) {
        if let Some(table) = self.routing.take() {
            self.route(&table, event, None);
            self.routing = Some(table);
            return;
        }
        let bytes = self.events.append(event);
        self.journal.stage(Kind::Event, bytes);
    }

    pub(super) fn commit(&mut self) -> io::Result<()> {
        self.assign_due();
        self.journal.commit()?;
        for (mailbox, delivery) in self.outgoing.drain(..) {
            mailbox.push(delivery);
        }
        for observation in self.observed.drain(..) {
            self.trace.send(observation);
        }
        if self.journal.is_segment_full() {
            self.registry.next_event = self.events.next_sequence();
            self.registry.partitions = self.events.partitions().to_vec();
            self.registry.event_hubs = self.event_hubs.come();
            let snapshot = serde_json::to_vec(&self.registry).map_err(io::Error::other)?;
            // What was staged is written; a segment that grows beyond its length loses nothing.
            if let Err(error) = self.journal.roll(&snapshot) {
                tracing::warn!(%error, "a new segment of the journal cannot be begun");
            }
        }
        Ok(())
    }
}

/// Does what a frame of the journal says.
///
/// # Errors
/// When this version does not understand the frame: starting without it would lose what was acknowledged.
pub(super) fn replay(
    registry: &mut Registry,
    (events, event_hubs): (&mut EventLog, &mut EventHubs),
    kind: Kind,
    payload: &[u8],
) -> Result<(), serde_json::Error> {
    match kind {
        Kind::Snapshot => {
            let mut loaded: Registry = serde_json::from_slice(payload)?;
            loaded.rebuild();
            events.resume_at(loaded.next_event);
            events.resume_partitions(&loaded.partitions);
            event_hubs.resume(&loaded.event_hubs);
            *registry = loaded;
        }
        Kind::Restored => {
            let state: HubState = serde_json::from_slice(payload)?;
            (*registry, (*events, *event_hubs)) = state.put_after(events, event_hubs)?;
        }
        Kind::Change => {
            let change = serde_json::from_slice(payload)?;
            let rerouted = matches!(change, Change::RoutingPut { .. });
            if let Err(error) = registry.apply(change) {
                tracing::error!(%error, "a change in the journal no longer applies; it is passed over");
            }
            if let Some(routing) = registry.routing.as_ref().filter(|_| rerouted) {
                event_hubs.have(routing.event_hubs());
            }
        }
        Kind::Event => {
            let event = Event::decode(payload);
            let event = event.ok_or_else(|| serde::de::Error::custom("an event is cut short"))?;
            settle_upstream(registry, &event);
            events.append(&event);
        }
        Kind::Routed => {
            let routed = EventHubs::decode(payload);
            let (name, event) =
                routed.ok_or_else(|| serde::de::Error::custom("an event is cut short"))?;
            settle_upstream(registry, &event);
            event_hubs.append(name, &event);
        }
        // The journal has taken it apart.
        Kind::Group => {}
    }
    Ok(())
}

/// An event that an edge handed up is not waiting there any more.
fn settle_upstream(registry: &mut Registry, event: &Event<'_>) {
    let edge = registry.edge_mut(event.edge);
    if let Some(edge) = edge.filter(|_| event.edge_sequence > 0) {
        edge.settle(event.edge_sequence, &Endpoint::Upstream);
    }
}
