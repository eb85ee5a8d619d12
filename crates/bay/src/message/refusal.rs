use serde::{Deserialize, Serialize};

/// The body of every method answer whose status is not 2xx: one word for programs, one sentence for
/// people.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MethodRefusal {
    /// Why, as a word: `no-echo`, `booked`, `bad-request`.
    pub reason: String,
    /// Why, as a sentence that says what to do.
    pub message: String,
}

impl MethodRefusal {
    /// A refusal for this reason.
    pub fn new(reason: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            reason: reason.into(),
            message: message.into(),
        }
    }
}
