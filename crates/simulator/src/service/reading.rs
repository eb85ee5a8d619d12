//! Bodies taken apart: each field by its kind, and a wrong one named.

use serde_json::{Map, Value};

use super::answer::Fault;

/// An object in a body. A field that is null is as good as absent, and one that nobody asks for is passed over.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Part<'a> {
    object: &'a Map<String, Value>,
    /// Where it lies, e.g. `authentication.symmetricKey`; empty for the body itself.
    place: &'a str,
}

/// Reads a body that has to be JSON.
///
/// # Errors
/// When it is none.
pub(crate) fn json(body: &[u8]) -> Result<Value, Fault> {
    serde_json::from_slice(body)
        .map_err(|error| Fault::argument(format!("The body cannot be read: {error}.")))
}

impl<'a> Part<'a> {
    /// The body, or an item of it that `place` names.
    ///
    /// # Errors
    /// When it is no object.
    pub(crate) fn of(value: &'a Value, place: &'a str) -> Result<Self, Fault> {
        let object = value.as_object().ok_or_else(|| {
            let what = if place.is_empty() { "The body" } else { place };
            Fault::argument(format!("{what} must be a JSON object."))
        })?;
        Ok(Self { object, place })
    }

    pub(crate) fn value(&self, name: &str) -> Option<&'a Value> {
        self.object.get(name).filter(|value| !value.is_null())
    }

    /// A field's name with where it lies.
    pub(crate) fn name(&self, name: &str) -> String {
        match self.place {
            "" => name.to_owned(),
            place => format!("{place}.{name}"),
        }
    }

    /// The refusal of a field.
    pub(crate) fn wrong(&self, name: &str, what: impl std::fmt::Display) -> Fault {
        Fault::argument(format!("{} {what}.", self.name(name)))
    }

    pub(crate) fn text(&self, name: &str) -> Result<Option<&'a str>, Fault> {
        self.read(name, "must be a string", Value::as_str)
    }

    pub(crate) fn flag(&self, name: &str) -> Result<Option<bool>, Fault> {
        self.read(name, "must be true or false", Value::as_bool)
    }

    pub(crate) fn number(&self, name: &str) -> Result<Option<u64>, Fault> {
        self.read(name, "must be a whole number, not below 0", Value::as_u64)
    }

    pub(crate) fn list(&self, name: &str) -> Result<Option<&'a Vec<Value>>, Fault> {
        self.read(name, "must be an array", Value::as_array)
    }

    pub(crate) fn object(&self, name: &str) -> Result<Option<&'a Map<String, Value>>, Fault> {
        self.read(name, "must be a JSON object", Value::as_object)
    }

    /// An object whose fields are then asked for by their whole place.
    pub(crate) fn part(&self, name: &str, place: &'a str) -> Result<Option<Self>, Fault> {
        let object = self.object(name)?;
        Ok(object.map(|object| Self { object, place }))
    }

    /// A text that, where it is given, has to be the one expected.
    pub(crate) fn expect(&self, name: &str, expected: &str) -> Result<(), Fault> {
        match self.text(name)? {
            Some(other) if other != expected => {
                Err(self.wrong(name, format!("is {other:?}, and the path {expected:?}")))
            }
            _ => Ok(()),
        }
    }

    fn read<T>(
        &self,
        name: &str,
        what: &'static str,
        as_kind: impl FnOnce(&'a Value) -> Option<T>,
    ) -> Result<Option<T>, Fault> {
        let Some(value) = self.value(name) else {
            return Ok(None);
        };
        as_kind(value)
            .map(Some)
            .ok_or_else(|| self.wrong(name, what))
    }
}
