//! What an event says.

use bay::message::{IdentityStatus, KIND, LampReport, LevelReport, OccupancyReport};
use jiff::Timestamp;
use serde::de::DeserializeOwned;
use service_client::Event;

/// Whoever signs with a clock before this has not been told the time: 2024-01-01.
const NO_CLOCK_BEFORE: i64 = 1_704_067_200_000;
/// `iothub-message-source` of what devices send.
const TELEMETRY: &str = "Telemetry";

/// One message of a device, as it was read.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Reading {
    /// As the hub knows it.
    pub(super) device: String,
    /// Empty where the device itself speaks.
    pub(super) module: String,
    pub(super) message_id: Option<String>,
    /// The module's own number of the message, where it counts.
    pub(super) sequence: Option<i64>,
    /// When it was made, as far as can be known: never after the hub took it.
    pub(super) at: i64,
    /// When the hub took it.
    pub(super) heard_at: i64,
    pub(super) said: Said,
}

/// What a module says.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Said {
    Occupancy(OccupancyReport),
    Level(LevelReport),
    Lamp(LampReport),
    Identity(IdentityStatus),
    /// Something else, or something that cannot be read: that it lives.
    Something,
}

/// Nothing when no device sent it.
pub(super) fn read(event: &Event) -> Option<Reading> {
    if event
        .source
        .as_deref()
        .is_some_and(|source| source != TELEMETRY)
    {
        return None;
    }
    let device = event.device_id.clone()?;
    let heard_at = event.enqueued.as_millisecond();
    let mut said = said(event);
    let sequence = match &said {
        Said::Occupancy(report) => i64::try_from(report.sequence).ok(),
        _ => None,
    };
    let at = match (sequence, event.created) {
        // Numbers say what is newer; a clock that is wrong still tells a message from its repetition.
        (Some(_), Some(created)) => created.as_millisecond().min(heard_at),
        _ => believed(event.created, heard_at).unwrap_or(heard_at),
    };
    if let Said::Occupancy(report) = &mut said
        && believed(Some(report.since), heard_at).is_none()
    {
        let made = believed(event.created, heard_at).unwrap_or(heard_at);
        report.since = Timestamp::from_millisecond(made).unwrap_or(event.enqueued);
    }
    Some(Reading {
        device,
        module: event.module_id.clone().unwrap_or_default(),
        // PostgreSQL keeps no such character, and nobody's id may stop the partition.
        message_id: event.message_id.as_ref().map(|id| id.replace('\0', "")),
        sequence,
        at,
        heard_at,
        said,
    })
}

/// A time of the sender's clock, in milliseconds, where that can be right.
fn believed(time: Option<Timestamp>, heard_at: i64) -> Option<i64> {
    let time = time?.as_millisecond();
    (NO_CLOCK_BEFORE..=heard_at).contains(&time).then_some(time)
}

fn said(event: &Event) -> Said {
    let kind = event.property(KIND).or(event.output.as_deref());
    match kind.unwrap_or_default() {
        OccupancyReport::OUTPUT => body(event, Said::Occupancy),
        LevelReport::OUTPUT => body(event, Said::Level),
        LampReport::OUTPUT => body(event, Said::Lamp),
        IdentityStatus::OUTPUT => body(event, Said::Identity),
        _ => Said::Something,
    }
}

fn body<T: DeserializeOwned>(event: &Event, said: impl FnOnce(T) -> Said) -> Said {
    match serde_json::from_slice(&event.body) {
        Ok(report) => said(report),
        Err(error) => {
            tracing::debug!(device = event.device_id, %error, "a message cannot be read");
            Said::Something
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TAKEN: i64 = 1_790_000_000_000;

    fn event(kind: &str, body: &str) -> Event {
        Event {
            partition: 0,
            sequence: 0,
            offset: "0".into(),
            enqueued: Timestamp::from_millisecond(TAKEN).expect("a time"),
            source: Some(TELEMETRY.into()),
            device_id: Some("bay-01".into()),
            module_id: Some("hc-sr04".into()),
            output: None,
            message_id: Some("id".into()),
            created: None,
            properties: vec![(KIND.into(), kind.into())],
            body: body.to_owned().into(),
        }
    }

    const OCCUPANCY: &str = r#"{"occupancy":"free","reason":null,"distanceMm":null,"since":"2026-03-01T12:00:00Z","previous":null,"sequence":17,"heartbeat":true}"#;

    #[test]
    fn a_report_is_read_by_its_kind_or_its_output() {
        let reading = read(&event("occupancy", OCCUPANCY)).expect("a reading");
        assert_eq!(reading.sequence, Some(17));
        assert!(matches!(reading.said, Said::Occupancy(_)));
        let mut event = event("", OCCUPANCY);
        event.properties.clear();
        event.output = Some("occupancy".into());
        assert!(matches!(
            read(&event).expect("one").said,
            Said::Occupancy(_)
        ));
    }

    #[test]
    fn what_cannot_be_read_says_that_its_sender_lives() {
        for (kind, body) in [
            ("occupancy", "{}"),
            ("occupancy", "\u{1}"),
            ("level", "[]"),
            ("other", OCCUPANCY),
            ("lamp", r#"{"sequence":-1}"#),
        ] {
            let reading = read(&event(kind, body)).expect("a reading");
            assert_eq!(reading.said, Said::Something, "{kind} {body}");
            assert_eq!(reading.heard_at, TAKEN);
        }
    }

    #[test]
    fn what_no_device_sent_is_passed_over() {
        let mut own = event("occupancy", OCCUPANCY);
        own.source = Some("twinChangeEvents".into());
        assert_eq!(read(&own), None);
        let mut nobodys = event("occupancy", OCCUPANCY);
        nobodys.device_id = None;
        assert_eq!(read(&nobodys), None);
    }

    #[test]
    fn a_clock_that_cannot_be_right_is_not_believed() {
        let at = |created: i64| {
            let mut event = event("other", "");
            event.created = Some(Timestamp::from_millisecond(created).expect("a time"));
            read(&event).expect("a reading").at
        };
        assert_eq!(at(TAKEN - 5_000), TAKEN - 5_000);
        assert_eq!(at(TAKEN + 5_000), TAKEN);
        assert_eq!(at(12_000), TAKEN);
        let mut numbered = event("occupancy", OCCUPANCY);
        numbered.created = Some(Timestamp::from_millisecond(12_000).expect("a time"));
        assert_eq!(read(&numbered).expect("a reading").at, 12_000);
        for since in [
            "1970-01-01T00:00:07Z",
            "0001-01-01T00:00:00Z",
            "9999-01-01T00:00:00Z",
        ] {
            let body = OCCUPANCY.replace("2026-03-01T12:00:00Z", since);
            let Said::Occupancy(report) = read(&event("occupancy", &body)).expect("one").said
            else {
                panic!("{since} can be read");
            };
            assert_eq!(report.since.as_millisecond(), TAKEN, "{since}");
        }
    }

    #[test]
    fn no_id_holds_what_a_database_cannot_keep() {
        let mut event = event("occupancy", OCCUPANCY);
        event.message_id = Some("a\0b".into());
        let reading = read(&event).expect("a reading");
        assert_eq!(reading.message_id.as_deref(), Some("ab"));
    }
}
