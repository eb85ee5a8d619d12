//! Jobs that import devices from a container of blobs, or export them to one.
//!
//! What a job goes through is here; `crate::jobs` moves the blobs. Lines of an import are done in small groups, each of
//! which is one frame of the journal together with how far the import has come.
//!
//! **Invariant:** no line of an import is done twice, whenever the hub is killed, and whatever state takes the place of
//! another.

mod exporting;
mod importing;

use std::io;
use std::sync::Arc;

use hub_proto::time;
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

pub(crate) use importing::{
    ConfigurationImport, DeviceImport, ImportStep, Line, Lines, PutWhen, Unreadable,
};

use super::jobs::JobFault;
use super::{Core, Hub};
use crate::change::Change;
use crate::registry::{Direction, End, Transfer, TransferState, TransferStep};

/// The transfer that somebody carries out.
#[derive(Debug)]
pub(crate) struct Errand {
    pub(crate) id: String,
    pub(crate) transfer: Transfer,
    /// Cancelled, under the hub's lock, once nothing may come of it any more: the transfer is over, or another state has
    /// taken the place of the one that it belongs to.
    pub(crate) over: CancellationToken,
}

impl Hub {
    /// Takes a job on that imports or exports devices; one at a time, as documented.
    ///
    /// # Errors
    /// When another is not over yet.
    pub(crate) fn enqueue_transfer(
        self: &Arc<Self>,
        transfer: Transfer,
    ) -> Result<Value, JobFault> {
        let id = uuid::Uuid::new_v4().to_string();
        let mut core = self.lock();
        if core.open_transfer().is_some() {
            return Err(JobFault::Quota);
        }
        let shown = document(&id, &transfer);
        let transfer = Box::new(transfer);
        core.step_transfer(&id, TransferStep::Enqueued { transfer });
        self.commit(&mut core).map_err(JobFault::Journal)?;
        drop(core);
        self.work_on_transfer();
        Ok(shown)
    }

    /// One such job.
    ///
    /// # Errors
    /// When there is none of that id.
    pub(crate) fn transfer(&self, id: &str) -> Result<Value, JobFault> {
        let core = self.lock_kept().map_err(JobFault::Journal)?;
        let found = core.registry.transfers.get(id);
        found
            .map(|found| document(id, found))
            .ok_or_else(|| JobFault::NotFound(id.to_owned()))
    }

    /// Every such job, the newest first.
    ///
    /// # Errors
    /// When the journal cannot be written.
    pub(crate) fn transfers(&self) -> io::Result<Vec<Value>> {
        let core = self.lock_kept()?;
        let mut found: Vec<_> = core.registry.transfers.iter().collect();
        found.sort_by_key(|(_, transfer)| std::cmp::Reverse(transfer.created));
        Ok(found
            .into_iter()
            .map(|(id, found)| document(id, found))
            .collect())
    }

    /// Cancels such a job: what it has done stays. One that is over stays as it is.
    ///
    /// # Errors
    /// When there is none of that id.
    pub(crate) fn cancel_transfer(&self, id: &str) -> Result<(), JobFault> {
        let mut core = self.lock();
        if !core.registry.transfers.contains_key(id) {
            return Err(JobFault::NotFound(id.to_owned()));
        }
        core.end_transfer(id, End::Cancelled, None, Timestamp::now());
        self.commit(&mut core).map_err(JobFault::Journal)
    }

    /// Whether somebody has to begin with the transfers: one is open, and nobody carries it out. It is theirs then.
    pub(crate) fn begin_transfers(&self) -> bool {
        let mut core = self.lock();
        let begins = core.errand.is_none() && core.open_transfer().is_some();
        if begins {
            core.errand = Some(CancellationToken::new());
        }
        begins
    }

    /// What whoever carries transfers out has to do next, and says that it is under way. With nothing they are done.
    pub(crate) fn next_errand(&self) -> Option<Errand> {
        let mut core = self.lock();
        core.errand = None;
        let (id, transfer) = core.open_transfer()?;
        let (id, transfer) = (id.clone(), transfer.clone());
        let over = CancellationToken::new();
        core.errand = Some(over.clone());
        if transfer.state == TransferState::Enqueued {
            core.step_transfer(&id, TransferStep::Begun);
            self.keep_transfer(&mut core);
        }
        Some(Errand { id, transfer, over })
    }

    /// It is over, unless nothing may come of it any more.
    pub(crate) fn end_errand(&self, errand: &Errand, end: End, reason: Option<String>) {
        let mut core = self.lock();
        if !errand.over.is_cancelled() {
            core.end_transfer(&errand.id, end, reason, Timestamp::now());
            self.keep_transfer(&mut core);
        }
    }

    /// What is staged stays so until the journal can be written, and nobody is told of it before.
    fn keep_transfer(&self, core: &mut Core) {
        if let Err(error) = self.commit(core) {
            tracing::warn!(%error, "how far a job has come is not kept yet");
        }
    }
}

impl Core {
    pub(super) fn step_transfer(&mut self, id: &str, step: TransferStep) {
        self.record(Change::Transfer {
            id: id.to_owned(),
            step,
        });
    }

    /// The one that is not over, if there is one.
    fn open_transfer(&self) -> Option<(&String, &Transfer)> {
        let mut transfers = self.registry.transfers.iter();
        transfers.find(|(_, transfer)| transfer.ended().is_none())
    }

    fn end_transfer(&mut self, id: &str, end: End, reason: Option<String>, at: Timestamp) {
        let open = self.registry.transfers.get(id);
        if open.is_some_and(|transfer| transfer.ended().is_none()) {
            self.step_transfer(id, TransferStep::Ended { end, at, reason });
            self.call_errand_off();
        }
    }

    /// Nothing comes any more of what somebody carries out, who is to look for what is next.
    pub(super) fn call_errand_off(&self) {
        if let Some(over) = &self.errand {
            over.cancel();
        }
    }
}

/// `JobProperties` of the service's API. The signatures of containers are not repeated.
fn document(id: &str, transfer: &Transfer) -> Value {
    let (status, ended, reason) = match &transfer.state {
        TransferState::Enqueued => ("enqueued", None, None),
        TransferState::Running => ("running", None, None),
        TransferState::Ended { end, at, reason } => (end.name(), Some(at), reason.as_deref()),
    };
    let mut document = json!({
        "jobId": id,
        "startTimeUtc": time::format(transfer.created),
        "endTimeUtc": ended.map(|at| time::format(*at)),
        "type": "export",
        "status": status,
        "progress": percentage(transfer),
        "outputBlobContainerUri": transfer.output.shown(),
        "storageAuthenticationType": "keyBased",
        "includeConfigurations": transfer.configurations_blob.is_some(),
        "configurationsBlobName": transfer.configurations_blob,
        "failureReason": reason,
    });
    match &transfer.direction {
        Direction::Export { exclude_keys } => {
            document["excludeKeysInExport"] = (*exclude_keys).into();
            document["outputBlobName"] = transfer.devices_blob.as_str().into();
        }
        Direction::Import { input, .. } => {
            document["type"] = "import".into();
            document["excludeKeysInExport"] = false.into();
            document["inputBlobContainerUri"] = input.shown().into();
            document["inputBlobName"] = transfer.devices_blob.as_str().into();
        }
    }
    document
}

/// How much of it is done, in per cent.
fn percentage(transfer: &Transfer) -> usize {
    match (&transfer.state, &transfer.direction) {
        (
            TransferState::Ended {
                end: End::Completed,
                ..
            },
            _,
        ) => 100,
        (_, Direction::Import { progress, .. }) if progress.of > 0 => {
            // Only the end is the whole: the log of errors is still to be written.
            (progress.lines * 100 / progress.of).min(99)
        }
        _ => 0,
    }
}
