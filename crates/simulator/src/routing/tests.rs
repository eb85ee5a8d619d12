//! Definitions as they are written, and what compiled ones do with a message.

use hub_proto::message::Properties;
use hub_proto::twin::{Twin, Update};
use jiff::Timestamp;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::definition::Definition;
use super::message::HubMessage;
use super::table::{Table, hub_name};
use super::trial;
use crate::events::{Event, Source};

fn problems(document: Value) -> Vec<String> {
    let read = Definition::read(document.clone());
    let problems = read.expect_err(&document.to_string());
    problems.iter().map(ToString::to_string).collect()
}

fn table(document: Value) -> Table {
    let definition = Definition::read(document).expect("a definition");
    Table::compile(&definition, "town.azure-devices.net").expect("it compiles")
}

fn route(source: &str, condition: &str, endpoint: &str) -> Value {
    json!({"name": format!("{source}-{endpoint}"), "source": source, "condition": condition,
        "endpointNames": [endpoint], "isEnabled": true})
}

fn twin() -> Twin {
    let mut twin = Twin::new(Timestamp::UNIX_EPOCH);
    let document = json!({"tags": {"floor": 3, "town": {"name": "Ulm"}}, "properties": {"desired": {"on": true}}});
    twin.update(&document, Update::Merge, Timestamp::UNIX_EPOCH)
        .expect("a twin");
    twin
}

fn endpoints(table: &Table, source: Source, bag: &str, body: &str) -> u16 {
    let event = Event {
        enqueued_ms: 1_767_225_600_000,
        edge_sequence: 0,
        edge: "",
        source,
        device: "pump7",
        module: "",
        bag,
        body: body.as_bytes(),
    };
    let properties = Properties::decode(bag).expect("a bag");
    let twin = twin();
    table.endpoints(
        source,
        &HubMessage::new(&event, &properties, Some(&twin), "dtmi:test;1"),
    )
}

#[test]
fn what_the_resource_shows_is_read() {
    let document = json!({
        "endpoints": {
            "eventHubs": [{"name": "hot", "connectionString": "Endpoint=sb://x/;SharedAccessKey=secret", "id": null,
                "authenticationType": "keyBased"}],
            "serviceBusQueues": [], "serviceBusTopics": [], "storageContainers": [], "cosmosDBSqlContainers": [],
        },
        "routes": [route("DeviceMessages", "level > '3'", "hot")],
        "fallbackRoute": {"name": "$fallback", "source": "DeviceMessages", "condition": "true", "endpointNames": ["events"],
            "isEnabled": true},
        "enrichments": [{"key": "town", "value": "$twin.tags.town.name", "endpointNames": ["hot", "events"]}],
    });
    let definition = Definition::read(document).expect("a definition");
    let shown = serde_json::to_value(&definition).expect("plain data");
    assert_eq!(shown["endpoints"]["eventHubs"], json!([{"name": "hot"}]));
    assert!(!shown.to_string().contains("secret"));
    // As the journal has it.
    let again: Definition = serde_json::from_value(shown).expect("it was just written");
    assert_eq!(again, definition);
}

#[test]
fn a_mistake_is_named_with_its_place() {
    let hot = json!({"eventHubs": [{"name": "hot"}]});
    for (document, expected) in [
        (json!([]), "the document is no JSON object"),
        (
            json!({"route": []}),
            "route: unknown field `route`, expected one of",
        ),
        (
            json!({"routes": [{"name": "a"}]}),
            "routes[0]: missing field `source`",
        ),
        (
            json!({"routes": [{"name": 5}]}),
            "routes[0].name: invalid type: integer `5`, expected a string",
        ),
        (
            json!({"routes": [route("Telemetry", "true", "events")]}),
            "routes[0].source: unknown variant `Telemetry`",
        ),
        (
            json!({"routes": [route("DeviceMessages", "true", "hot")]}),
            "routes[0].endpointNames[0] (route DeviceMessages-hot): there is no endpoint \"hot\"; there are: events",
        ),
        (
            json!({"endpoints": hot, "routes": [route("DeviceMessages", "level >\n= 3", "hot")]}),
            "routes[0].condition (route DeviceMessages-hot): 2:1: Syntax error",
        ),
        (
            json!({"routes": [route("DeviceMessages", "$twin.deviceId = 'x'", "events")]}),
            "routes[0].condition (route DeviceMessages-events): 1:1: Invalid arguments",
        ),
        (
            json!({"routes": [{"name": "a b", "source": "DeviceMessages", "endpointNames": [], "isEnabled": false}]}),
            "routes[0].name (route a b): is made of 1 to 64 letters",
        ),
        (
            json!({"routes": [route("DeviceMessages", "true", "events"), route("DeviceMessages", "true", "events")]}),
            "routes[1].name (route DeviceMessages-events): there is a DeviceMessages-events already",
        ),
        (
            json!({"fallbackRoute": {"source": "TwinChangeEvents", "endpointNames": ["events"], "isEnabled": true}}),
            "fallbackRoute.source: the fallback route takes DeviceMessages",
        ),
        (
            json!({"fallbackRoute": {"source": "DeviceMessages", "endpointNames": ["events", "hot"], "isEnabled": true}}),
            "fallbackRoute.endpointNames: a route names one endpoint, and this one 2",
        ),
        (
            json!({"endpoints": {"storageContainers": [{"name": "cold"}]}}),
            "endpoints.storageContainers: there are none here",
        ),
        (
            json!({"endpoints": {"eventHubs": [{"name": "events"}]}}),
            "endpoints.eventHubs[0].name: events is reserved",
        ),
        (
            json!({"endpoints": {"eventHubs": [{"name": "hot"}, {"name": "HOT"}]}}),
            "endpoints.eventHubs[1].name: there is a HOT already",
        ),
        (
            json!({"endpoints": {"eventHubs": [{"name": "hot", "colour": "red"}]}}),
            "endpoints.eventHubs[0].colour: an event hub has no such field",
        ),
        (
            json!({"enrichments": [{"key": "a b", "value": "x", "endpointNames": ["events"]}]}),
            "enrichments[0].key: is made of letters",
        ),
        (
            json!({"enrichments": [{"key": "a", "value": "x", "endpointNames": ["hot"]}]}),
            "enrichments[0].endpointNames[0]: there is no endpoint \"hot\"",
        ),
        (
            json!({"enrichments": [{"key": "a", "value": "x", "endpointNames": []}]}),
            "enrichments[0].endpointNames: names at least one endpoint",
        ),
        (
            json!({"enrichments": vec![json!({"key": "a", "value": "x", "endpointNames": ["events"]}); 11]}),
            "enrichments: a hub has at most 10 enrichments",
        ),
    ] {
        let found = problems(document.clone());
        assert!(found[0].starts_with(expected), "{document}: {found:?}");
    }
}

#[test]
fn a_hub_without_routes_does_the_usual() {
    for (document, usual) in [
        (json!({}), true),
        (json!({"endpoints": {"eventHubs": [{"name": "hot"}]}}), true),
        (
            json!({"fallbackRoute": {"source": "DeviceMessages", "condition": "true", "endpointNames": ["events"], "isEnabled": true}}),
            true,
        ),
        (
            json!({"fallbackRoute": {"source": "DeviceMessages", "endpointNames": ["events"], "isEnabled": false}}),
            false,
        ),
        (
            json!({"routes": [route("TwinChangeEvents", "", "events")]}),
            false,
        ),
        (
            json!({"enrichments": [{"key": "a", "value": "x", "endpointNames": ["events"]}]}),
            false,
        ),
    ] {
        assert_eq!(table(document.clone()).is_usual(), usual, "{document}");
    }
}

#[test]
fn each_endpoint_is_named_once_and_the_fallback_only_without_any() {
    let table = table(json!({
        "endpoints": {"eventHubs": [{"name": "hot"}, {"name": "twins"}]},
        "routes": [
            route("DeviceMessages", "$body.level > 5", "hot"),
            {"name": "again", "source": "DeviceMessages", "condition": "kind = 'alarm'", "endpointNames": ["HOT"], "isEnabled": true},
            {"name": "off", "source": "DeviceMessages", "condition": "true", "endpointNames": ["twins"], "isEnabled": false},
            route("TwinChangeEvents", "$twin.tags.floor = 3 AND twin_change_includes(properties.reported.on)", "twins"),
        ],
    }));
    let json = "%24.ct=application%2Fjson%3Bcharset%3Dutf-8&%24.ce=utf-8";
    let both = format!("{json}&kind=alarm");
    for (source, bag, body, expected) in [
        (Source::Telemetry, json, r#"{"level":6}"#, 0b010),
        (Source::Telemetry, both.as_str(), r#"{"level":6}"#, 0b010),
        (Source::Telemetry, "KIND=alarm", r#"{"level":6}"#, 0b010),
        // Without content type and encoding the body is nobody's to look into.
        (Source::Telemetry, "", r#"{"level":6}"#, 0b001),
        (Source::Telemetry, json, "no json", 0b001),
        (
            Source::TwinChange,
            json,
            r#"{"properties":{"reported":{"on":true}}}"#,
            0b100,
        ),
        (
            Source::TwinChange,
            json,
            r#"{"properties":{"reported":{"off":true}}}"#,
            0,
        ),
        (Source::Lifecycle, json, "{}", 0),
    ] {
        assert_eq!(
            endpoints(&table, source, bag, body),
            expected,
            "{source:?} {bag} {body}"
        );
    }
    assert!(table.wants(Source::TwinChange) && !table.wants(Source::Lifecycle));
}

#[test]
fn enrichments_say_what_they_are_made_of() {
    let enrichment = |key: &str, value: &str, endpoint: &str| json!({"key": key, "value": value, "endpointNames": [endpoint]});
    let table = table(json!({
        "endpoints": {"eventHubs": [{"name": "hot"}]},
        "enrichments": [
            enrichment("fixed", "a b", "hot"),
            enrichment("hub", "$iothubname", "hot"),
            enrichment("floor", "$twin.tags.floor", "hot"),
            enrichment("town", "$twin.tags.town.name", "hot"),
            enrichment("on", "$twin.properties.desired.on", "hot"),
            enrichment("whole", "$twin.tags.town", "hot"),
            enrichment("missing", "$twin.properties.reported.x", "hot"),
            enrichment("elsewhere", "x", "events"),
        ],
    }));
    let stamped = |twin: Option<&Twin>| {
        let mut bag = "fixed=forged".to_owned();
        table.stamp(1, twin, &mut bag);
        let properties = Properties::decode(&bag).expect("a bag");
        let own = properties.application.iter();
        own.map(|(name, value)| format!("{name}={}", value.unwrap_or_default()))
            .collect::<Vec<_>>()
    };
    assert_eq!(
        stamped(Some(&twin())),
        [
            "fixed=a b",
            "hub=town",
            "floor=3",
            "town=Ulm",
            "on=true",
            "whole=$twin.tags.town",
            "missing=$twin.properties.reported.x"
        ]
    );
    assert_eq!(stamped(None)[2], "floor=$twin.tags.floor");
    assert!(table.stamps(0) && table.stamps(1));
}

#[test]
fn an_address_is_a_name_as_a_whole() {
    for (host, name) in [
        ("town.azure-devices.net", "town"),
        ("localhost", "localhost"),
        ("127.0.0.2", "127.0.0.2"),
        ("::1", "::1"),
    ] {
        assert_eq!(hub_name(host), name);
    }
}

#[test]
fn routes_are_tried_on_a_message() {
    let definition = json!({
        "endpoints": {"eventHubs": [{"name": "hot"}]},
        "routes": [route("DeviceMessages", "$body.level > 5", "hot"), route("TwinChangeEvents", "true", "events")],
    });
    let definition = Definition::read(definition).expect("a definition");
    let message = |level: u8| {
        json!({
            "body": format!(r#"{{"level":{level}}}"#),
            "appProperties": {"kind": "alarm"},
            "systemProperties": {"contentType": "application/json", "contentEncoding": "utf-8"},
        })
    };
    let names = |document: Value| {
        let tried = trial::test(&definition, document).expect("a trial");
        let routes = tried["routes"].as_array().expect("a list").clone();
        let names = routes.iter().map(|route| {
            route["properties"]["name"]
                .as_str()
                .unwrap_or_default()
                .to_owned()
        });
        names.collect::<Vec<_>>()
    };
    let of_messages = |level| json!({"message": message(level), "routingSource": "DeviceMessages"});
    assert_eq!(names(of_messages(6)), ["DeviceMessages-hot"]);
    assert_eq!(names(of_messages(5)), ["$fallback"]);
    assert_eq!(
        names(json!({"message": message(6)})),
        ["DeviceMessages-hot", "TwinChangeEvents-events"]
    );
    assert_eq!(
        names(json!({"routingSource": "DeviceLifecycleEvents"})),
        [""; 0]
    );

    let one = |condition: &str| {
        let document = json!({"message": message(6), "twin": {"tags": {"a": 1}}, "route": route("DeviceMessages", condition, "hot")});
        trial::test(&definition, document).expect("a trial")
    };
    assert_eq!(one("kind = 'alarm' AND $twin.tags.a = 1")["result"], "true");
    assert_eq!(one("kind = 'calm'")["result"], "false");
    assert_eq!(one("as_number(kind) > 3")["result"], "undefined");
    let refused = one("kind = 3");
    assert_eq!(refused["result"], "undefined");
    let error = &refused["details"]["compilationErrors"][0];
    assert_eq!(error["severity"], "error");
    assert_eq!(
        error["location"],
        json!({"start": {"line": 1, "column": 6}, "end": {"line": 1, "column": 7}})
    );

    let wrong = trial::test(&definition, json!({"message": {"appProperties": 5}}));
    let wrong = wrong.expect_err("no object");
    assert_eq!(wrong[0].path, "message.appProperties");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    /// What is said of where a message goes, held against asking every route for itself.
    #[test]
    fn a_message_goes_where_any_route_says(
        routes in prop::collection::vec((0..3usize, 0..4u8, any::<bool>()), 0..8),
        fallback in any::<bool>(),
        level in 0..4u8,
    ) {
        let names = ["events", "hot", "cold"];
        let written: Vec<Value> = routes.iter().enumerate().map(|(at, (endpoint, threshold, enabled))| json!({
            "name": format!("r{at}"), "source": "DeviceMessages", "condition": format!("as_number(level) > {threshold}"),
            "endpointNames": [names[*endpoint]], "isEnabled": enabled,
        })).collect();
        let table = table(json!({
            "endpoints": {"eventHubs": [{"name": "hot"}, {"name": "cold"}]},
            "routes": written,
            "fallbackRoute": {"source": "DeviceMessages", "endpointNames": ["cold"], "isEnabled": fallback},
        }));
        let taken = routes.iter().filter(|(_, threshold, enabled)| *enabled && level > *threshold);
        let mut expected = taken.fold(0, |all, (endpoint, _, _)| all | 1 << endpoint);
        if expected == 0 && fallback {
            expected = 0b100;
        }
        let bag = format!("level={level}");
        prop_assert_eq!(endpoints(&table, Source::Telemetry, &bag, ""), expected);
    }

    #[test]
    fn whatever_is_written_is_answered(condition in any::<String>(), name in any::<String>(), value in any::<String>()) {
        let _ = Definition::read(json!({
            "endpoints": {"eventHubs": [{"name": name}]},
            "routes": [route("DeviceMessages", &condition, &name)],
            "enrichments": [{"key": name, "value": value, "endpointNames": [value]}],
        }));
    }
}
