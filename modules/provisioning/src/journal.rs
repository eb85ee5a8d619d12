//! A change of identity in progress, on disk, so that a restart can finish it or undo it.
//!
//! ```text
//! begun → registered → backed up → written → applied → rebooting → confirmed
//!                          │           │
//!                          │           └ undoing → restored → rolled back
//!                          └ rolled back
//! ```
//!
//! The rename that puts the new configuration in its place is the moment at which a change becomes
//! one: before it a restart finds the old identity and lets the change go, after it a restart finds
//! the new one and goes on. Both are seen from the configuration itself, by a digest taken before,
//! so no order of writes on disk can make journal and configuration disagree.
//!
//! **Keys.** The journal has none. The new key lies in memory, then in the new configuration, and
//! nowhere else; should the power go before that is in place, whoever asked asks again, which the
//! provisioning service takes as the same registration. The backup has the old key, beside the
//! configuration, with its owner and mode; it is removed when the change is confirmed, so that a
//! device which went back to stock does not carry its project's key.
//!
//! **One change at a time.** The host's service and the Edge module share the directory, so a lock
//! (`flock`) is held from [`Journal::begin`] or [`Journal::recover`] for as long as the [`Change`]
//! lives. Across a restart, the journal itself says that one is not over.
//!
//! It does *not* register, apply or reboot, and decides nothing: it is told what was done.
//!
//! **Invariant:** whenever the process or the power stops, the configuration is the old or the new
//! one, whole, and the next [`Journal::recover`] says which.

mod change;
mod error;
mod file;
mod record;
mod recover;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use bay::message::ChangeKind;
use jiff::Timestamp;

pub use change::{Change, Settled};
pub use error::JournalError;
pub use record::{Failure, Mark, Marked, Outcome, Record, ToDo};
pub use recover::Recovery;

use crate::disk::{self, Disk, DiskError, RealDisk};
use crate::edge_config::{DpsIdentity, EdgeConfig};
use file::JournalFile;
use record::Digest;

const LOCK: &str = "identity.lock";
pub(crate) const JOURNAL: &str = "identity.journal";
/// Behind the configuration's name while a change is under way.
const BACKUP: &str = ".cow-backup";

/// The journal of a device's changes of identity, in its state directory.
#[derive(Clone, Debug)]
pub struct Journal<D = RealDisk> {
    disk: D,
    directory: PathBuf,
}

impl<D: Disk + Clone> Journal<D> {
    /// The journal in `directory`, which has to be there. Nothing is read yet.
    pub fn new(disk: D, directory: impl Into<PathBuf>) -> Self {
        Self {
            disk,
            directory: directory.into(),
        }
    }

    /// The last change, over or not, without waiting for anybody.
    ///
    /// # Errors
    ///
    /// [`JournalError::Disk`], [`JournalError::Damaged`]
    pub fn last(&self) -> Result<Option<Record>, JournalError> {
        Ok(self.file().load()?.last().cloned())
    }

    /// Every change that is still remembered, newest last.
    ///
    /// # Errors
    ///
    /// [`JournalError::Disk`], [`JournalError::Damaged`]
    pub fn all(&self) -> Result<Vec<Record>, JournalError> {
        Ok(self.file().load()?.into_records())
    }

    /// Begins to change the configuration at `config` to `identity`. What will be written is made
    /// now, so that a configuration that cannot be changed is told before anybody registers.
    ///
    /// # Errors
    ///
    /// [`JournalError::Busy`], [`JournalError::Unfinished`], [`JournalError::Config`],
    /// [`JournalError::Damaged`], [`JournalError::Disk`]; nothing has changed then.
    pub fn begin(
        &self,
        kind: ChangeKind,
        config: &Path,
        identity: &DpsIdentity,
        now: Timestamp,
    ) -> Result<Change<D>, JournalError> {
        let lock = self.lock()?;
        let file = self.file();
        let mut book = file.load()?;
        if let Some(last) = book.last().filter(|last| !last.is_over()) {
            return Err(JournalError::Unfinished {
                last: Box::new(last.clone()),
            });
        }
        let content = disk::read(&self.disk, config)?;
        let old = match &content {
            Some(content) => EdgeConfig::parse(content, config)?,
            None => EdgeConfig::empty(config),
        };
        let new = old.with_dps(identity, config)?;
        let mut record = Record::new(kind, config, old.identity().who(), identity.who(), now);
        record.old = content.as_deref().map(Digest::of);
        record.new = Some(Digest::of(new.as_bytes()));
        book.begin(record.clone());
        file.save(&book)?;
        Ok(Change::new(file, book, record, lock, Some(new)))
    }

    /// Looks at journal, configuration and backup after a start, and says what became of a change
    /// that was under way; undoes it where it cannot be finished. `config` is the configuration of a
    /// device whose journal cannot tell.
    ///
    /// To be called before anything else at every start, and before [`begin`](Self::begin) after a
    /// change that ended with an error.
    ///
    /// # Errors
    ///
    /// [`JournalError::Busy`], [`JournalError::Disk`]; the next call tries again.
    pub fn recover(&self, config: &Path, now: Timestamp) -> Result<Recovery<D>, JournalError> {
        let lock = self.lock()?;
        recover::recover(self.file(), lock, config, now)
    }

    fn file(&self) -> JournalFile<D> {
        JournalFile::new(self.disk.clone(), self.directory.join(JOURNAL))
    }

    fn lock(&self) -> Result<D::Lock, JournalError> {
        let path = self.directory.join(LOCK);
        match self.disk.lock(&path) {
            Ok(Some(lock)) => Ok(lock),
            Ok(None) => Err(JournalError::Busy { path }),
            Err(error) => Err(DiskError::lock(&path, error).into()),
        }
    }
}

/// Where the backup of a configuration lies while a change of it is under way.
#[must_use]
pub fn backup_of(config: &Path) -> PathBuf {
    disk::beside(config, BACKUP)
}
