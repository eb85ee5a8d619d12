//! The bodies of the hub's own events.

use hub_proto::identity::Identity;
use hub_proto::twin::{Children, Metadata, Object, Section, Twin};
use serde_json::{Value, json};

use crate::digital_twin;
use crate::registry::Client;

/// A whole twin, as an identity that was made or removed has it, or a replacement leaves it.
pub(super) fn whole(about: &Identity, twin: &Twin) -> Value {
    let mut body = json!({ "deviceId": about.device_id() });
    if let Some(module) = about.module_id() {
        body["moduleId"] = module.into();
    }
    body["etag"] = twin.etag().into();
    body["version"] = twin.version().into();
    if !twin.tags().is_empty() {
        body["tags"] = Value::Object(twin.tags().clone());
    }
    body["properties"] = json!({
        "desired": twin.desired().to_service_json(),
        "reported": twin.reported().to_service_json(),
    });
    body
}

/// What a service's PATCH named, of the twin it led to.
pub(super) fn updated(twin: &Twin, document: &Value) -> Value {
    let mut body = json!({ "version": twin.version() });
    if let Some(tags) = document["tags"].as_object() {
        body["tags"] = Value::Object(without_service_s_own(tags));
    }
    if let Some(desired) = document["properties"]["desired"].as_object() {
        let patch = without_service_s_own(desired);
        body["properties"] = json!({"desired": part(twin.desired(), &patch)});
    }
    body
}

/// What a device's patch named, of the twin it led to.
pub(super) fn reported(twin: &Twin, patch: &Object) -> Value {
    json!({
        "version": twin.version(),
        "properties": {"reported": part(twin.reported(), patch)},
    })
}

/// A patch with the metadata of what it wrote.
fn part(section: &Section, patch: &Object) -> Value {
    let mut part = patch.clone();
    let metadata = metadata_of(section.metadata(), patch);
    part.insert("$metadata".to_owned(), metadata);
    part.insert("$version".to_owned(), section.version().into());
    Value::Object(part)
}

fn metadata_of(metadata: &Metadata, patch: &Object) -> Value {
    let own = Metadata {
        children: Children::default(),
        ..*metadata
    };
    let mut shown = own.to_json();
    for (name, change) in patch {
        let Some(child) = metadata.children.get(name) else {
            continue;
        };
        shown[name] = match change {
            Value::Object(change) => metadata_of(child, change),
            _ => child.to_json(),
        };
    }
    shown
}

fn without_service_s_own(object: &Object) -> Object {
    let own = object.iter().filter(|(name, _)| !name.starts_with('$'));
    own.map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

/// The digital twin of a device or module.
pub(super) fn digital_twin(about: &Identity, client: &Client) -> Value {
    digital_twin::shown(&json!({
        "deviceId": about.device_id(),
        "modelId": client.model_id,
        "properties": {
            "desired": client.twin.desired().to_service_json(),
            "reported": client.twin.reported().to_service_json(),
        },
    }))
}

/// The JSON patch (RFC 6902) that leads from one digital twin to another.
pub(super) fn patch(before: &Value, after: &Value) -> Vec<Value> {
    let mut steps = Vec::new();
    differences("", before, after, &mut steps);
    steps
}

/// Metadata come first, as in the hub's.
fn differences(path: &str, before: &Value, after: &Value, steps: &mut Vec<Value>) {
    let (Some(old), Some(new)) = (before.as_object(), after.as_object()) else {
        return;
    };
    let names = |of: &Object| {
        let (first, rest): (Vec<String>, Vec<String>) =
            of.keys().cloned().partition(|name| name == "$metadata");
        first.into_iter().chain(rest)
    };
    for name in names(new) {
        let path = format!("{path}/{}", name.replace('~', "~0").replace('/', "~1"));
        match (old.get(&name), &new[&name]) {
            (None, value) => steps.push(json!({"op": "add", "path": path, "value": value})),
            (Some(old), new) if old == new => {}
            (Some(old @ Value::Object(_)), new @ Value::Object(_)) => {
                differences(&path, old, new, steps);
            }
            (Some(_), value) => {
                steps.push(json!({"op": "replace", "path": path, "value": value}));
            }
        }
    }
    for name in names(old).filter(|name| !new.contains_key(name)) {
        let path = format!("{path}/{}", name.replace('~', "~0").replace('/', "~1"));
        steps.push(json!({"op": "remove", "path": path}));
    }
}
