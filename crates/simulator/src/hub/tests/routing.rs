//! Messages and events on their way through routes into the hub's logs, and what a kill leaves of them.

use super::*;
use crate::routing::Definition;

const TELEMETRY: &str = "devices/pump7/messages/events/";

pub(super) fn set(hub: &Hub, document: Value) {
    let definition = Definition::read(document).expect("a definition");
    hub.set_routing(definition)
        .expect("the journal can be written");
}

/// Every source into the custom endpoint `all`, and messages to the built-in one as well.
pub(super) fn everything_to_all() -> Value {
    let route = |source: &str, endpoint: &str| json!({"name": format!("{source}-{endpoint}"), "source": source, "endpointNames": [endpoint], "isEnabled": true});
    json!({
        "endpoints": {"eventHubs": [{"name": "all"}]},
        "routes": [
            route("DeviceMessages", "all"),
            route("DeviceMessages", "events"),
            route("TwinChangeEvents", "all"),
            route("DeviceLifecycleEvents", "all"),
            route("DeviceConnectionStateEvents", "all"),
            route("DigitalTwinChangeEvents", "all"),
        ],
        "enrichments": [{"key": "floor", "value": "$twin.tags.floor", "endpointNames": ["all"]}],
    })
}

pub(super) fn at(hub: &Hub, endpoint: &str) -> Vec<Value> {
    let events = hub.events_at(endpoint, 1, None, usize::MAX);
    events.expect("the endpoint is there").0
}

/// Source, operation and who, of each event.
pub(super) fn told(hub: &Hub) -> Vec<[String; 3]> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let events = at(hub, "all");
    let told = events.iter().map(|event| {
        let who = match event["moduleId"].as_str() {
            None => text(&event["deviceId"]),
            Some(module) => format!("{}/{module}", text(&event["deviceId"])),
        };
        [
            text(&event["systemProperties"]["iothub-message-source"]),
            text(&event["properties"]["opType"]),
            who,
        ]
    });
    told.collect()
}

pub(super) fn leave(hub: &Hub, who: &Attached) {
    hub.detach(who, &crate::connection::End::Disconnect, None);
}

#[test]
fn without_routes_only_messages_are_told_of() {
    let hub = furnished(None);
    let pump = connect(&hub, "pump7");
    publish(&hub, &pump, TELEMETRY, "1").expect("taken");
    let document = json!({"tags": {"floor": 3}});
    hub.update_twin(&identity("pump7"), document, false)
        .expect("a twin");
    leave(&hub, &pump);
    hub.remove_device("pump7").expect("it is there");
    let events = at(&hub, "events");
    assert_eq!(events.len(), 1);
    assert_eq!(
        events[0]["systemProperties"]["iothub-message-source"],
        "Telemetry"
    );
    assert!(hub.lock().routing.is_none());
}

#[test]
fn a_message_goes_to_each_endpoint_with_what_is_stamped_there() {
    let hub = furnished(None);
    set(&hub, everything_to_all());
    hub.update_twin(&identity("pump7"), json!({"tags": {"floor": 3}}), false)
        .expect("a twin");
    let pump = connect(&hub, "pump7");
    publish(&hub, &pump, &format!("{TELEMETRY}a=1&floor=forged"), "1").expect("taken");
    let [plain, stamped] = ["events", "all"].map(|endpoint| {
        let last = at(&hub, endpoint).pop();
        last.expect("an event")
    });
    assert_eq!(plain["properties"], json!({"a": "1", "floor": "forged"}));
    assert_eq!(stamped["properties"], json!({"a": "1", "floor": "3"}));
    assert_eq!(plain["sequenceNumber"], 1);

    // What no route takes is let go where there is no fallback.
    set(
        &hub,
        json!({"fallbackRoute": {"source": "DeviceMessages", "endpointNames": ["events"], "isEnabled": false}}),
    );
    publish(&hub, &pump, TELEMETRY, "2").expect("taken");
    assert_eq!(at(&hub, "events").len(), 1);
}

#[test]
fn a_message_that_enrichments_make_too_large_is_dropped_there_and_nowhere_else() {
    let hub = furnished(None);
    set(&hub, everything_to_all());
    let pump = connect(&hub, "pump7");
    let full = "x".repeat(hub_proto::message::MAX_MESSAGE_BYTES);
    publish(&hub, &pump, TELEMETRY, &full).expect("taken");
    assert_eq!(at(&hub, "events").len(), 1);
    assert!(!told(&hub).iter().any(|[source, ..]| source == "Telemetry"));
}

#[test]
fn an_endpoint_that_is_gone_takes_its_events_along_and_counts_on_when_it_is_back() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let first = furnished(Some(directory.path()));
    set(&first, everything_to_all());
    let pump = connect(&first, "pump7");
    publish(&first, &pump, TELEMETRY, "1").expect("taken");
    let count = at(&first, "all").len() as u64;
    set(&first, json!({}));
    assert!(first.events_at("all", 1, None, 10).is_none());
    assert!(first.event_hub("all").is_none());
    set(&first, everything_to_all());
    assert_eq!(at(&first, "all"), [] as [Value; 0]);
    publish(&first, &pump, TELEMETRY, "2").expect("taken");
    let kept = at(&first, "all");
    assert_eq!(kept[0]["sequenceNumber"].as_u64(), Some(count + 1));
    drop(first);
    assert_eq!(at(&hub(Some(directory.path())), "all"), kept);
}

/// A kill at any byte while a message goes from an edge to two endpoints: in the end each has it once.
#[test]
fn an_edge_s_message_reaches_each_endpoint_once_whenever_the_hub_is_killed() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let before = furnished(Some(directory.path()));
    set(&before, everything_to_all());
    let sensor = connect(&before, "edge01/sensor");
    let journal = directory.path().join("journal-00000001.log");
    let start = std::fs::metadata(&journal).expect("a journal").len() as usize;
    sensed(&before, &sensor, 7);
    drop(before);
    let whole = std::fs::read(&journal).expect("a journal");
    let mut seen = [false; 2];
    for cut in start..=whole.len() {
        std::fs::write(&journal, &whole[..cut]).expect("it is cut");
        let after = hub(Some(directory.path()));
        after.tick().expect("what waits goes on");
        let count = |endpoint| {
            at(&after, endpoint)
                .iter()
                .filter(|event| event["body"]["sequence"] == 7)
                .count()
        };
        let found = [count("events"), count("all")];
        assert!(found == [0, 0] || found == [1, 1], "{cut}: {found:?}");
        seen[found[0]] = true;
        drop(after);
        std::fs::write(&journal, &whole[..start]).expect("as before");
    }
    assert_eq!(seen, [true, true]);
}

/// Without an endpoint that takes it, the edge does not keep it either.
#[test]
fn an_edge_s_message_that_goes_nowhere_is_settled() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let before = furnished(Some(directory.path()));
    set(
        &before,
        json!({"fallbackRoute": {"source": "DeviceMessages", "endpointNames": ["events"], "isEnabled": false}}),
    );
    let sensor = connect(&before, "edge01/sensor");
    sensed(&before, &sensor, 7);
    drop(before);
    let after = hub(Some(directory.path()));
    set(&after, json!({}));
    after.tick().expect("nothing waits");
    assert_eq!(at(&after, "events"), [] as [Value; 0]);
}
