//! What can be told of a device to whoever may ask: the portal, the method `status`, the log.
//!
//! **Invariant:** nothing secret is in here. There is no field that could hold a key.

use bay::message::{ChangeKind, ChangeReport, IdentityReport, Mode, Step, TestReport};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// How many of the newest errors are shown.
pub const ERRORS_SHOWN: usize = 10;

/// All there is to know of a device's identity, at one moment.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct View {
    /// Who the device is.
    #[serde(flatten)]
    pub identity: IdentityReport,
    /// The provisioning service it registers with, as the configuration has it.
    pub global_endpoint: Option<String>,
    /// Why there is no serial number, and what to do about it.
    pub no_serial: Option<String>,
    /// Whether the hub is within reach.
    pub link: LinkState,
    /// The change in progress.
    pub change: Option<ChangeProgress>,
    /// How the last change went.
    pub last_change: Option<ChangeReport>,
    /// What went wrong lately, newest first; at most [`ERRORS_SHOWN`].
    pub errors: Vec<Trouble>,
    /// Whether the parts are being tested now.
    pub testing: bool,
    /// What the parts said when they were tested last.
    pub test: Option<TestReport>,
    /// What the device waits for, if it can do nothing by itself.
    pub waits_for: Option<WaitsFor>,
    /// A claim through another device, waiting for a person to approve it.
    pub sign_in: Option<SignIn>,
    /// Whether a claim can be started that way.
    pub can_sign_in: bool,
}

impl View {
    /// The mode in short.
    pub fn mode(&self) -> Mode {
        self.identity.mode
    }
}

/// Whether the hub is within reach.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "camelCase")]
pub enum LinkState {
    /// Nobody here knows: there is no identity, or the Edge runtime has not told yet.
    #[default]
    Unknown,
    /// An attempt is being made.
    Connecting,
    /// There is a link.
    Connected {
        /// Since when.
        since: Timestamp,
    },
    /// There is none.
    Down {
        /// Why, as a sentence.
        why: String,
        /// Since when.
        since: Timestamp,
    },
}

/// A change of identity under way.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ChangeProgress {
    /// What was asked for.
    pub kind: ChangeKind,
    /// What the device becomes.
    pub registration_id: String,
    /// In which scope.
    pub id_scope: String,
    /// When it was asked for.
    pub started_at: Timestamp,
    /// Every step, in order.
    pub steps: Vec<StepProgress>,
}

/// One step of a change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StepProgress {
    /// Which step.
    pub step: Step,
    /// How far it is.
    pub state: StepState,
    /// How long it took, once it is over.
    pub took_ms: Option<u64>,
    /// Why it failed, or what there is to say about it.
    pub message: Option<String>,
}

/// How far a step is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum StepState {
    /// It has not begun.
    Waiting,
    /// It is being done.
    Running,
    /// It was done.
    Done,
    /// It failed.
    Failed,
}

impl StepState {
    /// The word on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Running => "running",
            Self::Done => "done",
            Self::Failed => "failed",
        }
    }
}

/// Something that went wrong.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Trouble {
    /// When.
    pub at: Timestamp,
    /// In which step of a change, if in one.
    pub step: Option<Step>,
    /// What, as a sentence.
    pub message: String,
}

/// What a device waits for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "camelCase")]
pub enum WaitsFor {
    /// Somebody who claims it: by the portal, an identity file, or from elsewhere.
    Claim,
    /// The next attempt to take its first identity.
    Retry {
        /// When it comes.
        at: Timestamp,
    },
    /// The machine to restart.
    Restart,
    /// The Edge runtime to come up with the new identity.
    Confirmation,
}

/// A claim through another device (OAuth 2.0 device flow, RFC 8628).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SignIn {
    /// What the person types in there.
    pub user_code: String,
    /// Where the person goes.
    pub verification_uri: String,
    /// The same with the code in it, for a link or a picture, where the service gives one.
    pub verification_uri_complete: Option<String>,
    /// When the code is worth nothing any more.
    pub expires_at: Timestamp,
}
