//! What is to be done next: which jobs begin, which devices have their turns, and which jobs are over.

use std::collections::{BTreeMap, HashSet, VecDeque};
use std::io;
use std::time::Duration;

use hub_proto::error::ErrorCode;
use hub_proto::identity::Identity;
use hub_proto::method::MethodRequest;
use jiff::Timestamp;
use serde_json::Value;

use super::choosing::Choice;
use super::{Core, Hub, MOST_ACTIVE};
use crate::precondition::Precondition;
use crate::registry::{End, JobState, JobStep, Progress, Task};
use crate::with_causes;

/// Twins that are changed before others have their turn at the hub: about a millisecond of the lock.
const TWINS_AT_ONCE: usize = 32;
/// The clock may be set meanwhile, so that nobody sleeps for longer.
const LONGEST_SLEEP: Duration = Duration::from_secs(60);

/// Devices that jobs have still to do. In memory only: the registry says the same, but not what comes next.
#[derive(Debug, Default)]
pub(crate) struct Agenda {
    /// Whether somebody carries jobs out.
    pub(in crate::hub) at_work: bool,
    /// Tells it from those of states that this one took the place of: their calls may still be under way.
    number: u64,
    /// That of the job which is about to begin.
    pub(super) choice: Option<Box<Choice>>,
    /// By job.
    open: BTreeMap<String, Open>,
}

/// A job that is running.
#[derive(Debug, Default)]
struct Open {
    waiting: VecDeque<String>,
    /// Devices whose turn it is.
    called: HashSet<String>,
}

/// A method that a job calls.
#[derive(Debug)]
pub(crate) struct Call {
    /// The agenda that it was on.
    agenda: u64,
    pub(crate) job: String,
    pub(crate) device: String,
    pub(crate) request: MethodRequest,
    /// When the job is over, answered or not.
    pub(crate) deadline: Timestamp,
}

/// What has come due.
#[derive(Debug)]
pub(crate) struct Due {
    /// To be made now.
    pub(crate) calls: Vec<Call>,
    /// When to ask again at the latest; nothing when there is no job that waits or runs.
    pub(crate) again: Option<Duration>,
}

impl Hub {
    /// Does what is due by now, and says what else is: at most `most` calls of methods.
    ///
    /// # Errors
    /// When the journal cannot be written.
    pub(crate) fn jobs_due(&self, now: Timestamp, most: usize, calling: bool) -> io::Result<Due> {
        let mut core = self.lock();
        core.end_late_jobs(now);
        let choosing = core.begin_jobs(now);
        let patching = core.patch_twins(now);
        let calls = core.next_calls(most);
        core.end_done_jobs(now);
        if let Err(error) = self.commit(&mut core) {
            for call in calls {
                core.put_back(&call.job, call.device);
            }
            return Err(error);
        }
        let again = if choosing || patching {
            Some(Duration::ZERO)
        } else {
            core.next_job_moment(now)
        };
        if again.is_none() && calls.is_empty() && !calling {
            core.jobs.at_work = false;
        }
        Ok(Due { calls, again })
    }

    /// Goes on after a restart. A method that was called and whose answer nobody was there to hear is not called again.
    ///
    /// # Errors
    /// When the journal cannot be written.
    pub(crate) fn resume_jobs(&self, now: Timestamp) -> io::Result<()> {
        let mut core = self.lock();
        core.resume_jobs(now);
        self.commit(&mut core)
    }
}

impl Hub {
    /// Whether somebody has to begin with the jobs: there is something to do, and nobody does it. It is theirs then.
    pub(crate) fn begin_work(&self) -> bool {
        let mut core = self.lock();
        let idle = core.next_job_moment(Timestamp::now()).is_none();
        !idle && !std::mem::replace(&mut core.jobs.at_work, true)
    }
}

impl Agenda {
    /// An empty one for another state, in the hands of whoever carries jobs out now.
    pub(in crate::hub) fn next(&self) -> Self {
        Self {
            at_work: self.at_work,
            number: self.number + 1,
            ..Self::default()
        }
    }

    /// Whether a call is on this one.
    pub(super) fn has(&self, call: &Call) -> bool {
        call.agenda == self.number
    }

    pub(super) fn forget(&mut self, job: &str) {
        self.open.remove(job);
        self.choice.take_if(|choice| choice.job == job);
    }

    /// A device has had its turn.
    pub(super) fn done(&mut self, job: &str, device: &str) {
        if let Some(open) = self.open.get_mut(job) {
            open.called.remove(device);
        }
    }
}

impl Core {
    /// Goes on with what this state says is under way, which nobody here has begun.
    pub(in crate::hub) fn resume_jobs(&mut self, now: Timestamp) {
        let mut cut_off = Vec::new();
        for (id, job) in &self.registry.jobs {
            if !matches!(job.state, JobState::Running { .. }) {
                // A job that was cancelled may have left calls behind, too.
                let calls = job.runs.iter();
                let calls = calls.filter(|(_, run)| run.progress == Progress::Running);
                cut_off.extend(calls.map(|(device, _)| (id.clone(), device.clone())));
                continue;
            }
            let mut open = Open::default();
            for (device, run) in &job.runs {
                match run.progress {
                    Progress::Pending => open.waiting.push_back(device.clone()),
                    Progress::Running => cut_off.push((id.clone(), device.clone())),
                    _ => {}
                }
            }
            self.jobs.open.insert(id.clone(), open);
        }
        for (job, device) in cut_off {
            let description = "The hub was restarted before the device had answered. The method may have been \
                               carried out, and is not called again.";
            let progress = failed(ErrorCode::ServerError, description);
            self.end_run(&job, &device, progress, now);
        }
    }

    /// Ends jobs that have taken as long as they may.
    fn end_late_jobs(&mut self, now: Timestamp) {
        let jobs = self.registry.jobs.iter();
        let late: Vec<(String, u64)> = jobs
            .filter(|(_, job)| job.deadline().is_some_and(|deadline| deadline <= now))
            .map(|(id, job)| (id.clone(), job.max_execution_seconds))
            .collect();
        for (id, seconds) in late {
            let rest = failed(ErrorCode::GenericTimeout, &too_late(seconds));
            self.end_job(&id, End::Completed, None, rest, now);
        }
    }

    pub(super) fn begin_job(&mut self, id: &str, devices: Vec<String>, now: Timestamp) {
        let open = Open {
            waiting: devices.iter().cloned().collect(),
            called: HashSet::new(),
        };
        self.jobs.open.insert(id.to_owned(), open);
        self.step_job(id, JobStep::Begun { devices, at: now });
    }

    /// Patches some of the twins that jobs are for; says whether others wait.
    fn patch_twins(&mut self, now: Timestamp) -> bool {
        let mut left = TWINS_AT_ONCE;
        let ids: Vec<String> = self.jobs.open.keys().cloned().collect();
        for id in ids {
            let Some(Task::ScheduleUpdateTwin { twin }) =
                self.registry.jobs.get(&id).map(|job| job.task.clone())
            else {
                continue;
            };
            while let Some(device) = self.next_device(&id) {
                if left == 0 {
                    self.put_back(&id, device);
                    return true;
                }
                left -= 1;
                self.patch_twin(&id, &device, twin.clone(), now);
            }
        }
        false
    }

    fn patch_twin(&mut self, job: &str, device: &str, twin: Value, now: Timestamp) {
        self.together(|core| {
            let progress = match Identity::device(device) {
                Ok(target) => {
                    match core.update_twin_when(&target, twin, false, Precondition::Present) {
                        Ok(()) => Progress::Completed { response: None },
                        Err(fault) => failed(fault.code(), &with_causes(&fault)),
                    }
                }
                Err(error) => failed(ErrorCode::ArgumentInvalid, &error.to_string()),
            };
            core.end_run(job, device, progress, now);
        });
    }

    /// Methods that can be called now, of each job in turn.
    fn next_calls(&mut self, most: usize) -> Vec<Call> {
        let mut calls = Vec::new();
        let ids: Vec<String> = self.jobs.open.keys().cloned().collect();
        let mut any = true;
        while any && calls.len() < most {
            any = false;
            for id in &ids {
                let Some(job) = self.registry.jobs.get(id) else {
                    continue;
                };
                let (Task::ScheduleDeviceMethod { method }, Some(deadline)) =
                    (&job.task, job.deadline())
                else {
                    continue;
                };
                let request = method.clone();
                if calls.len() == most {
                    break;
                }
                if let Some(device) = self.next_device(id) {
                    any = true;
                    calls.push(Call {
                        agenda: self.jobs.number,
                        job: id.clone(),
                        device,
                        request,
                        deadline,
                    });
                }
            }
        }
        calls
    }

    fn next_device(&mut self, job: &str) -> Option<String> {
        let open = self.jobs.open.get_mut(job)?;
        let device = open.waiting.pop_front()?;
        open.called.insert(device.clone());
        Some(device)
    }

    fn put_back(&mut self, job: &str, device: String) {
        if let Some(open) = self.jobs.open.get_mut(job) {
            open.called.remove(&device);
            open.waiting.push_front(device);
        }
    }

    /// Ends jobs whose devices have all had their turns.
    pub(super) fn end_done_jobs(&mut self, now: Timestamp) {
        let open = self.jobs.open.iter();
        let done: Vec<String> = open
            .filter(|(_, open)| open.waiting.is_empty() && open.called.is_empty())
            .map(|(id, _)| id.clone())
            .collect();
        for id in done {
            self.end_job(&id, End::Completed, None, Progress::Canceled, now);
        }
    }

    /// A device is done with. What comes too late, as after the job was cancelled, changes nothing.
    pub(super) fn end_run(&mut self, job: &str, device: &str, progress: Progress, now: Timestamp) {
        self.jobs.done(job, device);
        let run = |core: &Self| {
            Some(
                core.registry
                    .jobs
                    .get(job)?
                    .runs
                    .get(device)?
                    .progress
                    .is_open(),
            )
        };
        if run(self) == Some(true) {
            self.step_job(
                job,
                JobStep::RunEnded {
                    device: device.to_owned(),
                    progress: Box::new(progress),
                    at: now,
                },
            );
        }
    }

    /// How long until something is due by the clock; nothing without jobs that wait or run.
    fn next_job_moment(&self, now: Timestamp) -> Option<Duration> {
        let running = self
            .registry
            .jobs
            .values()
            .filter(|job| job.deadline().is_some());
        let is_full = running.count() >= MOST_ACTIVE;
        let moments = self
            .registry
            .jobs
            .values()
            .filter_map(|job| match job.state {
                // One that is due already waits for another to end, and no clock says when.
                JobState::Waiting if job.starts <= now && is_full => Some(now + LONGEST_SLEEP),
                JobState::Waiting => Some(job.starts),
                JobState::Running { .. } => job.deadline(),
                JobState::Ended { .. } => None,
            });
        let next = moments.min()?;
        let wait = Duration::try_from(next.duration_since(now)).unwrap_or_default();
        Some(wait.min(LONGEST_SLEEP))
    }
}

pub(super) fn failed(code: ErrorCode, description: &str) -> Progress {
    Progress::Failed {
        code: code.name().to_owned(),
        description: description.to_owned(),
    }
}

pub(super) fn too_late(seconds: u64) -> String {
    format!("The job has taken the {seconds} s that it may take.")
}
