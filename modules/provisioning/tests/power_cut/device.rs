//! A device that changes its identity and comes up again, with a registrar that always agrees.

use std::path::{Path, PathBuf};

use bay::message::{ChangeKind, Step};
use jiff::Timestamp;
use provisioning::disk::Disk;
use provisioning::edge_config::DpsIdentity;
use provisioning::journal::{
    Change, Journal, JournalError, Outcome, Record, Recovery, Settled, ToDo,
};

use crate::identities::{stock, with};

/// A device, as its files.
#[derive(Clone, Debug)]
pub(crate) struct Device<D> {
    pub(crate) config: PathBuf,
    pub(crate) journal: Journal<D>,
}

/// What the Edge runtime does with a configuration.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Runtime {
    Takes,
    /// It does not take the new one, but still takes the old one.
    Refuses,
}

/// A change of which a step failed.
#[derive(Debug)]
pub(crate) struct Failed {
    pub(crate) step: Step,
    pub(crate) error: JournalError,
    /// Whether the old identity could be put in force at once.
    pub(crate) undone: bool,
}

/// What a device says of itself once it is up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Told {
    /// That nothing ever happened.
    Nothing,
    /// How its last change ended.
    Ended(Outcome),
}

impl<D: Disk + Clone> Device<D> {
    pub(crate) fn new(disk: D, config: &Path, state: &Path) -> Self {
        Self {
            journal: Journal::new(disk, state),
            config: config.to_owned(),
        }
    }

    /// Changes the identity, up to the restart of the machine; undoes it when a step fails.
    pub(crate) fn change(
        &self,
        kind: ChangeKind,
        identity: &DpsIdentity,
        runtime: Runtime,
        apply: impl Fn(),
    ) -> Result<(), Failed> {
        let begun = self.journal.begin(kind, &self.config, identity, now());
        let mut change = begun.map_err(|error| Failed {
            step: Step::Check,
            error,
            undone: true,
        })?;
        let done = Self::steps(&mut change, &apply, runtime);
        let Err((step, error)) = done else {
            return Ok(());
        };
        let why = error
            .as_ref()
            .map_or("it was refused".to_owned(), ToString::to_string);
        let settled = change.roll_back(step, why, now());
        let undone = settled.and_then(|settled| self.undone(settled, apply));
        match error {
            Some(error) => Err(Failed {
                step,
                error,
                undone: undone.is_ok(),
            }),
            None => undone.map_err(|error| Failed {
                step,
                error,
                undone: false,
            }),
        }
    }

    /// Every step; nothing for an error where it was the runtime that refused.
    fn steps(
        change: &mut Change<D>,
        apply: &impl Fn(),
        runtime: Runtime,
    ) -> Result<(), (Step, Option<JournalError>)> {
        let at = |step| move |error| (step, Some(error));
        change.registered(now()).map_err(at(Step::Register))?;
        change.back_up(now()).map_err(at(Step::Backup))?;
        change.write(now()).map_err(at(Step::Write))?;
        apply();
        if runtime == Runtime::Refuses {
            return Err((Step::Apply, None));
        }
        change.applied(now()).map_err(at(Step::Apply))?;
        change.rebooting(now()).map_err(at(Step::Reboot))
    }

    /// Comes up, and brings whatever was under way to its end.
    pub(crate) fn boot(&self, runtime: Runtime, apply: impl Fn()) -> Result<Told, JournalError> {
        let now = now();
        let ended = |record: Record| record.outcome().map_or(Told::Nothing, Told::Ended);
        match self.journal.recover(&self.config, now)? {
            Recovery::Nothing(None) => return Ok(Told::Nothing),
            Recovery::Nothing(Some(record)) | Recovery::Overtaken(record) => {
                return Ok(ended(record));
            }
            Recovery::Damaged { error, .. } => return Err(error),
            Recovery::Settled(settled) => self.undone(settled, apply)?,
            Recovery::Finish(change) => self.finish(change, runtime, apply)?,
        }
        Ok(self.journal.last()?.map_or(Told::Nothing, ended))
    }

    fn finish(
        &self,
        mut change: Change<D>,
        runtime: Runtime,
        apply: impl Fn(),
    ) -> Result<(), JournalError> {
        for to_do in change.to_do() {
            match to_do {
                ToDo::Apply => {
                    apply();
                    if runtime == Runtime::Refuses {
                        let settled = change.roll_back(Step::Apply, "it was refused", now())?;
                        return self.undone(settled, apply);
                    }
                    change.applied(now())?;
                }
                ToDo::Reboot => change.rebooting(now())?,
                ToDo::Confirm => {
                    change.confirm(now())?;
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    fn undone(&self, settled: Settled<D>, apply: impl Fn()) -> Result<(), JournalError> {
        if let Settled::Undo(change) = settled {
            apply();
            change.undone(now())?;
        }
        Ok(())
    }
}

/// The configuration of a device in stock: what an operator wrote, and its identity.
pub(crate) fn stock_config() -> Vec<u8> {
    let text = "# ours\nhostname = \"bay-17\"\n\n[agent]\nname = \"edgeAgent\"\n";
    with(text.as_bytes(), &stock())
}

/// Always the same, so that the same things look the same on disk.
fn now() -> Timestamp {
    Timestamp::UNIX_EPOCH
}
