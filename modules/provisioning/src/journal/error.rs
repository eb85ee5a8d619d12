//! Why the journal could not do something.

use std::path::PathBuf;

use super::Record;
use crate::disk::DiskError;
use crate::edge_config::ConfigError;

/// Why the journal could not do something.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// Another process is changing the identity.
    #[error(
        "another process is changing this device's identity (it holds {}); wait until it is done",
        path.display()
    )]
    Busy {
        /// The lock.
        path: PathBuf,
    },
    /// A change is not over yet.
    #[error(
        "the change to {} is not over; restart, or recover it first", last.to
    )]
    Unfinished {
        /// That change.
        last: Box<Record>,
    },
    /// The configuration cannot be read or changed.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Somebody else changed the configuration between reading and writing it.
    #[error("{} was changed by somebody else meanwhile; ask again", path.display())]
    Changed {
        /// The configuration.
        path: PathBuf,
    },
    /// The journal makes no sense.
    #[error(
        "{} is no journal of this program: {what}; the configuration stays as it is, and the next start begins a new journal",
        path.display()
    )]
    Damaged {
        /// The journal.
        path: PathBuf,
        /// What is wrong with it.
        what: &'static str,
    },
    /// The configuration is neither as it was nor as it was to be, and its backup is gone as well.
    #[error(
        "{} is damaged, and there is no whole backup; put a configuration in its place",
        path.display()
    )]
    Lost {
        /// The configuration.
        path: PathBuf,
    },
    /// A file could not be read or changed.
    #[error(transparent)]
    Disk(#[from] DiskError),
}
