//! Jobs as a service reads them, one by one, listed, and device by device.

use std::borrow::Cow;
use std::io;
use std::num::NonZeroUsize;
use std::ops::Bound;

use hub_proto::time;
use jiff::Timestamp;
use query::{Document, Page, Path, Query, Resume, Step};
use serde_json::{Value, json};

use super::{Core, Hub};
use crate::hub::Key;
use crate::registry::{End, Job, JobState, Progress, Run, Task};

/// Some of the jobs, by id.
#[derive(Debug)]
pub(crate) struct Listed {
    pub(crate) jobs: Vec<Value>,
    /// The last of them, when there are more.
    pub(crate) more_after: Option<String>,
}

impl Hub {
    /// At most `most` jobs of a kind and a status, where these are given, after an id.
    ///
    /// # Errors
    /// When the journal cannot be written.
    pub(crate) fn jobs(
        &self,
        kind: Option<&str>,
        status: Option<&str>,
        after: Option<&str>,
        most: NonZeroUsize,
    ) -> io::Result<Listed> {
        let core = self.lock_kept()?;
        let now = Timestamp::now();
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let jobs = core.registry.jobs.range::<str, _>((from, Bound::Unbounded));
        let mut wanted = jobs.filter(|(_, job)| {
            kind.is_none_or(|kind| job.task.name().eq_ignore_ascii_case(kind))
                && status.is_none_or(|status| is_called(status_of(job, now), status))
        });
        let found: Vec<_> = wanted.by_ref().take(most.get()).collect();
        let more = wanted.next().is_some();
        let last = found.last().map(|(id, _)| (*id).clone());
        Ok(Listed {
            jobs: found
                .into_iter()
                .map(|(id, job)| listed(id, job, now))
                .collect(),
            more_after: last.filter(|_| more),
        })
    }

    /// One page of what a query over `devices.jobs` gives.
    ///
    /// # Errors
    /// When the journal cannot be written.
    pub(crate) fn query_jobs(
        &self,
        query: &Query,
        resume: Option<&Resume<Key>>,
        most: NonZeroUsize,
    ) -> io::Result<Page<Key>> {
        let core = self.lock_kept()?;
        let resume = resume.map(|resume| {
            resume
                .as_ref()
                .map(|(job, device)| (job.as_str(), device.as_str()))
        });
        let page = query.page(core.runs_of(query), resume.as_ref(), most);
        let owned = |(job, device): (&str, &str)| (job.to_owned(), device.to_owned());
        Ok(Page {
            items: page.items,
            next: page.next.map(|resume| resume.map(owned)),
        })
    }
}

/// Two words say that a job waits for its turn.
fn is_called(status: &str, asked: &str) -> bool {
    status.eq_ignore_ascii_case(asked)
        || status == "queued" && asked.eq_ignore_ascii_case("enqueued")
}

impl Core {
    /// Every device's part in every job, in the order of the jobs' ids and then of the devices'. A query for some jobs
    /// does not walk the others.
    fn runs_of<'c>(
        &'c self,
        query: &Query,
    ) -> impl Iterator<Item = ((&'c str, &'c str), RunView<'c>)> {
        let ids = query.values_of("jobId");
        let jobs = self.registry.jobs.iter();
        let jobs: Vec<(&String, &Job)> = match ids {
            Some(ids) => ids
                .into_iter()
                .filter_map(|id| self.registry.jobs.get_key_value(id))
                .collect(),
            None => jobs.collect(),
        };
        jobs.into_iter().flat_map(|(id, job)| {
            job.runs.iter().map(move |(device, run)| {
                let (id, device) = (id.as_str(), device.as_str());
                let view = RunView {
                    id,
                    job,
                    device,
                    run,
                };
                ((id, device), view)
            })
        })
    }
}

/// A device's part in a job where it lies.
struct RunView<'c> {
    id: &'c str,
    job: &'c Job,
    device: &'c str,
    run: &'c Run,
}

impl Document for RunView<'_> {
    fn find(&self, path: &Path) -> Option<Cow<'_, Value>> {
        let (field, rest) = path.split();
        let found: Value = match field {
            "jobId" => self.id.into(),
            "deviceId" => self.device.into(),
            "jobType" => self.job.task.name().into(),
            "status" => run_status(self.run).into(),
            _ => self.to_json().get_mut(field)?.take(),
        };
        Step::walk(rest, &found).cloned().map(Cow::Owned)
    }

    fn to_json(&self) -> Value {
        let run = self.run;
        let mut document = json!({
            "deviceId": self.device,
            "jobId": self.id,
            "jobType": self.job.task.name(),
            "status": run_status(run),
        });
        // Clients read a time where there is one, and stumble over null.
        if let Some(began) = run.began {
            document["startTimeUtc"] = time::format(began).into();
        }
        if !run.progress.is_open() {
            document["endTimeUtc"] = time::format(run.updated).into();
        }
        document["createdDateTimeUtc"] = time::format(self.job.created).into();
        document["lastUpdatedDateTimeUtc"] = time::format(run.updated).into();
        match &run.progress {
            Progress::Completed { response } => {
                document["outcome"] = json!({"deviceMethodResponse": response});
            }
            Progress::Failed { code, description } => {
                document["error"] = json!({"code": code, "description": description});
            }
            _ => {}
        }
        document
    }
}

fn run_status(run: &Run) -> &'static str {
    match run.progress {
        Progress::Pending => "pending",
        Progress::Running => "running",
        Progress::Completed { .. } => "completed",
        Progress::Failed { .. } => "failed",
        Progress::Canceled => "canceled",
    }
}

/// A job's status by now.
fn status_of(job: &Job, now: Timestamp) -> &'static str {
    match &job.state {
        JobState::Waiting if job.starts <= now => "queued",
        JobState::Waiting => "scheduled",
        JobState::Running { .. } => "running",
        JobState::Ended { end, .. } => end.name(),
    }
}

impl End {
    pub(in crate::hub) fn name(self) -> &'static str {
        match self {
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }
}

/// One job: `JobResponse` of the service's API.
pub(super) fn job(id: &str, job: &Job, now: Timestamp) -> Value {
    let mut document = json!({
        "jobId": id,
        "createdTime": time::format(job.created),
        "startTime": time::format(job.starts),
        "maxExecutionTimeInSeconds": job.max_execution_seconds,
        "type": job.task.name(),
        "queryCondition": job.condition,
        "status": status_of(job, now),
        "deviceJobStatistics": statistics(job),
    });
    match &job.task {
        Task::ScheduleUpdateTwin { twin } => document["updateTwin"] = twin.clone(),
        Task::ScheduleDeviceMethod { method } => document["cloudToDeviceMethod"] = json!(method),
    }
    if let JobState::Ended { at, reason, .. } = &job.state {
        document["endTime"] = time::format(*at).into();
        if let Some(reason) = reason {
            document["failureReason"] = reason.as_str().into();
        }
    }
    document
}

/// The same in a list, where the service calls some fields otherwise; clients read the one name or the other.
fn listed(id: &str, of: &Job, now: Timestamp) -> Value {
    let mut document = job(id, of, now);
    for (name, other) in [
        ("type", "jobType"),
        ("createdTime", "createdDateTimeUtc"),
        ("startTime", "startTimeUtc"),
        ("endTime", "endTimeUtc"),
    ] {
        if let Some(value) = document.get(name).cloned() {
            document[other] = value;
        }
    }
    document
}

/// A job of another kind, of which there is nothing to say here.
pub(super) fn unknown(id: &str) -> Value {
    json!({"jobId": id, "type": "unknown", "status": "unknown"})
}

fn statistics(job: &Job) -> Value {
    let count =
        |is: fn(&Progress) -> bool| job.runs.values().filter(|run| is(&run.progress)).count();
    json!({
        "deviceCount": job.runs.len(),
        "failedCount": count(|progress| matches!(progress, Progress::Failed { .. })),
        "succeededCount": count(|progress| matches!(progress, Progress::Completed { .. })),
        "runningCount": count(|progress| matches!(progress, Progress::Running)),
        "pendingCount": count(|progress| matches!(progress, Progress::Pending)),
    })
}
