use proptest::prelude::*;
use serde_json::json;

use super::*;

fn object(value: Value) -> Object {
    match value {
        Value::Object(object) => object,
        other => panic!("{other} is no object"),
    }
}

#[test]
fn azures_own_example_of_a_layer_comes_out_as_documented() {
    let base = object(json!({"SimulatedTemperatureSensor": {
        "properties.desired": {"SendData": true, "SendInterval": 5},
    }}));
    let layer = object(json!({"SimulatedTemperatureSensor": {
        "properties.desired.layeredProperties": {"StopAfterCount": 1000},
    }}));
    let stacked = stack([&base, &layer]);
    let layers = &stacked["SimulatedTemperatureSensor"];
    let desired = layers.on(&object(json!({"before": 1})));
    let expected =
        json!({"SendData": true, "SendInterval": 5, "layeredProperties": {"StopAfterCount": 1000}});
    assert_eq!(Value::Object(desired), expected);
    assert!(layers.is_whole());
}

#[test]
fn modules_and_routes_of_layers_join_those_of_the_base() {
    let base = object(json!({
        "$edgeAgent": {"properties.desired": {"schemaVersion": "1.1", "modules": {"a": {"image": "a:1"}}}},
        "$edgeHub": {"properties.desired": {"routes": {"up": "FROM /* INTO $upstream"}}},
    }));
    let layer = object(json!({
        "$edgeAgent": {
            "properties.desired.modules.b": {"image": "b:1", "env": {"X": {"value": "1"}}},
            "properties.desired.modules.a": {"image": "a:2"},
        },
        "$edgeHub": {"properties.desired.routes.up": null},
    }));
    let above = object(json!({"$edgeAgent": {"properties.desired.modules.b": {"image": "b:2"}}}));
    let stacked = stack([&base, &layer, &above]);
    assert_eq!(
        Value::Object(stacked["$edgeAgent"].on(&Object::new())),
        json!({"schemaVersion": "1.1", "modules": {"a": {"image": "a:2"}, "b": {"image": "b:2"}}})
    );
    assert_eq!(
        Value::Object(stacked["$edgeHub"].on(&Object::new())),
        json!({"routes": {}})
    );
}

#[test]
fn what_a_content_does_not_name_is_left_alone() {
    let content = object(json!({"a": {}, "b": {"properties.desired.x.y": 1}}));
    let stacked = stack([&content]);
    let current = object(json!({"x": {"z": 2}, "w": 3}));
    assert!(stacked["a"].is_empty());
    assert_eq!(stacked["a"].on(&current), current);
    assert!(!stacked["b"].is_whole());
    assert_eq!(
        Value::Object(stacked["b"].on(&current)),
        json!({"x": {"z": 2, "y": 1}, "w": 3})
    );
}

#[test]
fn keys_name_paths_or_nothing() {
    for (key, path) in [
        ("properties.desired", Some("")),
        ("properties.desired.a", Some("a")),
        ("properties.desired.a.b", Some("a.b")),
        ("properties.desired.", None),
        ("properties.desired.a..b", None),
        ("properties.desiredother", None),
        ("properties.reported.a", None),
        ("tags.a", None),
    ] {
        assert_eq!(path_of(key), path, "{key}");
    }
}

/// Properties as a list of leaves by their paths: deliberately naive.
#[derive(Debug, Clone, Default, PartialEq)]
struct Leaves(BTreeMap<Vec<String>, i64>);

impl Leaves {
    fn set(&mut self, path: &[String], value: &Value) {
        self.0
            .retain(|leaf, _| !leaf.starts_with(path) && !path.starts_with(leaf));
        self.add(path, value);
    }

    fn add(&mut self, path: &[String], value: &Value) {
        match value {
            Value::Object(object) => {
                for (name, inner) in object {
                    self.add(&[path, std::slice::from_ref(name)].concat(), inner);
                }
            }
            Value::Null => {}
            leaf => {
                self.0
                    .insert(path.to_vec(), leaf.as_i64().expect("leaves are numbers"));
            }
        }
    }
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![4 => (0..9i64).prop_map(Value::from), 1 => Just(Value::Null)];
    leaf.prop_recursive(3, 12, 3, |inner| {
        proptest::collection::hash_map("[a-c]", inner, 0..3)
            .prop_map(|fields| Value::Object(fields.into_iter().collect()))
    })
}

fn section() -> impl Strategy<Value = (Vec<String>, Value)> {
    (proptest::collection::vec("[a-c]", 0..4), value()).prop_map(|(path, value)| {
        match path.is_empty() {
            // All of the desired properties are an object.
            true => (path, json!({"a": value})),
            false => (path, value),
        }
    })
}

proptest! {
    #[test]
    fn layers_are_what_setting_one_part_after_another_gives(
        current in proptest::collection::hash_map("[a-c]", value(), 0..3),
        sections in proptest::collection::vec(section(), 0..6),
    ) {
        let mut current: Object = current.into_iter().collect();
        current.retain(|_, value| !value.is_null());
        let current = object(without_nulls(&Value::Object(current)));
        let mut naive = Leaves::default();
        naive.set(&[], &Value::Object(current.clone()));
        let mut layers = Layers::default();
        for (path, value) in &sections {
            let key = [&[DESIRED.to_owned()], path.as_slice()].concat().join(".");
            let mut content = Object::new();
            content.insert(key, value.clone());
            layers.lay(&content);
            naive.set(path, value);
        }
        let mut made = Leaves::default();
        made.set(&[], &Value::Object(layers.on(&current)));
        prop_assert_eq!(made, naive);
    }

    #[test]
    fn what_is_unset_is_gone_and_nothing_else(
        current in proptest::collection::hash_map("[a-c]", value(), 0..3),
        path in proptest::collection::vec("[a-c]", 1..4),
    ) {
        let mut desired: Object = current.into_iter().collect();
        let mut naive = Leaves::default();
        naive.set(&[], &Value::Object(desired.clone()));
        naive.0.retain(|leaf, _| !leaf.starts_with(&path));
        unset(&mut desired, &path.join("."));
        let mut made = Leaves::default();
        made.set(&[], &Value::Object(desired));
        prop_assert_eq!(made, naive);
    }
}
