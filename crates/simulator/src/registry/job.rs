//! Jobs that a service scheduled: what they do, on which devices, and how far they have come.

use std::collections::BTreeMap;
use std::time::Duration;

use hub_proto::method::{MethodRequest, MethodResponse};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Registry;

/// One job, whose id is its name in the registry.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Job {
    pub(crate) task: Task,
    /// Which devices it is for, as the WHERE clause of a query.
    pub(crate) condition: String,
    pub(crate) created: Timestamp,
    /// Not before.
    pub(crate) starts: Timestamp,
    /// How long it may take from the moment it is begun.
    pub(crate) max_execution_seconds: u64,
    pub(crate) state: JobState,
    /// How far each of its devices has come, by id. Empty until the job is begun: only then are they looked for.
    #[serde(default)]
    pub(crate) runs: BTreeMap<String, Run>,
}

/// What a job does on each device.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "camelCase")]
pub(crate) enum Task {
    /// A patch of its twin.
    ScheduleUpdateTwin { twin: Value },
    /// A direct method.
    ScheduleDeviceMethod { method: MethodRequest },
}

/// Where a job is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "camelCase")]
pub(crate) enum JobState {
    /// Waits for its start, or for another job to end.
    Waiting,
    /// Its devices have their turns.
    Running { since: Timestamp },
    /// Over.
    Ended {
        end: End,
        at: Timestamp,
        reason: Option<String>,
    },
}

/// How a job ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum End {
    Completed,
    Failed,
    Cancelled,
}

/// One device's part in a job.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Run {
    pub(crate) progress: Progress,
    /// When it had its turn.
    pub(crate) began: Option<Timestamp>,
    /// When it last changed.
    pub(crate) updated: Timestamp,
}

/// How far a device has come.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "progress", rename_all = "camelCase")]
pub(crate) enum Progress {
    Pending,
    Running,
    Completed {
        /// What the device answered to a method, whatever its status says.
        response: Option<MethodResponse>,
    },
    Failed {
        /// The hub's name for why.
        code: String,
        description: String,
    },
    Canceled,
}

/// One step in the life of a job.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "step", rename_all = "camelCase")]
pub(crate) enum JobStep {
    Scheduled {
        job: Box<Job>,
    },
    /// These are its devices.
    Begun {
        devices: Vec<String>,
        at: Timestamp,
    },
    /// A device's turn has come: what follows may reach it.
    RunBegun {
        device: String,
        at: Timestamp,
    },
    RunEnded {
        device: String,
        progress: Box<Progress>,
        at: Timestamp,
    },
    /// It is over, and who had no turn will have none.
    Ended {
        end: End,
        at: Timestamp,
        reason: Option<String>,
        /// What becomes of those devices.
        rest: Box<Progress>,
    },
    Forgotten,
}

impl Job {
    pub(crate) fn max_execution(&self) -> Duration {
        Duration::from_secs(self.max_execution_seconds)
    }

    /// When it is over at the latest, once it has begun.
    pub(crate) fn deadline(&self) -> Option<Timestamp> {
        match self.state {
            JobState::Running { since } => {
                let deadline = since.checked_add(self.max_execution());
                Some(deadline.unwrap_or(Timestamp::MAX))
            }
            _ => None,
        }
    }

    pub(crate) fn ended(&self) -> Option<Timestamp> {
        match self.state {
            JobState::Ended { at, .. } => Some(at),
            _ => None,
        }
    }
}

impl Task {
    /// As the service's API calls it.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::ScheduleUpdateTwin { .. } => "scheduleUpdateTwin",
            Self::ScheduleDeviceMethod { .. } => "scheduleDeviceMethod",
        }
    }
}

impl Progress {
    /// Whether the device still has something to do.
    pub(crate) fn is_open(&self) -> bool {
        matches!(self, Self::Pending | Self::Running)
    }
}

impl Run {
    fn pending(at: Timestamp) -> Self {
        Self {
            progress: Progress::Pending,
            began: None,
            updated: at,
        }
    }

    fn end(&mut self, progress: Progress, at: Timestamp) {
        self.began.get_or_insert(at);
        self.progress = progress;
        self.updated = at;
    }
}

impl Registry {
    /// Carries out one step. A job or device that is not there is no error: the step then means nothing.
    pub(crate) fn apply_job(&mut self, id: String, step: JobStep) {
        match step {
            JobStep::Scheduled { job } => {
                self.jobs.insert(id, *job);
                return;
            }
            JobStep::Forgotten => {
                self.jobs.remove(&id);
                return;
            }
            _ => {}
        }
        let Some(job) = self.jobs.get_mut(&id) else {
            return;
        };
        match step {
            JobStep::Scheduled { .. } | JobStep::Forgotten => {}
            JobStep::Begun { devices, at } => {
                job.state = JobState::Running { since: at };
                let runs = devices.into_iter().map(|id| (id, Run::pending(at)));
                job.runs = runs.collect();
            }
            JobStep::RunBegun { device, at } => {
                if let Some(run) = job.runs.get_mut(&device) {
                    run.progress = Progress::Running;
                    run.began = Some(at);
                    run.updated = at;
                }
            }
            JobStep::RunEnded {
                device,
                progress,
                at,
            } => {
                if let Some(run) = job.runs.get_mut(&device) {
                    run.end(*progress, at);
                }
            }
            JobStep::Ended {
                end,
                at,
                reason,
                rest,
            } => {
                job.state = JobState::Ended { end, at, reason };
                for run in job.runs.values_mut() {
                    if run.progress == Progress::Pending {
                        run.end((*rest).clone(), at);
                    }
                }
            }
        }
    }
}
