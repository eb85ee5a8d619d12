//! Jobs that a service schedules: a twin's patch or a method, for every device that fulfils a condition.
//!
//! Here is what a job goes through, told the time; `crate::jobs` carries it out. Its devices are looked for when it
//! begins, a slice of time at a time: one that changes just then may be seen as it was before or after. Each device's
//! turn is in the journal before anything can reach the device, and its outcome before anybody is told of it.
//!
//! **Invariant:** no device gets a job's method twice, and a job's patch is in a twin once: patch and outcome are one
//! frame of the journal. A method whose answer a kill swallowed is not called again; its device counts as failed.

mod agenda;
mod calling;
mod choosing;
mod documents;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use hub_proto::error::ErrorCode;
use jiff::Timestamp;
use serde_json::Value;
use thiserror::Error;

use agenda::Call;
pub(crate) use agenda::{Agenda, Due};

use super::{Core, Hub};
use crate::change::Change;
use crate::registry::{End, Job, JobState, JobStep, Progress};

/// Jobs that may be under way at once: what the documentation gives for the largest hubs.
const MOST_ACTIVE: usize = 10;
/// How long a job is kept when it is over, as documented.
const KEPT: Duration = Duration::from_secs(30 * 24 * 3600);

/// Why a job was not made, read or cancelled.
#[derive(Debug, Error)]
pub(crate) enum JobFault {
    #[error("job {0} is not there")]
    NotFound(String),
    #[error("job {0} is there already")]
    Exists(String),
    #[error("{MOST_ACTIVE} jobs are under way already")]
    TooMany,
    #[error("a job for import or export is under way already")]
    Quota,
    #[error("the journal cannot be written")]
    Journal(#[source] io::Error),
}

impl JobFault {
    /// The hub's number for it.
    pub(crate) fn code(&self) -> ErrorCode {
        match self {
            Self::NotFound(_) => ErrorCode::JobNotFound,
            Self::Exists(_) => ErrorCode::JobAlreadyExists,
            Self::TooMany => ErrorCode::ThrottlingMaxActiveJobCountExceeded,
            Self::Quota => ErrorCode::JobQuotaExceeded,
            Self::Journal(_) => ErrorCode::ServerError,
        }
    }
}

impl Hub {
    /// Takes a job on.
    ///
    /// # Errors
    /// When its id is taken, or too many are under way for one that is due.
    pub(crate) fn schedule_job(self: &Arc<Self>, id: &str, job: Job) -> Result<Value, JobFault> {
        let mut core = self.lock();
        let now = job.created;
        if core.registry.jobs.contains_key(id) || core.registry.transfers.contains_key(id) {
            return Err(JobFault::Exists(id.to_owned()));
        }
        if job.starts <= now && core.active_jobs(now) >= MOST_ACTIVE {
            return Err(JobFault::TooMany);
        }
        let shown = documents::job(id, &job, now);
        core.step_job(id, JobStep::Scheduled { job: Box::new(job) });
        self.commit(&mut core).map_err(JobFault::Journal)?;
        drop(core);
        self.work_on_jobs();
        Ok(shown)
    }

    /// Forgets jobs that have been over for long enough.
    ///
    /// # Errors
    /// When the journal cannot be written.
    #[cfg(test)]
    pub(crate) fn forget_jobs(&self, now: Timestamp) -> io::Result<()> {
        let mut core = self.lock();
        core.forget_jobs(now);
        self.commit(&mut core)
    }

    /// One job. One that imports or exports devices is of an unknown state here, as in the real hub.
    ///
    /// # Errors
    /// When there is none of that id.
    pub(crate) fn job(&self, id: &str) -> Result<Value, JobFault> {
        let core = self.lock_kept().map_err(JobFault::Journal)?;
        match core.registry.jobs.get(id) {
            Some(job) => Ok(documents::job(id, job, Timestamp::now())),
            None if core.registry.transfers.contains_key(id) => Ok(documents::unknown(id)),
            None => Err(JobFault::NotFound(id.to_owned())),
        }
    }

    /// Cancels a job: devices that have not had their turn will have none. One that is over stays as it is.
    ///
    /// # Errors
    /// When there is none of that id.
    pub(crate) fn cancel_job(&self, id: &str) -> Result<Value, JobFault> {
        let mut core = self.lock();
        let now = Timestamp::now();
        let Some(job) = core.registry.jobs.get(id) else {
            return Err(JobFault::NotFound(id.to_owned()));
        };
        if job.ended().is_none() {
            core.end_job(id, End::Cancelled, None, Progress::Canceled, now);
            self.commit(&mut core).map_err(JobFault::Journal)?;
            self.work.notify_one();
        }
        core.registry
            .jobs
            .get(id)
            .map(|job| documents::job(id, job, now))
            .ok_or_else(|| JobFault::NotFound(id.to_owned()))
    }
}

impl Core {
    pub(super) fn step_job(&mut self, id: &str, step: JobStep) {
        self.record(Change::Job {
            id: id.to_owned(),
            step,
        });
    }

    /// Jobs that are due and not over.
    fn active_jobs(&self, now: Timestamp) -> usize {
        let jobs = self.registry.jobs.values();
        jobs.filter(|job| match job.state {
            JobState::Waiting => job.starts <= now,
            JobState::Running { .. } => true,
            JobState::Ended { .. } => false,
        })
        .count()
    }

    fn end_job(
        &mut self,
        id: &str,
        end: End,
        reason: Option<String>,
        rest: Progress,
        at: Timestamp,
    ) {
        self.jobs.forget(id);
        let step = JobStep::Ended {
            end,
            at,
            reason,
            rest: Box::new(rest),
        };
        self.step_job(id, step);
    }

    /// Forgets jobs that have been over for long enough.
    pub(super) fn forget_jobs(&mut self, now: Timestamp) {
        let is_old = |ended: Option<Timestamp>| ended.is_some_and(|at| at <= now - KEPT);
        let jobs = self.registry.jobs.iter();
        let old: Vec<String> = jobs
            .filter(|(_, job)| is_old(job.ended()))
            .map(|(id, _)| id.clone())
            .collect();
        for id in old {
            self.step_job(&id, JobStep::Forgotten);
        }
        let transfers = self.registry.transfers.iter();
        let old: Vec<String> = transfers
            .filter(|(_, transfer)| is_old(transfer.ended()))
            .map(|(id, _)| id.clone())
            .collect();
        for id in old {
            self.step_transfer(&id, crate::registry::TransferStep::Forgotten);
        }
    }
}
