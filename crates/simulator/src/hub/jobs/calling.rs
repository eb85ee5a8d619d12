//! A job's method and one device.

use hub_proto::error::ErrorCode;
use hub_proto::identity::Identity;
use jiff::Timestamp;
use std::time::Duration;
use tokio::time::timeout;

use super::agenda::{failed, too_late};
use super::{Call, Core, Hub};
use crate::hub::{Caller, InvokeError};
use crate::registry::{JobStep, Progress};
use crate::with_causes;

impl Hub {
    /// Calls a job's method on a device, and keeps what came of it.
    pub(crate) async fn call_for_job(&self, call: &Call) {
        let progress = self.call_device(call).await;
        let mut core = self.lock();
        if !core.jobs.has(call) {
            // Another state has taken the place of the one that it belongs to.
            return;
        }
        let now = Timestamp::now();
        core.end_run(&call.job, &call.device, progress, now);
        core.end_done_jobs(now);
        if let Err(error) = self.commit(&mut core) {
            // It stays staged, and is written when the journal can be.
            tracing::warn!(%error, job = call.job, device = call.device, "what came of a job's method is not kept yet");
        }
    }

    async fn call_device(&self, call: &Call) -> Progress {
        let target = match Identity::device(call.device.as_str()) {
            Ok(target) => target,
            Err(error) => return failed(ErrorCode::ArgumentInvalid, &error.to_string()),
        };
        let left = call.deadline.duration_since(Timestamp::now());
        let left = Duration::try_from(left).unwrap_or_default();
        let may =
            |core: &mut Core| core.begin_run(call, Timestamp::now()) && self.commit(core).is_ok();
        let answered = self.invoke_if(&target, &call.request, Caller::Cloud, may);
        match timeout(left, answered).await {
            Ok(Ok(response)) => Progress::Completed {
                response: Some(response),
            },
            Ok(Err(InvokeError::Withdrawn)) => Progress::Canceled,
            Ok(Err(error)) => failed(error.code(), &with_causes(&error)),
            Err(_) => {
                let core = self.lock();
                let job = core.registry.jobs.get(&call.job);
                let seconds = job.map_or(0, |job| job.max_execution_seconds);
                failed(ErrorCode::GenericTimeout, &too_late(seconds))
            }
        }
    }
}

impl Core {
    /// Writes down that a device is about to be called; says whether it may still be.
    fn begin_run(&mut self, call: &Call, now: Timestamp) -> bool {
        let Call { job, device, .. } = call;
        let known = self.registry.jobs.get(job).filter(|_| self.jobs.has(call));
        let may = known.is_some_and(|known| {
            let run = known.runs.get(device);
            known.deadline().is_some() && run.is_some_and(|run| run.progress == Progress::Pending)
        });
        if may {
            let device = device.clone();
            self.step_job(job, JobStep::RunBegun { device, at: now });
        }
        may
    }
}
