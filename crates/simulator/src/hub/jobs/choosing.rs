//! Which devices a job is for. They are looked for when it begins, a slice of time at a time.

use std::ops::ControlFlow;

use query::Query;

use super::Core;
use crate::hub::query::TwinView;
use crate::hub::walking::behind;

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
    pub(super) fn new(job: &str, condition: Query) -> Self {
        Self {
            job: job.to_owned(),
            condition,
            seen: None,
            found: Vec::new(),
        }
    }
}

impl Core {
    /// Looks for a job's devices for a slice of time: all of them, or the choice as far as it is.
    pub(super) fn choose(&self, mut choice: Box<Choice>) -> Result<Vec<String>, Box<Choice>> {
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
