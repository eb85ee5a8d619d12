//! An edge hub's routes: compiled from `$edgeHub`'s desired properties, asked for each message.

use std::borrow::Cow;
use std::cell::OnceCell;

use hub_proto::identity::Identity;
use hub_proto::message::{Properties, SystemProperty};
use manifest::route::{MessageSource, Route, RoutedMessage, Sink, read_body};
use serde_json::{Map, Value};

use crate::edge::{Destination, Endpoint};

/// What a route without a priority has: after every route with one.
const DEFAULT_PRIORITY: u32 = 2_000_000_000;
/// How long messages are kept when `storeAndForwardConfiguration` does not say.
const DEFAULT_TTL_SECS: i64 = 7200;

/// The routes in force.
#[derive(Debug, Clone, Default)]
pub(crate) struct Routes {
    routes: Vec<NamedRoute>,
    /// Negative for no limit.
    ttl_secs: i64,
}

#[derive(Debug, Clone)]
struct NamedRoute {
    name: String,
    route: Route,
    priority: u32,
    /// Its own time to live, where it has one.
    ttl_secs: Option<i64>,
}

impl Routes {
    /// Compiles the `routes` of `$edgeHub`'s desired properties.
    ///
    /// # Errors
    /// A sentence naming every route that is wrong and where.
    pub(crate) fn compile(desired: &Map<String, Value>) -> Result<Self, String> {
        let ttl = desired
            .get("storeAndForwardConfiguration")
            .and_then(|store| store.get("timeToLiveSecs"));
        let ttl_secs = ttl.and_then(Value::as_i64).unwrap_or(DEFAULT_TTL_SECS);
        let mut routes = Vec::new();
        let mut problems = Vec::new();
        for (name, value) in desired
            .get("routes")
            .and_then(Value::as_object)
            .into_iter()
            .flatten()
        {
            match NamedRoute::compile(name, value) {
                Ok(route) => routes.push(route),
                Err(problem) => problems.push(problem),
            }
        }
        if problems.is_empty() {
            Ok(Self { routes, ttl_secs })
        } else {
            Err(problems.join("; "))
        }
    }

    /// Where a message goes. An endpoint named by several routes gets it once, by the route of first priority.
    pub(crate) fn destinations(&self, message: &Candidate<'_>, now_ms: i64) -> Vec<Destination> {
        let mut destinations: Vec<Destination> = Vec::new();
        for named in self
            .routes
            .iter()
            .filter(|named| named.route.matches(message))
        {
            let endpoint = match named.route.sink() {
                Sink::Upstream => Endpoint::Upstream,
                Sink::Module { module, input } => Endpoint::Input {
                    module: module.clone(),
                    input: input.clone(),
                },
            };
            let ttl = named.ttl_secs.unwrap_or(self.ttl_secs);
            let destination = Destination {
                endpoint,
                priority: named.priority,
                expires_ms: (ttl >= 0).then(|| now_ms + ttl * 1000),
                route: named.name.clone(),
            };
            match destinations
                .iter_mut()
                .find(|known| known.endpoint == destination.endpoint)
            {
                None => destinations.push(destination),
                Some(known) if destination.priority < known.priority => *known = destination,
                Some(_) => {}
            }
        }
        destinations
    }

    /// Whether any route could take a twin change notification, so that making one is worth it.
    pub(crate) fn wants_twin_changes(&self) -> bool {
        self.routes
            .iter()
            .any(|named| named.route.source().matches(MessageSource::TwinChange))
    }
}

impl NamedRoute {
    fn compile(name: &str, value: &Value) -> Result<Self, String> {
        let text = value.as_str().or_else(|| value.get("route")?.as_str());
        let text = text
            .ok_or_else(|| format!("route {name}: neither a text nor an object with \"route\""))?;
        let route = Route::parse(text).map_err(|errors| {
            let all: Vec<_> = errors
                .iter()
                .map(|error| format!("route {name}: {error}"))
                .collect();
            all.join("; ")
        })?;
        let priority = value.get("priority").and_then(Value::as_u64);
        let ttl = value.get("timeToLiveSecs").and_then(Value::as_i64);
        Ok(Self {
            name: name.to_owned(),
            route,
            priority: priority
                .and_then(|priority| u32::try_from(priority).ok())
                .unwrap_or(DEFAULT_PRIORITY),
            // 0 means the global value, as leaving it out does.
            ttl_secs: ttl.filter(|ttl| *ttl != 0),
        })
    }
}

/// A message as the routes look at it. The body is parsed when a route first asks for it.
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
        let application = &self.properties.application;
        let exact = application.get(name);
        // edgeHub compares property names without case.
        let found = exact.or_else(|| {
            application
                .iter()
                .find(|(known, _)| known.eq_ignore_ascii_case(name))
                .and_then(|(_, value)| value)
        });
        found.map(Cow::Borrowed)
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
