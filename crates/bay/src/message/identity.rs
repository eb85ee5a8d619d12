use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// A symmetric key as it was typed, scanned or sent. It shows itself only through
/// [`SecretText::expose`], and cannot be written into a message.
#[derive(Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct SecretText(String);

impl SecretText {
    /// The text in the clear, for whoever has to check or use it.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl From<String> for SecretText {
    fn from(text: String) -> Self {
        Self(text)
    }
}

impl fmt::Debug for SecretText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretText(redacted)")
    }
}

/// Method `setup`, and what a person enters or scans: which registration to become. Nothing in it
/// is checked yet, so that a checker can name every mistake at once.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SetupRequest {
    /// The id scope of the provisioning service.
    #[serde(default)]
    pub id_scope: String,
    /// The registration id; for a bay, its board's serial number.
    #[serde(default)]
    pub registration_id: String,
    /// The key derived for this registration id: base64, never a group's own.
    #[serde(default)]
    pub symmetric_key: SecretText,
    /// The provisioning service, where it is not the public one: a host, `host:port`, or an https address.
    #[serde(default)]
    pub global_endpoint: Option<String>,
}

/// What identity a device has.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// None: it was imaged and never claimed.
    #[default]
    None,
    /// The one it was claimed with, in which it waits for a project.
    Stock,
    /// A project's.
    Project,
    /// One that was not given through the provisioning service: a connection string, a certificate.
    Other,
}

impl Mode {
    /// The word on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Stock => "stock",
            Self::Project => "project",
            Self::Other => "other",
        }
    }
}

/// What a change of identity was asked for as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ChangeKind {
    /// The first identity, which becomes the stock one.
    Claim,
    /// To a project's identity.
    Setup,
    /// Back to the stock identity.
    Reset,
}

impl ChangeKind {
    /// The word on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Claim => "claim",
            Self::Setup => "setup",
            Self::Reset => "reset",
        }
    }
}

/// The steps of a change of identity, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Step {
    /// Whether the request makes sense.
    Check,
    /// Registers with the provisioning service.
    Register,
    /// Proves that the assigned hub lets the device in.
    Connect,
    /// Keeps the configuration as it is, for the way back.
    Backup,
    /// Puts the new configuration in its place.
    Write,
    /// Tells whoever asked.
    Answer,
    /// Has the Edge runtime take the configuration.
    Apply,
    /// Restarts the machine.
    Reboot,
    /// Finds itself with the new identity.
    Confirm,
}

impl Step {
    /// Every step, in order.
    pub const ALL: [Self; 9] = [
        Self::Check,
        Self::Register,
        Self::Connect,
        Self::Backup,
        Self::Write,
        Self::Answer,
        Self::Apply,
        Self::Reboot,
        Self::Confirm,
    ];

    /// The word on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Check => "check",
            Self::Register => "register",
            Self::Connect => "connect",
            Self::Backup => "backup",
            Self::Write => "write",
            Self::Answer => "answer",
            Self::Apply => "apply",
            Self::Reboot => "reboot",
            Self::Confirm => "confirm",
        }
    }
}

/// How a change of identity went, or goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ChangeOutcome {
    /// It is under way: what is on disk is whole, and a restart finishes it.
    Running,
    /// The device has the new identity.
    Done,
    /// A step failed; the device has the identity it had.
    Failed,
    /// It was cut off before anything was written; the device has the identity it had.
    RolledBack,
}

impl ChangeOutcome {
    /// The word on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::RolledBack => "rolled-back",
        }
    }
}

/// How the last change of identity went.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ChangeReport {
    /// What was asked for.
    pub kind: ChangeKind,
    /// How it went.
    pub outcome: ChangeOutcome,
    /// The step that failed, or the one it is at.
    pub step: Option<Step>,
    /// How it went, as a sentence.
    pub message: String,
    /// When it was asked for.
    pub started_at: Timestamp,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// Whether a restart came in between that nobody had asked for.
    pub interrupted: bool,
}

/// Who a device is, without anything secret: reported property `identity`, and most of `status`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct IdentityReport {
    /// The board's serial number.
    pub serial: Option<String>,
    /// What identity it has.
    pub mode: Mode,
    /// The id scope it is registered in.
    pub id_scope: Option<String>,
    /// What it is registered as.
    pub registration_id: Option<String>,
    /// The hub it was assigned to, where that is known.
    pub hub: Option<String>,
    /// What that hub knows it as.
    pub device_id: Option<String>,
}

/// Output `status` of provisioning, and the answer of its method `getStatus`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct IdentityStatus {
    /// Who the device is.
    #[serde(flatten)]
    pub identity: IdentityReport,
    /// How the last change went, if there ever was one.
    pub change: Option<ChangeReport>,
}

impl IdentityStatus {
    /// The output's name, and its value of the `kind` property.
    pub const OUTPUT: &'static str = "status";
}

/// The answer of `setup` and `reset`, before the device applies what it wrote and restarts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ChangeAnswer {
    /// What was asked for.
    pub kind: ChangeKind,
    /// [`ChangeOutcome::Running`] when the device restarts now, [`ChangeOutcome::Done`] when it had that
    /// identity already.
    pub outcome: ChangeOutcome,
    /// What it becomes.
    pub registration_id: String,
    /// The hub it was assigned to; `null` when nothing had to be asked.
    pub hub: Option<String>,
    /// What that hub knows it as.
    pub device_id: Option<String>,
    /// What happens next, as a sentence.
    pub message: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_those_on_the_wire() {
        fn word(value: impl Serialize) -> String {
            let value = serde_json::to_value(value).expect("a word");
            value.as_str().expect("a text").to_owned()
        }
        for step in Step::ALL {
            assert_eq!(word(step), step.as_str());
        }
        for mode in [Mode::None, Mode::Stock, Mode::Project, Mode::Other] {
            assert_eq!(word(mode), mode.as_str());
        }
        for kind in [ChangeKind::Claim, ChangeKind::Setup, ChangeKind::Reset] {
            assert_eq!(word(kind), kind.as_str());
        }
        for outcome in [
            ChangeOutcome::Running,
            ChangeOutcome::Done,
            ChangeOutcome::Failed,
            ChangeOutcome::RolledBack,
        ] {
            assert_eq!(word(outcome), outcome.as_str());
        }
    }

    #[test]
    fn a_key_does_not_show_itself() {
        let body = r#"{"idScope":"0ne1","registrationId":"r","symmetricKey":"c2VjcmV0"}"#;
        let request: SetupRequest = serde_json::from_str(body).expect("a request");

        assert_eq!(request.symmetric_key.expose(), "c2VjcmV0");
        assert!(!format!("{request:?}").contains("c2VjcmV0"));
    }
}
