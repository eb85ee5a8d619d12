//! The merge rule, and its inverse.

use serde_json::Value;

use super::Object;

/// Merges `patch` into `target`: null deletes, objects merge, everything else replaces.
pub fn merge(target: &mut Object, patch: &Object) {
    for (name, change) in patch {
        match change {
            Value::Null => {
                target.shift_remove(name);
            }
            Value::Object(change) => {
                let entry = target.entry(name.as_str()).or_insert(Value::Null);
                if !entry.is_object() {
                    *entry = Value::Object(Object::new());
                }
                if let Value::Object(inner) = entry {
                    merge(inner, change);
                }
            }
            change => {
                target.insert(name.clone(), change.clone());
            }
        }
    }
}

/// The patch that leads from one section to another, with explicit nulls for what is gone.
#[must_use]
pub fn diff(from: &Object, to: &Object) -> Object {
    let mut patch = Object::new();
    for name in from.keys().filter(|name| !to.contains_key(*name)) {
        patch.insert(name.clone(), Value::Null);
    }
    for (name, new) in to {
        match (from.get(name), new) {
            (Some(old), new) if old == new => {}
            (Some(Value::Object(old)), Value::Object(new)) => {
                patch.insert(name.clone(), Value::Object(diff(old, new)));
            }
            (_, new) => {
                patch.insert(name.clone(), new.clone());
            }
        }
    }
    patch
}
