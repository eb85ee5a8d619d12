//! What touches several journals at once, written down before it is done: a kill in between leaves it to the next start.
//!
//! The file gets its name by a rename, and that is the moment from which it counts. It is gone when every journal has
//! what it says.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::snapshots::Snapshot;

/// One thing to be finished.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Intent {
    /// A state to be put in the place of what is there, under a name that each journal repeats.
    Restore {
        restoration: String,
        snapshot: Box<Snapshot>,
    },
    /// A seed that was found good.
    Seed(Value),
}

/// Where it is written; nowhere for a simulator that keeps nothing.
#[derive(Debug)]
pub(super) struct Pending(Option<PathBuf>);

impl Pending {
    pub(super) fn in_directory(state: Option<&Path>) -> Self {
        Self(state.map(|state| state.join("pending.json")))
    }

    /// From when this returns, it will be done.
    pub(super) fn write(&self, intent: &Intent) -> io::Result<()> {
        let Some(path) = &self.0 else {
            return Ok(());
        };
        let unfinished = path.with_extension("new");
        // It holds keys.
        let mut file = OpenOptions::new()
            .create(true)
            .write(true)
            .truncate(true)
            .mode(0o600)
            .open(&unfinished)?;
        file.write_all(&serde_json::to_vec(intent)?)?;
        drop(file);
        fs::rename(&unfinished, path)
    }

    /// It is done.
    pub(super) fn clear(&self) -> io::Result<()> {
        match &self.0 {
            Some(path) => fs::remove_file(path),
            None => Ok(()),
        }
    }

    /// What a process before this one left.
    pub(super) fn read(&self) -> io::Result<Option<Intent>> {
        let Some(path) = &self.0 else {
            return Ok(None);
        };
        match fs::read(path) {
            Ok(bytes) => Ok(Some(serde_json::from_slice(&bytes)?)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }
}
