use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The answer of provisioning's method `test`: what each part of the bay said when it was asked.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TestReport {
    /// Whether every part passed.
    pub passed: bool,
    /// When the parts were asked.
    pub started_at: Timestamp,
    /// How long it took until the last of them had answered or been given up.
    pub took_ms: u64,
    /// One for each part.
    pub parts: Vec<PartReport>,
}

/// What one part of the bay said.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PartReport {
    /// The module that was asked: `hc-sr04`, `light` or `battery`.
    pub part: String,
    /// The method it was asked by.
    pub method: String,
    /// Whether it did what was asked.
    pub passed: bool,
    /// What it answered with; `null` when it did not answer.
    pub value: Option<Value>,
    /// Why it did not pass, as a sentence.
    pub message: Option<String>,
    /// How long it took.
    pub took_ms: u64,
}
