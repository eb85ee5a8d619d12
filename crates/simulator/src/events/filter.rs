//! Which events are meant: by who sent them, when, and what is in them.

use hub_proto::message::SystemProperty;
use hub_proto::property_bag;
use serde_json::Value;

use super::Event;

/// Which events are meant. An empty one means all; each part that is given has to hold.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct EventFilter {
    /// The device that sent it, or whose module did.
    pub device: Option<String>,
    /// The module that sent it.
    pub module: Option<String>,
    /// A part of the device's id.
    pub device_part: Option<String>,
    /// A part of the module's id.
    pub module_part: Option<String>,
    /// Where it comes from: `Telemetry`, `twinChangeEvents`, … in any case.
    pub source: Option<String>,
    /// Properties by name, the application's or the system's, each with the value it has to have, if any. A system
    /// property has the name it has in routes, such as `contentType`, and the one on the wire, `$.ct`.
    pub properties: Vec<(String, Option<String>)>,
    /// A part of the body.
    pub text: Option<String>,
    /// A part of the body, ASCII letters in any case.
    pub text_in_any_case: Option<String>,
    /// Places in a JSON body (RFC 6901), each with the value that has to be there, if any.
    pub pointers: Vec<(String, Option<Value>)>,
    /// Milliseconds of Unix time from which on the hub took it.
    pub after_ms: Option<i64>,
    /// Milliseconds of Unix time before which the hub took it.
    pub before_ms: Option<i64>,
}

impl EventFilter {
    pub(crate) fn takes(&self, event: &Event<'_>) -> bool {
        // From the cheap to the dear.
        let is = |wanted: &Option<String>, found: &str| {
            wanted.as_deref().is_none_or(|wanted| wanted == found)
        };
        let part = |wanted: &Option<String>, found: &str| {
            wanted
                .as_deref()
                .is_none_or(|wanted| found.contains(wanted))
        };
        is(&self.device, event.device)
            && is(&self.module, event.module)
            && part(&self.device_part, event.device)
            && part(&self.module_part, event.module)
            && self.after_ms.is_none_or(|after| event.enqueued_ms >= after)
            && self
                .before_ms
                .is_none_or(|before| event.enqueued_ms < before)
            && self
                .source
                .as_deref()
                .is_none_or(|source| source.eq_ignore_ascii_case(event.source.name()))
            && self.properties.iter().all(|wanted| has(event.bag, wanted))
            && holds(event.body, self.text.as_deref(), <[u8]>::eq)
            && holds(
                event.body,
                self.text_in_any_case.as_deref(),
                <[u8]>::eq_ignore_ascii_case,
            )
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
pub(crate) fn same(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Number(one), Value::Number(other)) => {
            one == other || one.as_f64().is_some() && one.as_f64() == other.as_f64()
        }
        _ => one == other,
    }
}

fn has(bag: &str, (name, wanted): &(String, Option<String>)) -> bool {
    property_bag::pairs(bag).flatten().any(|(found, value)| {
        let named = found == *name
            || SystemProperty::from_wire(&found).is_some_and(|known| known.name() == name);
        named
            && wanted
                .as_deref()
                .is_none_or(|wanted| value.unwrap_or_default() == wanted)
    })
}

fn holds(body: &[u8], text: Option<&str>, equal: impl Fn(&[u8], &[u8]) -> bool) -> bool {
    text.is_none_or(|text| {
        let text = text.as_bytes();
        text.is_empty() || body.windows(text.len()).any(|part| equal(part, text))
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::events::Source;

    fn takes(change: impl FnOnce(&mut EventFilter)) -> bool {
        let mut filter = EventFilter::default();
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
                EventFilter {
                    device: Some("pump7".into()),
                    ..EventFilter::default()
                },
            ),
            (
                false,
                EventFilter {
                    device: Some("pump".into()),
                    ..EventFilter::default()
                },
            ),
            (
                true,
                EventFilter {
                    module: Some("m".into()),
                    ..EventFilter::default()
                },
            ),
            (
                false,
                EventFilter {
                    module: Some(String::new()),
                    ..EventFilter::default()
                },
            ),
            (
                true,
                EventFilter {
                    device_part: Some("ump".into()),
                    ..EventFilter::default()
                },
            ),
            (
                false,
                EventFilter {
                    device_part: Some("8".into()),
                    ..EventFilter::default()
                },
            ),
            (
                false,
                EventFilter {
                    module_part: Some("n".into()),
                    ..EventFilter::default()
                },
            ),
            (
                true,
                EventFilter {
                    properties: vec![
                        property("contentType", Some("application/json")),
                        property("$.ct", None),
                        property("empty", Some("")),
                    ],
                    ..EventFilter::default()
                },
            ),
            (
                false,
                EventFilter {
                    properties: vec![property("contentEncoding", None)],
                    ..EventFilter::default()
                },
            ),
            (
                false,
                EventFilter {
                    text: Some("LEVEL".into()),
                    ..EventFilter::default()
                },
            ),
            (
                true,
                EventFilter {
                    text_in_any_case: Some("LEVEL".into()),
                    ..EventFilter::default()
                },
            ),
            (
                true,
                EventFilter {
                    source: Some("telemetry".into()),
                    ..EventFilter::default()
                },
            ),
            (
                false,
                EventFilter {
                    source: Some("twinChangeEvents".into()),
                    ..EventFilter::default()
                },
            ),
            (
                true,
                EventFilter {
                    properties: vec![property("kind", Some("a b")), property("empty", None)],
                    ..EventFilter::default()
                },
            ),
            (
                false,
                EventFilter {
                    properties: vec![property("kind", Some("a"))],
                    ..EventFilter::default()
                },
            ),
            (
                true,
                EventFilter {
                    text: Some("\"level\": 3".into()),
                    ..EventFilter::default()
                },
            ),
            (
                false,
                EventFilter {
                    text: Some("level 3".into()),
                    ..EventFilter::default()
                },
            ),
            (
                true,
                EventFilter {
                    pointers: vec![
                        ("/level".into(), Some(json!(3.0))),
                        ("/in/list/0".into(), None),
                    ],
                    ..EventFilter::default()
                },
            ),
            (
                false,
                EventFilter {
                    pointers: vec![("/level".into(), Some(json!("3")))],
                    ..EventFilter::default()
                },
            ),
            (
                true,
                EventFilter {
                    after_ms: Some(1_000),
                    before_ms: Some(1_001),
                    ..EventFilter::default()
                },
            ),
            (
                false,
                EventFilter {
                    before_ms: Some(1_000),
                    ..EventFilter::default()
                },
            ),
            (
                false,
                EventFilter {
                    after_ms: Some(1_001),
                    ..EventFilter::default()
                },
            ),
        ] {
            assert_eq!(takes(|own| *own = filter.clone()), meant, "{filter:?}");
        }
    }
}
