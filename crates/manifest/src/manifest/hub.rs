//! `$edgeHub`: how messages flow.

use std::ops::Range;
use std::time::Duration;

use super::read::Section;
use super::reader::Reader;
use super::{Hub, NamedRoute, SchemaVersion, StoreAndForward};
use crate::node::{Field, Node, NodeKind};
use crate::problem::Severity;
use crate::route::Route;

/// The section, and where its routes stand.
#[derive(Default)]
pub(super) struct HubRead {
    /// Without its routes.
    pub(super) hub: Hub,
    pub(super) routes: Vec<RouteRead>,
}

pub(super) struct RouteRead {
    pub(super) route: NamedRoute,
    /// The string literal that holds it.
    pub(super) literal: Range<usize>,
}

pub(super) fn read(reader: &mut Reader<'_>, section: &Section) -> HubRead {
    let desired = &section.desired;
    let known = [
        "schemaVersion",
        "routes",
        "storeAndForwardConfiguration",
        "mqttBroker",
        "integrity",
    ];
    reader.object(desired, "$edgeHub", &known);
    if !section.layered {
        reader.required(desired, "$edgeHub", "schemaVersion", "\"1.1\"");
        reader.required(desired, "$edgeHub", "routes", "{}");
        reader.required(
            desired,
            "$edgeHub",
            "storeAndForwardConfiguration",
            "{\"timeToLiveSecs\": 7200}",
        );
    }
    let version = reader.schema_version(desired, "$edgeHub", 3);
    if let Some(broker) = desired.get("mqttBroker") {
        let message = "edgeHub's MQTT broker was withdrawn, and its section does nothing";
        reader.warning(&broker.span, message, "take it out");
    }
    let mut routes = Vec::new();
    if let Some(node) = desired.get("routes") {
        for field in reader.any_object(node, "routes").unwrap_or_default() {
            routes.extend(route(reader, field, version));
        }
    }
    let store_and_forward = desired
        .get("storeAndForwardConfiguration")
        .and_then(|node| store_and_forward(reader, node))
        .unwrap_or_default();
    HubRead {
        hub: Hub {
            schema_version: version,
            routes: Vec::new(),
            store_and_forward,
        },
        routes,
    }
}

/// A string, or from schema 1.1 on an object with a priority and a time to live.
fn route(
    reader: &mut Reader<'_>,
    field: &Field,
    version: Option<SchemaVersion>,
) -> Option<RouteRead> {
    let name = &field.name;
    if name.trim().is_empty() {
        reader.error(&field.name_span, "a route has no name", "name it");
    }
    let is_first_schema = version.is_some_and(|version| version.minor == 0);
    match &field.value.kind {
        NodeKind::String(text) if text.trim().is_empty() && is_first_schema => {
            reader.warning(
                &field.value.span,
                format!("the route `{name}` is empty"),
                "take it out",
            );
            None
        }
        NodeKind::String(_) => compile(reader, name, &field.value),
        NodeKind::Object(_) => {
            if is_first_schema {
                let message =
                    format!("the route `{name}` is an object, which schema 1.0 does not have");
                reader.error(
                    &field.value.span,
                    message,
                    "set `schemaVersion` of `$edgeHub` to `\"1.1\"`",
                );
            }
            reader.object(&field.value, name, &["route", "priority", "timeToLiveSecs"]);
            let example = "\"FROM /messages/* INTO $upstream\"";
            let text = reader.required(&field.value, name, "route", example)?;
            reader.string(text, "route")?;
            let read = compile(reader, name, text);
            let priority = field
                .value
                .get("priority")
                .map(|node| priority(reader, node));
            let seconds = field.value.get("timeToLiveSecs");
            let seconds = seconds
                .and_then(|node| reader.integer(node, "timeToLiveSecs", 0..=i64::from(u32::MAX)));
            let mut read = read?;
            read.route.priority = priority.unwrap_or(NamedRoute::DEFAULT_PRIORITY);
            // Nothing lives for no time at all, so zero means "as long as all others".
            read.route.time_to_live = seconds
                .filter(|seconds| *seconds > 0)
                .map(|seconds| Duration::from_secs(seconds.unsigned_abs()));
            Some(read)
        }
        _ => {
            let message = format!("the route `{name}` is {}", field.value.kind_name());
            reader.error(
                &field.value.span,
                message,
                "a string or `{\"route\": \"…\", \"priority\": 0}` belongs here",
            );
            None
        }
    }
}

fn priority(reader: &mut Reader<'_>, node: &Node) -> u32 {
    let default = NamedRoute::DEFAULT_PRIORITY;
    if node.as_integer() == Some(i64::from(default)) {
        return default;
    }
    let priority = reader.integer(node, "priority", 0..=9);
    priority
        .and_then(|priority| u32::try_from(priority).ok())
        .unwrap_or(default)
}

fn compile(reader: &mut Reader<'_>, name: &str, node: &Node) -> Option<RouteRead> {
    let text = node.as_str()?;
    let literal = node.span.clone();
    match Route::parse(text) {
        Ok(route) => {
            for warning in route.warnings() {
                let position = reader
                    .source
                    .position_in_string(&literal, warning.span().start);
                let help = warning.help.clone().unwrap_or_default();
                reader.report(Severity::Warning, position, warning.message.clone(), help);
            }
            Some(RouteRead {
                route: NamedRoute {
                    name: name.to_owned(),
                    text: text.to_owned(),
                    route,
                    priority: NamedRoute::DEFAULT_PRIORITY,
                    time_to_live: None,
                },
                literal,
            })
        }
        Err(errors) => {
            for error in errors {
                let position = reader
                    .source
                    .position_in_string(&literal, error.span().start);
                reader.report(
                    Severity::Error,
                    position,
                    error.message,
                    error.help.unwrap_or_default(),
                );
            }
            None
        }
    }
}

fn store_and_forward(reader: &mut Reader<'_>, node: &Node) -> Option<StoreAndForward> {
    const NAME: &str = "storeAndForwardConfiguration";
    reader.object(node, NAME, &["timeToLiveSecs", "storeLimits"])?;
    let seconds = match node.get("timeToLiveSecs") {
        Some(seconds) => reader.integer(
            seconds,
            "timeToLiveSecs",
            i64::from(i32::MIN)..=i64::from(i32::MAX),
        )?,
        None => 0,
    };
    if seconds == 0 {
        let message = "messages live for no time: none will wait for its way";
        reader.warning(
            &node.span,
            message,
            "write `\"timeToLiveSecs\": 7200`, or -1 for ever",
        );
    }
    let limits = node.get("storeLimits");
    let limit = limits.and_then(|limits| {
        reader.object(limits, "storeLimits", &["maxSizeBytes"])?;
        let size = reader.required(limits, "storeLimits", "maxSizeBytes", "1073741824")?;
        reader.integer(size, "maxSizeBytes", 0..=i64::MAX)
    });
    Some(StoreAndForward {
        time_to_live: (seconds >= 0).then(|| Duration::from_secs(seconds.unsigned_abs())),
        max_size_bytes: limit.map(i64::unsigned_abs),
    })
}
