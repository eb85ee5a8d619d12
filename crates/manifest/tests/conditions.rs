//! The route language against a table: see `conditions.txt`.

use manifest::route::{Condition, Route, RoutedMessage, SampleMessage};
use serde_json::json;

const TABLE: &str = include_str!("conditions.txt");

fn message() -> SampleMessage {
    let document = json!({
        "properties": {
            "kind": "occupancy", "level": "3", "word": "apple", "upper": "LAMP", "empty": "", "nothing": null, "flag": "true",
            "$alias": "app", "$body.lamp.shown": "app", "big": "10e1000", "Größe": "xl"
        },
        "systemProperties": {
            "alias": "system", "outputName": "occupancy", "connectionModuleId": "hc-sr04", "note": null,
            "contentType": "application/json", "contentEncoding": "utf-8"
        },
        "body": {
            "distanceMm": 742, "ratio": -0.5, "zero": 0, "occupancy": "free", "text": "742", "heartbeat": false,
            "ready": true, "gone": null, "since": "2026-03-01T10:00:00Z", "echoes": [10, 20, [30, 40]],
            "previous": {"occupancy": "occupied", "seconds": 12.5, "list": [{"x": 1}]}, "lamp": {"shown": "body"}
        }
    });
    SampleMessage::from_json(document).expect("the message is well formed")
}

/// Every line of the table as line number, verdict and condition.
fn rows() -> impl Iterator<Item = (usize, &'static str, String)> {
    TABLE
        .lines()
        .enumerate()
        .filter(|(_, line)| !line.is_empty() && !line.starts_with('#'))
        .map(|(index, line)| {
            let (verdict, condition) = line
                .split_once("::")
                .unwrap_or_else(|| panic!("line {}: no `::`", index + 1));
            let condition = condition
                .strip_prefix(' ')
                .unwrap_or(condition)
                .replace('⏎', "\n");
            (index + 1, verdict.trim_end(), condition)
        })
}

fn verdict(condition: &str, message: &SampleMessage) -> String {
    match Condition::parse(condition) {
        Ok(condition) => match condition.evaluate(message) {
            Some(verdict) => verdict.to_string(),
            None => "undefined".to_owned(),
        },
        Err(errors) => errors.iter().fold("error".to_owned(), |all, error| {
            format!("{all} {}:{}", error.line, error.column)
        }),
    }
}

#[test]
fn every_condition_has_edge_hubs_verdict() {
    let message = message();
    let mut wrong = Vec::new();
    for (line, expected, condition) in rows() {
        let given = verdict(&condition, &message);
        if given != expected {
            wrong.push(format!(
                "line {line}: expected {expected}, got {given}: {condition}"
            ));
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
    assert!(rows().count() > 500);
}

/// A condition inside a route is the condition alone, moved to the right.
#[test]
fn every_condition_means_the_same_inside_a_route() {
    const BEFORE: &str = "FROM /messages/modules/hc-sr04 WHERE ";
    let message = message();
    for (line, verdict, condition) in rows() {
        let is_about_twins = condition.to_lowercase().contains("twin_change_includes");
        if condition.trim().is_empty() || is_about_twins {
            continue;
        }
        let route = format!("{BEFORE}{condition} INTO $upstream");
        match Route::parse(&route) {
            Ok(route) => assert_eq!(
                route.matches(&message),
                verdict == "true",
                "line {line}: {condition}"
            ),
            Err(errors) => {
                assert!(
                    verdict.starts_with("error"),
                    "line {line}: {condition}: {errors:?}"
                );
                let first_alone =
                    Condition::parse(&condition).expect_err("it is wrong alone too")[0].clone();
                let at_end =
                    first_alone.span().is_empty() || first_alone.message.contains("unterminated");
                if first_alone.line == 1 && !at_end {
                    let column = usize::try_from(errors[0].column).expect("a column is small");
                    let alone = usize::try_from(first_alone.column).expect("a column is small");
                    assert_eq!(column, alone + BEFORE.len(), "line {line}: {condition}");
                }
            }
        }
    }
}

#[test]
fn a_body_that_cannot_be_read_is_undefined_throughout() {
    let unreadable = json!({
        "systemProperties": {"contentType": "text/plain", "contentEncoding": "utf-8"},
        "body": {"distanceMm": 742}
    });
    let unreadable = SampleMessage::from_json(unreadable).expect("the message is well formed");
    assert!(unreadable.body().is_none());
    for condition in [
        "$body.distanceMm = 742",
        "$body.missing = null",
        "is_null($body.distanceMm)",
    ] {
        assert_eq!(verdict(condition, &unreadable), "undefined", "{condition}");
    }
}
