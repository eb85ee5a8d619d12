//! What goes into the machine, and what comes out of it.

use bay::message::{ChangeAnswer, ChangeKind, ChangeReport, Step};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::desk::Refusal;
use crate::edge_config::DpsIdentity;

/// The identity in the Edge configuration.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Current {
    /// None.
    #[default]
    None,
    /// A registration by symmetric key.
    Dps(DpsIdentity),
    /// Another kind: a connection string, a certificate.
    Other,
}

/// Where the provisioning service put a registration.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Assigned {
    /// The hub's host name.
    pub hub: String,
    /// What that hub knows the device as.
    pub device_id: String,
}

/// Why a step failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// As in HTTP, for whoever asked.
    pub status: u16,
    /// Why, as a word.
    pub reason: &'static str,
    /// Why, as a sentence that says what to do. It never holds a key.
    pub message: String,
}

/// What is to be done next, each time with what has been decided so far already noted.
#[derive(Clone, Debug, PartialEq)]
pub enum Output {
    /// Open the journal, and see whether the configuration can be changed at all; then
    /// [`Identity::handle_done`](super::Identity::handle_done) with [`Step::Check`].
    Begin(ChangeKind, DpsIdentity),
    /// Register, then [`Identity::handle_registered`](super::Identity::handle_registered).
    Register(DpsIdentity),
    /// Connect once as the device, then [`Identity::handle_done`](super::Identity::handle_done) with [`Step::Connect`].
    Connect(DpsIdentity, Assigned),
    /// Keep the configuration as it is, then [`Identity::handle_done`](super::Identity::handle_done) with [`Step::Backup`].
    Backup,
    /// Put the new configuration in its place, then [`Identity::handle_done`](super::Identity::handle_done) with [`Step::Write`].
    Write(DpsIdentity),
    /// Tell whoever asked. After a success, [`Identity::handle_done`](super::Identity::handle_done) with [`Step::Answer`].
    Answer(Result<ChangeAnswer, Refusal>),
    /// Have the runtime take the configuration, then [`Identity::handle_done`](super::Identity::handle_done) with [`Step::Apply`].
    Apply,
    /// Restart the machine, then [`Identity::handle_done`](super::Identity::handle_done) with [`Step::Reboot`], or nothing if it comes.
    Reboot,
    /// Look whether the configuration in place is the new one, then [`Identity::handle_done`](super::Identity::handle_done) with
    /// [`Step::Confirm`].
    Confirm {
        /// The new identity.
        identity: DpsIdentity,
        /// The identity to come back to at a reset, where this change decides that: to be kept first.
        stock: Option<DpsIdentity>,
    },
    /// Put back what was there, then [`Identity::handle_undone`](super::Identity::handle_undone).
    Undo(Undo),
    /// Note how the change ended.
    Ended(ChangeReport),
}

/// What a failed change has to put back.
#[derive(Clone, Debug, PartialEq)]
pub struct Undo {
    /// The old configuration may have been replaced.
    pub restore: bool,
    /// The runtime may have taken the new one.
    pub reapply: bool,
    /// The old registration has the same id, so the hub may have been given the new key for the device:
    /// registering again with the old key gives it that one back.
    pub register_again: Option<DpsIdentity>,
}

/// What became of a request.
#[derive(Clone, Debug, PartialEq)]
pub enum Reception {
    /// It is being worked on: [`Output::Answer`] has the answer.
    Waits,
    /// Nothing more has to be done.
    Answered(ChangeAnswer),
}

/// A change that a restart came upon after its configuration was written.
#[derive(Clone, Debug)]
pub struct Interrupted {
    /// What was asked for.
    pub kind: ChangeKind,
    /// The new identity.
    pub target: DpsIdentity,
    /// The identity the device had, by its backup.
    pub previous: Current,
    /// Where it was assigned.
    pub assigned: Option<Assigned>,
    /// The step to go on with: apply, reboot or confirm.
    pub resume: Step,
    /// Whether it has restarted already.
    pub restarted: bool,
    /// When it was asked for.
    pub started_at: Timestamp,
    /// Whether nobody had asked for this restart.
    pub unasked: bool,
}

impl Failure {
    /// A failure that is told with this status, word and sentence.
    pub fn new(status: u16, reason: &'static str, message: impl Into<String>) -> Self {
        Self {
            status,
            reason,
            message: message.into(),
        }
    }
}
