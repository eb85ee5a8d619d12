//! Digital twins: twins in the words of a Plug and Play model, made from the twin alone.
//!
//! A property has one value, the device's, and its metadata say what was wanted and how the device took it. A component is
//! known by its `__t` marker: the hub does not read models.

use serde_json::{Map, Value};

/// What tells a component from a property whose value is an object.
pub(crate) const MARKER: &str = "__t";

/// The digital twin that a twin is.
pub(crate) fn shown(twin: &Value) -> Value {
    let mut shown = interface(
        &twin["properties"]["desired"],
        &twin["properties"]["desired"]["$metadata"],
        &twin["properties"]["reported"],
        &twin["properties"]["reported"]["$metadata"],
    );
    shown["$dtId"] = twin["deviceId"].clone();
    shown["$metadata"]["$model"] = twin["modelId"].clone();
    shown
}

/// One interface: the device's own, or a component's.
fn interface(
    desired: &Value,
    desired_metadata: &Value,
    reported: &Value,
    reported_metadata: &Value,
) -> Value {
    let (mut shown, mut metadata) = (Map::new(), Map::new());
    let names = [reported, desired]
        .into_iter()
        .flat_map(Value::as_object)
        .flat_map(Map::keys)
        .filter(|name| !name.starts_with('$') && *name != MARKER);
    for name in names {
        if shown.contains_key(name) || metadata.contains_key(name) {
            continue;
        }
        let (wanted, is) = (&desired[name], &reported[name]);
        let (wanted_metadata, is_metadata) = (&desired_metadata[name], &reported_metadata[name]);
        if is_component(wanted) || is_component(is) {
            let component = interface(wanted, wanted_metadata, is, is_metadata);
            shown.insert(name.clone(), component);
            continue;
        }
        let mut about = Map::new();
        if !wanted.is_null() {
            about.insert("desiredValue".to_owned(), wanted.clone());
            about.insert(
                "desiredVersion".to_owned(),
                wanted_metadata["$lastUpdatedVersion"].clone(),
            );
        }
        let updated = match is {
            Value::Null => &wanted_metadata["$lastUpdated"],
            _ => &is_metadata["$lastUpdated"],
        };
        about.insert("lastUpdateTime".to_owned(), updated.clone());
        let is_acknowledged = is.get("ac").is_some() && is.get("av").is_some();
        if is_acknowledged {
            for (short, long) in [
                ("av", "ackVersion"),
                ("ac", "ackCode"),
                ("ad", "ackDescription"),
            ] {
                if let Some(value) = is.get(short) {
                    about.insert(long.to_owned(), value.clone());
                }
            }
        }
        let value = if is_acknowledged { &is["value"] } else { is };
        if !value.is_null() {
            shown.insert(name.clone(), value.clone());
        }
        metadata.insert(name.clone(), Value::Object(about));
    }
    shown.insert("$metadata".to_owned(), Value::Object(metadata));
    Value::Object(shown)
}

fn is_component(value: &Value) -> bool {
    value[MARKER] == "c"
}
