use bay::model;
use bay::settings::{answers, disagreements};
use serde_json::json;

use super::*;

#[test]
fn interface_and_readme_tell_of_every_setting() {
    let readme = include_str!("../../README.md");
    assert_eq!(
        disagreements(&Settings::default(), &model::HC_SR04, readme),
        Vec::<String>::new()
    );
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
        let wishes = wish.as_object().expect("a patch").len();
        let expected = vec![(code, words.to_owned()); wishes];
        assert_eq!(answers(Settings::default(), &wish), expected, "{wish}");
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
