//! A seed put into the simulator: tried on a copy first, then written down, then made.

use std::io;

use serde_json::Value;

use super::Simulator;
use super::pending::Intent;
use super::snapshots::Held;
use crate::seed::{self, Findings, SeedError, Seeded};

impl Simulator {
    /// Makes what a seed (see `docs/testing.md`) says and what is missing; what is there stays.
    ///
    /// # Errors
    /// Every problem of the document, among them what is there otherwise; nothing has changed then.
    pub fn seed(&self, text: &str) -> Result<Seeded, SeedError> {
        let document = seed::parse(text)?;
        let mut held = Held::all(self);
        self.try_seed(&held, &document, text)?;
        let intent = Intent::Seed(document);
        self.pending.write(&intent).map_err(SeedError::Journal)?;
        let Intent::Seed(document) = intent else {
            return Ok(Seeded::default());
        };
        let seeded = self
            .make(&mut held, &document)
            .map_err(SeedError::Journal)?;
        self.pending.clear().map_err(SeedError::Journal)?;
        Ok(seeded)
    }

    /// Makes the rest of one that a process before this one had begun.
    pub(super) fn finish_seeding(&self, document: &Value) -> io::Result<()> {
        let mut held = Held::all(self);
        let text = document.to_string();
        match self.try_seed(&held, document, &text) {
            Ok(()) => self.make(&mut held, document).map(drop),
            Err(error) => {
                // Only if somebody else changed the same things while it was made.
                tracing::warn!(%error, "a seed that was begun cannot be finished");
                Ok(())
            }
        }
    }

    fn try_seed(&self, held: &Held<'_>, document: &Value, text: &str) -> Result<(), SeedError> {
        let (_, own) = &held.hubs[0];
        let mut trial = own.trial();
        let mut findings = Findings::default();
        let root = seed::root(document, &mut findings);
        trial.seed(&root, &mut findings);
        let authorities = |name: &str| trial.authority(name);
        self.dps.seed(&held.dps, &root, &authorities, &mut findings);
        if findings.has_problems() {
            return Err(findings.into_error(text));
        }
        // Held against what it made itself it must have nothing more to say.
        let mut again = Findings::default();
        trial.seed(&root, &mut again);
        match again.has_problems() {
            true => Err(again.into_error(text)),
            false => Ok(()),
        }
    }

    fn make(&self, held: &mut Held<'_>, document: &Value) -> io::Result<Seeded> {
        let mut findings = Findings::default();
        let root = seed::root(document, &mut findings);
        let (hub, own) = &mut held.hubs[0];
        own.seed(&root, &mut findings);
        let changes = {
            let authorities = |name: &str| own.authority(name);
            self.dps.seed(&held.dps, &root, &authorities, &mut findings)
        };
        hub.commit_restored(own)?;
        held.dps.record_all(changes);
        held.dps.commit_restored()?;
        Ok(findings.seeded())
    }
}
