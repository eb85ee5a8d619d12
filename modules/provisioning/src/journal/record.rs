//! What is remembered of a change.

use std::path::{Path, PathBuf};

use bay::message::{ChangeKind, Step};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::edge_config::Who;

/// How many changes are remembered.
const REMEMBERED: usize = 16;

/// A change of identity: from whom to whom, how far it came and how it ended. It holds no key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Record {
    /// What was asked for.
    pub kind: ChangeKind,
    /// Who the device was.
    pub from: Who,
    /// Who it was to become.
    pub to: Who,
    /// The configuration.
    pub config: PathBuf,
    /// What was done, and when, oldest first.
    pub marks: Vec<Marked>,
    /// Why it is being undone, or was.
    pub failure: Option<Failure>,
    /// Whether a restart came in between that nobody had asked for.
    pub interrupted: bool,
    /// The configuration before, if there was one.
    pub(super) old: Option<Digest>,
    /// The configuration after.
    pub(super) new: Option<Digest>,
}

/// Something that was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Marked {
    /// What.
    pub mark: Mark,
    /// When.
    pub at: Timestamp,
}

/// What can be done in a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mark {
    /// It was asked for.
    Begun,
    /// The provisioning service has assigned the device.
    Registered,
    /// The old configuration is kept.
    BackedUp,
    /// The new configuration is in its place.
    Written,
    /// The Edge runtime has taken the configuration.
    Applied,
    /// The machine is about to restart.
    Rebooting,
    /// The device is up with the new identity: the change is over.
    Confirmed,
    /// It is to be undone.
    Undoing,
    /// The old configuration is in its place again.
    Restored,
    /// The device has the old identity: the change is over.
    RolledBack,
    /// Somebody else gave the device a third identity: the change is over.
    Overtaken,
}

/// Which step failed, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failure {
    /// The step.
    pub step: Step,
    /// Why, as a sentence, without anything secret.
    pub message: String,
}

/// How a change ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The device has the new identity.
    Confirmed,
    /// The device has the old identity.
    RolledBack,
    /// The device has one that somebody else gave it.
    Overtaken,
}

/// What is still to do for a change whose configuration is in its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ToDo {
    /// Have the Edge runtime take the configuration.
    Apply,
    /// Restart the machine.
    Reboot,
    /// Find that the device is up with the new identity.
    Confirm,
}

/// The digest of a configuration, by which it is known again. It tells nothing of the key in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Digest(String);

/// Everything remembered, oldest first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Book {
    records: Vec<Record>,
}

impl Record {
    pub(super) fn new(kind: ChangeKind, config: &Path, from: Who, to: Who, now: Timestamp) -> Self {
        Self {
            kind,
            from,
            to,
            config: config.to_owned(),
            marks: vec![Marked {
                mark: Mark::Begun,
                at: now,
            }],
            failure: None,
            interrupted: false,
            old: None,
            new: None,
        }
    }

    /// When this was done, if it was.
    #[must_use]
    pub fn at(&self, mark: Mark) -> Option<Timestamp> {
        let marked = self.marks.iter().find(|marked| marked.mark == mark);
        marked.map(|marked| marked.at)
    }

    /// Whether this was done.
    #[must_use]
    pub fn has(&self, mark: Mark) -> bool {
        self.at(mark).is_some()
    }

    /// How it ended, if it is over.
    #[must_use]
    pub fn outcome(&self) -> Option<Outcome> {
        self.marks.iter().find_map(|marked| match marked.mark {
            Mark::Confirmed => Some(Outcome::Confirmed),
            Mark::RolledBack => Some(Outcome::RolledBack),
            Mark::Overtaken => Some(Outcome::Overtaken),
            _ => None,
        })
    }

    /// Whether nothing of it is left to do.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.outcome().is_some()
    }

    /// When it was asked for.
    #[must_use]
    pub fn begun_at(&self) -> Timestamp {
        let first = self.marks.first();
        first.map_or(Timestamp::UNIX_EPOCH, |marked| marked.at)
    }

    /// When it was over.
    #[must_use]
    pub fn ended_at(&self) -> Option<Timestamp> {
        let last = self.marks.last().filter(|_| self.is_over());
        last.map(|marked| marked.at)
    }

    pub(super) fn mark(&mut self, mark: Mark, now: Timestamp) {
        if !self.has(mark) {
            self.marks.push(Marked { mark, at: now });
        }
    }
}

impl Digest {
    pub(super) fn of(content: &[u8]) -> Self {
        let digest = Sha256::digest(content);
        Self(digest.iter().map(|byte| format!("{byte:02x}")).collect())
    }
}

impl Book {
    pub(super) fn last(&self) -> Option<&Record> {
        self.records.last()
    }

    /// Remembers how far the last change is.
    pub(super) fn keep(&mut self, record: &Record) {
        if let Some(last) = self.records.last_mut() {
            last.clone_from(record);
        }
    }

    pub(super) fn begin(&mut self, record: Record) {
        self.records.push(record);
        let forgotten = self.records.len().saturating_sub(REMEMBERED);
        self.records.drain(..forgotten);
    }

    pub(super) fn into_records(self) -> Vec<Record> {
        self.records
    }
}
