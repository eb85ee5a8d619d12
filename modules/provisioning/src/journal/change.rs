//! A change under way.

use std::fmt;
use std::path::Path;

use bay::message::Step;
use jiff::Timestamp;

use super::file::JournalFile;
use super::record::{Book, Digest, Failure, Mark, Record, ToDo};
use super::{JournalError, backup_of};
use crate::disk::{self, Disk};
use crate::edge_config::{EdgeConfig, Who};

/// A change under way. Nobody else can begin one while it lives.
///
/// Each call says that something was done, and is on disk when it returns. Dropping it leaves the
/// change to the next [`Journal::recover`](super::Journal::recover).
pub struct Change<D: Disk> {
    pub(super) file: JournalFile<D>,
    book: Book,
    record: Record,
    /// The configuration to be; not at hand after a restart, when it is in its place already.
    new: Option<EdgeConfig>,
    _lock: D::Lock,
}

/// A change that will not be.
#[derive(Debug)]
pub enum Settled<D: Disk> {
    /// It is over.
    RolledBack(Record),
    /// The old configuration is in its place again, and the Edge runtime may have taken the new one:
    /// apply, then call [`Change::undone`].
    Undo(Change<D>),
}

/// What a configuration turns out to be.
pub(super) enum Seen {
    Old,
    New,
    /// Whole, and neither; whose it is.
    Another(Who),
    /// Not there, or no configuration.
    Broken,
}

impl<D: Disk> Change<D> {
    pub(super) fn new(
        file: JournalFile<D>,
        book: Book,
        record: Record,
        lock: D::Lock,
        new: Option<EdgeConfig>,
    ) -> Self {
        Self {
            file,
            book,
            record,
            new,
            _lock: lock,
        }
    }

    /// What is remembered of it.
    #[must_use]
    pub fn record(&self) -> &Record {
        &self.record
    }

    /// What is left to do, in order.
    #[must_use]
    pub fn to_do(&self) -> Vec<ToDo> {
        let all = [
            (Mark::Applied, ToDo::Apply),
            (Mark::Rebooting, ToDo::Reboot),
            (Mark::Confirmed, ToDo::Confirm),
        ];
        let left = all.iter().filter(|(mark, _)| !self.record.has(*mark));
        left.map(|(_, to_do)| *to_do).collect()
    }

    /// The provisioning service has assigned the device.
    ///
    /// # Errors
    ///
    /// [`JournalError::Disk`]
    pub fn registered(&mut self, now: Timestamp) -> Result<(), JournalError> {
        self.mark(Mark::Registered, now)
    }

    /// Keeps the old configuration, and nothing else. Should it fail, nothing has changed.
    ///
    /// # Errors
    ///
    /// [`JournalError::Disk`]; [`JournalError::Changed`] when the configuration is not what it was
    /// when the change began.
    pub fn back_up(&mut self, now: Timestamp) -> Result<(), JournalError> {
        let config = &self.record.config;
        if !self.is_as_it_was()? {
            return Err(JournalError::Changed {
                path: config.clone(),
            });
        }
        disk::copy(&self.file.disk, config, &backup_of(config))?;
        self.mark(Mark::BackedUp, now)
    }

    /// Puts the new configuration in its place.
    ///
    /// # Errors
    ///
    /// [`JournalError::Disk`]; the old configuration is in its place, or, when the very last step
    /// failed, [`roll_back`](Self::roll_back) puts it there.
    pub fn write(&mut self, now: Timestamp) -> Result<(), JournalError> {
        let config = &self.record.config;
        if let Some(new) = &self.new {
            disk::replace(&self.file.disk, config, new.as_bytes())?;
        }
        self.new = None;
        self.mark(Mark::Written, now)
    }

    /// The Edge runtime has taken the configuration.
    ///
    /// # Errors
    ///
    /// [`JournalError::Disk`]
    pub fn applied(&mut self, now: Timestamp) -> Result<(), JournalError> {
        self.mark(Mark::Applied, now)
    }

    /// The machine is about to restart. With an Edge runtime that takes the configuration at boot
    /// this comes before [`applied`](Self::applied).
    ///
    /// # Errors
    ///
    /// [`JournalError::Disk`]
    pub fn rebooting(&mut self, now: Timestamp) -> Result<(), JournalError> {
        self.mark(Mark::Rebooting, now)
    }

    /// The device is up with the new identity. Removes the backup; the way back is gone.
    ///
    /// # Errors
    ///
    /// [`JournalError::Disk`]; the change is not over then.
    pub fn confirm(mut self, now: Timestamp) -> Result<Record, JournalError> {
        self.end(Mark::Confirmed, now)?;
        Ok(self.record)
    }

    /// Gives the change up, because a step failed, and puts the old configuration in its place
    /// again if it is not.
    ///
    /// # Errors
    ///
    /// [`JournalError::Disk`], [`JournalError::Lost`]; the next
    /// [`recover`](super::Journal::recover) says which identity the device has then.
    pub fn roll_back(
        mut self,
        step: Step,
        message: impl Into<String>,
        now: Timestamp,
    ) -> Result<Settled<D>, JournalError> {
        self.record.failure = Some(Failure {
            step,
            message: message.into(),
        });
        self.undo(now)
    }

    /// The Edge runtime has taken the old configuration again.
    ///
    /// # Errors
    ///
    /// [`JournalError::Disk`]; the change is not over then.
    pub fn undone(mut self, now: Timestamp) -> Result<Record, JournalError> {
        self.end(Mark::RolledBack, now)?;
        Ok(self.record)
    }

    /// Puts the old configuration in its place, whatever is there.
    pub(super) fn undo(mut self, now: Timestamp) -> Result<Settled<D>, JournalError> {
        if !self.has_written() && matches!(self.see()?, Seen::Old | Seen::Another(_)) {
            self.end(Mark::RolledBack, now)?;
            return Ok(Settled::RolledBack(self.record));
        }
        self.mark(Mark::Undoing, now)?;
        if !self.is_as_it_was()? {
            let config = &self.record.config;
            if self.record.old.is_none() {
                disk::remove(&self.file.disk, config)?;
            } else if self.has_backup()? {
                disk::copy(&self.file.disk, &backup_of(config), config)?;
            } else {
                return Err(JournalError::Lost {
                    path: config.clone(),
                });
            }
        }
        self.mark(Mark::Restored, now)?;
        Ok(Settled::Undo(self))
    }

    /// What the configuration turns out to be.
    pub(super) fn see(&self) -> Result<Seen, JournalError> {
        let record = &self.record;
        let content = disk::read(&self.file.disk, &record.config)?;
        let digest = content.as_deref().map(Digest::of);
        if digest == record.old {
            return Ok(Seen::Old);
        }
        if digest == record.new {
            return Ok(Seen::New);
        }
        // Somebody may have changed something else in it.
        let config = content.and_then(|content| EdgeConfig::parse(&content, &record.config).ok());
        Ok(match config.map(|config| config.identity().who()) {
            Some(who) if who == record.to && record.has(Mark::Written) => Seen::New,
            Some(who) => Seen::Another(who),
            None => Seen::Broken,
        })
    }

    /// Whether the configuration is known to have been touched.
    pub(super) fn has_written(&self) -> bool {
        self.record.has(Mark::Written) || self.record.has(Mark::Undoing)
    }

    /// Whether the old configuration can be had again.
    pub(super) fn can_be_undone(&self) -> Result<bool, JournalError> {
        Ok(self.record.old.is_none() || self.is_as_it_was()? || self.has_backup()?)
    }

    fn is_as_it_was(&self) -> Result<bool, JournalError> {
        self.is_old(&self.record.config)
    }

    fn has_backup(&self) -> Result<bool, JournalError> {
        self.is_old(&backup_of(&self.record.config))
    }

    fn is_old(&self, path: &Path) -> Result<bool, JournalError> {
        let content = disk::read(&self.file.disk, path)?;
        Ok(content.as_deref().map(Digest::of) == self.record.old)
    }

    /// Ends the change: nothing of it is left on disk but the journal.
    pub(super) fn end(&mut self, mark: Mark, now: Timestamp) -> Result<(), JournalError> {
        let disk = &self.file.disk;
        disk::tidy(disk, &self.record.config)?;
        disk::remove(disk, &backup_of(&self.record.config))?;
        self.mark(mark, now)
    }

    pub(super) fn interrupted(&mut self) {
        self.record.interrupted = true;
    }

    pub(super) fn into_record(self) -> Record {
        self.record
    }

    pub(super) fn mark(&mut self, mark: Mark, now: Timestamp) -> Result<(), JournalError> {
        self.record.mark(mark, now);
        self.book.keep(&self.record);
        self.file.save(&self.book)
    }
}

impl<D: Disk> fmt::Debug for Change<D> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Change")
            .field("record", &self.record)
            .finish_non_exhaustive()
    }
}
