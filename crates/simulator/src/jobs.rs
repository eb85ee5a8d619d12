//! Who carries out the hub's jobs: the clock, the calls of methods, and the blobs of import and export.
//!
//! What a job goes through is in `hub::jobs` and `hub::transfers`. Here is one task a hub for all scheduled jobs, and one
//! for the import or export that is under way.
//!
//! **Invariant:** no task runs while no job waits or runs.

mod blobs;
mod transferring;

use std::future::pending;
use std::io;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use futures_util::stream::{FuturesUnordered, StreamExt as _};
use jiff::Timestamp;
use tokio::sync::Notify;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::hub::{Due, Hub};

/// Methods that all jobs of a hub together call at once.
const MOST_CALLS: usize = 100;
/// How long after the journal could not be written jobs are looked at again.
const AFTER_FAILURE: Duration = Duration::from_secs(1);

/// What a hub needs to carry out jobs, and how it is told that there is something to do.
#[derive(Debug, Default)]
pub(crate) struct Workshop {
    /// A job has come, or has been cancelled.
    changed: Notify,
    /// Nobody in tests without sockets, which carry jobs out themselves.
    staff: OnceLock<Staff>,
}

/// Where tasks are kept, when they have to end, and whom to trust beside what this machine trusts.
#[derive(Debug)]
pub(crate) struct Staff {
    pub(crate) tasks: TaskTracker,
    pub(crate) stop: CancellationToken,
    pub(crate) authority_pem: String,
}

impl Workshop {
    pub(crate) fn notify_one(&self) {
        self.changed.notify_one();
    }
}

impl Hub {
    /// From here on jobs are carried out; those that a restart interrupted go on. Once that is so, it only has them looked
    /// at anew: another state may have come.
    ///
    /// # Errors
    /// When the journal cannot be written.
    pub(crate) fn employ(self: &Arc<Self>, staff: Staff) -> io::Result<()> {
        if self.work.staff.get().is_none() {
            self.resume_jobs(Timestamp::now())?;
            // Nobody else is starting this hub.
            let _ = self.work.staff.set(staff);
        }
        self.work_on_jobs();
        self.work_on_transfer();
        Ok(())
    }

    /// There is something to do, or may be.
    pub(crate) fn work_on_jobs(self: &Arc<Self>) {
        self.work.changed.notify_one();
        let Some(staff) = self.work.staff.get() else {
            return;
        };
        if self.begin_work() {
            let work = work(self.clone(), staff.stop.clone());
            staff.tasks.spawn(work);
        }
    }

    /// An import or export waits, or may.
    pub(crate) fn work_on_transfer(self: &Arc<Self>) {
        let Some(staff) = self.work.staff.get() else {
            return;
        };
        if self.begin_transfers() {
            let (hub, authority_pem) = (self.clone(), staff.authority_pem.clone());
            let stop = staff.stop.clone();
            staff.tasks.spawn(async move {
                tokio::select! {
                    () = stop.cancelled() => {}
                    () = transferring::work(&hub, &authority_pem) => {}
                }
            });
        }
    }
}

/// Carries out scheduled jobs until there are none that wait or run.
pub(crate) async fn work(hub: Arc<Hub>, stop: CancellationToken) {
    let mut calls = FuturesUnordered::new();
    loop {
        let free = MOST_CALLS - calls.len();
        let due = hub.jobs_due(Timestamp::now(), free, !calls.is_empty());
        let again = match due {
            Ok(Due { calls: next, again }) => {
                calls.extend(next.into_iter().map(|call| {
                    let hub = hub.clone();
                    async move { hub.call_for_job(&call).await }
                }));
                again
            }
            // The clock's own work says so in the log.
            Err(_) => Some(AFTER_FAILURE),
        };
        if again.is_none() && calls.is_empty() {
            return;
        }
        if again == Some(Duration::ZERO) {
            hub.give_way().await;
        }
        let wait = async {
            match again {
                Some(wait) => sleep(wait).await,
                None => pending().await,
            }
        };
        tokio::select! {
            () = stop.cancelled() => return,
            () = hub.work.changed.notified() => {}
            Some(()) = calls.next(), if !calls.is_empty() => {}
            () = wait => {}
        }
    }
}
