//! What a condition of IoT Hub's own routes has over one of edgeHub's.

use manifest::route::{Condition, SampleMessage};
use serde_json::json;

fn message() -> SampleMessage {
    let document = json!({
        "systemProperties": {
            "contentType": "application/json", "contentEncoding": "utf-8", "connectionDeviceId": "pump7"
        },
        "properties": {"$connectionDeviceId": "forged", "$alias": "app"},
        "body": {"level": 3}
    });
    let message = SampleMessage::from_json(document).expect("the message is well formed");
    message.with_twin(json!({
        "tags": {"building": {"floor": "1"}, "bays": [7, 8]},
        "properties": {
            "desired": {"telemetry": {"sendFrequency": "5m"}, "limit": 2},
            "reported": {"batteryLevel": 55}
        }
    }))
}

#[test]
fn a_condition_looks_into_the_sender_s_twin() {
    for (text, verdict) in [
        ("$twin.tags.building.floor = '1'", Some(true)),
        ("$twin.TAGS.Building.FLOOR = '1'", Some(true)),
        ("$Twin.tags.bays[1] = 8", Some(true)),
        ("{$twin.tags.bays[0]} = 8", Some(false)),
        (
            "$twin.properties.reported.batteryLevel > 50 AND $body.level = 3",
            Some(true),
        ),
        ("$body.level > $twin.properties.desired.limit", Some(true)),
        (
            "$twin.properties.desired.telemetry.sendFrequency = '1m'",
            Some(false),
        ),
        (
            "is_defined($twin.properties.desired.telemetry.sendFrequency)",
            Some(true),
        ),
        ("$twin.tags.missing = 'x'", Some(false)),
        ("$twin.tags.building = 'x'", None),
    ] {
        let condition = Condition::parse_for_hub(text, false)
            .unwrap_or_else(|errors| panic!("{text}: {errors:?}"));
        assert_eq!(condition.evaluate(&message()), verdict, "{text}");
    }
}

#[test]
fn a_message_without_a_twin_matches_nothing_of_it() {
    let bare = SampleMessage::from_json(json!({})).expect("an empty message");
    let condition = Condition::parse_for_hub("$twin.tags.a = 'x'", false);
    assert_eq!(condition.expect("it compiles").evaluate(&bare), None);
}

#[test]
fn a_system_property_goes_before_an_application_property() {
    for (text, verdict) in [
        ("$connectionDeviceId = 'pump7'", Some(true)),
        ("$alias = 'app'", Some(true)),
        ("{$alias} = 'app'", None),
        ("$nothing = 'app'", None),
    ] {
        let condition = Condition::parse_for_hub(text, false).expect("it compiles");
        assert_eq!(condition.evaluate(&message()), verdict, "{text}");
    }
}

#[test]
fn a_path_outside_the_twin_s_sections_is_refused_at_its_place() {
    for (text, column) in [
        ("true AND $twin.deviceId = 'x'", 10),
        ("$twin.tags. = 'x'", 1),
        ("1 = $twin.properties.reported", 5),
        ("$twin.tags.a[x] = 1", 1),
    ] {
        let errors = Condition::parse_for_hub(text, false).expect_err(text);
        assert_eq!(
            (errors[0].line, errors[0].column),
            (1, column),
            "{text}: {errors:?}"
        );
        assert!(errors[0].help.is_some());
    }
}

#[test]
fn only_routes_of_twin_changes_ask_what_changed() {
    let text = "twin_change_includes(properties.reported.level)";
    let change = json!({
        "systemProperties": {"contentType": "application/json", "contentEncoding": "utf-8"},
        "body": {"version": 3, "properties": {"reported": {"level": 5}}}
    });
    let change = SampleMessage::from_json(change).expect("a twin change");
    let condition = Condition::parse_for_hub(text, true).expect("it compiles");
    assert_eq!(condition.evaluate(&change), Some(true));
    assert!(Condition::parse_for_hub(text, false).is_err());
}

#[test]
fn an_edge_hub_knows_no_twins() {
    let condition = Condition::parse("$twin.tags.building.floor = '1'").expect("it compiles");
    assert_eq!(condition.evaluate(&message()), None);
}
