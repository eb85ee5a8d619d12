//! What is told of a change that the journal remembers.

use bay::message::{ChangeOutcome, ChangeReport, IdentityReport, Step};

use crate::edge_config::Who;
use crate::identity::{Assigned, Current, Identity};
use crate::journal::{Mark, Outcome, Record};
use crate::serial::Serial;

/// How a change went, or goes.
pub fn of(record: &Record) -> ChangeReport {
    let failed = record.failure.as_ref();
    let (outcome, message) = match record.outcome() {
        Some(Outcome::Confirmed) => (ChangeOutcome::Done, format!("the device is {}", record.to)),
        Some(Outcome::RolledBack) => match failed {
            Some(failure) => (ChangeOutcome::Failed, failure.message.clone()),
            None => (
                ChangeOutcome::RolledBack,
                format!(
                    "it was cut off before anything was changed; the device is {} as before",
                    record.from
                ),
            ),
        },
        Some(Outcome::Overtaken) => (
            ChangeOutcome::Failed,
            "somebody else changed the configuration meanwhile, and it stays as they left it"
                .to_owned(),
        ),
        None if record.has(Mark::Undoing) => (
            ChangeOutcome::Failed,
            failed.map_or_else(String::new, |failure| failure.message.clone()),
        ),
        None => (
            ChangeOutcome::Running,
            format!("the device becomes {}", record.to),
        ),
    };
    let step = match (outcome, failed) {
        (ChangeOutcome::Done, _) => None,
        (_, Some(failure)) => Some(failure.step),
        (_, None) => Some(step(record)),
    };
    ChangeReport {
        kind: record.kind,
        outcome,
        step,
        message,
        started_at: record.begun_at(),
        ended_at: record.ended_at(),
        interrupted: record.interrupted,
    }
}

/// What is to be told of two accounts: a failure that was told later is one the journal could not be told of, because
/// nothing was begun yet or its disk took nothing more.
pub fn latest(
    journalled: Option<ChangeReport>,
    told: Option<&ChangeReport>,
) -> Option<ChangeReport> {
    let at = |report: &ChangeReport| report.ended_at.unwrap_or(report.started_at);
    let failed = told.filter(|told| told.outcome == ChangeOutcome::Failed);
    match (journalled, failed) {
        (Some(journalled), Some(failed)) if at(&journalled) >= at(failed) => Some(journalled),
        (_, Some(failed)) => Some(failed.clone()),
        (journalled, None) => journalled,
    }
}

/// Whether a change is on its way to the new identity.
pub fn is_open(record: &Record) -> bool {
    !record.is_over() && !record.has(Mark::Undoing)
}

/// The step that a change is at, or was when it ended.
fn step(record: &Record) -> Step {
    let has = |mark| record.has(mark);
    if has(Mark::Applied) && has(Mark::Rebooting) {
        Step::Confirm
    } else if has(Mark::Applied) {
        Step::Reboot
    } else if has(Mark::Written) {
        Step::Apply
    } else if has(Mark::BackedUp) {
        Step::Write
    } else if has(Mark::Registered) {
        Step::Backup
    } else {
        Step::Register
    }
}

/// Who the device is.
pub fn identity(
    identity: &Identity,
    serial: Option<&Serial>,
    assigned: Option<Assigned>,
) -> IdentityReport {
    let (id_scope, registration_id) = match identity.current() {
        Current::Dps(current) => (
            Some(current.id_scope.clone()),
            Some(current.registration_id.to_string()),
        ),
        Current::None | Current::Other => (None, None),
    };
    let (hub, device_id) = assigned
        .map(|Assigned { hub, device_id }| (hub, device_id))
        .unzip();
    IdentityReport {
        serial: serial.map(ToString::to_string),
        mode: identity.mode(),
        id_scope,
        registration_id,
        hub,
        device_id,
    }
}

/// The identity in force, without its key.
pub fn who(current: &Current) -> Who {
    match current {
        Current::Dps(identity) => identity.who(),
        Current::None | Current::Other => Who::None,
    }
}
