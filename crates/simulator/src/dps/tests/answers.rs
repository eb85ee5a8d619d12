//! Answers against what was captured from the real service: names, order of fields, forms of values.

use super::*;

/// What differs from one registration to the next, replaced by what the capture has.
fn like_the_capture(body: &str) -> Value {
    let mut body: Value = serde_json::from_str(body).expect("JSON");
    body["operationId"] = json!("4.b2f1.77aa");
    if let Some(state) = body.get_mut("registrationState") {
        for (name, value) in [
            ("createdDateTimeUtc", "2026-03-01T10:00:00.1234567Z"),
            ("lastUpdatedDateTimeUtc", "2026-03-01T10:00:01.1234567Z"),
            ("etag", "ImUxIg=="),
        ] {
            if let Some(present) = state.get_mut(name) {
                let text = present.as_str().expect("a text");
                let same_form = text.len() == value.len() || name == "etag";
                assert!(same_form, "{name} is {text}, captured was {value}");
                *present = json!(value);
            }
        }
    }
    body
}

#[test]
fn the_exchange_is_the_captured_one() {
    let bench = bench(&["localhost"], None);
    bench.enrol_group("pumps", &json!({}));
    let own = key("pumps").derive("r1");
    let begun = bench.register("r1", &own);
    assert_eq!(
        like_the_capture(&begun.body).to_string(),
        r#"{"operationId":"4.b2f1.77aa","status":"assigning"}"#
    );
    let operation: Operation = parsed(&begun);
    let done = bench.poll("r1", &own, &operation.operation_id);
    assert_eq!(done.retry_after, None);
    let captured = json!({"operationId": "4.b2f1.77aa", "status": "assigned", "registrationState": {
        "registrationId": "r1", "createdDateTimeUtc": "2026-03-01T10:00:00.1234567Z",
        "assignedHub": "localhost", "deviceId": "r1", "status": "assigned",
        "substatus": "initialAssignment", "lastUpdatedDateTimeUtc": "2026-03-01T10:00:01.1234567Z",
        "etag": "ImUxIg==", "symmetricKey": {"enrollmentGroupId": "pumps"}}});
    assert_eq!(
        like_the_capture(&done.body).to_string(),
        captured.to_string()
    );
}

#[test]
fn while_a_device_waits_the_record_is_there_but_in_the_first_answer() {
    let bench = bench(&["localhost"], None);
    bench.enrol("r1", &json!({}));
    bench.dps.pull(DpsLever::Hold(true));
    let operation: Operation = parsed(&bench.register("r1", &key("r1")));
    let waiting = bench.poll("r1", &key("r1"), &operation.operation_id);
    assert_eq!(
        like_the_capture(&waiting.body).to_string(),
        r#"{"operationId":"4.b2f1.77aa","status":"assigning","registrationState":{"registrationId":"r1","status":"assigning"}}"#
    );
}

#[test]
fn a_wrong_key_is_answered_in_the_captured_form() {
    let bench = bench(&["localhost"], None);
    bench.enrol("r1", &json!({}));
    let mut body: Value = parsed(&bench.register("r1", &key("wrong")));
    body["trackingId"] = json!("…");
    body["timestampUtc"] = json!("…");
    assert_eq!(
        body.to_string(),
        r#"{"errorCode":401002,"trackingId":"…","message":"Unauthorized","timestampUtc":"…"}"#
    );
}
