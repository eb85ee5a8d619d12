//! The whole state of a simulator: taken as one document, put back, and set back to what it began with.
//!
//! **Invariant:** a kill at any instant leaves the state from before or the one that was put in its place, in every hub
//! and in the provisioning service: never some of each.
//!
//! **Not here:** certificates' authority, which is not state, and levers, which are at rest afterwards.

use std::collections::BTreeMap;
use std::io;
use std::sync::MutexGuard;

use hub_proto::twin::MAX_INTEGER;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use thiserror::Error;

use super::pending::Intent;
use super::{Simulator, StartError, starting};
use crate::dps;
use crate::hub::{self, Hub, HubState};
use crate::journal::JournalError;
use crate::lock;

/// The form of the document. Another form gets another number.
const FORM: u64 = 1;

/// Everything a simulator keeps. Holds keys.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Snapshot {
    /// Which form this document has.
    form: u64,
    /// When it was taken.
    taken: Timestamp,
    hub: HubState,
    /// Those the provisioning service may assign devices to as well, by name.
    #[serde(default)]
    linked_hubs: BTreeMap<String, HubState>,
    dps: dps::Registry,
}

/// Why a state was not taken or put back.
#[derive(Debug, Error)]
pub enum SnapshotError {
    /// The document is none.
    #[error("this is no snapshot of a simulator")]
    Document(#[source] serde_json::Error),
    /// The document is one of another version.
    #[error("the snapshot has form {0}; this version reads and writes form {FORM}")]
    Form(u64),
    /// A number that nothing here can count to.
    #[error("the snapshot's {0} is a number beyond every count")]
    Number(String),
    /// An event in it is none.
    #[error("the snapshot cannot be used: {0}")]
    Events(&'static str),
    /// It is of a simulator with other linked hubs.
    #[error(
        "the snapshot has the linked hubs [{taken}], and this simulator [{here}]; start it with the same --linked-hub"
    )]
    LinkedHubs {
        /// In the snapshot.
        taken: String,
        /// Here.
        here: String,
    },
    /// What the simulator began with cannot be read again.
    #[error(transparent)]
    Beginning(#[from] JournalError),
    /// It could not be kept.
    #[error("the journal cannot be written")]
    Journal(#[source] io::Error),
}

impl Snapshot {
    /// Reads the document.
    ///
    /// # Errors
    /// What of it cannot be.
    pub(crate) fn read(text: &[u8]) -> Result<Self, SnapshotError> {
        let document: Value = serde_json::from_slice(text).map_err(SnapshotError::Document)?;
        if let Some(form) = document.get("form").and_then(Value::as_u64)
            && form != FORM
        {
            return Err(SnapshotError::Form(form));
        }
        if let Some(place) = uncountable(&document, String::new()) {
            return Err(SnapshotError::Number(place));
        }
        // From the text, not from the value: mistakes have a line and a column then.
        let snapshot: Self = serde_json::from_slice(text).map_err(SnapshotError::Document)?;
        for hub in std::iter::once(&snapshot.hub).chain(snapshot.linked_hubs.values()) {
            hub.check().map_err(SnapshotError::Events)?;
        }
        Ok(snapshot)
    }

    /// As a restoration of that name leaves it.
    #[cfg(test)]
    pub(super) fn stamp(&mut self, restoration: &str) {
        self.dps.restored = Some(restoration.to_owned());
        for hub in self.hubs_mut() {
            hub.registry.restored = Some(restoration.to_owned());
        }
    }

    #[cfg(test)]
    pub(super) fn dps_state(self) -> dps::Registry {
        self.dps
    }

    fn hubs_mut(&mut self) -> impl Iterator<Item = &mut HubState> {
        std::iter::once(&mut self.hub).chain(self.linked_hubs.values_mut())
    }
}

/// Where a number is that would overflow when something is counted on from it.
fn uncountable(value: &Value, place: String) -> Option<String> {
    match value {
        Value::Number(number) => {
            let most = MAX_INTEGER.unsigned_abs();
            number.as_u64().filter(|number| *number > most)?;
            Some(place)
        }
        Value::Array(items) => items
            .iter()
            .enumerate()
            .find_map(|(at, item)| uncountable(item, format!("{place}/{at}"))),
        Value::Object(fields) => fields
            .iter()
            .find_map(|(name, field)| uncountable(field, format!("{place}/{name}"))),
        _ => None,
    }
}

/// Everything, held still. The provisioning service's lock is taken first, as everywhere.
pub(super) struct Held<'a> {
    pub(super) dps: MutexGuard<'a, dps::Core>,
    pub(super) hubs: Vec<(&'a Hub, MutexGuard<'a, hub::Core>)>,
}

impl<'a> Held<'a> {
    pub(super) fn all(simulator: &'a Simulator) -> Self {
        Self {
            dps: simulator.dps.lock(),
            hubs: simulator
                .hubs()
                .map(|hub| (hub.as_ref(), hub.lock()))
                .collect(),
        }
    }

    /// Puts the state in the place of what is there, in memory, and hands it to the journals.
    fn put(&mut self, snapshot: Snapshot) -> Result<(), SnapshotError> {
        self.dps
            .put(snapshot.dps)
            .map_err(SnapshotError::Document)?;
        let states = std::iter::once(snapshot.hub).chain(snapshot.linked_hubs.into_values());
        for ((hub, core), state) in self.hubs.iter_mut().zip(states) {
            hub.put(core, state).map_err(SnapshotError::Document)?;
        }
        self.commit().map_err(SnapshotError::Journal)
    }

    fn commit(&mut self) -> io::Result<()> {
        self.dps.commit_restored()?;
        for (hub, core) in &mut self.hubs {
            hub.commit_restored(core)?;
        }
        Ok(())
    }
}

impl Simulator {
    /// Takes what there is by now for what [`Simulator::reset`] goes back to: to be called when everything that belongs
    /// to the start is there.
    ///
    /// # Errors
    /// When the journal cannot be written.
    pub fn begin_here(&self) -> io::Result<()> {
        let mut held = Held::all(self);
        held.dps.begin_here()?;
        for (_, core) in &mut held.hubs {
            core.begin_here()?;
        }
        *lock(&self.first_deployment) = self.dps.deployment();
        Ok(())
    }

    /// Everything goes back to what the simulator began with. Connections end, levers come to rest, and who waits for an
    /// answer hears that there is none.
    ///
    /// # Errors
    /// When the beginning cannot be read or the journal not be written.
    pub fn reset(&self) -> Result<(), SnapshotError> {
        let mut held = Held::all(self);
        let mut hubs = held
            .hubs
            .iter()
            .map(|(hub, core)| Ok::<_, SnapshotError>((hub.names.hub.clone(), core.beginning()?)));
        // There always is the simulator's own.
        let own = hubs.next().transpose()?.map(|(_, state)| state);
        let linked_hubs = hubs.collect::<Result<_, _>>()?;
        let dps = held.dps.beginning()?;
        let Some(hub) = own else { return Ok(()) };
        let snapshot = Snapshot {
            form: FORM,
            taken: Timestamp::now(),
            hub,
            linked_hubs,
            dps,
        };
        self.put(&mut held, snapshot)?;
        drop(held);
        self.dps
            .set_deployment(lock(&self.first_deployment).clone());
        self.go_on()
    }

    /// Everything there is, as one document. Holds keys.
    ///
    /// # Errors
    /// When the journal cannot be written.
    pub(crate) fn snapshot(&self) -> io::Result<Snapshot> {
        let mut held = Held::all(self);
        let dps = held.dps.state()?;
        let mut linked_hubs = BTreeMap::new();
        let mut own = None;
        for (hub, core) in &mut held.hubs {
            let state = core.state()?;
            match own {
                None => own = Some(state),
                Some(_) => drop(linked_hubs.insert(hub.names.hub.clone(), state)),
            }
        }
        let hub = own.ok_or(io::ErrorKind::NotFound)?;
        Ok(Snapshot {
            form: FORM,
            taken: Timestamp::now(),
            hub,
            linked_hubs,
            dps,
        })
    }

    /// Puts a state in the place of what there is. Connections end.
    ///
    /// # Errors
    /// When it is of another simulator, or cannot be kept.
    pub(crate) fn restore(&self, snapshot: Snapshot) -> Result<(), SnapshotError> {
        let mut here: Vec<&str> = self
            .more_hubs
            .iter()
            .map(|hub| hub.names.hub.as_str())
            .collect();
        let taken: Vec<&str> = snapshot.linked_hubs.keys().map(String::as_str).collect();
        here.sort_unstable();
        if taken != here {
            return Err(SnapshotError::LinkedHubs {
                taken: taken.join(", "),
                here: here.join(", "),
            });
        }
        self.put(&mut Held::all(self), snapshot)?;
        self.go_on()
    }

    /// Work that the state says is under way goes on as after a start.
    fn go_on(&self) -> Result<(), SnapshotError> {
        self.employ().map_err(|error| match error {
            StartError::Journal(source) => SnapshotError::Journal(source),
            other => SnapshotError::Journal(io::Error::other(other)),
        })
    }

    fn put(&self, held: &mut Held<'_>, mut snapshot: Snapshot) -> Result<(), SnapshotError> {
        let restoration = crate::tracking_id();
        held.sort_linked();
        for ((_, core), state) in held.hubs.iter().zip(snapshot.hubs_mut()) {
            core.prepare(state, &restoration);
        }
        snapshot.dps.restored = Some(restoration.clone());
        let intent = Intent::Restore {
            restoration,
            snapshot: Box::new(snapshot),
        };
        self.pending
            .write(&intent)
            .map_err(SnapshotError::Journal)?;
        let Intent::Restore { snapshot, .. } = intent else {
            return Ok(());
        };
        held.put(*snapshot)?;
        self.pending.clear().map_err(SnapshotError::Journal)
    }

    /// Finishes what a process before this one had begun.
    pub(super) fn finish_pending(&self) -> Result<(), StartError> {
        let unfinished = |error| StartError::Unfinished(SnapshotError::Journal(error));
        let Some(intent) = self.pending.read().map_err(unfinished)? else {
            return Ok(());
        };
        match intent {
            Intent::Restore {
                restoration,
                snapshot,
            } => self
                .finish_restoring(&restoration, *snapshot)
                .map_err(StartError::Unfinished)?,
            Intent::Seed(document) => self.finish_seeding(&document).map_err(unfinished)?,
        }
        self.pending.clear().map_err(unfinished)
    }

    fn finish_restoring(&self, restoration: &str, snapshot: Snapshot) -> Result<(), SnapshotError> {
        let mut held = Held::all(self);
        held.sort_linked();
        if !held.dps.is_restored_by(restoration) {
            held.dps
                .put(snapshot.dps)
                .map_err(SnapshotError::Document)?;
        }
        let states = std::iter::once(snapshot.hub).chain(snapshot.linked_hubs.into_values());
        for ((hub, core), state) in held.hubs.iter_mut().zip(states) {
            if !core.is_restored_by(restoration) {
                hub.put(core, state).map_err(SnapshotError::Document)?;
            }
        }
        held.commit().map_err(SnapshotError::Journal)?;
        drop(held);
        self.hubs()
            .try_for_each(|hub| starting::rest(hub))
            .map_err(SnapshotError::Journal)
    }
}

impl Held<'_> {
    /// Linked hubs in the order of their names, as snapshots have them.
    fn sort_linked(&mut self) {
        self.hubs[1..].sort_by(|(one, _), (other, _)| one.names.hub.cmp(&other.names.hub));
    }
}
