//! The DTDL interfaces against the language's own rules and against the messages.

use std::collections::BTreeSet;

use bay::message::{
    BookingAnswer, Cause, ChangeAnswer, ChangeKind, ChangeOutcome, ChangeReport, DistanceReport,
    IdentityReport, IdentityStatus, LampReport, LevelReport, Mode, OccupancyReport, Previous, Step,
};
use bay::model::{self, Content, Interface, Model, Schema};
use bay::{Alarm, Booking, BookingId, Colour, Distance, Occupancy, Pattern, Sign, UnknownReason};
use jiff::Timestamp;
use serde_json::Value;

fn read(model: Model) -> Interface {
    model.interface().expect("a model of this crate")
}

/// The messages of a module must be exactly the telemetry of its interface: nothing undeclared,
/// nothing declared in vain.
fn assert_messages(model: Model, messages: &[Value]) {
    let interface = read(model);
    let mut seen = BTreeSet::new();
    for message in messages {
        for (name, value) in message.as_object().expect("a message is an object") {
            let content = interface
                .telemetry
                .iter()
                .find(|content| content.name == *name)
                .unwrap_or_else(|| panic!("{name} is not telemetry of {}", model.id));
            assert!(
                content.schema.accepts(value),
                "{name}: {value} is not {:?}",
                content.schema
            );
            seen.insert(name.clone());
        }
    }
    let declared: BTreeSet<_> = interface
        .telemetry
        .into_iter()
        .map(|content| content.name)
        .collect();
    assert_eq!(declared, seen, "{}", model.id);
}

fn json(message: impl serde::Serialize) -> Value {
    serde_json::to_value(message).expect("a message")
}

#[test]
fn identifiers_are_announced_as_they_are_written() {
    for model in model::ALL {
        let interface = read(model);
        assert_eq!(interface.id, model.id);

        let (path, version) = model
            .id
            .strip_prefix("dtmi:")
            .and_then(|rest| rest.split_once(';'))
            .expect("dtmi:path;version");
        assert!(version.parse::<u32>().is_ok_and(|version| version > 0));
        assert!(path.split(':').all(is_identifier), "{path}");
    }
}

#[test]
fn names_are_identifiers_and_each_is_used_once() {
    for model in model::ALL {
        let Interface {
            telemetry,
            writable,
            read_only,
            commands,
            ..
        } = read(model);
        let contents = telemetry.iter().chain(&writable).chain(&read_only);
        let names: Vec<_> = contents
            .clone()
            .map(|content| content.name.clone())
            .chain(commands)
            .collect();

        assert!(names.iter().all(|name| is_identifier(name)), "{names:?}");
        assert_eq!(
            names.iter().collect::<BTreeSet<_>>().len(),
            names.len(),
            "{names:?}"
        );
        assert!(
            contents
                .into_iter()
                .all(|content| content.description.ends_with('.')),
            "every description is a sentence"
        );
    }
}

#[test]
fn hc_sr04_sends_what_it_declares() {
    assert_messages(
        model::HC_SR04,
        &[
            json(OccupancyReport {
                occupancy: Occupancy::Unknown,
                reason: Some(UnknownReason::TooNoisy),
                distance_mm: Some(Distance::from_mm(742)),
                since: Timestamp::UNIX_EPOCH,
                previous: Some(Previous {
                    occupancy: Occupancy::Free,
                    duration_seconds: 1,
                }),
                sequence: 1,
                heartbeat: false,
            }),
            json(DistanceReport {
                raw_mm: Some(Distance::from_mm(742)),
                filtered_mm: Some(Distance::from_mm(742)),
                trouble: Some(UnknownReason::NoEcho),
                temperature_celsius: 18.5,
            }),
        ],
    );
}

fn lamp_report(cause: Cause, pattern: Pattern) -> LampReport {
    LampReport {
        colour: Colour::RED,
        pattern,
        cause,
        reason: Some(UnknownReason::Stale),
        booking_id: Some(BookingId::try_from("b-17").expect("a short id")),
        battery_alarm: Alarm::Low,
        since: Timestamp::UNIX_EPOCH,
    }
}

#[test]
fn light_sends_what_it_declares() {
    let causes = Sign::ALL
        .map(Cause::Bay)
        .into_iter()
        .chain([Cause::IDENTIFY, Cause::SET_LIGHT]);
    let reports: Vec<_> = causes
        .map(|cause| json(lamp_report(cause, Pattern::Wink)))
        .chain(Pattern::ALL.map(|pattern| json(lamp_report(Cause::IDENTIFY, pattern))))
        .collect();
    assert_messages(model::LIGHT, &reports);

    let answer = BookingAnswer {
        booking: Some(Booking {
            booking_id: BookingId::try_from("b-17").expect("a short id"),
            until: Some(Timestamp::MAX),
        }),
        lamp: lamp_report(Cause::IDENTIFY, Pattern::FastBlink),
    };
    assert!(response(model::LIGHT, "book").accepts(&json(answer)));
}

#[test]
fn battery_sends_what_it_declares() {
    let report = LevelReport {
        charge_percent: Some(87),
        voltage_mv: Some(7420),
        current_ma: Some(-310),
        minutes_to_empty: Some(412),
        quality: 1.0,
        alarm: Alarm::None,
    };

    assert_messages(model::BATTERY, &[json(&report)]);
    assert!(response(model::BATTERY, "getBatteryLevel").accepts(&json(report)));
}

#[test]
fn provisioning_sends_what_it_declares() {
    let identity = IdentityReport {
        serial: Some("10000000a1b2c3d4".to_owned()),
        mode: Mode::Project,
        id_scope: Some("0ne00AA12BC".to_owned()),
        registration_id: Some("10000000a1b2c3d4".to_owned()),
        hub: Some("hub.example".to_owned()),
        device_id: Some("10000000a1b2c3d4".to_owned()),
    };
    let kinds = [ChangeKind::Claim, ChangeKind::Setup, ChangeKind::Reset];
    let outcomes = [
        ChangeOutcome::Running,
        ChangeOutcome::Done,
        ChangeOutcome::Failed,
        ChangeOutcome::RolledBack,
    ];
    let mut reports = Vec::new();
    for step in Step::ALL {
        for outcome in outcomes {
            let change = ChangeReport {
                kind: kinds[reports.len() % kinds.len()],
                outcome,
                step: Some(step),
                message: "why".to_owned(),
                started_at: Timestamp::UNIX_EPOCH,
                ended_at: Some(Timestamp::UNIX_EPOCH),
                interrupted: false,
            };
            reports.push(json(IdentityStatus {
                identity: identity.clone(),
                change: Some(change),
            }));
        }
    }
    assert_messages(model::PROVISIONING, &reports);
    assert!(
        reports
            .iter()
            .all(|report| response(model::PROVISIONING, "getStatus").accepts(report))
    );

    let properties = read(model::PROVISIONING).read_only;
    for (name, value) in [
        ("identity", json(identity)),
        ("lastChange", reports[0]["change"].clone()),
    ] {
        let property = properties.iter().find(|property| property.name == name);
        assert!(property.is_some_and(|property| property.schema.accepts(&value)));
    }
    let answer = ChangeAnswer {
        kind: ChangeKind::Setup,
        outcome: ChangeOutcome::Running,
        registration_id: "10000000a1b2c3d4".to_owned(),
        hub: Some("hub.example".to_owned()),
        device_id: Some("10000000a1b2c3d4".to_owned()),
        message: "why".to_owned(),
    };
    for method in ["setup", "reset"] {
        assert!(response(model::PROVISIONING, method).accepts(&json(&answer)));
    }
}

#[test]
fn a_schema_accepts_its_own_values_only() {
    let words = Schema::Words(vec!["free".to_owned()]);
    for (schema, good, bad) in [
        (Schema::Boolean, json(true), json("true")),
        (Schema::Integer, json(-5), json(5.5)),
        (Schema::Double, json(5), json("5")),
        (Schema::Text, json("x"), json(1)),
        (
            Schema::DateTime,
            json("2026-03-01T12:00:00Z"),
            json("yesterday"),
        ),
        (words.clone(), json("free"), json("taken")),
        (
            Schema::Object(vec![("a".to_owned(), words)]),
            serde_json::json!({"a": "free"}),
            serde_json::json!({"b": 1}),
        ),
    ] {
        assert!(schema.accepts(&good), "{schema:?} {good}");
        assert!(!schema.accepts(&bad), "{schema:?} {bad}");
    }
}

/// The response schema of a command, which the reader leaves out because nobody shows it to people.
fn response(model: Model, command: &str) -> Schema {
    let text: Value = serde_json::from_str(model.text).expect("JSON");
    let command = text["contents"]
        .as_array()
        .expect("contents")
        .iter()
        .find(|content| content["name"] == command)
        .expect("the command")
        .clone();
    let schema = &command["response"]["schema"];
    let wrapped = serde_json::json!({
        "@id": "dtmi:x;1", "displayName": "x",
        "contents": [{"@type": "Telemetry", "name": "x", "description": "x", "schema": schema}],
    });
    let text: &'static str = Box::leak(wrapped.to_string().into_boxed_str());
    let Content { schema, .. } = read(Model {
        id: "dtmi:x;1",
        text,
    })
    .telemetry
    .remove(0);
    schema
}

/// DTDL v2: a letter, then letters, digits and underscores, not ending in one; 64 characters at
/// most.
fn is_identifier(name: &str) -> bool {
    name.len() <= 64
        && name.starts_with(|first: char| first.is_ascii_alphabetic())
        && !name.ends_with('_')
        && name
            .chars()
            .all(|sign| sign.is_ascii_alphanumeric() || sign == '_')
}
