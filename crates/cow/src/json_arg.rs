//! Arguments that are JSON.

use serde_json::{Map, Value};

/// Any JSON value.
pub(crate) fn any(text: &str) -> Result<Value, String> {
    serde_json::from_str(text).map_err(|error| format!("not JSON: {error}"))
}

/// A file that holds a JSON value.
pub(crate) fn file(path: &str) -> Result<Value, String> {
    let text = std::fs::read_to_string(path).map_err(|error| format!("cannot read it: {error}"))?;
    any(&text)
}

/// A JSON object, as every part of a twin is.
pub(crate) fn object(text: &str) -> Result<Map<String, Value>, String> {
    match any(text)? {
        Value::Object(object) => Ok(object),
        _ => Err("not a JSON object: write {\"name\": value}".into()),
    }
}
