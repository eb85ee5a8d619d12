//! What the hub and a device's provisioning module say to `setup` and `reset`, in an order's words.

use bay::message::{ChangeAnswer, ChangeOutcome};
use serde_json::Value;

use super::line::Heard;
use crate::hub::{HubError, MethodAnswer};

/// When to ask a hub again that is not there.
const UNREACHABLE_MS: i64 = 10_000;
/// The longest problem that is kept, in characters. What devices say is theirs.
const PROBLEM: usize = 300;

/// Where the device says it is to be found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Whereabouts {
    pub(crate) hub: Option<String>,
    pub(crate) device_id: Option<String>,
}

/// What an answer means, and where the device goes if it says so.
pub(crate) fn read(answer: Result<MethodAnswer, HubError>) -> (Heard, Option<Whereabouts>) {
    let answer = match answer {
        Ok(answer) => answer,
        Err(error) => return (failed(&error), None),
    };
    if answer.status != 200 {
        return (refused(answer.status, &answer.payload), None);
    }
    let Ok(change) = serde_json::from_value::<ChangeAnswer>(answer.payload) else {
        let why = "It said yes, and nothing of what it does: its firmware is not what this service knows.";
        return (Heard::Refused(502, why.to_owned()), None);
    };
    let whereabouts = Whereabouts {
        hub: change.hub,
        device_id: change.device_id,
    };
    let heard = match change.outcome {
        ChangeOutcome::Done => Heard::Is,
        ChangeOutcome::Running => Heard::Restarts,
        ChangeOutcome::Failed | ChangeOutcome::RolledBack => {
            Heard::Refused(502, shortened(&change.message))
        }
    };
    (heard, Some(whereabouts))
}

fn refused(status: i64, payload: &Value) -> Heard {
    let text = |name: &str| payload.get(name).and_then(Value::as_str);
    let message = text("message").unwrap_or("It says no, and not why.");
    let why = match text("step") {
        Some(step) => shortened(&format!("{step}: {message}")),
        None => shortened(message),
    };
    match (status, text("reason")) {
        // Only a device that has nothing to go back to says 409 for good.
        (409, Some("no-stock")) => Heard::Refused(400, why),
        (409, _) => Heard::Busy(why),
        _ => Heard::Refused(status, why),
    }
}

fn failed(error: &HubError) -> Heard {
    match error {
        HubError::Offline => Heard::Offline,
        HubError::TimedOut => Heard::Silent,
        HubError::Unknown => Heard::Unknown,
        HubError::Throttled { retry_after } => Heard::Later {
            after_ms: i64::try_from(retry_after.as_millis()).unwrap_or(i64::MAX / 2),
            why: error.to_string(),
        },
        HubError::Unreachable(_) | HubError::Unplaced(_) | HubError::Elsewhere { .. } => {
            Heard::Later {
                after_ms: UNREACHABLE_MS,
                why: error.to_string(),
            }
        }
        HubError::Refused { .. } => Heard::Refused(502, shortened(&error.to_string())),
    }
}

/// One line of bounded length.
fn shortened(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .take(PROBLEM)
        .collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use serde_json::json;

    use super::*;

    fn says(status: i64, payload: Value) -> Heard {
        read(Ok(MethodAnswer { status, payload })).0
    }

    #[test]
    fn what_a_device_says() {
        let change = |outcome: &str| {
            json!({"kind": "setup", "outcome": outcome, "registrationId": "r", "hub": "h", "deviceId": "d",
                   "message": "restarting"})
        };
        assert_eq!(says(200, change("running")), Heard::Restarts);
        assert_eq!(says(200, change("done")), Heard::Is);
        let (_, whereabouts) = read(Ok(MethodAnswer {
            status: 200,
            payload: change("running"),
        }));
        let whereabouts = whereabouts.expect("where it is");
        assert_eq!(
            (whereabouts.hub.as_deref(), whereabouts.device_id.as_deref()),
            (Some("h"), Some("d"))
        );
        assert!(
            matches!(says(200, json!({})), Heard::Refused(502, _)),
            "a yes that says nothing"
        );
        assert!(matches!(says(200, Value::Null), Heard::Refused(502, _)));
        let refusal = json!({"reason": "unauthorised", "message": "wrong key", "step": "register"});
        assert_eq!(
            says(401, refusal),
            Heard::Refused(401, "register: wrong key".to_owned())
        );
        let busy = json!({"reason": "busy", "message": "another change"});
        assert_eq!(says(409, busy), Heard::Busy("another change".to_owned()));
        let no_stock = json!({"reason": "no-stock", "message": "nothing to go back to"});
        assert!(matches!(says(409, no_stock), Heard::Refused(400, _)));
        let long = json!({"message": "x\n".repeat(1000)});
        let Heard::Refused(500, why) = says(500, long) else {
            panic!("it said no")
        };
        assert!(why.chars().count() == PROBLEM && !why.contains('\n'));
    }

    #[test]
    fn what_the_hub_says() {
        for (error, heard) in [
            (HubError::Offline, Heard::Offline),
            (HubError::TimedOut, Heard::Silent),
            (HubError::Unknown, Heard::Unknown),
        ] {
            assert_eq!(read(Err(error)).0, heard);
        }
        let throttled = HubError::Throttled {
            retry_after: Duration::from_secs(7),
        };
        assert!(matches!(
            read(Err(throttled)).0,
            Heard::Later {
                after_ms: 7_000,
                ..
            }
        ));
    }
}
