//! Configurations, and a deployment put on one edge device.

use std::collections::BTreeMap;

use axum::http::Method;
use axum::response::Response;
use jiff::Timestamp;
use query::{Collection, Query};
use serde_json::{Map, Value, json};

use super::answer::{Fault, nothing, tagged};
use super::reading::{self, Part};
use super::{Asked, not_allowed, query_value};
use crate::hub::{COLLECTIONS, ConfigurationFault, Right};
use crate::registry::Configuration;
use crate::rest::document;
use crate::with_causes;

/// Configurations in one answer.
const MOST_LISTED: usize = 100;
/// Characters of an id.
const LONGEST_ID: usize = 128;
/// What a configuration's content can be.
const CONTENTS: [&str; 3] = ["modulesContent", "moduleContent", "deviceContent"];

impl From<ConfigurationFault> for Fault {
    fn from(fault: ConfigurationFault) -> Self {
        Self::new(fault.code(), with_causes(&fault))
    }
}

impl Asked<'_> {
    /// `/devices/{device}/applyConfigurationContent`
    pub(super) fn apply_content(&self, device: &str) -> Result<Response, Fault> {
        if *self.method() != Method::POST {
            return not_allowed();
        }
        self.authorize(Right::RegistryWrite)?;
        let content = reading::json(self.body)?;
        Part::of(&content, "")?.object("modulesContent")?;
        self.hub.apply_deployment(device, &content)?;
        Ok(nothing())
    }

    /// `/configurations`
    pub(super) fn configurations(&self) -> Result<Response, Fault> {
        if *self.method() != Method::GET {
            return not_allowed();
        }
        self.authorize(Right::RegistryRead)?;
        let query = self.parts.uri.query().unwrap_or_default();
        let most = match query_value(query, "top").map(str::parse::<usize>) {
            None => MOST_LISTED,
            Some(Ok(most @ 1..)) => most.min(MOST_LISTED),
            Some(_) => return Err(Fault::argument("top must be a number above 0.")),
        };
        Ok(document(&self.hub.configurations(most)?))
    }

    /// `/configurations/testQueries`: whether a target condition and metrics would be understood.
    pub(super) fn test_queries(&self) -> Result<Response, Fault> {
        if *self.method() != Method::POST {
            return not_allowed();
        }
        self.authorize(Right::RegistryRead)?;
        let body = reading::json(self.body)?;
        let part = Part::of(&body, "")?;
        let condition = part.text("targetCondition")?.unwrap_or_default();
        let of_condition = check_target(condition).err().unwrap_or_default();
        let mut of_metrics = Map::new();
        for (name, query) in texts(&part, "customMetricQueries")? {
            if let Err(error) = Query::parse(&query, &COLLECTIONS) {
                of_metrics.insert(name, error.to_string().into());
            }
        }
        Ok(document(&json!({
            "targetConditionError": of_condition,
            "customMetricQueryErrors": of_metrics,
        })))
    }

    /// `/configurations/{id}`
    pub(super) fn configuration(&self, id: &str) -> Result<Response, Fault> {
        match *self.method() {
            Method::GET => {
                self.authorize(Right::RegistryRead)?;
                Ok(tagged(&self.hub.configuration(id)?))
            }
            Method::PUT => {
                self.authorize(Right::RegistryWrite)?;
                check_id(id)?;
                let body = reading::json(self.body)?;
                let part = Part::of(&body, "")?;
                part.expect("id", id)?;
                let configuration = configuration(&part)?;
                let when = self.if_match_or_absent();
                Ok(tagged(&self.hub.put_configuration(
                    id,
                    configuration,
                    when,
                )?))
            }
            Method::DELETE => {
                self.authorize(Right::RegistryWrite)?;
                self.hub.remove_configuration(id, self.if_match())?;
                Ok(nothing())
            }
            _ => not_allowed(),
        }
    }
}

fn check_id(id: &str) -> Result<(), Fault> {
    let allowed =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-+%_*!'".contains(&byte);
    if id.len() <= LONGEST_ID && id.bytes().all(allowed) {
        return Ok(());
    }
    Err(Fault::argument(format!(
        "id {id:?} is none: up to {LONGEST_ID} lower-case letters, digits, and any of - + % _ * ! ' are one."
    )))
}

/// Whether a target condition can be understood. `*` is every device and the empty one none; that of modules begins
/// with the collection it is over.
fn check_target(condition: &str) -> Result<(), String> {
    const MODULES: &str = "from devices.modules where";
    let condition = condition.trim();
    if condition.is_empty() || condition == "*" {
        return Ok(());
    }
    let parsed = match condition.split_at_checked(MODULES.len()) {
        Some((from, rest)) if from.eq_ignore_ascii_case(MODULES) => {
            Query::parse_condition(rest, Collection::MODULES)
        }
        _ => Query::parse_condition(condition, Collection::DEVICES),
    };
    parsed.map(drop).map_err(|error| error.to_string())
}

fn configuration(part: &Part<'_>) -> Result<Configuration, Fault> {
    if let Some(version) = part.text("schemaVersion")?.filter(|text| !text.is_empty())
        && version.split('.').next() != Some("1")
    {
        return Err(part.wrong("schemaVersion", "must be 1.0"));
    }
    let metrics = match part.part("metrics", "metrics")? {
        None => BTreeMap::new(),
        Some(metrics) => texts(&metrics, "queries")?,
    };
    let target_condition = part.text("targetCondition")?.unwrap_or_default();
    check_target(target_condition)
        .map_err(|error| part.wrong("targetCondition", format!("cannot be understood: {error}")))?;
    Ok(Configuration {
        labels: texts(part, "labels")?,
        content: content(part)?,
        target_condition: target_condition.to_owned(),
        priority: part.number("priority")?.unwrap_or_default(),
        metrics,
        // The hub's to give.
        created: Timestamp::UNIX_EPOCH,
        updated: Timestamp::UNIX_EPOCH,
        revision: 0,
    })
}

/// The content, without the kinds of it that are null.
fn content(part: &Part<'_>) -> Result<Map<String, Value>, Fault> {
    let mut content = Map::new();
    let Some(given) = part.part("content", "content")? else {
        return Ok(content);
    };
    for kind in CONTENTS {
        if let Some(of_kind) = given.object(kind)? {
            content.insert(kind.to_owned(), Value::Object(of_kind.clone()));
        }
    }
    Ok(content)
}

/// An object whose values are texts.
fn texts(part: &Part<'_>, name: &str) -> Result<BTreeMap<String, String>, Fault> {
    let object = part.object(name)?.into_iter().flatten();
    object
        .map(|(key, value)| match value {
            Value::String(text) => Ok((key.clone(), text.clone())),
            _ => Err(part.wrong(&format!("{name}.{key}"), "must be a string")),
        })
        .collect()
}
