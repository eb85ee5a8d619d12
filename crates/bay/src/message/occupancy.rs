use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{Distance, Occupancy, UnknownReason};

/// Output `occupancy` of hc-sr04: on every change, and as heartbeat.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct OccupancyReport {
    /// What is known about the bay.
    pub occupancy: Occupancy,
    /// Why it is unknown; `null` when it is known.
    pub reason: Option<UnknownReason>,
    /// The filtered distance the decision rests on; `null` when there is none.
    pub distance_mm: Option<Distance>,
    /// Since when the bay is as it is: the first measurement that showed it, not the end of the
    /// hold-off.
    pub since: Timestamp,
    /// What the bay was before, so that one lost message can be repaired; `null` when there was
    /// nothing before.
    pub previous: Option<Previous>,
    /// Counts every report of this bay, across restarts. No number is used twice.
    pub sequence: u64,
    /// Whether this only repeats what is known.
    pub heartbeat: bool,
}

impl OccupancyReport {
    /// The output's name, and its value of the `kind` property.
    pub const OUTPUT: &'static str = "occupancy";
}

/// What a bay was before its last change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Previous {
    /// What was known then.
    pub occupancy: Occupancy,
    /// For how long, in whole seconds.
    pub duration_seconds: u64,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// The body of design 4.1, with every field in its place.
    #[test]
    fn the_body_on_the_wire() {
        let body = json!({
            "occupancy": "occupied",
            "reason": null,
            "distanceMm": 742,
            "since": "2026-03-01T12:00:00.1Z",
            "previous": {"occupancy": "free", "durationSeconds": 1234},
            "sequence": 17,
            "heartbeat": false,
        });
        let report = OccupancyReport {
            occupancy: Occupancy::Occupied,
            reason: None,
            distance_mm: Some(Distance::from_mm(742)),
            since: "2026-03-01T12:00:00.1Z"
                .parse()
                .expect("a literal timestamp"),
            previous: Some(Previous {
                occupancy: Occupancy::Free,
                duration_seconds: 1234,
            }),
            sequence: 17,
            heartbeat: false,
        };

        assert_eq!(
            serde_json::to_string(&report).expect("a report"),
            body.to_string()
        );
        assert_eq!(
            serde_json::from_value::<OccupancyReport>(body).expect("its body"),
            report
        );
    }

    #[test]
    fn unknown_says_why() {
        let body = r#"{"occupancy":"unknown","reason":"no-echo","distanceMm":null,"since":"2026-03-01T12:00:00Z","previous":null,"sequence":1,"heartbeat":true}"#;
        let report: OccupancyReport = serde_json::from_str(body).expect("a body");

        assert_eq!(report.reason, Some(UnknownReason::NoEcho));
        assert_eq!(serde_json::to_string(&report).expect("a report"), body);
    }
}
