//! One device's way through an order, told the time: which question to ask next, and what an answer means.
//!
//! ```text
//! picked ─► enrolled ─► sent ─► restarting ─► joined
//!    │          │         │          │
//!    └──────────┴─────────┴──────────┴──► failed, cancelled
//! ```
//!
//! The question is the same from `enrolled` on: "become that". A device that is that already says so, and only then has
//! it joined; so an answer that was lost, a restart in between, or a service that was killed costs one more question and
//! nothing else.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What an order does with its devices.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum OrderKind {
    /// Takes them from stock to a project.
    Assign,
    /// Gives them new keys in the project they are in.
    Rekey,
    /// Gives them back to stock.
    Return,
}

impl OrderKind {
    /// The word in the database.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Assign => "assign",
            Self::Rekey => "rekey",
            Self::Return => "return",
        }
    }

    /// What the word means; an unknown one is taken for what changes nothing by itself.
    #[must_use]
    pub fn of(word: &str) -> Self {
        match word {
            "assign" => Self::Assign,
            "rekey" => Self::Rekey,
            _ => Self::Return,
        }
    }
}

/// How far a device is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum LineState {
    /// It was chosen and is held for this order.
    Picked,
    /// Its enrolment is there; the device was not reached yet.
    Enrolled,
    /// It was told, and whether it heard is not known.
    Sent,
    /// It took its new identity and restarts.
    Restarting,
    /// It is what it was to become, and has said so.
    Joined,
    /// It was given up.
    Failed,
    /// The order was cancelled before the device was done.
    Cancelled,
}

const WORDS: [(LineState, &str); 7] = [
    (LineState::Picked, "picked"),
    (LineState::Enrolled, "enrolled"),
    (LineState::Sent, "sent"),
    (LineState::Restarting, "restarting"),
    (LineState::Joined, "joined"),
    (LineState::Failed, "failed"),
    (LineState::Cancelled, "cancelled"),
];

impl LineState {
    /// The word in the database and on the wire.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        WORDS
            .iter()
            .find(|(state, _)| *state == self)
            .map_or("failed", |(_, word)| word)
    }

    /// What the word means.
    #[must_use]
    pub fn of(word: &str) -> Self {
        WORDS
            .iter()
            .find(|(_, known)| *known == word)
            .map_or(Self::Failed, |(state, _)| *state)
    }

    /// Whether nothing more happens with the device in this order.
    #[must_use]
    pub const fn is_over(self) -> bool {
        matches!(self, Self::Joined | Self::Failed | Self::Cancelled)
    }

    /// Whether the device may be on its way already: taking back its order takes a question to the device.
    #[must_use]
    pub const fn may_have_changed(self) -> bool {
        matches!(self, Self::Sent | Self::Restarting)
    }
}

/// What to ask next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Question {
    /// The provisioning service, for the enrolment.
    Enrol,
    /// The device, to become what it is to be.
    Become,
}

/// What came of a question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Heard {
    /// The enrolment is there.
    Enrolled,
    /// The provisioning service did not do it, for now.
    NotEnrolled(String),
    /// The device is what it was to become.
    Is,
    /// It has its new identity on its disk and restarts.
    Restarts,
    /// It is at another change.
    Busy(String),
    /// It says no, and is as it was: a status as in HTTP, and why.
    Refused(i64, String),
    /// It is not connected; nothing was done.
    Offline,
    /// It did not answer; what it did is not known.
    Silent,
    /// The hub has no such device or module, or no longer or not yet.
    Unknown,
    /// The hub is asked too often, or is not there.
    Later {
        /// When to ask again, in milliseconds.
        after_ms: i64,
        /// Why.
        why: String,
    },
}

/// How long a device is waited for, from the beginning of its order: it may be in a box until somebody puts it up.
pub const PATIENCE_MS: i64 = 7 * 24 * 3_600_000;
/// How often a device may say no, or come back as it was, before it is given up.
const REFUSALS: i64 = 5;
/// How long a restart takes at least.
const RESTART_MS: i64 = 3_000;
const FIRST_PAUSE_MS: i64 = 5_000;
const LONGEST_PAUSE_MS: i64 = 5 * 60_000;

/// One device of an order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// How far it is.
    pub state: LineState,
    /// How often it said no, or came back as it was.
    pub attempts: i64,
    /// Since when it is in this state, milliseconds.
    pub since: i64,
    /// Since when it is waited for, milliseconds.
    pub begun_at: i64,
    /// When to ask next, milliseconds; nothing when it is over.
    pub next_at: Option<i64>,
    /// What was in the way last.
    pub problem: Option<String>,
}

impl Line {
    /// A device that was picked now.
    #[must_use]
    pub const fn picked(now: i64) -> Self {
        Self {
            state: LineState::Picked,
            attempts: 0,
            since: now,
            begun_at: now,
            next_at: Some(now),
            problem: None,
        }
    }

    /// What to ask now; then [`Line::handle`] the answer. Before a device is asked, [`LineState::Sent`] has to be in the
    /// database, since from then on it may happen and nobody may live to hear of it.
    #[must_use]
    pub const fn question(&self) -> Option<Question> {
        match self.state {
            LineState::Picked => Some(Question::Enrol),
            LineState::Enrolled | LineState::Sent | LineState::Restarting => Some(Question::Become),
            LineState::Joined | LineState::Failed | LineState::Cancelled => None,
        }
    }

    /// Takes an answer.
    pub fn handle(&mut self, heard: Heard, now: i64) {
        if self.state.is_over() {
            return;
        }
        match heard {
            Heard::Enrolled => {
                self.attempts = 0;
                self.go(LineState::Enrolled, now, 0);
            }
            Heard::Is => self.end(LineState::Joined, None, now),
            Heard::Restarts if self.state == LineState::Restarting => {
                self.problem = Some("It restarted and came back as it was.".to_owned());
                self.count(now);
            }
            Heard::Restarts => self.go(LineState::Restarting, now, RESTART_MS),
            // Asked wrongly, with a wrong key or in a wrong scope: asking again would be answered the same.
            Heard::Refused(400, why) => self.end(LineState::Failed, Some(why), now),
            Heard::Refused(_, why) => {
                self.problem = Some(why);
                self.count(now);
            }
            Heard::NotEnrolled(why) | Heard::Busy(why) => self.wait(Some(why), now),
            Heard::Offline => {
                let restarts = self.state == LineState::Restarting;
                let why = (!restarts).then(|| "It is not connected.".to_owned());
                self.wait(why, now);
            }
            Heard::Silent => {
                if self.state == LineState::Enrolled {
                    self.state = LineState::Sent;
                }
                self.wait(Some("It did not answer in time.".to_owned()), now);
            }
            Heard::Unknown => {
                self.wait(Some("The hub knows no such device.".to_owned()), now);
            }
            Heard::Later { after_ms, why } => {
                self.wait(Some(why), now);
                self.next_at = self.next_at.map(|at| at.max(now + after_ms));
            }
        }
    }

    fn go(&mut self, state: LineState, now: i64, pause: i64) {
        self.state = state;
        self.since = now;
        self.problem = None;
        self.next_at = Some(now + pause);
    }

    fn count(&mut self, now: i64) {
        self.attempts += 1;
        if self.attempts >= REFUSALS {
            let problem = self.problem.take();
            return self.end(LineState::Failed, problem, now);
        }
        let pause = FIRST_PAUSE_MS << self.attempts.min(6);
        self.next_at = Some(now + pause.min(LONGEST_PAUSE_MS));
    }

    /// Waits a quarter of the time it has been waited for, so that a device that is quick is seen quickly.
    fn wait(&mut self, why: Option<String>, now: i64) {
        self.problem = why.or(self.problem.take());
        if now - self.begun_at >= PATIENCE_MS {
            let problem = self.problem.take();
            let problem = problem.unwrap_or_else(|| "It did not come back.".to_owned());
            return self.end(LineState::Failed, Some(problem), now);
        }
        let first = if self.state == LineState::Restarting {
            RESTART_MS
        } else {
            FIRST_PAUSE_MS
        };
        let pause = ((now - self.since) / 4).clamp(first, LONGEST_PAUSE_MS);
        self.next_at = Some(now + pause);
    }

    fn end(&mut self, state: LineState, problem: Option<String>, now: i64) {
        self.state = state;
        self.since = now;
        self.problem = problem;
        self.next_at = None;
    }
}

/// What became of an order whose lines are these.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum OrderState {
    /// Devices are on their way.
    Open,
    /// Every device is there.
    Done,
    /// Some are.
    Partly,
    /// None is.
    Failed,
    /// It was cancelled.
    Cancelled,
}

impl OrderState {
    /// The word in the database.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Done => "done",
            Self::Partly => "partly",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }

    /// What the word means.
    #[must_use]
    pub fn of(word: &str) -> Self {
        [Self::Open, Self::Done, Self::Partly, Self::Cancelled]
            .into_iter()
            .find(|state| state.as_str() == word)
            .unwrap_or(Self::Failed)
    }

    /// From how far the devices are.
    #[must_use]
    pub fn from_lines(lines: &[LineState]) -> Self {
        let joined = lines
            .iter()
            .filter(|line| **line == LineState::Joined)
            .count();
        if lines.iter().any(|line| !line.is_over()) {
            Self::Open
        } else if joined == lines.len() {
            Self::Done
        } else if joined > 0 {
            Self::Partly
        } else if lines.contains(&LineState::Failed) {
            Self::Failed
        } else {
            Self::Cancelled
        }
    }
}

#[cfg(test)]
mod tests;
