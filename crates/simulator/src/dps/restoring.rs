//! The provisioning service's whole state, taken and put back, as the hub's is.

use std::io;

use super::{Core, Dps, Registry, replay};
use crate::journal::{Journal, JournalError, Kind};
use crate::lock;

impl Core {
    /// Everything, when the journal has it.
    pub(crate) fn state(&mut self) -> io::Result<Registry> {
        self.commit()?;
        Ok(self.registry.clone())
    }

    /// Takes what is kept by now for what a reset goes back to.
    pub(crate) fn begin_here(&mut self) -> io::Result<()> {
        self.journal
            .begin_here(|| serde_json::to_vec(&self.registry))
    }

    /// The state the simulator began with.
    pub(crate) fn beginning(&self) -> Result<Registry, JournalError> {
        let mut registry = Registry::default();
        let mut understood = Ok(());
        self.journal.read_beginning(|kind, payload| {
            if understood.is_ok() {
                understood = replay(&mut registry, kind, payload);
            }
        })?;
        understood.map_err(|source| JournalError::Foreign {
            path: "--state".into(),
            source,
        })?;
        Ok(registry)
    }

    /// Whether that restoration has happened.
    pub(crate) fn is_restored_by(&self, restoration: &str) -> bool {
        self.registry.restored.as_deref() == Some(restoration)
    }

    /// Puts a state in the place of this one, to be committed by the caller. Devices that wait have to ask anew.
    pub(crate) fn put(&mut self, registry: Registry) -> serde_json::Result<()> {
        let payload = serde_json::to_vec(&registry)?;
        let journal = std::mem::replace(&mut self.journal, Journal::in_memory());
        *self = Self::new(registry, journal, self.trace.clone());
        self.journal.stage(Kind::Restored, &payload);
        Ok(())
    }

    pub(crate) fn commit_restored(&mut self) -> io::Result<()> {
        self.commit()
    }
}

impl Dps {
    /// What edge devices run from the moment they are assigned.
    pub(crate) fn deployment(&self) -> Option<serde_json::Value> {
        lock(&self.deployment).clone()
    }
}
