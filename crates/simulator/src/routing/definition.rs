//! Message routing as the hub's resource has it: `properties.routing` of `Microsoft.Devices/IotHubs`.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use thiserror::Error;

use super::table::Table;
use crate::amqp::EVENT_HUB;
use crate::events::Source;

/// The built-in endpoint's name in routes.
pub(crate) const BUILT_IN: &str = "events";

/// The fallback route's name, where it is given none.
const FALLBACK: &str = "$fallback";

const MAX_ENDPOINTS: usize = 10;
const MAX_ROUTES: usize = 100;
const MAX_ENRICHMENTS: usize = 10;
const MAX_NAME: usize = 64;
/// Names that no custom endpoint may have; the last is the built-in endpoint's on the Event Hubs-compatible face.
const RESERVED: [&str; 5] = [
    BUILT_IN,
    "fileNotifications",
    "operationsMonitoringEvents",
    "$default",
    EVENT_HUB,
];
/// What an event hub may say of itself in the cloud and has no meaning here.
const OF_THE_CLOUD: [&str; 8] = [
    "authenticationType",
    "connectionString",
    "endpointUri",
    "entityPath",
    "id",
    "identity",
    "resourceGroup",
    "subscriptionId",
];

/// Which messages and events go where, and with what on them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(crate) struct Definition {
    pub(crate) endpoints: Endpoints,
    pub(crate) routes: Vec<RouteDefinition>,
    /// Where messages go that no route takes.
    pub(crate) fallback_route: RouteDefinition,
    pub(crate) enrichments: Vec<Enrichment>,
}

/// Custom endpoints by kind. Of these there are event hubs here.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(crate) struct Endpoints {
    pub(crate) event_hubs: Vec<EventHub>,
    service_bus_queues: Vec<Value>,
    service_bus_topics: Vec<Value>,
    storage_containers: Vec<Value>,
    #[serde(
        rename = "cosmosDBSqlContainers",
        alias = "cosmosDBSqlCollections",
        skip_serializing_if = "Vec::is_empty"
    )]
    cosmos_db_sql_containers: Vec<Value>,
}

/// An endpoint that is an event hub of its own.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct EventHub {
    pub(crate) name: String,
    /// Where it is in the cloud. Let go of once it has been looked at: it may hold a key.
    #[serde(flatten, skip_serializing)]
    rest: Map<String, Value>,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct RouteDefinition {
    pub(crate) name: String,
    pub(crate) source: Source,
    /// Without one all of the source's events go this way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) condition: Option<String>,
    pub(crate) endpoint_names: Vec<String>,
    pub(crate) is_enabled: bool,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Enrichment {
    pub(crate) key: String,
    pub(crate) value: String,
    pub(crate) endpoint_names: Vec<String>,
}

/// What is wrong with a definition, in one place of it.
#[derive(Debug, Clone, PartialEq, Eq, Error, Serialize)]
#[error("{}{}{message}", self.place(), self.position())]
pub(crate) struct Problem {
    /// Where in the document: `routes[0].source`; empty for the document itself.
    pub(crate) path: String,
    /// The route's name, for what is wrong with a route.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) route: Option<String>,
    /// Where in the condition.
    #[serde(flatten)]
    pub(crate) span: Option<Span>,
    pub(crate) message: String,
}

/// A stretch of a condition. Lines and columns count from 1, columns in UTF-16 code units.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Span {
    pub(crate) line: u32,
    pub(crate) column: u32,
    pub(crate) end_line: u32,
    pub(crate) end_column: u32,
}

impl Default for Definition {
    fn default() -> Self {
        Self {
            endpoints: Endpoints::default(),
            routes: Vec::new(),
            fallback_route: RouteDefinition {
                name: FALLBACK.to_owned(),
                source: Source::Telemetry,
                condition: None,
                endpoint_names: vec![BUILT_IN.to_owned()],
                is_enabled: true,
            },
            enrichments: Vec::new(),
        }
    }
}

impl Problem {
    pub(super) fn at(path: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            route: None,
            span: None,
            message: message.into(),
        }
    }

    fn place(&self) -> String {
        match (&*self.path, &self.route) {
            ("", _) => String::new(),
            (path, None) => format!("{path}: "),
            (path, Some(route)) => format!("{path} (route {route}): "),
        }
    }

    fn position(&self) -> String {
        self.span.map_or_else(String::new, |span| {
            format!("{}:{}: ", span.line, span.column)
        })
    }
}

impl Definition {
    /// Reads a definition and holds it against the hub's rules; a null is as good as nothing.
    ///
    /// # Errors
    /// What it is not, or everything that is wrong with it.
    pub(crate) fn read(mut document: Value) -> Result<Self, Vec<Problem>> {
        drop_nulls(&mut document);
        if let Some(Value::Object(fallback)) = document.get_mut("fallbackRoute") {
            fallback.entry("name").or_insert_with(|| FALLBACK.into());
        }
        let mut definition: Self = read(document)?;
        let mut problems = definition.endpoints.check();
        for endpoint in &mut definition.endpoints.event_hubs {
            endpoint.rest = Map::new();
        }
        problems.extend(definition.check_routes());
        problems.extend(definition.check_enrichments());
        // Compiling tells what is wrong with conditions.
        if let Err(more) = Table::compile(&definition, "") {
            problems.extend(more);
        }
        match problems.is_empty() {
            true => Ok(definition),
            false => Err(problems),
        }
    }

    /// Custom endpoints' names.
    pub(crate) fn event_hubs(&self) -> impl Iterator<Item = &str> + Clone {
        self.endpoints.event_hubs.iter().map(|hub| &*hub.name)
    }

    /// An endpoint's place in [`Table`]: the built-in one first.
    pub(super) fn endpoint(&self, name: &str) -> Option<usize> {
        if name.eq_ignore_ascii_case(BUILT_IN) {
            return Some(0);
        }
        let mut hubs = self.event_hubs();
        hubs.position(|hub| hub.eq_ignore_ascii_case(name))
            .map(|at| at + 1)
    }

    fn check_routes(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        if self.routes.len() > MAX_ROUTES {
            let message = format!("a hub has at most {MAX_ROUTES} routes");
            problems.push(Problem::at("routes", message));
        }
        for (at, route) in self.routes.iter().enumerate() {
            let place = format!("routes[{at}]");
            let of_route = |problem| Problem {
                route: Some(route.name.clone()),
                ..problem
            };
            let mut known = self.routes[..at].iter();
            let taken = known.any(|other| other.name.eq_ignore_ascii_case(&route.name));
            problems.extend(check_name(&place, &route.name, taken).map(of_route));
            problems.extend(self.check_way(&place, &route.endpoint_names).map(of_route));
        }
        let fallback = &self.fallback_route;
        if fallback.source != Source::Telemetry {
            let message = "the fallback route takes DeviceMessages and nothing else";
            problems.push(Problem::at("fallbackRoute.source", message));
        }
        problems.extend(self.check_way("fallbackRoute", &fallback.endpoint_names));
        problems
    }

    /// A route leads to one endpoint that is there.
    fn check_way(&self, place: &str, names: &[String]) -> Option<Problem> {
        let place = format!("{place}.endpointNames");
        match names {
            [name] => self.check_endpoint(&format!("{place}[0]"), name),
            names => {
                let count = names.len();
                let message = format!("a route names one endpoint, and this one {count}");
                Some(Problem::at(place, message))
            }
        }
    }

    fn check_endpoint(&self, place: &str, name: &str) -> Option<Problem> {
        if self.endpoint(name).is_some() {
            return None;
        }
        let there: Vec<&str> = std::iter::once(BUILT_IN).chain(self.event_hubs()).collect();
        let there = there.join(", ");
        let message = format!("there is no endpoint {name:?}; there are: {there}");
        Some(Problem::at(place, message))
    }

    fn check_enrichments(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        if self.enrichments.len() > MAX_ENRICHMENTS {
            let message = format!("a hub has at most {MAX_ENRICHMENTS} enrichments");
            problems.push(Problem::at("enrichments", message));
        }
        for (at, enrichment) in self.enrichments.iter().enumerate() {
            let place = format!("enrichments[{at}]");
            if !is_name(&enrichment.key) {
                let message = "is made of letters, digits, '-', '_' and '.'";
                problems.push(Problem::at(format!("{place}.key"), message));
            }
            if enrichment.endpoint_names.is_empty() {
                let message = "names at least one endpoint";
                problems.push(Problem::at(format!("{place}.endpointNames"), message));
            }
            for (number, name) in enrichment.endpoint_names.iter().enumerate() {
                let place = format!("{place}.endpointNames[{number}]");
                problems.extend(self.check_endpoint(&place, name));
                let mut others = self.enrichments[..at].iter();
                let twice = others.any(|other| {
                    let mut names = other.endpoint_names.iter();
                    other.key.eq_ignore_ascii_case(&enrichment.key)
                        && names.any(|known| known.eq_ignore_ascii_case(name))
                });
                if twice {
                    let key = &enrichment.key;
                    let message = format!("{name} has an enrichment {key} already");
                    problems.push(Problem::at(place, message));
                }
            }
        }
        problems
    }
}

impl Endpoints {
    fn check(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        let absent = [
            ("serviceBusQueues", &self.service_bus_queues),
            ("serviceBusTopics", &self.service_bus_topics),
            ("storageContainers", &self.storage_containers),
            ("cosmosDBSqlContainers", &self.cosmos_db_sql_containers),
        ];
        for (kind, _) in absent.iter().filter(|(_, endpoints)| !endpoints.is_empty()) {
            let message = "there are none here; custom endpoints are event hubs (endpoints.eventHubs), beside the built-in events";
            problems.push(Problem::at(format!("endpoints.{kind}"), message));
        }
        if self.event_hubs.len() > MAX_ENDPOINTS {
            let message = format!("a hub has at most {MAX_ENDPOINTS} custom endpoints");
            problems.push(Problem::at("endpoints.eventHubs", message));
        }
        for (at, hub) in self.event_hubs.iter().enumerate() {
            let place = format!("endpoints.eventHubs[{at}]");
            let mut known = self.event_hubs[..at].iter();
            let taken = known.any(|other| other.name.eq_ignore_ascii_case(&hub.name));
            problems.extend(check_name(&place, &hub.name, taken));
            let mut reserved = RESERVED.iter();
            if reserved.any(|name| name.eq_ignore_ascii_case(&hub.name)) {
                let message = format!("{} is reserved", hub.name);
                problems.push(Problem::at(format!("{place}.name"), message));
            }
            let unknown = hub.rest.keys();
            for field in unknown.filter(|field| !OF_THE_CLOUD.contains(&field.as_str())) {
                let message = "an event hub has no such field";
                problems.push(Problem::at(format!("{place}.{field}"), message));
            }
        }
        problems
    }
}

fn check_name(place: &str, name: &str, taken: bool) -> Option<Problem> {
    let place = format!("{place}.name");
    if taken {
        return Some(Problem::at(place, format!("there is a {name} already")));
    }
    let fits = is_name(name) && name.len() <= MAX_NAME;
    (!fits).then(|| {
        let message = format!("is made of 1 to {MAX_NAME} letters, digits, '-', '_' and '.'");
        Problem::at(place, message)
    })
}

fn is_name(text: &str) -> bool {
    let is_fit = |char: char| char.is_ascii_alphanumeric() || matches!(char, '-' | '_' | '.');
    !text.is_empty() && text.chars().all(is_fit)
}

/// A document by its shape.
///
/// # Errors
/// Where it has another.
pub(crate) fn read<'de, T: Deserialize<'de>>(document: Value) -> Result<T, Vec<Problem>> {
    // Where serde expects an object it would take a list of its fields as well.
    if !document.is_object() {
        return Err(vec![Problem::at("", "the document is no JSON object")]);
    }
    serde_path_to_error::deserialize(document).map_err(|error| {
        let path = match error.path().to_string() {
            path if path == "." => String::new(),
            path => path,
        };
        vec![Problem::at(path, error.inner().to_string())]
    })
}

/// Takes out what is null, as the resource's documents have for what nobody set.
pub(crate) fn drop_nulls(document: &mut Value) {
    match document {
        Value::Object(fields) => {
            fields.retain(|_, value| !value.is_null());
            fields.values_mut().for_each(drop_nulls);
        }
        Value::Array(items) => items.iter_mut().for_each(drop_nulls),
        _ => {}
    }
}
