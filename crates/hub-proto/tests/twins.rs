//! Twin documents against the reference's examples, its limits, and a naive merge.

use hub_proto::identity::Identity;
use hub_proto::twin::{self, Envelope, Kind, LimitError, Object, Section, Twin, TwinError, Update};
use jiff::Timestamp;
use proptest::prelude::*;
use serde_json::{Value, json};

fn at(text: &str) -> Timestamp {
    text.parse().expect("a timestamp")
}

fn start() -> Timestamp {
    at("2026-03-01T09:59:00Z")
}

fn object(value: Value) -> Object {
    value.as_object().expect("an object").clone()
}

fn report(patch: Value) -> Result<u64, TwinError> {
    Twin::new(start()).report(&patch, start())
}

fn limit(patch: Value) -> LimitError {
    match report(patch.clone()) {
        Err(TwinError::Limit(error)) => error,
        other => panic!("{patch} gave {other:?}"),
    }
}

#[test]
fn a_new_twin_has_versions_from_one() {
    assert_eq!(
        Twin::new(start()).to_device_json(),
        json!({"desired": {"$version": 1}, "reported": {"$version": 1}})
    );
}

#[test]
fn reported_patches_merge_and_raise_the_version() {
    let mut twin = Twin::new(start());
    assert_eq!(
        twin.report(&json!({"a": {"x": 1, "y": 2}, "oldKey": 1}), start()),
        Ok(2)
    );
    assert_eq!(
        twin.report(
            &json!({"a": {"x": null, "z": [1, 2]}, "oldKey": null}),
            start()
        ),
        Ok(3)
    );
    assert_eq!(
        twin.report(&json!({}), start()),
        Ok(4),
        "a patch without net change still counts"
    );
    assert_eq!(
        twin.to_device_json()["reported"],
        json!({"a": {"y": 2, "z": [1, 2]}, "$version": 4})
    );
    assert_eq!(
        twin.version(),
        1,
        "the twin's own version counts tags and desired properties only"
    );
    assert_eq!(
        twin.report(&json!([1]), start()),
        Err(TwinError::NotAnObject("The reported patch"))
    );
}

#[test]
fn a_service_patch_notifies_with_the_patch_itself() {
    let mut twin = Twin::new(start());
    let document = json!({"tags": {"site": "north"}, "properties": {"desired": {"interval": 20, "gone": null}}});
    let notification = twin
        .update(&document, Update::Merge, start())
        .expect("within limits");
    assert_eq!(
        notification,
        Some(object(json!({"interval": 20, "gone": null, "$version": 2})))
    );
    assert_eq!(twin.tags(), &object(json!({"site": "north"})));
    assert_eq!((twin.version(), twin.etag().as_str()), (2, "AAAAAAAAAAI="));
    assert_eq!(
        twin.update(&json!({"tags": {"site": null}}), Update::Merge, start()),
        Ok(None)
    );
    assert!(twin.tags().is_empty());
}

#[test]
fn a_replacement_notifies_with_explicit_nulls() {
    let mut twin = Twin::new(start());
    twin.desire(
        &object(json!({"keep": 1, "gone": 2, "in": {"a": 1, "b": 2}})),
        start(),
    )
    .expect("within limits");
    let document = json!({"properties": {"desired": {"keep": 1, "in": {"a": 9}, "new": {}}}});
    let notification = twin
        .update(&document, Update::Replace, start())
        .expect("within limits");
    assert_eq!(
        notification,
        Some(object(
            json!({"gone": null, "in": {"b": null, "a": 9}, "new": {}, "$version": 3})
        ))
    );
    assert_eq!(
        twin.desired().value(),
        &object(json!({"keep": 1, "in": {"a": 9}, "new": {}}))
    );
}

#[test]
fn a_twin_that_was_read_can_be_sent_back() {
    let mut twin = Twin::new(start());
    twin.desire(&object(json!({"interval": 10})), start())
        .expect("within limits");
    let identity = Identity::device("pump7").expect("plain");
    let read = twin.to_service_json(&envelope(&identity));
    assert!(twin.update(&read, Update::Merge, start()).is_ok());
    assert_eq!(twin.desired().value(), &object(json!({"interval": 10})));
}

#[test]
fn a_failed_update_changes_nothing() {
    let mut twin = Twin::new(start());
    let before = twin.clone();
    let document = json!({"tags": {"a": 1}, "properties": {"desired": {"a.b": 1}}});
    assert!(twin.update(&document, Update::Merge, start()).is_err());
    assert!(
        twin.update(&json!({"tags": 1}), Update::Merge, start())
            .is_err()
    );
    assert_eq!(twin, before);
}

fn envelope(identity: &Identity) -> Envelope<'_> {
    Envelope {
        identity,
        device_etag: "NTQ1NjA0MTQx",
        enabled: true,
        status_updated: None,
        connected: true,
        last_activity: Some(at("2026-03-01T10:00:00Z")),
        waiting_messages: 0,
        authentication_type: "sas",
        model_id: "",
        edge: false,
    }
}

#[test]
fn the_service_sees_the_reference_document() {
    let mut twin = Twin::new(at("2026-03-01T09:58:00Z"));
    twin.update(&json!({"tags": {"site": "north"}}), Update::Merge, start())
        .expect("within limits");
    twin.desire(&object(json!({"interval": 10})), start())
        .expect("within limits");
    twin.report(&json!({"interval": 10}), at("2026-03-01T10:00:00.1234567Z"))
        .expect("within limits");
    let identity = Identity::module("pump7", "sensor").expect("plain");
    assert_eq!(
        twin.to_service_json(&envelope(&identity)),
        json!({"deviceId":"pump7","moduleId":"sensor","etag":"AAAAAAAAAAM=","deviceEtag":"NTQ1NjA0MTQx","status":"enabled",
            "statusUpdateTime":"0001-01-01T00:00:00Z","connectionState":"Connected","lastActivityTime":"2026-03-01T10:00:00.0000000Z",
            "cloudToDeviceMessageCount":0,"authenticationType":"sas","x509Thumbprint":{"primaryThumbprint":null,"secondaryThumbprint":null},
            "modelId":"","version":3,"tags":{"site":"north"},
            "properties":{
                "desired":{"interval":10,"$metadata":{"$lastUpdated":"2026-03-01T09:59:00.0000000Z","$lastUpdatedVersion":2,
                    "interval":{"$lastUpdated":"2026-03-01T09:59:00.0000000Z","$lastUpdatedVersion":2}},"$version":2},
                "reported":{"interval":10,"$metadata":{"$lastUpdated":"2026-03-01T10:00:00.1234567Z",
                    "interval":{"$lastUpdated":"2026-03-01T10:00:00.1234567Z"}},"$version":2}},
            "capabilities":{"iotEdge":false}})
    );
}

#[test]
fn metadata_follows_each_path() {
    let mut section = Section::new(Kind::Desired, start());
    section
        .merge(&object(json!({"a": {"x": 1, "y": 1}, "b": 1})), start())
        .expect("within limits");
    let later = at("2026-03-01T10:00:00Z");
    section
        .merge(&object(json!({"a": {"x": 2, "y": null}})), later)
        .expect("within limits");
    let metadata = section.metadata();
    assert_eq!(
        (metadata.last_updated, metadata.last_updated_version),
        (later, Some(3))
    );
    assert_eq!(
        metadata.children["a"].children["x"].last_updated_version,
        Some(3)
    );
    assert!(metadata.children["a"].children.get("y").is_none());
    assert_eq!(metadata.children["b"].last_updated, start());
    section
        .merge(&object(json!({"a": 5})), later)
        .expect("within limits");
    assert!(
        section.metadata().children["a"].children.is_empty(),
        "a scalar has nothing below it"
    );
}

#[test]
fn limits_have_their_own_errors() {
    assert_eq!(limit(json!({"$version": 3})), LimitError::Reserved);
    assert_eq!(limit(json!({"a": {"$x": 3}})), LimitError::Reserved);
    assert_eq!(
        LimitError::Reserved.to_string(),
        "Property names must not start with '$'."
    );
    for (name, character) in [
        ("a.b", '.'),
        ("a$b", '$'),
        ("a b", ' '),
        ("a\u{7}", '\u{7}'),
    ] {
        assert_eq!(
            limit(json!({name: 1})),
            LimitError::NameCharacter(character)
        );
    }
    assert_eq!(limit(json!({"": 1})), LimitError::NameEmpty);
    assert_eq!(limit(json!({"n".repeat(1025): 1})), LimitError::NameTooLong);
    assert!(report(json!({"n".repeat(1024): 1})).is_ok());
    assert_eq!(
        limit(json!({"a": "x".repeat(4097)})),
        LimitError::StringTooLong
    );
    assert!(report(json!({"a": "x".repeat(4096)})).is_ok());
    assert_eq!(
        limit(json!({"a": 4_503_599_627_370_496_i64})),
        LimitError::IntegerRange
    );
    assert_eq!(limit(json!({"a": u64::MAX})), LimitError::IntegerRange);
    assert!(
        report(json!({"a": [4_503_599_627_370_495_i64, -4_503_599_627_370_496_i64, 1e300]}))
            .is_ok()
    );
    assert_eq!(limit(json!({"a": [1, null]})), LimitError::NullInArray);
}

#[test]
fn objects_nest_ten_levels() {
    let nested = |levels: usize| (0..levels).fold(json!(1), |inner, _| json!({"n": inner}));
    assert!(report(json!({"root": nested(10)})).is_ok());
    assert_eq!(limit(json!({"root": nested(11)})), LimitError::TooDeep);
}

#[test]
fn sections_and_tags_have_a_size() {
    let filled = |bytes: usize| {
        let texts: Object = (0..bytes / 4096)
            .map(|n| (format!("{n:02}"), json!("x".repeat(4094))))
            .collect();
        json!(texts)
    };
    assert!(report(filled(32_768)).is_ok());
    let mut twin = Twin::new(start());
    twin.report(&filled(32_768), start())
        .expect("within limits");
    let full = twin.clone();
    assert_eq!(
        twin.report(&json!({"n": true}), start()),
        Err(TwinError::Limit(LimitError::SectionTooLarge {
            bytes: 32_773,
            limit: 32_768
        }))
    );
    assert_eq!(twin, full);
    assert!(
        twin.report(&json!({"00": null, "n": 1}), start()).is_ok(),
        "what counts is the result"
    );
    let tags = json!({"tags": filled(12_288)});
    assert_eq!(
        twin.update(&tags, Update::Merge, start()),
        Err(TwinError::Limit(LimitError::SectionTooLarge {
            bytes: 12_288,
            limit: 8_192
        }))
    );
}

#[test]
fn a_stored_twin_is_the_same_twin() {
    let mut twin = Twin::new(start());
    twin.report(&json!({"a": {"x": 1}, "b": [1.5, "t"]}), start())
        .expect("within limits");
    twin.desire(&object(json!({"c": {"d": false}})), start())
        .expect("within limits");
    let stored = serde_json::to_string(&twin).expect("serialises");
    assert_eq!(
        serde_json::from_str::<Twin>(&stored).expect("deserialises"),
        twin
    );
}

/// The reference's four lines, on values, without sharing a line with the code under test.
fn naive_merge(target: Value, patch: &Value) -> Value {
    let Value::Object(changes) = patch else {
        return patch.clone();
    };
    let mut result = match target {
        Value::Object(object) => object,
        _ => Object::new(),
    };
    for (name, change) in changes {
        let old = result.shift_remove(name).unwrap_or(Value::Null);
        if !change.is_null() {
            result.insert(name.clone(), naive_merge(old, change));
        }
    }
    Value::Object(result)
}

fn tree(leaf: impl Strategy<Value = Value> + 'static) -> impl Strategy<Value = Value> {
    let value = leaf.prop_recursive(3, 24, 4, |inner| {
        prop::collection::vec(("[a-d]", inner), 0..4)
            .prop_map(|pairs| Value::Object(pairs.into_iter().collect()))
    });
    prop::collection::vec(("[a-d]", value), 0..4)
        .prop_map(|pairs| Value::Object(pairs.into_iter().collect()))
}

fn plain() -> impl Strategy<Value = Value> {
    prop_oneof![
        (0..5_i64).prop_map(Value::from),
        any::<bool>().prop_map(Value::from),
        Just(json!([1, "x"]))
    ]
}

proptest! {
    #[test]
    fn merging_agrees_with_the_naive_merge(
        first in tree(plain()),
        patches in prop::collection::vec(tree(prop_oneof![Just(Value::Null), plain()]), 1..5),
    ) {
        let mut section = Section::new(Kind::Reported, start());
        section.merge(&object(first.clone()), start()).expect("small trees are within limits");
        let mut expected = first;
        for (index, patch) in patches.iter().enumerate() {
            section.merge(&object(patch.clone()), start()).expect("small trees are within limits");
            expected = naive_merge(expected, patch);
            prop_assert_eq!(Value::Object(section.value().clone()), expected.clone());
            prop_assert_eq!(section.version(), index as u64 + 3);
            prop_assert!(stamps_match(section.value(), section.metadata()));
        }
    }

    #[test]
    fn a_difference_leads_from_one_section_to_the_other(from in tree(plain()), to in tree(plain())) {
        let (mut merged, to) = (object(from), object(to));
        let patch = twin::diff(&merged, &to);
        twin::merge(&mut merged, &patch);
        prop_assert_eq!(merged, to);
    }
}

/// Every property has a stamp and every stamp a property.
fn stamps_match(value: &Object, metadata: &twin::Metadata) -> bool {
    value.len() == metadata.children.len()
        && value
            .iter()
            .all(|(name, value)| match (value, metadata.children.get(name)) {
                (Value::Object(inner), Some(stamp)) => stamps_match(inner, stamp),
                (_, Some(stamp)) => stamp.children.is_empty(),
                (_, None) => false,
            })
}
