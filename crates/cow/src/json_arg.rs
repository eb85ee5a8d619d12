//! Arguments that are JSON.

use serde_json::{Map, Value};

/// Any JSON value.
pub(crate) fn any(text: &str) -> Result<Value, String> {
    serde_json::from_str(text).map_err(|error| format!("not JSON: {error}"))
}

/// A JSON object, as every part of a twin is.
pub(crate) fn object(text: &str) -> Result<Map<String, Value>, String> {
    match any(text)? {
        Value::Object(object) => Ok(object),
        _ => Err("not a JSON object: write {\"name\": value}".into()),
    }
}
