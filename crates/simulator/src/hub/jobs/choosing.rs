//! Which jobs begin, and which devices they are for. Those are looked for when a job begins, a slice of time at a time.

use std::ops::ControlFlow;

use jiff::Timestamp;
use query::{Collection, Query};

use super::{Core, MOST_ACTIVE};
use crate::hub::query::TwinView;
use crate::hub::walking::behind;
use crate::registry::{End, JobState, Progress};

/// The devices of a job that is about to begin, as far as they have been looked for.
#[derive(Debug)]
pub(super) struct Choice {
    pub(super) job: String,
    condition: Query,
    /// The last one that was looked at.
    seen: Option<String>,
    found: Vec<String>,
}

impl Choice {
    fn new(job: &str, condition: Query) -> Self {
        Self {
            job: job.to_owned(),
            condition,
            seen: None,
            found: Vec::new(),
        }
    }
}

impl Core {
    /// Begins jobs that are due, the one that has waited longest first; says whether the devices of one are still looked
    /// for.
    pub(super) fn begin_jobs(&mut self, now: Timestamp) -> bool {
        let jobs = &self.registry.jobs;
        let running = jobs.values().filter(|job| job.deadline().is_some()).count();
        let choice = self.jobs.choice.as_ref();
        let is_begun = |id: &String| choice.is_some_and(|choice| choice.job == *id);
        let mut due: Vec<_> = jobs
            .iter()
            .filter(|(_, job)| job.state == JobState::Waiting && job.starts <= now)
            .map(|(id, job)| (!is_begun(id), job.starts, id))
            .collect();
        due.sort();
        let free = MOST_ACTIVE.saturating_sub(running);
        let due: Vec<String> = due
            .into_iter()
            .map(|(.., id)| id.clone())
            .take(free)
            .collect();
        for id in due {
            let Some(choice) = self.choice_for(&id, now) else {
                continue;
            };
            match self.choose(choice) {
                Ok(devices) => self.begin_job(&id, devices, now),
                Err(choice) => {
                    self.jobs.choice = Some(choice);
                    return true;
                }
            }
        }
        false
    }

    /// The choice of a job's devices, begun or new. A condition that cannot be read ends the job.
    fn choice_for(&mut self, id: &str, now: Timestamp) -> Option<Box<Choice>> {
        if let Some(choice) = self.jobs.choice.take_if(|choice| choice.job == id) {
            return Some(choice);
        }
        let job = self.registry.jobs.get(id)?;
        // It was understood when the job was made.
        match Query::parse_condition(&job.condition, Collection::DEVICES) {
            Ok(condition) => Some(Box::new(Choice::new(id, condition))),
            Err(error) => {
                let reason = Some(format!("queryCondition is not valid: {error}"));
                self.end_job(id, End::Failed, reason, Progress::Canceled, now);
                None
            }
        }
    }

    /// Looks for a job's devices for a slice of time: all of them, or the choice as far as it is.
    fn choose(&self, mut choice: Box<Choice>) -> Result<Vec<String>, Box<Choice>> {
        let Choice {
            condition,
            seen,
            found,
            ..
        } = &mut *choice;
        let condition: &Query = condition;
        let goes_on = self.walk(Some(condition), behind(seen.as_deref()), |id, device| {
            if condition.matches(&TwinView::of_device(self, id, device)) {
                found.push(id.to_owned());
            }
            ControlFlow::Continue(())
        });
        if goes_on.is_none() {
            return Ok(choice.found);
        }
        choice.seen = goes_on;
        Err(choice)
    }
}
