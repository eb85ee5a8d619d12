//! The edge hub's store: messages accepted from modules, and the endpoints each of them still has to reach.
//!
//! A message is kept until every endpoint its routes named has taken it or its time to live is over. Each endpoint's
//! waiting messages are emptied strictly by priority, then in the order they were accepted.
//!
//! **Not here:** connections and the clock (`hub.rs` drives this), and the route language (the `manifest` crate).

use std::collections::{BTreeMap, BTreeSet};

use hub_proto::twin::Section;
use serde::{Deserialize, Serialize};

use crate::registry::Body;
use crate::routing::Routes;

/// What one edge device's hub has to remember.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct EdgeStore {
    next: u64,
    #[serde(with = "by_sequence")]
    accepted: BTreeMap<u64, Accepted>,
    /// What was at the hub when the upstream was cut, and what modules reported since; absent while it is up.
    pub(crate) offline: Option<Offline>,
    /// Rebuilt from `accepted`.
    #[serde(skip)]
    waiting: BTreeMap<Endpoint, BTreeSet<(u32, u64)>>,
    /// Compiled from `$edgeHub`'s desired properties.
    #[serde(skip)]
    pub(crate) routes: Routes,
}

/// The edge hub's view of its modules' twins while it cannot reach the hub.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Offline {
    /// Desired properties as last seen, by module.
    pub(crate) desired: BTreeMap<String, Section>,
    /// Reported properties as the modules left them meanwhile, for those that reported anything.
    pub(crate) reported: BTreeMap<String, Section>,
}

/// One message in the store.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Accepted {
    pub(crate) sequence: u64,
    /// The edge device.
    pub(crate) device: String,
    /// The module that sent it; empty for the device itself.
    pub(crate) module: String,
    /// Percent-encoded property bag as received and checked.
    pub(crate) bag: String,
    pub(crate) body: Body,
    pub(crate) accepted_ms: i64,
    /// Endpoints that have not taken it yet.
    pub(crate) destinations: Vec<Destination>,
}

/// Messages as a list: each holds its number, and as the key of a map JSON would make a text of it, which is not read
/// back inside a tagged change. Journals from before held that map.
mod by_sequence {
    use std::collections::BTreeMap;
    use std::fmt;

    use serde::de::{IgnoredAny, MapAccess, SeqAccess, Visitor};
    use serde::{Deserializer, Serializer};

    use super::Accepted;

    pub(super) fn serialize<S: Serializer>(
        accepted: &BTreeMap<u64, Accepted>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(accepted.values())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<BTreeMap<u64, Accepted>, D::Error> {
        deserializer.deserialize_any(Messages)
    }

    struct Messages;

    impl<'de> Visitor<'de> for Messages {
        type Value = BTreeMap<u64, Accepted>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a list of messages")
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
            let mut accepted = BTreeMap::new();
            while let Some(message) = list.next_element::<Accepted>()? {
                accepted.insert(message.sequence, message);
            }
            Ok(accepted)
        }

        fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
            let mut accepted = BTreeMap::new();
            while let Some((_, message)) = map.next_entry::<IgnoredAny, Accepted>()? {
                accepted.insert(message.sequence, message);
            }
            Ok(accepted)
        }
    }
}

/// Where a route sends a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Destination {
    pub(crate) endpoint: Endpoint,
    pub(crate) priority: u32,
    /// Milliseconds of Unix time; none for no limit.
    pub(crate) expires_ms: Option<i64>,
    pub(crate) route: String,
}

/// `$upstream`, or an input of a module.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub(crate) enum Endpoint {
    Upstream,
    Input { module: String, input: String },
}

impl std::fmt::Display for Endpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Upstream => f.write_str("$upstream"),
            Self::Input { module, input } => write!(f, "{module}/{input}"),
        }
    }
}

impl EdgeStore {
    /// The number the next accepted message gets; the first is 1, so that 0 can mean "not through an edge".
    pub(crate) fn next_sequence(&self) -> u64 {
        self.next.max(1)
    }

    /// Puts the queues together again after loading.
    pub(crate) fn rebuild(&mut self) {
        self.waiting.clear();
        for message in self.accepted.values() {
            for destination in &message.destinations {
                let queue = self
                    .waiting
                    .entry(destination.endpoint.clone())
                    .or_default();
                queue.insert((destination.priority, message.sequence));
            }
        }
    }

    pub(crate) fn accept(&mut self, message: Accepted) {
        self.next = message.sequence + 1;
        if message.destinations.is_empty() {
            return;
        }
        for destination in &message.destinations {
            let queue = self
                .waiting
                .entry(destination.endpoint.clone())
                .or_default();
            queue.insert((destination.priority, message.sequence));
        }
        self.accepted.insert(message.sequence, message);
    }

    /// An endpoint took a message, or its time for that endpoint is over.
    pub(crate) fn settle(&mut self, sequence: u64, endpoint: &Endpoint) {
        let Some(message) = self.accepted.get_mut(&sequence) else {
            return;
        };
        let Some(at) = message
            .destinations
            .iter()
            .position(|destination| destination.endpoint == *endpoint)
        else {
            return;
        };
        let destination = message.destinations.swap_remove(at);
        if message.destinations.is_empty() {
            self.accepted.remove(&sequence);
        }
        if let Some(queue) = self.waiting.get_mut(endpoint) {
            queue.remove(&(destination.priority, sequence));
            if queue.is_empty() {
                self.waiting.remove(endpoint);
            }
        }
    }

    /// The message an endpoint gets next.
    pub(crate) fn next_for(&self, endpoint: &Endpoint) -> Option<&Accepted> {
        let (_, sequence) = self.waiting.get(endpoint)?.first()?;
        self.accepted.get(sequence)
    }

    /// The message a module gets next over all its inputs, and which input.
    pub(crate) fn next_for_module(&self, module: &str) -> Option<(&Accepted, &Endpoint)> {
        let queues = self.waiting.iter().filter(|(endpoint, _)| match endpoint {
            Endpoint::Input { module: of, .. } => of == module,
            Endpoint::Upstream => false,
        });
        let (endpoint, (_, sequence)) = queues
            .filter_map(|(e, queue)| Some((e, queue.first()?)))
            .min_by_key(|(_, first)| *first)?;
        Some((self.accepted.get(sequence)?, endpoint))
    }

    pub(crate) fn waiting_for(&self, endpoint: &Endpoint) -> usize {
        self.waiting.get(endpoint).map_or(0, BTreeSet::len)
    }

    /// Messages that some endpoint has not taken yet.
    pub(crate) fn kept(&self) -> usize {
        self.accepted.len()
    }

    /// Which messages have outlived their time for which endpoints.
    pub(crate) fn expired(&self, now_ms: i64) -> Vec<(u64, Endpoint)> {
        let late = |destination: &&Destination| {
            destination
                .expires_ms
                .is_some_and(|expires| expires <= now_ms)
        };
        let per_message = self.accepted.values().flat_map(|message| {
            let late = message.destinations.iter().filter(late);
            late.map(|destination| (message.sequence, destination.endpoint.clone()))
        });
        per_message.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn input(name: &str) -> Endpoint {
        Endpoint::Input {
            module: "light".to_owned(),
            input: name.to_owned(),
        }
    }

    fn message(sequence: u64, to: &[(Endpoint, u32, Option<i64>)]) -> Accepted {
        let destinations = to
            .iter()
            .cloned()
            .map(|(endpoint, priority, expires_ms)| Destination {
                endpoint,
                priority,
                expires_ms,
                route: "r".to_owned(),
            });
        Accepted {
            sequence,
            device: "edge01".to_owned(),
            module: "hc-sr04".to_owned(),
            bag: String::new(),
            body: Body(bytes::Bytes::from_static(b"{}")),
            accepted_ms: 0,
            destinations: destinations.collect(),
        }
    }

    #[test]
    fn endpoints_are_emptied_by_priority_then_age() {
        let mut store = EdgeStore::default();
        store.accept(message(
            1,
            &[(Endpoint::Upstream, 9, None), (input("a"), 5, None)],
        ));
        store.accept(message(
            2,
            &[(Endpoint::Upstream, 0, None), (input("b"), 1, None)],
        ));
        store.accept(message(3, &[(Endpoint::Upstream, 9, None)]));
        let mut order = Vec::new();
        while let Some(next) = store.next_for(&Endpoint::Upstream) {
            let sequence = next.sequence;
            order.push(sequence);
            store.settle(sequence, &Endpoint::Upstream);
        }
        assert_eq!(order, [2, 1, 3]);
        let (next, endpoint) = store.next_for_module("light").expect("two inputs wait");
        assert_eq!((next.sequence, endpoint), (2, &input("b")));
    }

    #[test]
    fn a_message_is_kept_until_its_last_endpoint_and_survives_serialisation() {
        let mut store = EdgeStore::default();
        store.accept(message(
            1,
            &[(Endpoint::Upstream, 0, None), (input("a"), 0, Some(100))],
        ));
        store.settle(1, &Endpoint::Upstream);
        let text = serde_json::to_string(&store).expect("it is plain data");
        let mut loaded: EdgeStore = serde_json::from_str(&text).expect("it was just written");
        loaded.rebuild();
        assert_eq!(loaded.waiting_for(&Endpoint::Upstream), 0);
        assert_eq!(loaded.expired(99), []);
        assert_eq!(loaded.expired(100), [(1, input("a"))]);
        loaded.settle(1, &input("a"));
        assert!(loaded.accepted.is_empty());
        assert_eq!(loaded.next_sequence(), 2);
    }

    #[test]
    fn a_device_is_written_with_the_messages_that_wait_in_it() {
        let mut store = EdgeStore::default();
        store.accept(message(3, &[(Endpoint::Upstream, 0, None)]));
        // As the change of a device has it: the journal's changes are tagged inside.
        #[derive(Serialize, Deserialize)]
        #[serde(tag = "change")]
        enum Tagged {
            DevicePut { store: EdgeStore },
        }
        let text = serde_json::to_string(&Tagged::DevicePut { store }).expect("it is plain data");
        let Tagged::DevicePut { store } = serde_json::from_str(&text).expect("it was just written");
        assert_eq!(store.accepted.keys().copied().collect::<Vec<_>>(), [3]);

        // As journals held it before.
        let mut value = serde_json::to_value(&store).expect("it is plain data");
        value["accepted"] = serde_json::json!({"3": value["accepted"][0]});
        let store: EdgeStore = serde_json::from_value(value).expect("the older form");
        assert_eq!(store.accepted.keys().copied().collect::<Vec<_>>(), [3]);
    }

    #[test]
    fn what_no_route_wants_is_dropped_but_counted() {
        let mut store = EdgeStore::default();
        store.accept(message(1, &[]));
        assert_eq!((store.accepted.len(), store.next_sequence()), (0, 2));
    }
}
