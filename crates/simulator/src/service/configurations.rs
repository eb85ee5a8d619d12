//! Configurations, and a deployment put on one edge device.

use std::collections::BTreeMap;

use axum::http::Method;
use axum::response::Response;
use hub_proto::error::ErrorCode;
use hub_proto::twin::{Twin, TwinError, Update};
use jiff::Timestamp;
use query::Query;
use serde_json::{Map, Value, json};

use super::answer::{Fault, nothing, tagged};
use super::reading::{self, Part};
use super::{Asked, not_allowed, query_value};
use crate::assigning::{Kind, Whom, path_of, set};
use crate::hub::{COLLECTIONS, ConfigurationFault, Right, check_deployment};
use crate::registry::Configuration;
use crate::rest::document;
use crate::with_causes;

/// Configurations in one answer.
const MOST_LISTED: usize = 100;
/// Characters of an id.
const LONGEST_ID: usize = 128;
/// The service keeps it as a signed number of 32 bits.
const HIGHEST_PRIORITY: u64 = i32::MAX as u64;
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
    pub(super) async fn configurations(&self) -> Result<Response, Fault> {
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
        let found = self.hub.configurations(most)?;
        Ok(document(&self.hub.describe(&found).await?))
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
        let of_condition = Whom::parse(condition).err().unwrap_or_default();
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
    pub(super) async fn configuration(&self, id: &str) -> Result<Response, Fault> {
        match *self.method() {
            Method::GET => {
                self.authorize(Right::RegistryRead)?;
                let found = self.hub.configuration(id)?;
                self.described(id, found).await
            }
            Method::PUT => {
                self.authorize(Right::RegistryWrite)?;
                check_id(id)?;
                let body = reading::json(self.body)?;
                let part = Part::of(&body, "")?;
                part.expect("id", id)?;
                let configuration = configuration(&part)?;
                let when = self.if_match_or_absent();
                let put = self.hub.put_configuration(id, configuration, when)?;
                self.described(id, put).await
            }
            Method::DELETE => {
                self.authorize(Right::RegistryWrite)?;
                self.hub.remove_configuration(id, self.if_match())?;
                Ok(nothing())
            }
            _ => not_allowed(),
        }
    }

    async fn described(&self, id: &str, configuration: Configuration) -> Result<Response, Fault> {
        let described = self.hub.describe(&[(id.to_owned(), configuration)]).await?;
        Ok(tagged(&described[0]))
    }
}

pub(super) fn check_id(id: &str) -> Result<(), Fault> {
    let allowed =
        |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-+%_*!'".contains(&byte);
    if id.len() <= LONGEST_ID && id.bytes().all(allowed) {
        return Ok(());
    }
    Err(Fault::argument(format!(
        "id {id:?} is none: up to {LONGEST_ID} lower-case letters, digits, and any of - + % _ * ! ' are one."
    )))
}

pub(super) fn configuration(part: &Part<'_>) -> Result<Configuration, Fault> {
    if let Some(version) = part.text("schemaVersion")?.filter(|text| !text.is_empty())
        && version.split('.').next() != Some("1")
    {
        return Err(part.wrong("schemaVersion", "must be 1.0"));
    }
    let metrics = match part.part("metrics", "metrics")? {
        None => BTreeMap::new(),
        Some(metrics) => texts(&metrics, "queries")?,
    };
    for (name, query) in &metrics {
        if let Err(error) = Query::parse(query, &COLLECTIONS) {
            let what = format!("metrics.queries.{name} cannot be understood: {error}.");
            return Err(Fault::new(
                ErrorCode::InvalidConfigurationCustomMetricsQuery,
                what,
            ));
        }
    }
    let configuration = Configuration {
        labels: texts(part, "labels")?,
        content: content(part)?,
        target_condition: part.text("targetCondition")?.unwrap_or_default().to_owned(),
        priority: part.number("priority")?.unwrap_or_default(),
        metrics,
        // The hub's to give.
        created: Timestamp::UNIX_EPOCH,
        updated: Timestamp::UNIX_EPOCH,
        revision: 0,
    };
    if configuration.priority > HIGHEST_PRIORITY {
        return Err(part.wrong("priority", format!("must be at most {HIGHEST_PRIORITY}")));
    }
    check_target(&configuration)?;
    check_content(&configuration)?;
    Ok(configuration)
}

/// Whether the condition can be understood, and is over what the content is for.
fn check_target(configuration: &Configuration) -> Result<(), Fault> {
    let wrong = |what: String| {
        let message = format!("targetCondition {what}.");
        Fault::new(ErrorCode::InvalidConfigurationTargetCondition, message)
    };
    let whom = Whom::parse(&configuration.target_condition);
    let whom = whom.map_err(|error| wrong(format!("cannot be understood: {error}")))?;
    match (configuration.kind(), whom) {
        (Kind::Module, Whom::Devices(_)) => {
            let what = "must begin with FROM devices.modules WHERE, as there is moduleContent";
            Err(wrong(what.to_owned()))
        }
        (Kind::Device | Kind::Deployment { .. }, Whom::Modules(_)) => {
            let what = "is over modules, and only moduleContent is for those";
            Err(wrong(what.to_owned()))
        }
        _ => Ok(()),
    }
}

/// Whether twins can take the content.
fn check_content(configuration: &Configuration) -> Result<(), Fault> {
    let wrong = |what: String| {
        Fault::new(
            ErrorCode::InvalidConfigurationContent,
            format!("content{what}."),
        )
    };
    let content = &configuration.content;
    if content.len() > 1 {
        let kinds = content.keys().map(String::as_str).collect::<Vec<_>>();
        return Err(wrong(format!(
            " must be of one kind, and has {}",
            kinds.join(" and ")
        )));
    }
    let Some((kind, sections)) = content.iter().next() else {
        return Ok(());
    };
    if kind == "modulesContent" {
        return check_deployment(&Value::Object(content.clone()))
            .map_err(|fault| wrong(format!(": {}", with_causes(&fault))));
    }
    let mut desired = Map::new();
    for (key, value) in sections.as_object().into_iter().flatten() {
        match path_of(key) {
            Some("") if !value.is_object() => {
                return Err(wrong(format!(".{kind}.{key} must be a JSON object")));
            }
            Some(path) => set(&mut desired, path, value),
            None => {
                let what = "is neither properties.desired nor a path below it";
                return Err(wrong(format!(".{kind}.{key} {what}")));
            }
        }
    }
    let document = json!({"properties": {"desired": desired}});
    let now = Timestamp::UNIX_EPOCH;
    let taken: Result<_, TwinError> = Twin::new(now).update(&document, Update::Replace, now);
    taken
        .map(drop)
        .map_err(|error| wrong(format!(".{kind}: {}", with_causes(&error))))
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
