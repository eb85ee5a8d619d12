use bay::settings::{InForce, snapshot};
use bay::{Acknowledgement, model};
use serde_json::{Map, json};

use super::*;

#[test]
fn the_interface_declares_every_setting_and_no_other() {
    let writable = model::HC_SR04.interface().expect("a model").writable;
    let values = snapshot(&Settings::default());

    assert_eq!(
        writable
            .iter()
            .map(|property| &property.name)
            .collect::<Vec<_>>(),
        values.keys().collect::<Vec<_>>()
    );
    for property in writable {
        assert!(
            property.schema.accepts(&values[&property.name]),
            "{}: {} is not {:?}",
            property.name,
            values[&property.name],
            property.schema
        );
    }
}

#[test]
fn the_readme_lists_every_setting_with_its_default() {
    let readme = include_str!("../../README.md");
    for (name, value) in snapshot(&Settings::default()) {
        let value = value
            .as_str()
            .map_or_else(|| value.to_string(), str::to_owned);
        assert!(
            readme.contains(&format!("| `{name}` | {value} |")),
            "{name}: {value}"
        );
    }
}

#[test]
fn every_value_read_can_be_written_back() {
    let settings = Settings {
        distance_report: Some(Duration::from_secs(5)),
        detection: Detection::Absolute,
        ..Settings::default()
    };
    let mut copy = Settings::default();
    for setting in Settings::SETTINGS {
        (setting.write)(&mut copy, &(setting.read)(&settings)).expect(setting.name);
    }

    assert_eq!(copy, settings);
    assert_eq!(settings.check(), Ok(()));
}

#[test]
fn wishes_and_answers() {
    for (wish, code, words) in [
        (
            json!({"sampleIntervalMs": 59}),
            400,
            "must be a whole number from 60 to 10000",
        ),
        (json!({"sampleIntervalMs": 60}), 200, "taken"),
        (
            json!({"windowSize": 4}),
            400,
            "must be an odd number, so that the median is one of the measurements",
        ),
        (json!({"detection": "absolute"}), 200, "taken"),
        (
            json!({"detection": "roof"}),
            400,
            "must be floor or absolute",
        ),
        (json!({"floorDistanceMm": {"value": 2100}}), 200, "taken"),
        (
            json!({"freeWithinMm": 200}),
            400,
            "freeWithinMm has to be less than occupiedNearerMm",
        ),
        (
            json!({"occupiedAtMm": 1100}),
            400,
            "freeAtMm has to be more than occupiedAtMm",
        ),
        (
            json!({"occupiedNearerMm": 2480}),
            400,
            "occupiedNearerMm has to leave room between minDistanceMm and the floor",
        ),
        (
            json!({"minDistanceMm": 400, "maxDistanceMm": 300}),
            400,
            "maxDistanceMm has to be more than minDistanceMm",
        ),
        (json!({"assumedTemperatureCelsius": -12.5}), 200, "taken"),
        (
            json!({"assumedTemperatureCelsius": "warm"}),
            400,
            "must be a number from -40 to 60",
        ),
        (json!({"holdOffMs": 0}), 200, "taken"),
        (json!({"distanceReportSeconds": 1}), 200, "taken"),
        (json!({"heartbeatSeconds": null}), 203, "default"),
    ] {
        let patch: Map<_, _> = wish.as_object().expect("a patch").clone();
        let answers = InForce::new(Settings::default()).handle_desired(&patch, 2);
        assert_eq!(answers.len(), patch.len());
        for answer in answers.values() {
            let answer: Acknowledgement =
                serde_json::from_value(answer.clone()).expect("an answer");
            assert_eq!((answer.ac, answer.ad.as_str()), (code, words), "{wish}");
        }
    }
}

#[test]
fn thresholds() {
    let mut settings = Settings::default();
    assert_eq!(
        (
            settings.occupied_threshold().mm(),
            settings.free_threshold().mm()
        ),
        (2300, 2350)
    );

    settings.detection = Detection::Absolute;
    assert_eq!(
        (
            settings.occupied_threshold().mm(),
            settings.free_threshold().mm()
        ),
        (1000, 1100)
    );
}
