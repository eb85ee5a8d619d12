//! The hub's routes, ready to be asked for each event.

use std::net::IpAddr;

use hub_proto::property_bag;
use hub_proto::twin::{Object, Twin};
use manifest::Position;
use manifest::route::{Condition, RoutedMessage};
use serde_json::Value;

use super::definition::{Definition, Problem, Span};
use crate::events::Source;

/// A set of endpoints: one bit each, the built-in one's the lowest.
pub(crate) type Endpoints = u16;

/// Routes and enrichments in force.
#[derive(Debug)]
pub(crate) struct Table {
    /// The custom endpoints, in the order of their bits.
    event_hubs: Vec<String>,
    ways: Vec<Way>,
    fallback: Option<Way>,
    stamps: Vec<Stamp>,
    hub_name: String,
}

/// One enabled route.
#[derive(Debug)]
struct Way {
    source: Source,
    condition: Option<Condition>,
    endpoint: Endpoints,
}

/// One enrichment.
#[derive(Debug)]
struct Stamp {
    key: String,
    value: StampValue,
    /// As it was written: what is stamped where the twin has no such path.
    text: String,
    endpoints: Endpoints,
}

#[derive(Debug)]
enum StampValue {
    Text,
    HubName,
    Tag(Vec<String>),
    Desired(Vec<String>),
    Reported(Vec<String>),
}

impl Table {
    /// Compiles a definition for the hub of this host name.
    ///
    /// # Errors
    /// Every condition that does not compile, with its places. Disabled routes have to compile, too.
    pub(crate) fn compile(definition: &Definition, host: &str) -> Result<Self, Vec<Problem>> {
        let bit = |name: &String| definition.endpoint(name).map_or(0, |at| 1 << at.min(15));
        let bits = |names: &[String]| names.iter().map(bit).fold(0, |all, one| all | one);
        let mut problems = Vec::new();
        let mut ways = Vec::new();
        for (at, route) in definition.routes.iter().enumerate() {
            let place = format!("routes[{at}].condition");
            match compile(route.condition.as_deref(), route.source) {
                Ok(condition) if route.is_enabled => ways.push(Way {
                    source: route.source,
                    condition,
                    endpoint: bits(&route.endpoint_names),
                }),
                Ok(_) => {}
                Err(errors) => problems.extend(errors.into_iter().map(|error| Problem {
                    path: place.clone(),
                    route: Some(route.name.clone()),
                    ..error
                })),
            }
        }
        let fallback = &definition.fallback_route;
        let condition = compile(fallback.condition.as_deref(), fallback.source);
        let condition = condition.unwrap_or_else(|errors| {
            problems.extend(errors.into_iter().map(|error| Problem {
                path: "fallbackRoute.condition".to_owned(),
                route: Some(fallback.name.clone()),
                ..error
            }));
            None
        });
        if !problems.is_empty() {
            return Err(problems);
        }
        let stamps = definition.enrichments.iter().map(|enrichment| Stamp {
            key: enrichment.key.clone(),
            value: StampValue::read(&enrichment.value),
            text: enrichment.value.clone(),
            endpoints: bits(&enrichment.endpoint_names),
        });
        Ok(Self {
            event_hubs: definition.event_hubs().map(str::to_owned).collect(),
            ways,
            fallback: fallback.is_enabled.then(|| Way {
                source: fallback.source,
                condition,
                endpoint: bits(&fallback.endpoint_names),
            }),
            stamps: stamps.collect(),
            hub_name: hub_name(host).to_owned(),
        })
    }

    /// Whether it does what a hub does that has none: messages, as they are, to the built-in endpoint.
    pub(crate) fn is_usual(&self) -> bool {
        let plain = |way: &Way| way.endpoint == 1 && way.condition.is_none();
        let touched = self.stamps.iter().any(|stamp| stamp.endpoints & 1 != 0);
        self.ways.is_empty() && !touched && self.fallback.as_ref().is_some_and(plain)
    }

    /// Whether any route asks for events of this source, so that making one is worth it.
    pub(crate) fn wants(&self, source: Source) -> bool {
        self.ways.iter().any(|way| way.source == source)
    }

    /// `hubName` and `$iothubname`.
    pub(crate) fn hub_name(&self) -> &str {
        &self.hub_name
    }

    /// The custom endpoint of a bit that is not the lowest.
    pub(crate) fn event_hub(&self, bit: u32) -> Option<&str> {
        let at = usize::try_from(bit).ok()?.checked_sub(1)?;
        self.event_hubs.get(at).map(String::as_str)
    }

    /// Where an event goes: to each endpoint once, whatever number of routes lead there.
    pub(crate) fn endpoints<M: RoutedMessage>(&self, source: Source, message: &M) -> Endpoints {
        let mut found = 0;
        for way in self.ways.iter().filter(|way| way.source == source) {
            if found & way.endpoint == 0 && way.takes(message) {
                found |= way.endpoint;
            }
        }
        match &self.fallback {
            Some(way) if found == 0 && way.source == source && way.takes(message) => way.endpoint,
            _ => found,
        }
    }

    /// Adds an endpoint's enrichments to a property bag. Those of the same name that a message came with are overruled:
    /// of a name that comes twice the last value counts.
    pub(crate) fn stamp(&self, bit: u32, twin: Option<&Twin>, bag: &mut String) {
        for stamp in &self.stamps {
            if stamp.endpoints & (1 << bit) != 0 {
                let value = stamp.value(&self.hub_name, twin);
                property_bag::push_pair(bag, &stamp.key, Some(&value));
            }
        }
    }

    /// Whether an endpoint has enrichments.
    pub(crate) fn stamps(&self, bit: u32) -> bool {
        let mut stamps = self.stamps.iter();
        stamps.any(|stamp| stamp.endpoints & (1 << bit) != 0)
    }
}

impl Way {
    fn takes<M: RoutedMessage>(&self, message: &M) -> bool {
        let condition = self.condition.as_ref();
        condition.is_none_or(|condition| condition.evaluate(message) == Some(true))
    }
}

impl Stamp {
    fn value(&self, hub_name: &str, twin: Option<&Twin>) -> String {
        let found = match &self.value {
            StampValue::Text => None,
            StampValue::HubName => return hub_name.to_owned(),
            StampValue::Tag(path) => twin.and_then(|twin| scalar_at(twin.tags(), path)),
            StampValue::Desired(path) => {
                twin.and_then(|twin| scalar_at(twin.desired().value(), path))
            }
            StampValue::Reported(path) => {
                twin.and_then(|twin| scalar_at(twin.reported().value(), path))
            }
        };
        // As documented: where the path leads nowhere, or to no scalar, the message says which it was.
        found.unwrap_or_else(|| self.text.clone())
    }
}

impl StampValue {
    fn read(text: &str) -> Self {
        let path = |prefix: &str| {
            let start = text.get(..prefix.len())?;
            let rest = &text[prefix.len()..];
            let fits = start.eq_ignore_ascii_case(prefix) && !rest.is_empty();
            fits.then(|| rest.split('.').map(str::to_owned).collect())
        };
        if text.eq_ignore_ascii_case("$iothubname") {
            return Self::HubName;
        }
        let tag = path("$twin.tags.").map(Self::Tag);
        let desired = || path("$twin.properties.desired.").map(Self::Desired);
        let reported = || path("$twin.properties.reported.").map(Self::Reported);
        tag.or_else(desired).or_else(reported).unwrap_or(Self::Text)
    }
}

fn scalar_at(object: &Object, path: &[String]) -> Option<String> {
    let (name, rest) = path.split_first()?;
    let value = object.get(name)?;
    if !rest.is_empty() {
        return scalar_at(value.as_object()?, rest);
    }
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Bool(_) | Value::Number(_) => Some(value.to_string()),
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

/// Nothing, or an empty text, is a condition that always holds.
pub(crate) fn compile(
    condition: Option<&str>,
    source: Source,
) -> Result<Option<Condition>, Vec<Problem>> {
    let Some(text) = condition.filter(|text| !text.trim().is_empty()) else {
        return Ok(None);
    };
    if text.trim().eq_ignore_ascii_case("true") {
        return Ok(None);
    }
    let compiled = Condition::parse_for_hub(text, source == Source::TwinChange);
    compiled.map(Some).map_err(|errors| {
        let problems = errors.into_iter().map(|error| {
            let end = Position::of(text, error.span().end);
            let message = match error.help {
                Some(help) => format!("{} ({help})", error.message),
                None => error.message,
            };
            Problem {
                span: Some(Span {
                    line: error.line,
                    column: error.column,
                    end_line: end.line,
                    end_column: end.column,
                }),
                ..Problem::at("", message)
            }
        });
        problems.collect()
    })
}

/// A hub's name is the first label of its host name; an address has no labels.
pub(crate) fn hub_name(host: &str) -> &str {
    match host.parse::<IpAddr>() {
        Ok(_) => host,
        Err(_) => host.split('.').next().unwrap_or(host),
    }
}
