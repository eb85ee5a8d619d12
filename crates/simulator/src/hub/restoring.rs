//! The hub's whole state, taken and put back.
//!
//! What is put back takes the place of everything: the registry as a whole, the events, and whatever the hub knew in its
//! memory only, which begins as it does when a simulator starts. So nothing has to be listed here, and nothing forgotten
//! when the registry learns something new.
//!
//! **Invariant:** no number that a client, a reader or a service may have seen comes again for something else: events,
//! their partitions, twins' versions and entity tags go on.

use std::collections::{BTreeMap, HashMap};
use std::io;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::error::Error as JsonError;

use super::comings::Coming;
use super::recording::replay;
use super::{Core, EVENT_BYTES, Hub};
use crate::events::{EventHubs, EventLog, Run};
use crate::journal::{Journal, JournalError, Kind};
use crate::mailbox::EndReason;
use crate::registry::Registry;

/// Everything a hub keeps.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct HubState {
    pub(crate) registry: Registry,
    pub(crate) events: Vec<Run>,
    /// Those of custom endpoints' event hubs.
    #[serde(default)]
    pub(crate) event_hubs: BTreeMap<String, Vec<Run>>,
}

impl HubState {
    /// Registry and log as they are when this follows on `replaced`.
    pub(super) fn put_after(
        mut self,
        replaced: &EventLog,
        replaced_hubs: &EventHubs,
    ) -> Result<(Registry, (EventLog, EventHubs)), JsonError> {
        let mut events =
            EventLog::of_runs(&self.events, replaced).map_err(serde::de::Error::custom)?;
        events.resume_at(self.registry.next_event);
        events.resume_partitions(&self.registry.partitions);
        let mut event_hubs = EventHubs::of_runs(&self.event_hubs, replaced_hubs)
            .map_err(serde::de::Error::custom)?;
        event_hubs.resume(&self.registry.event_hubs);
        self.registry.rebuild();
        Ok((self.registry, (events, event_hubs)))
    }

    /// Whether it can be put anywhere.
    ///
    /// # Errors
    /// Why not.
    pub(crate) fn check(&self) -> Result<(), &'static str> {
        EventLog::of_runs(&self.events, &EventLog::new(EVENT_BYTES))?;
        EventHubs::of_runs(&self.event_hubs, &EventHubs::new(EVENT_BYTES)).map(drop)
    }
}

impl Core {
    /// Everything, when the journal has it.
    pub(crate) fn state(&mut self) -> io::Result<HubState> {
        self.commit()?;
        Ok(self.staged_state())
    }

    fn staged_state(&self) -> HubState {
        let mut registry = self.registry.clone();
        registry.next_event = self.events.next_sequence();
        registry.partitions = self.events.partitions().to_vec();
        registry.event_hubs = self.event_hubs.come();
        HubState {
            registry,
            events: self.events.runs(),
            event_hubs: self.event_hubs.runs(),
        }
    }

    /// Takes what is kept by now for what a reset goes back to.
    pub(crate) fn begin_here(&mut self) -> io::Result<()> {
        let mut journal = std::mem::replace(&mut self.journal, Journal::in_memory());
        let begun = journal.begin_here(|| serde_json::to_vec(&self.staged_state()));
        self.journal = journal;
        begun
    }

    /// The state the simulator began with.
    pub(crate) fn beginning(&self) -> Result<HubState, JournalError> {
        let mut registry = Registry::default();
        let mut events = EventLog::new(EVENT_BYTES);
        let mut event_hubs = EventHubs::new(EVENT_BYTES);
        let mut understood = Ok(());
        self.journal.read_beginning(|kind, payload| {
            if understood.is_ok() {
                let logs = (&mut events, &mut event_hubs);
                understood = replay(&mut registry, logs, kind, payload);
            }
        })?;
        understood.map_err(|source| JournalError::Foreign {
            path: "--state".into(),
            source,
        })?;
        registry.next_event = events.next_sequence();
        registry.partitions = events.partitions().to_vec();
        registry.event_hubs = event_hubs.come();
        Ok(HubState {
            registry,
            events: events.runs(),
            event_hubs: event_hubs.runs(),
        })
    }

    /// Makes a state ready to be put in the place of this one, by the name of that restoration.
    pub(crate) fn prepare(&self, state: &mut HubState, restoration: &str) {
        state.registry.go_on_from(&self.registry);
        state.registry.restored = Some(restoration.to_owned());
    }

    /// Whether that restoration has happened.
    pub(crate) fn is_restored_by(&self, restoration: &str) -> bool {
        self.registry.restored.as_deref() == Some(restoration)
    }

    /// As [`Hub::put`], in the hub that is called `host`.
    fn put(&mut self, state: HubState, host: &str) -> Result<(), JsonError> {
        let payload = serde_json::to_vec(&state)?;
        let (registry, logs) = state.put_after(&self.events, &self.event_hubs)?;
        for (identity, live) in &self.live {
            live.mailbox.end(EndReason::Replaced);
            let reason = EndReason::Replaced.text().to_owned();
            self.comings.note(identity, Coming::Left(reason));
        }
        let journal = std::mem::replace(&mut self.journal, Journal::in_memory());
        let mut fresh = Self::new(registry, logs, journal, self.trace.clone());
        // Numbers that clients on their way out may still answer to.
        fresh.connections = self.connections;
        fresh.calls.go_on_from(&self.calls);
        // Who waits for a client to come or go has read up to somewhere.
        fresh.comings = std::mem::take(&mut self.comings);
        // Whoever carries jobs out lives on, and there is to be one only.
        fresh.jobs = self.jobs.next();
        self.call_errand_off();
        fresh.errand = self.errand.take();
        fresh.parts_left = std::mem::take(&mut self.parts_left);
        *self = fresh;
        self.journal.stage(Kind::Restored, &payload);
        self.wake(host);
        self.resume_jobs(Timestamp::now());
        Ok(())
    }
}

impl Hub {
    /// Puts a state in the place of what is there, to be committed with [`Hub::commit_restored`]. Connections end.
    ///
    /// # Errors
    /// When it is none; nothing has changed then.
    pub(crate) fn put(&self, core: &mut Core, state: HubState) -> Result<(), JsonError> {
        let before = core.registry.blobs.all_parts();
        core.put(state, &self.names.hub)?;
        let after = core.registry.blobs.all_parts();
        self.room.replace(&before, &after);
        core.parts_left.extend(before);
        core.parts_left.retain(|id, _| !after.contains_key(id));
        Ok(())
    }

    /// As [`Hub::commit`], for one who has put another state in place: everybody who waits looks again.
    pub(crate) fn commit_restored(&self, core: &mut Core) -> io::Result<()> {
        self.commit(core)?;
        self.room.remove_files(core.parts_left.keys());
        core.parts_left = HashMap::new();
        self.endpoint
            .keep_readers(|event_hub| core.log(event_hub).is_some());
        self.new_events.notify_waiters();
        self.presence.notify_waiters();
        Ok(())
    }
}
