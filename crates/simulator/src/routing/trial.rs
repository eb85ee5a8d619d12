//! Routes tried on a message that somebody wrote down, as the hub's resource offers it (`testNewRoute`, `testAllRoutes`).

use manifest::route::SampleMessage;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::definition::{Definition, Problem, RouteDefinition, drop_nulls, read};
use super::table::compile;
use crate::events::Source;

/// A message, its sender's twin, and which routes to try: one that is given, or all of the hub's.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Trial {
    #[serde(default)]
    message: Message,
    #[serde(default)]
    twin: Value,
    route: Option<RouteDefinition>,
    /// Of all routes, those of one source.
    routing_source: Option<Source>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
struct Message {
    /// A text, as on the wire, or the JSON that the text would spell.
    body: Value,
    app_properties: Map<String, Value>,
    system_properties: Map<String, Value>,
}

/// Tries a route, or all of `definition`'s.
///
/// For one: `{"result":"true|false|undefined","details":{"compilationErrors":[…]}}`. For all:
/// `{"routes":[{"properties":{…}}]}`, with the fallback route where no other takes a message.
///
/// # Errors
/// What is wrong with the document.
pub(crate) fn test(definition: &Definition, mut document: Value) -> Result<Value, Vec<Problem>> {
    // What a message's body says is its own.
    let body = document
        .pointer_mut("/message/body")
        .map_or(Value::Null, Value::take);
    drop_nulls(&mut document);
    let mut trial: Trial = read(document)?;
    trial.message.body = body;
    let message = trial.message.sample()?.with_twin(trial.twin);
    Ok(match trial.route {
        Some(route) => test_one(&route, &message),
        None => test_all(definition, trial.routing_source, &message),
    })
}

impl Message {
    fn sample(self) -> Result<SampleMessage, Vec<Problem>> {
        let body = match self.body {
            Value::String(text) => serde_json::from_str(&text).unwrap_or(Value::String(text)),
            body => body,
        };
        let document = json!({
            "systemProperties": self.system_properties,
            "properties": self.app_properties,
            "body": body,
        });
        SampleMessage::from_json(document)
            .map_err(|error| vec![Problem::at("message", error.to_string())])
    }
}

fn test_one(route: &RouteDefinition, message: &SampleMessage) -> Value {
    let (result, errors) = match compile(route.condition.as_deref(), route.source) {
        Ok(None) => ("true", Vec::new()),
        Ok(Some(condition)) => match condition.evaluate(message) {
            Some(true) => ("true", Vec::new()),
            Some(false) => ("false", Vec::new()),
            None => ("undefined", Vec::new()),
        },
        Err(problems) => ("undefined", problems),
    };
    let errors = errors.into_iter().map(|problem| {
        let mut error = json!({"message": problem.message, "severity": "error"});
        if let Some(span) = problem.span {
            error["location"] = json!({
                "start": {"line": span.line, "column": span.column},
                "end": {"line": span.end_line, "column": span.end_column},
            });
        }
        error
    });
    let errors: Vec<Value> = errors.collect();
    json!({"result": result, "details": {"compilationErrors": errors}})
}

fn test_all(definition: &Definition, source: Option<Source>, message: &SampleMessage) -> Value {
    let asked = |of: Source| source.is_none_or(|source| source == of);
    // What is in force compiles.
    let takes = |condition: Option<&str>, of: Source| match compile(condition, of) {
        Ok(Some(condition)) => condition.evaluate(message) == Some(true),
        Ok(None) => true,
        Err(_) => false,
    };
    let matched = definition.routes.iter().filter(|route| {
        route.is_enabled && asked(route.source) && takes(route.condition.as_deref(), route.source)
    });
    let mut routes: Vec<Value> = matched.map(|route| json!({"properties": route})).collect();
    let taken = definition.routes.iter().any(|route| {
        route.is_enabled
            && route.source == Source::Telemetry
            && takes(route.condition.as_deref(), route.source)
    });
    let fallback = &definition.fallback_route;
    if fallback.is_enabled
        && !taken
        && asked(fallback.source)
        && takes(fallback.condition.as_deref(), fallback.source)
    {
        routes.push(json!({"properties": fallback}));
    }
    json!({ "routes": routes })
}
