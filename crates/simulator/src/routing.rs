//! Routes: an edge hub's here, compiled from `$edgeHub`'s desired properties and asked for each message; those of the
//! hub itself below.

mod definition;
mod message;
mod table;
#[cfg(test)]
mod tests;
mod trial;

use std::borrow::Cow;
use std::cell::OnceCell;
use std::time::Duration;

use hub_proto::identity::Identity;
use hub_proto::message::{Properties, SystemProperty};
use manifest::route::{MessageSource, Route, RoutedMessage, Sink, read_body};
use manifest::{NamedRoute, StoreAndForward};
use serde_json::{Map, Value};

pub(crate) use self::definition::{BUILT_IN, Definition, Problem};
pub(crate) use self::message::HubMessage;
pub(crate) use self::table::Table;
pub(crate) use self::trial::test;
use crate::edge::{Destination, Endpoint};

/// The routes in force.
#[derive(Debug, Clone, Default)]
pub(crate) struct Routes(manifest::Hub);

impl Routes {
    /// Compiles the `routes` of `$edgeHub`'s desired properties.
    ///
    /// # Errors
    /// A sentence naming every route that is wrong and where.
    pub(crate) fn compile(desired: &Map<String, Value>) -> Result<Self, String> {
        let seconds = desired
            .get("storeAndForwardConfiguration")
            .and_then(|store| store.get("timeToLiveSecs"))
            .and_then(Value::as_i64);
        let store_and_forward = match seconds {
            None => StoreAndForward::default(),
            // Negative is for ever.
            Some(seconds) => StoreAndForward {
                time_to_live: u64::try_from(seconds).ok().map(Duration::from_secs),
                ..StoreAndForward::default()
            },
        };
        let mut routes = Vec::new();
        let mut problems = Vec::new();
        for (name, value) in desired
            .get("routes")
            .and_then(Value::as_object)
            .into_iter()
            .flatten()
        {
            match compile(name, value) {
                Ok(route) => routes.push(route),
                Err(problem) => problems.push(problem),
            }
        }
        if !problems.is_empty() {
            return Err(problems.join("; "));
        }
        Ok(Self(manifest::Hub {
            routes,
            store_and_forward,
            ..manifest::Hub::default()
        }))
    }

    /// Where a message goes. An endpoint named by several routes gets it once, by the route of first priority.
    pub(crate) fn destinations(&self, message: &Candidate<'_>, now_ms: i64) -> Vec<Destination> {
        let taken = self.0.take(message).into_iter();
        let destinations = taken.map(|named| {
            let time_to_live = named.time_to_live;
            let time_to_live = time_to_live.or(self.0.store_and_forward.time_to_live);
            Destination {
                endpoint: match named.route.sink() {
                    Sink::Upstream => Endpoint::Upstream,
                    Sink::Module { module, input } => Endpoint::Input {
                        module: module.clone(),
                        input: input.clone(),
                    },
                },
                priority: named.priority,
                expires_ms: time_to_live.map(|time| now_ms.saturating_add(millis(time))),
                route: named.name.clone(),
            }
        });
        destinations.collect()
    }

    /// Whether any route could take a twin change notification, so that making one is worth it.
    pub(crate) fn wants_twin_changes(&self) -> bool {
        let mut sources = self.0.routes.iter().map(|named| named.route.source());
        sources.any(|source| source.matches(MessageSource::TwinChange))
    }
}

fn millis(time: Duration) -> i64 {
    i64::try_from(time.as_millis()).unwrap_or(i64::MAX)
}

/// A text, or an object with a priority and a time to live of its own; 0 seconds mean the time all others have.
fn compile(name: &str, value: &Value) -> Result<NamedRoute, String> {
    let text = value.as_str().or_else(|| value.get("route")?.as_str());
    let text =
        text.ok_or_else(|| format!("route {name}: neither a text nor an object with \"route\""))?;
    let route = Route::parse(text).map_err(|errors| {
        let all: Vec<_> = errors
            .iter()
            .map(|error| format!("route {name}: {error}"))
            .collect();
        all.join("; ")
    })?;
    let number = |name: &str| value.get(name).and_then(Value::as_u64);
    Ok(NamedRoute {
        name: name.to_owned(),
        text: text.to_owned(),
        route,
        priority: number("priority")
            .and_then(|priority| u32::try_from(priority).ok())
            .unwrap_or(NamedRoute::DEFAULT_PRIORITY),
        time_to_live: number("timeToLiveSecs")
            .filter(|seconds| *seconds > 0)
            .map(Duration::from_secs),
    })
}

/// An application property. Hub and edgeHub compare their names without case.
fn property<'p>(properties: &'p Properties, name: &str) -> Option<&'p str> {
    let application = &properties.application;
    application.get(name).or_else(|| {
        application
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(name))
            .and_then(|(_, value)| value)
    })
}

/// A message as an edge's routes look at it. The body is parsed when a route first asks for it.
#[derive(Debug)]
pub(crate) struct Candidate<'a> {
    source: MessageSource<'a>,
    identity: &'a Identity,
    properties: &'a Properties,
    body: &'a [u8],
    parsed: OnceCell<Option<Value>>,
}

impl<'a> Candidate<'a> {
    pub(crate) fn new(
        source: MessageSource<'a>,
        identity: &'a Identity,
        properties: &'a Properties,
        body: &'a [u8],
    ) -> Self {
        Self {
            source,
            identity,
            properties,
            body,
            parsed: OnceCell::new(),
        }
    }
}

impl RoutedMessage for Candidate<'_> {
    fn system(&self, name: &str) -> Option<Cow<'_, str>> {
        let property = SystemProperty::from_name(name)?;
        let text = match property {
            SystemProperty::ConnectionDeviceId => Some(self.identity.device_id()),
            SystemProperty::ConnectionModuleId => self.identity.module_id(),
            SystemProperty::EdgeHubOriginInterface => {
                Some(if self.identity.module_id().is_some() {
                    "internal"
                } else {
                    "downstream"
                })
            }
            property => self.properties.get(property),
        };
        text.map(Cow::Borrowed)
    }

    fn property(&self, name: &str) -> Option<Cow<'_, str>> {
        property(self.properties, name).map(Cow::Borrowed)
    }

    fn body(&self) -> Option<&Value> {
        let text = |property| self.properties.get(property);
        let read = || {
            let (kind, encoding) = (SystemProperty::ContentType, SystemProperty::ContentEncoding);
            read_body(text(kind), text(encoding), self.body)
        };
        self.parsed.get_or_init(read).as_ref()
    }

    fn is_null_property(&self, name: &str) -> bool {
        let mut application = self.properties.application.iter();
        application.any(|(known, value)| value.is_none() && known.eq_ignore_ascii_case(name))
    }

    fn source(&self) -> MessageSource<'_> {
        self.source
    }
}
