//! What became of a change, seen after a start.

use std::path::{Path, PathBuf};

use jiff::Timestamp;

use super::change::{Change, Seen, Settled};
use super::file::JournalFile;
use super::record::{Mark, Record};
use super::{JournalError, backup_of};
use crate::disk::{self, Disk};
use crate::edge_config::{EdgeConfig, Who};

/// What became of a change that was under way when everything stopped.
#[derive(Debug)]
pub enum Recovery<D: Disk> {
    /// None was. The last one that there ever was is over.
    Nothing(Option<Record>),
    /// The new configuration is in its place: do what [`Change::to_do`] says, and confirm.
    Finish(Change<D>),
    /// The old one is; the change is over, or nearly.
    Settled(Settled<D>),
    /// Neither is: somebody else wrote another, or broke it and its backup. It stays as it is; the
    /// change is over.
    Overtaken(Record),
    /// The journal made no sense, so nothing was changed by it.
    Damaged {
        /// What was wrong.
        error: JournalError,
        /// Where it lies now.
        aside: PathBuf,
        /// Who the device is, by its configuration; nothing when that makes no sense either.
        who: Option<Who>,
    },
}

pub(super) fn recover<D: Disk>(
    file: JournalFile<D>,
    lock: D::Lock,
    config: &Path,
    now: Timestamp,
) -> Result<Recovery<D>, JournalError> {
    // What is seen after a stop may still be on its way to the disk; what is concluded from it must
    // not be on disk before.
    file.settle()?;
    let book = match file.load() {
        Ok(book) => book,
        Err(error @ JournalError::Damaged { .. }) => return damaged(&file, error, config),
        Err(error) => return Err(error),
    };
    let Some(record) = book.last().cloned() else {
        return Ok(Recovery::Nothing(None));
    };
    if record.is_over() {
        return Ok(Recovery::Nothing(Some(record)));
    }
    disk::tidy(&file.disk, &backup_of(&record.config))?;
    disk::tidy(&file.disk, &record.config)?;
    disk::settle(&file.disk, &record.config)?;
    let mut change = Change::new(file, book, record, lock, None);
    let seen = change.see()?;
    if !change.record().has(Mark::Rebooting) {
        change.interrupted();
    }
    let undoing = change.record().has(Mark::Undoing);
    Ok(match seen {
        Seen::New if !undoing => {
            change.mark(Mark::Written, now)?;
            Recovery::Finish(change)
        }
        Seen::Old | Seen::New | Seen::Broken if change.can_be_undone()? => {
            Recovery::Settled(change.undo(now)?)
        }
        // It was only edited, before anything of the change was written.
        Seen::Another(who) if !change.has_written() && who == change.record().from => {
            Recovery::Settled(change.undo(now)?)
        }
        // With nothing to go back to, whoever mends the configuration says who the device is.
        _ => {
            change.end(Mark::Overtaken, now)?;
            Recovery::Overtaken(change.into_record())
        }
    })
}

/// Nothing is known, so nothing is undone: the configuration in force is whole, as every replacing
/// of it was. What a replacing left behind may hold a key, and goes.
fn damaged<D: Disk>(
    file: &JournalFile<D>,
    error: JournalError,
    config: &Path,
) -> Result<Recovery<D>, JournalError> {
    disk::tidy(&file.disk, config)?;
    disk::settle(&file.disk, config)?;
    let backup = backup_of(config);
    let read = |path: &Path| -> Result<Option<EdgeConfig>, JournalError> {
        let content = disk::read(&file.disk, path)?;
        Ok(content.and_then(|content| EdgeConfig::parse(&content, config).ok()))
    };
    let mut found = read(config)?;
    if found.is_none() {
        // Not by this program, but a whole backup is better than no configuration.
        found = read(&backup)?;
        if found.is_some() {
            disk::copy(&file.disk, &backup, config)?;
        }
    }
    if found.is_some() {
        disk::remove(&file.disk, &backup)?;
    }
    let aside = file.put_aside()?;
    Ok(Recovery::Damaged {
        error,
        aside,
        who: found.map(|config| config.identity().who()),
    })
}
