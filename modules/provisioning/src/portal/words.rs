//! What the portal calls things, for somebody who stands in a car park.

use bay::message::{ChangeKind, ChangeOutcome, Mode, Step};
use jiff::Timestamp;
use serde_json::Value;

use crate::view::{StepState, WaitsFor};

pub(super) fn mode(mode: &Mode) -> &'static str {
    match mode {
        Mode::None => "No identity",
        Mode::Stock => "Stock",
        Mode::Project => "Project",
        Mode::Other => "Other identity",
    }
}

pub(super) fn doing(kind: &ChangeKind) -> &'static str {
    match kind {
        ChangeKind::Claim => "Taking its first identity",
        ChangeKind::Setup => "Joining a project",
        ChangeKind::Reset => "Going back to stock",
    }
}

pub(super) fn outcome(kind: &ChangeKind, outcome: &ChangeOutcome) -> &'static str {
    match (outcome, kind) {
        (ChangeOutcome::Done, ChangeKind::Claim) => "It has its first identity",
        (ChangeOutcome::Done, ChangeKind::Setup) => "It has joined its project",
        (ChangeOutcome::Done, ChangeKind::Reset) => "It is back in stock",
        (ChangeOutcome::Failed, ChangeKind::Claim) => "It could not take its first identity",
        (ChangeOutcome::Failed, ChangeKind::Setup) => "It could not join the project",
        (ChangeOutcome::Failed, ChangeKind::Reset) => "It could not go back to stock",
        (ChangeOutcome::RolledBack, _) => "It was cut off, and is as it was",
        (ChangeOutcome::Running, kind) => doing(kind),
    }
}

/// Which mark an outcome has; the step states have the same.
pub(super) fn outcome_mark(outcome: &ChangeOutcome) -> &'static str {
    match outcome {
        ChangeOutcome::Running => "running",
        ChangeOutcome::Done => "done",
        ChangeOutcome::Failed | ChangeOutcome::RolledBack => "failed",
    }
}

pub(super) fn step(step: &Step) -> &'static str {
    match step {
        Step::Check => "Check what was asked",
        Step::Register => "Register with the provisioning service",
        Step::Connect => "Try the hub it was assigned",
        Step::Backup => "Keep the old configuration",
        Step::Write => "Write the new configuration",
        Step::Answer => "Answer whoever asked",
        Step::Apply => "Have the Edge runtime take it",
        Step::Reboot => "Restart the device",
        Step::Confirm => "Come up with the new identity",
    }
}

pub(super) fn step_state(state: &StepState) -> &'static str {
    match state {
        StepState::Waiting => "not yet",
        StepState::Running => "under way",
        StepState::Done => "done",
        StepState::Failed => "failed",
    }
}

/// What to look at when a step failed.
pub(super) fn cure(step: &Step) -> &'static str {
    match step {
        Step::Check => "Put right what is named here, and send it again.",
        Step::Register => {
            "Compare scope, registration id and key with the enrolment, and see that the device reaches the internet."
        }
        Step::Connect => {
            "See that the assigned hub knows the device and has it enabled, and that port 8883 is open."
        }
        Step::Backup | Step::Write => {
            "See that the card is neither full nor write-protected, and that the service may write the configuration."
        }
        Step::Answer => "Nothing is lost: send it again.",
        Step::Apply => "See that the Edge runtime is installed, and what its log says.",
        Step::Reboot => "Switch the device off and on again.",
        Step::Confirm => "Give it a few minutes; then see what the Edge runtime's log says.",
    }
}

pub(super) fn waits_for(waits: &WaitsFor, now: &Timestamp) -> String {
    match waits {
        WaitsFor::Claim => "It waits to be claimed: with a key, below, or from elsewhere.".into(),
        WaitsFor::Retry { at } => format!("It tries again in {}.", left(at, now)),
        WaitsFor::Restart => {
            "It restarts now. This page comes back by itself; you will have to sign in again."
                .into()
        }
        WaitsFor::Confirmation => "It waits for the Edge runtime to come up.".into(),
    }
}

pub(super) fn part(part: &str) -> &str {
    match part {
        "hc-sr04" => "Distance sensor",
        "light" => "Lamp",
        "battery" => "Battery",
        other => other,
    }
}

/// How long ago something was; the device's clock need not agree with the visitor's.
pub(super) fn age(at: &Timestamp, now: &Timestamp) -> String {
    match now.as_second().saturating_sub(at.as_second()) {
        ..10 => "just now".into(),
        seconds => format!("{} ago", coarse(seconds)),
    }
}

/// How long something has been so.
pub(super) fn lasting(since: &Timestamp, now: &Timestamp) -> String {
    match age(since, now).strip_suffix(" ago") {
        Some(time) => format!("for {time}"),
        None => "just now".into(),
    }
}

/// How long something still is good for.
pub(super) fn left(until: &Timestamp, now: &Timestamp) -> String {
    match until.as_second().saturating_sub(now.as_second()) {
        ..10 => "a moment".into(),
        seconds => coarse(seconds),
    }
}

/// In steps that a page need not be redrawn for every second.
fn coarse(seconds: i64) -> String {
    match seconds {
        ..60 => format!("{} s", seconds / 10 * 10),
        60..3600 => format!("{} min", seconds / 60),
        3600..172_800 => format!("{} h", seconds / 3600),
        _ => format!("{} days", seconds / 86_400),
    }
}

pub(super) fn took(ms: &u64) -> String {
    match ms {
        ..1000 => format!("{ms} ms"),
        1000..60_000 => format!("{}.{} s", ms / 1000, ms % 1000 / 100),
        _ => format!("{} min {} s", ms / 60_000, ms % 60_000 / 1000),
    }
}

/// What was said, as a sentence of its own: with a capital and a full stop, whoever said it.
pub(super) fn said(words: impl AsRef<str>) -> String {
    let words = words.as_ref().trim();
    let mut letters = words.chars();
    let first = letters.next().map(|first| first.to_uppercase().to_string());
    let end = if words.ends_with(['.', '!', '?']) {
        ""
    } else {
        "."
    };
    format!("{}{}{end}", first.unwrap_or_default(), letters.as_str())
}

/// An answer's fields, each with its unit: `{"distanceMm": 742}` is `distance 742 mm`. Objects in it are unfolded.
pub(super) fn quantities(value: &Value) -> Vec<String> {
    let Value::Object(fields) = value else {
        return vec![plain(value)];
    };
    let told = fields.iter().filter(|(_, value)| !value.is_null());
    told.flat_map(|(name, value)| match value {
        Value::Object(_) => quantities(value),
        _ => vec![quantity(name, value)],
    })
    .collect()
}

fn quantity(name: &str, value: &Value) -> String {
    const UNITS: [(&str, &str); 7] = [
        ("Mm", "mm"),
        ("Mv", "mV"),
        ("Ma", "mA"),
        ("Ms", "ms"),
        ("Percent", "%"),
        ("Seconds", "s"),
        ("Celsius", "°C"),
    ];
    let unit = UNITS
        .iter()
        .find_map(|(suffix, unit)| Some((name.strip_suffix(suffix)?, *unit)));
    match unit {
        Some((name, unit)) if value.is_number() => {
            format!("{} {} {unit}", apart(name), plain(value))
        }
        _ => format!("{} {}", apart(name), plain(value)),
    }
}

/// `echoCount` is `echo count`.
fn apart(name: &str) -> String {
    let mut words = String::new();
    for letter in name.chars() {
        if letter.is_ascii_uppercase() {
            words.push(' ');
        }
        words.push(letter.to_ascii_lowercase());
    }
    words
}

fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn times_are_told_in_the_units_of_a_person() {
        let now: Timestamp = "2030-01-01T00:00:00Z".parse().expect("a time");
        for (seconds, words) in [
            (-5, "just now"),
            (0, "just now"),
            (9, "just now"),
            (39, "30 s ago"),
            (60, "1 min ago"),
            (3599, "59 min ago"),
            (7300, "2 h ago"),
            (200_000, "2 days ago"),
        ] {
            let at = Timestamp::from_second(now.as_second() - seconds).expect("a time");
            assert_eq!(age(&at, &now), words);
            let until = Timestamp::from_second(now.as_second() + seconds).expect("a time");
            let expected = words.strip_suffix(" ago").unwrap_or("a moment");
            assert_eq!(left(&until, &now), expected);
        }
        for (ms, words) in [
            (0, "0 ms"),
            (999, "999 ms"),
            (1_250, "1.2 s"),
            (61_000, "1 min 1 s"),
        ] {
            assert_eq!(took(&ms), words);
        }
    }

    #[test]
    fn answers_are_told_with_their_units() {
        let value = json!({"distanceMm": 742, "echoCount": 5, "chargePercent": 87, "occupancy": "free", "why": null});
        assert_eq!(
            quantities(&value),
            [
                "distance 742 mm",
                "echo count 5",
                "charge 87 %",
                "occupancy free"
            ]
        );
        assert_eq!(quantities(&json!("on")), ["on"]);
        let lamp = json!({"lamp": {"colour": "white", "bookingId": null}, "ports": [1, 2]});
        assert_eq!(quantities(&lamp), ["colour white", "ports [1,2]"]);
    }

    #[test]
    fn a_sentence_begins_and_ends_as_one() {
        assert_eq!(said("3 min ago"), "3 min ago.");
        assert_eq!(said("élan, and more!"), "Élan, and more!");
        assert_eq!(said(" it is so.\n"), "It is so.");
    }
}
