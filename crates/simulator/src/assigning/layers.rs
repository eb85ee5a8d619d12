//! What contents make of desired properties: `properties.desired` is all of them, `properties.desired.a.b` one part.
//!
//! A part is set, not merged: what lay there before is gone, as Azure documents it for modules and routes that two
//! layered deployments both name.

use std::collections::BTreeMap;

use hub_proto::twin::{Object, merge};
use serde_json::Value;

const DESIRED: &str = "properties.desired";

/// The parts that the sections of a content set: each with its path below the desired properties, empty for all of
/// them; the outer ones first, so that they do not undo the inner ones.
pub(crate) fn parts(sections: &Object) -> Vec<(&str, &Value)> {
    let mut parts: Vec<(&str, &Value)> = sections
        .iter()
        .filter_map(|(key, value)| Some((path_of(key)?, value)))
        .collect();
    parts.sort_by_key(|(path, _)| names(path).count());
    parts
}

/// The path that a key of a content names, if it names one.
pub(crate) fn path_of(key: &str) -> Option<&str> {
    match key.strip_prefix(DESIRED)? {
        "" => Some(""),
        rest => rest
            .strip_prefix('.')
            .filter(|path| path.split('.').all(|name| !name.is_empty())),
    }
}

fn names(path: &str) -> impl Iterator<Item = &str> {
    path.split('.').filter(|name| !name.is_empty())
}

/// Puts a value in the place of what is at a path, and takes that out for a null.
pub(crate) fn set(desired: &mut Object, path: &str, value: &Value) {
    let mut place = desired;
    let mut names = names(path).peekable();
    while let Some(name) = names.next() {
        if names.peek().is_none() {
            if value.is_null() {
                place.shift_remove(name);
            } else {
                place.insert(name.to_owned(), without_nulls(value));
            }
            return;
        }
        let inner = place.entry(name).or_insert(Value::Null);
        if !inner.is_object() {
            *inner = Value::Object(Object::new());
        }
        let Value::Object(inner) = inner else {
            return;
        };
        place = inner;
    }
    *place = match without_nulls(value) {
        Value::Object(whole) => whole,
        _ => Object::new(),
    };
}

/// Takes out what is at a path.
pub(crate) fn unset(desired: &mut Object, path: &str) {
    let mut names: Vec<&str> = names(path).collect();
    let Some(last) = names.pop() else {
        desired.clear();
        return;
    };
    let found = names.into_iter().try_fold(desired, |place, name| {
        place.get_mut(name).and_then(Value::as_object_mut)
    });
    if let Some(place) = found {
        place.shift_remove(last);
    }
}

/// As a twin takes it: a null in an object is nothing.
fn without_nulls(value: &Value) -> Value {
    match value {
        Value::Object(object) => {
            let mut kept = Object::new();
            merge(&mut kept, object);
            Value::Object(kept)
        }
        other => other.clone(),
    }
}

/// What several contents, one on another, set in one module's twin.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Layers(Vec<(String, Value)>);

impl Layers {
    fn lay(&mut self, sections: &Object) {
        for (path, value) in parts(sections) {
            if path.is_empty() {
                self.0.clear();
            }
            self.0.push((path.to_owned(), value.clone()));
        }
    }

    /// Whether they say nothing of the twin.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether they leave nothing of what was there before.
    pub(crate) fn is_whole(&self) -> bool {
        self.0.first().is_some_and(|(path, _)| path.is_empty())
    }

    /// The desired properties they make of those that are there.
    pub(crate) fn on(&self, current: &Object) -> Object {
        let mut desired = current.clone();
        for (path, value) in &self.0 {
            set(&mut desired, path, value);
        }
        desired
    }
}

/// What the `modulesContent` of several deployments says of each module, the weakest first.
pub(crate) fn stack<'c>(
    contents: impl IntoIterator<Item = &'c Object>,
) -> BTreeMap<String, Layers> {
    let mut modules: BTreeMap<String, Layers> = BTreeMap::new();
    for content in contents {
        for (module, sections) in content {
            let layers = modules.entry(module.clone()).or_default();
            if let Some(sections) = sections.as_object() {
                layers.lay(sections);
            }
        }
    }
    modules
}

#[cfg(test)]
mod tests;
