//! Events looked for: by who sent them, when, and what is in them.

use hub_proto::property_bag;
use serde_json::Value;

use super::Hub;
use crate::events::Event;

/// Events looked at under one lock, so that clients get their turn.
const LOOK: usize = 4096;

/// Which events are meant. What is not said matches every event.
#[derive(Debug, Clone, Default)]
pub(crate) struct EventQuery {
    pub(crate) device: Option<String>,
    pub(crate) module: Option<String>,
    /// `iothub-message-source`, in any case.
    pub(crate) source: Option<String>,
    /// Properties, application's or system's by their name on the wire, each with the value it has to have, if any.
    pub(crate) properties: Vec<(String, Option<String>)>,
    /// What the body has to hold somewhere.
    pub(crate) text: Option<String>,
    /// Places in a JSON body (RFC 6901), each with the value that has to be there, if any.
    pub(crate) pointers: Vec<(String, Option<Value>)>,
    /// Milliseconds of Unix time from which on, and before which, the hub took it.
    pub(crate) after_ms: Option<i64>,
    pub(crate) before_ms: Option<i64>,
}

impl EventQuery {
    pub(crate) fn takes(&self, event: &Event<'_>) -> bool {
        // From the cheap to the dear.
        let is = |wanted: &Option<String>, found: &str| {
            wanted.as_deref().is_none_or(|wanted| wanted == found)
        };
        is(&self.device, event.device)
            && is(&self.module, event.module)
            && self.after_ms.is_none_or(|after| event.enqueued_ms >= after)
            && self
                .before_ms
                .is_none_or(|before| event.enqueued_ms < before)
            && self
                .source
                .as_deref()
                .is_none_or(|source| source.eq_ignore_ascii_case(event.source.name()))
            && self.properties.iter().all(|wanted| has(event.bag, wanted))
            && self
                .text
                .as_deref()
                .is_none_or(|text| holds(event.body, text.as_bytes()))
            && self.holds_values(event.body)
    }

    fn holds_values(&self, body: &[u8]) -> bool {
        if self.pointers.is_empty() {
            return true;
        }
        let Ok(body) = serde_json::from_slice::<Value>(body) else {
            return false;
        };
        let holds = |(pointer, wanted): &(String, Option<Value>)| {
            let found = body.pointer(pointer);
            found.is_some_and(|found| wanted.as_ref().is_none_or(|wanted| same(found, wanted)))
        };
        self.pointers.iter().all(holds)
    }
}

/// Equal as a person means it: 1 is 1.0.
pub(super) fn same(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Number(one), Value::Number(other)) => {
            one == other || one.as_f64().is_some() && one.as_f64() == other.as_f64()
        }
        _ => one == other,
    }
}

fn has(bag: &str, (name, wanted): &(String, Option<String>)) -> bool {
    property_bag::pairs(bag).flatten().any(|(found, value)| {
        found == *name
            && wanted
                .as_deref()
                .is_none_or(|wanted| value.as_deref() == Some(wanted))
    })
}

fn holds(body: &[u8], text: &[u8]) -> bool {
    text.is_empty() || body.windows(text.len()).any(|window| window == text)
}

impl Hub {
    /// Up to `most` events of an endpoint, as routes name it, from `from` on that are meant, as JSON, and where to read on: the end when
    /// fewer were found. Nothing when there is no such endpoint.
    pub(crate) fn search(
        &self,
        endpoint: &str,
        mut from: u64,
        filter: &EventQuery,
        most: usize,
    ) -> Option<(Vec<Value>, u64)> {
        let event_hub = self.event_hub_of(endpoint)?;
        let mut found = Vec::new();
        loop {
            let core = self.lock();
            let events = core.log(&event_hub)?;
            let end = events.next_sequence();
            from = from.min(end);
            let mut looked = 0;
            for (sequence, event) in events.read_from(from) {
                if found.len() == most || looked == LOOK {
                    break;
                }
                looked += 1;
                from = sequence + 1;
                if filter.takes(&event) {
                    found.push(event.to_json(sequence));
                }
            }
            if looked < LOOK || found.len() == most {
                // Nothing is kept between here and the end.
                let next = if found.len() == most { from } else { end };
                return Some((found, next));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::events::Source;

    fn takes(change: impl FnOnce(&mut EventQuery)) -> bool {
        let mut filter = EventQuery::default();
        change(&mut filter);
        filter.takes(&Event {
            enqueued_ms: 1_000,
            edge_sequence: 0,
            edge: "",
            source: Source::Telemetry,
            device: "pump7",
            module: "m",
            bag: "%24.ct=application%2Fjson&kind=a%20b&empty",
            body: br#"{"level": 3, "in": {"list": [true]}}"#,
        })
    }

    #[test]
    fn each_part_of_a_filter_can_refuse() {
        assert!(takes(|_| {}));
        let property =
            |name: &str, value: Option<&str>| (name.to_owned(), value.map(str::to_owned));
        for (meant, filter) in [
            (
                true,
                EventQuery {
                    device: Some("pump7".into()),
                    ..EventQuery::default()
                },
            ),
            (
                false,
                EventQuery {
                    device: Some("pump".into()),
                    ..EventQuery::default()
                },
            ),
            (
                true,
                EventQuery {
                    module: Some("m".into()),
                    ..EventQuery::default()
                },
            ),
            (
                false,
                EventQuery {
                    module: Some(String::new()),
                    ..EventQuery::default()
                },
            ),
            (
                true,
                EventQuery {
                    source: Some("telemetry".into()),
                    ..EventQuery::default()
                },
            ),
            (
                false,
                EventQuery {
                    source: Some("twinChangeEvents".into()),
                    ..EventQuery::default()
                },
            ),
            (
                true,
                EventQuery {
                    properties: vec![property("kind", Some("a b")), property("empty", None)],
                    ..EventQuery::default()
                },
            ),
            (
                false,
                EventQuery {
                    properties: vec![property("kind", Some("a"))],
                    ..EventQuery::default()
                },
            ),
            (
                true,
                EventQuery {
                    text: Some("\"level\": 3".into()),
                    ..EventQuery::default()
                },
            ),
            (
                false,
                EventQuery {
                    text: Some("level 3".into()),
                    ..EventQuery::default()
                },
            ),
            (
                true,
                EventQuery {
                    pointers: vec![
                        ("/level".into(), Some(json!(3.0))),
                        ("/in/list/0".into(), None),
                    ],
                    ..EventQuery::default()
                },
            ),
            (
                false,
                EventQuery {
                    pointers: vec![("/level".into(), Some(json!("3")))],
                    ..EventQuery::default()
                },
            ),
            (
                true,
                EventQuery {
                    after_ms: Some(1_000),
                    before_ms: Some(1_001),
                    ..EventQuery::default()
                },
            ),
            (
                false,
                EventQuery {
                    before_ms: Some(1_000),
                    ..EventQuery::default()
                },
            ),
            (
                false,
                EventQuery {
                    after_ms: Some(1_001),
                    ..EventQuery::default()
                },
            ),
        ] {
            assert_eq!(takes(|own| *own = filter.clone()), meant, "{filter:?}");
        }
    }
}
