//! The Edge configuration, the journal and the state directory together: what a device is found to be, and
//! a change of it as it is written down step by step.
//!
//! Everything here happens on the calling thread; each call is on disk when it returns.

mod found;

use std::path::{Path, PathBuf};

use bay::message::{ChangeKind, Step};
use jiff::Timestamp;

use crate::disk::{self, Disk, DiskError};
use crate::edge_config::{DpsIdentity, EdgeConfig, Format, Identity as Configured, Who};
use crate::identity::{Assigned, Current, Failure};
use crate::journal::{self, Change, Journal, JournalError, Record, Recovery, Settled, backup_of};
use crate::kept::{Kept, Stamp};
pub use found::{Facts, Found, Stamps};

/// A device's files.
#[derive(Debug)]
pub struct Files<D: Disk> {
    config: PathBuf,
    /// What the state directory keeps beside the journal.
    pub kept: Kept,
    disk: D,
    journal: Journal<D>,
    change: Option<Change<D>>,
    /// A change ended with an error, and the journal wants to look at it before the next one.
    unsettled: bool,
}

impl<D: Disk + Clone> Files<D> {
    /// The files of a device whose Edge configuration is `config`.
    pub fn new(disk: D, config: &Path, kept: Kept) -> Self {
        Self {
            config: config.to_owned(),
            journal: Journal::new(disk.clone(), kept.directory()),
            kept,
            disk,
            change: None,
            unsettled: false,
        }
    }

    /// The Edge configuration.
    pub fn config(&self) -> &Path {
        &self.config
    }

    /// The language of the Edge configuration.
    pub fn format(&self) -> Format {
        match self.read_config(&self.config) {
            Ok(config) => config.format(),
            Err(_) => EdgeConfig::empty(&self.config).format(),
        }
    }

    /// Looks at everything.
    pub fn facts(&self) -> Facts {
        let mut troubles = Vec::new();
        let current = self.current().unwrap_or_else(|error| {
            troubles.push(error.to_string());
            Current::Other
        });
        let stock = self.kept.stock().unwrap_or_else(|error| {
            troubles.push(error);
            None
        });
        let last = self.journal.last().unwrap_or_else(|error| {
            troubles.push(error.to_string());
            None
        });
        Facts {
            current,
            stock,
            last,
            troubles,
        }
    }

    /// What tells whether [`Files::facts`] would be others.
    pub fn stamps(&self) -> Stamps {
        Stamps([
            Stamp::of(&self.config),
            self.kept.stamp(),
            Stamp::of(&self.kept.directory().join(journal::JOURNAL)),
        ])
    }

    /// Whether a change failed and could not be cleared away, so that the journal does not know yet.
    pub fn is_unsettled(&self) -> bool {
        self.unsettled
    }

    /// The last change, without waiting for whoever works on it.
    pub fn last(&self) -> Option<Record> {
        self.journal.last().ok().flatten()
    }

    /// Looks at a change that was under way when everything stopped, and takes it on. Adds what a person
    /// should know to `troubles`.
    ///
    /// # Errors
    ///
    /// [`JournalError`]: nothing is known, and no change can be begun.
    pub fn recover(
        &mut self,
        now: Timestamp,
        troubles: &mut Vec<String>,
    ) -> Result<Found, JournalError> {
        let recovery = match self.journal.recover(&self.config, now) {
            Ok(recovery) => recovery,
            Err(JournalError::Busy { .. }) => return Ok(Found::Others),
            Err(error) => return Err(error),
        };
        self.unsettled = false;
        Ok(match recovery {
            Recovery::Nothing(_) => Found::Nothing,
            Recovery::Settled(Settled::RolledBack(_)) => Found::RolledBack,
            Recovery::Settled(Settled::Undo(change)) => {
                self.change = Some(change);
                Found::Undoing
            }
            Recovery::Overtaken(record) => {
                troubles.push(format!(
                    "the configuration is neither what it was before the last {} nor what it was to be, so it \
                     stays as it is",
                    record.kind.as_str()
                ));
                Found::Nothing
            }
            Recovery::Damaged { error, aside, .. } => {
                troubles.push(format!("{error}; it lies at {} now", aside.display()));
                Found::Nothing
            }
            Recovery::Finish(change) => self.take_on(change, troubles),
        })
    }

    /// Opens the journal for a change.
    ///
    /// # Errors
    ///
    /// Why it cannot be made; nothing has changed then.
    pub fn begin(
        &mut self,
        kind: ChangeKind,
        identity: &DpsIdentity,
        now: Timestamp,
    ) -> Result<(), Failure> {
        if self.unsettled {
            let mut troubles = Vec::new();
            match self
                .recover(now, &mut troubles)
                .map_err(|error| failure(&error))?
            {
                Found::Nothing | Found::RolledBack => {}
                Found::Undoing => self.undone(now)?,
                Found::Goes { .. } | Found::Others => {
                    return Err(Failure::new(
                        409,
                        "busy",
                        "the last change is not over: restart the device",
                    ));
                }
            }
        }
        let change = self
            .journal
            .begin(kind, &self.config, identity, now)
            .map_err(|error| failure(&error))?;
        self.change = Some(change);
        Ok(())
    }

    /// The provisioning service has assigned the new identity.
    ///
    /// # Errors
    ///
    /// It could not be written down.
    pub fn registered(
        &mut self,
        who: Who,
        assigned: &Assigned,
        now: Timestamp,
    ) -> Result<(), Failure> {
        self.kept.keep_assigned(who, assigned.clone());
        self.with(|change| change.registered(now))
    }

    /// Keeps the configuration as it is.
    ///
    /// # Errors
    ///
    /// It could not be kept; nothing has changed then.
    pub fn back_up(&mut self, now: Timestamp) -> Result<(), Failure> {
        self.with(|change| change.back_up(now))
    }

    /// Puts the new configuration in its place.
    ///
    /// # Errors
    ///
    /// It could not be; [`Files::undo`] sees to it that the old one is.
    pub fn write(&mut self, now: Timestamp) -> Result<(), Failure> {
        self.with(|change| change.write(now))
    }

    /// The runtime has taken the configuration.
    ///
    /// # Errors
    ///
    /// It could not be written down.
    pub fn applied(&mut self, now: Timestamp) -> Result<(), Failure> {
        self.with(|change| change.applied(now))
    }

    /// The machine is about to restart.
    ///
    /// # Errors
    ///
    /// It could not be written down.
    pub fn rebooting(&mut self, now: Timestamp) -> Result<(), Failure> {
        self.with(|change| change.rebooting(now))
    }

    /// Looks whether the configuration is the new one, and if it is, ends the change: `stock` is the
    /// identity to come back to from here on, where that changes.
    ///
    /// # Errors
    ///
    /// It is not, or could not be written down.
    pub fn confirm(
        &mut self,
        identity: &DpsIdentity,
        stock: Option<&DpsIdentity>,
        now: Timestamp,
    ) -> Result<(), Failure> {
        let current = self.current().map_err(|error| failure(&error))?;
        if current != Current::Dps(identity.clone()) {
            return Err(Failure::new(
                409,
                "config-changed",
                "the configuration in place is not the one that was written: somebody else changed it",
            ));
        }
        let kept = stock.map_or(Ok(()), |stock| self.kept.keep_stock(stock));
        kept.and_then(|()| match self.first_is_over(identity) {
            true => self.kept.forget_first(),
            false => Ok(()),
        })
        .map_err(|error| disk_failure(&error))?;
        match self.change.take() {
            Some(change) => change
                .confirm(now)
                .map(drop)
                .map_err(|error| self.unsettle(&error)),
            None => Ok(()),
        }
    }

    /// Gives a change up because `step` failed, and sees to it that the old configuration is in its place.
    /// Says whether the runtime has to take that: then [`Files::undone`].
    ///
    /// # Errors
    ///
    /// It could not be put back; the next start tries again.
    pub fn undo(&mut self, step: Step, message: &str, now: Timestamp) -> Result<bool, Failure> {
        let Some(change) = self.change.take() else {
            return Ok(false);
        };
        match change.roll_back(step, message, now) {
            Ok(Settled::RolledBack(_)) => Ok(false),
            Ok(Settled::Undo(change)) => {
                self.change = Some(change);
                Ok(true)
            }
            Err(error) => Err(self.unsettle(&error)),
        }
    }

    /// The runtime has taken the old configuration again.
    ///
    /// # Errors
    ///
    /// It could not be written down.
    pub fn undone(&mut self, now: Timestamp) -> Result<(), Failure> {
        match self.change.take() {
            Some(change) => change
                .undone(now)
                .map(drop)
                .map_err(|error| self.unsettle(&error)),
            None => Ok(()),
        }
    }

    /// The runtime does not take the old configuration, which is in its place: the next start tries again,
    /// or the next change, which has it take another one.
    pub fn abandon(&mut self) {
        self.change = None;
        self.unsettled = true;
    }

    fn take_on(&mut self, change: Change<D>, troubles: &mut Vec<String>) -> Found {
        let record = Box::new(change.record().clone());
        self.change = Some(change);
        let previous = self
            .read_config(&backup_of(&self.config))
            .map(|config| current(&config))
            .unwrap_or_default();
        match self.current() {
            Ok(Current::Dps(target)) => Found::Goes {
                record,
                target,
                previous,
            },
            // The journal has just found it there.
            Ok(_) | Err(_) => {
                troubles.push("the configuration that was written cannot be read".to_owned());
                Found::Others
            }
        }
    }

    /// Whether the first identity was this one, or has been overtaken by it.
    fn first_is_over(&self, identity: &DpsIdentity) -> bool {
        let kind = self.change.as_ref().map(|change| change.record().kind);
        kind == Some(ChangeKind::Claim)
            || matches!(self.kept.first(), Ok(Some(first)) if first == *identity)
    }

    fn current(&self) -> Result<Current, JournalError> {
        Ok(current(&self.read_config(&self.config)?))
    }

    fn read_config(&self, path: &Path) -> Result<EdgeConfig, JournalError> {
        match disk::read(&self.disk, path)? {
            Some(content) => Ok(EdgeConfig::parse(&content, path)?),
            None => Ok(EdgeConfig::empty(path)),
        }
    }

    fn with(
        &mut self,
        act: impl FnOnce(&mut Change<D>) -> Result<(), JournalError>,
    ) -> Result<(), Failure> {
        match &mut self.change {
            Some(change) => act(change).map_err(|error| failure(&error)),
            None => Ok(()),
        }
    }

    fn unsettle(&mut self, error: &JournalError) -> Failure {
        self.unsettled = true;
        failure(error)
    }
}

fn current(config: &EdgeConfig) -> Current {
    match config.identity() {
        Configured::None => Current::None,
        Configured::Dps(identity) => Current::Dps(identity.clone()),
        Configured::Other(_) => Current::Other,
    }
}

fn failure(error: &JournalError) -> Failure {
    let (status, reason) = match error {
        JournalError::Busy { .. } | JournalError::Unfinished { .. } => (409, "busy"),
        JournalError::Changed { .. } => (409, "config-changed"),
        JournalError::Config(_) => (500, "bad-config"),
        JournalError::Damaged { .. } => (500, "journal-damaged"),
        JournalError::Lost { .. } => (500, "config-lost"),
        JournalError::Disk(error) => return disk_failure(error),
    };
    Failure::new(status, reason, error.to_string())
}

fn disk_failure(error: &DiskError) -> Failure {
    Failure::new(
        500,
        error.cause.as_str(),
        format!("{error} ({})", error.source),
    )
}
