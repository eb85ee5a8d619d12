use std::convert::Infallible;
use std::fmt;
use std::str::FromStr;

use serde_json::{Map, Value};

/// Whom a command is about: `DEVICE` or `DEVICE/MODULE`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    device: String,
    module: Option<String>,
}

impl Target {
    /// The path `/control/{collection}/{device}[/modules/{module}]`, to be handed to [`crate::control::Control`].
    pub(crate) fn path<'a>(&'a self, collection: &'a str) -> Vec<&'a str> {
        let mut path = vec![collection, &self.device];
        if let Some(module) = &self.module {
            path.extend(["modules", module]);
        }
        path
    }
}

impl FromStr for Target {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        // A device id cannot hold a slash, so the first one ends it.
        Ok(match text.split_once('/') {
            Some((device, module)) => Self {
                device: device.into(),
                module: Some(module.into()),
            },
            None => Self {
                device: text.into(),
                module: None,
            },
        })
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.device)?;
        match &self.module {
            Some(module) => write!(f, "/{module}"),
            None => Ok(()),
        }
    }
}

/// An argument that is any JSON value.
pub(crate) fn json(text: &str) -> Result<Value, String> {
    serde_json::from_str(text).map_err(|error| format!("not JSON: {error}"))
}

/// An argument that is a JSON object, as every part of a twin is.
pub(crate) fn json_object(text: &str) -> Result<Map<String, Value>, String> {
    match json(text)? {
        Value::Object(object) => Ok(object),
        _ => Err("not a JSON object: write {\"name\": value}".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_name_a_device_or_one_of_its_modules() {
        let path = |text: &str| {
            let Ok(target) = text.parse::<Target>();
            assert_eq!(target.to_string(), text);
            target.path("twins").join(" ")
        };
        assert_eq!(path("bay-01"), "twins bay-01");
        assert_eq!(path("bay-01/light"), "twins bay-01 modules light");
        assert_eq!(path("bay-01/$edgeHub"), "twins bay-01 modules $edgeHub");
    }

    #[test]
    fn a_twins_patch_is_an_object() {
        assert!(json_object("{\"a\":1}").is_ok());
        assert_eq!(
            json_object("1"),
            Err("not a JSON object: write {\"name\": value}".into())
        );
        assert!(json_object("{a:1}").is_err_and(|error| error.starts_with("not JSON: ")));
    }
}
