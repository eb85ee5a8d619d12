//! What went wrong with a file, and what to do about it.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// A file could not be read or changed.
#[derive(Debug, thiserror::Error)]
#[error("cannot {step} {}: {}", path.display(), cause.cure())]
pub struct DiskError {
    /// Which file or directory.
    pub path: PathBuf,
    /// What was attempted.
    pub step: DiskStep,
    /// What kind of failure it is.
    pub cause: Cause,
    /// What the system said.
    pub source: io::Error,
}

/// The steps of replacing a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DiskStep {
    /// Look at its owner and mode.
    Look,
    /// Read its content.
    Read,
    /// Make the file that will take its place.
    Create,
    /// Give that one the owner and mode of the old.
    Attributes,
    /// Write the content.
    Write,
    /// Wait until it is on disk.
    Sync,
    /// Give it the name of the old.
    Rename,
    /// Wait until the name is on disk.
    SyncDirectory,
    /// Remove a file that is not needed any more.
    Remove,
    /// Take the lock.
    Lock,
}

/// The kinds of failure that have cures of their own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// There is no room.
    Full,
    /// The file system is mounted read-only.
    ReadOnly,
    /// This user may not.
    NotAllowed,
    /// A directory on the way is not there.
    Missing,
    /// The file is a mount point, as when a container is given the file alone.
    MountPoint,
    /// Something else has that name.
    NotAFile,
    /// Anything else.
    Other,
}

impl DiskError {
    pub(super) fn new(step: DiskStep, path: &Path, source: io::Error) -> Self {
        let cause = match source.kind() {
            io::ErrorKind::StorageFull
            | io::ErrorKind::QuotaExceeded
            | io::ErrorKind::FileTooLarge => Cause::Full,
            io::ErrorKind::ReadOnlyFilesystem => Cause::ReadOnly,
            io::ErrorKind::PermissionDenied => Cause::NotAllowed,
            io::ErrorKind::NotFound => Cause::Missing,
            io::ErrorKind::ResourceBusy => Cause::MountPoint,
            io::ErrorKind::IsADirectory
            | io::ErrorKind::NotADirectory
            | io::ErrorKind::DirectoryNotEmpty => Cause::NotAFile,
            _ => Cause::Other,
        };
        Self {
            path: path.to_owned(),
            step,
            cause,
            source,
        }
    }

    /// A failure to take a lock.
    pub(crate) fn lock(path: &Path, source: io::Error) -> Self {
        Self::new(DiskStep::Lock, path, source)
    }
}

impl Cause {
    /// What to do about it.
    #[must_use]
    pub fn cure(self) -> &'static str {
        match self {
            Self::Full => "make room on that file system",
            Self::ReadOnly => "mount that file system writable",
            Self::NotAllowed => {
                "run this as the owner of that file and directory, or let this user write there"
            }
            Self::Missing => "make the directory first, or name another path",
            Self::MountPoint => "mount the directory that holds the file, not the file alone",
            Self::NotAFile => "name a file",
            Self::Other => "look at what the system says, and check the disk",
        }
    }

    /// The kind as a word, for reports.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Full => "disk-full",
            Self::ReadOnly => "read-only",
            Self::NotAllowed => "not-allowed",
            Self::Missing => "missing-directory",
            Self::MountPoint => "mount-point",
            Self::NotAFile => "not-a-file",
            Self::Other => "disk-error",
        }
    }
}

impl fmt::Display for DiskStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Look => "look at",
            Self::Read => "read",
            Self::Create => "create",
            Self::Attributes => "set owner and mode of",
            Self::Write => "write",
            Self::Sync => "sync",
            Self::Rename => "put the new file in the place of",
            Self::SyncDirectory => "sync the directory",
            Self::Remove => "remove",
            Self::Lock => "lock",
        })
    }
}
