//! Looking through the registry, a queue and the event log.

use std::sync::atomic::{AtomicBool, Ordering};

use super::*;
use crate::events::EventFilter;
use crate::hub::{
    DeviceKind, DevicePage, DeviceSearch, EventBounds, FoundEvents, PageFrom, Step, WaitingState,
    Wanted,
};
use crate::precondition::Precondition;

const BOUNDS: EventBounds = EventBounds {
    behind: 1000,
    bytes: 1 << 20,
    events: 100,
};

fn search(hub: &Hub, typed: &str) -> DevicePage {
    let search = DeviceSearch::parse(typed).expect("a search");
    page(hub, &search, PageFrom::Start, 50)
}

fn page(hub: &Hub, search: &DeviceSearch, from: PageFrom<'_>, most: usize) -> DevicePage {
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    let page = hub.device_page(search, from, most);
    runtime.expect("a runtime").block_on(page)
}

fn ids(page: &DevicePage) -> Vec<&str> {
    let devices = page.devices.iter();
    devices.map(|device| device.device_id.as_str()).collect()
}

fn tag(hub: &Hub, device: &str, tags: Value) {
    hub.update_twin(&identity(device), json!({"tags": tags}), false)
        .expect("tags");
}

#[test]
fn devices_are_shown_with_what_they_are() {
    let hub = furnished(None);
    let scope = {
        let document = hub
            .identity_document(&identity("edge01"))
            .expect("it is there");
        document["deviceScope"]
            .as_str()
            .expect("a scope")
            .to_owned()
    };
    let leaf = Wanted {
        parent_scope: Some(scope),
        ..Wanted::default()
    };
    hub.administer(
        &identity("leaf"),
        Step::Put(Box::new(leaf), Precondition::None),
    )
    .expect("a new device");
    let _attached = connect(&hub, "edge01/sensor");
    let page = search(&hub, "");
    let shown: Vec<_> = page
        .devices
        .iter()
        .map(|device| {
            (
                device.device_id.as_str(),
                device.kind,
                device.modules_connected,
            )
        })
        .collect();
    assert_eq!(
        shown,
        [
            ("edge01", DeviceKind::Edge, 1),
            ("leaf", DeviceKind::Leaf, 0),
            ("pump7", DeviceKind::Device, 0)
        ]
    );
    assert_eq!((page.registered, page.connected, page.matching), (3, 0, 3));
    let module = hub
        .identity_detail(&identity("edge01/sensor"))
        .expect("it is there");
    let module = module.module.expect("it is a module");
    assert!(module.connected_since.is_some());
    assert_eq!(module.managed_by.as_deref(), Some("IotEdge"));
    assert!(hub.identity_detail(&identity("edge01/nobody")).is_none());
}

#[test]
fn devices_are_found_by_id_tag_and_condition() {
    let hub = furnished(None);
    tag(
        &hub,
        "pump7",
        json!({"place": {"site": "North gate"}, "floor": 3}),
    );
    assert_eq!(ids(&search(&hub, "UMP")), ["pump7"]);
    assert_eq!(ids(&search(&hub, "north g")), ["pump7"]);
    assert_eq!(ids(&search(&hub, "3")), ["pump7"]);
    assert_eq!(ids(&search(&hub, "nowhere")), [] as [&str; 0]);
    assert_eq!(ids(&search(&hub, "tags.floor > 2")), ["pump7"]);
    assert_eq!(
        ids(&search(&hub, "capabilities.iotEdge = true")),
        ["edge01"]
    );
    assert_eq!(
        ids(&search(&hub, "connectionState = 'Disconnected'")),
        ["edge01", "pump7"]
    );
    let fault = DeviceSearch::parse("tags.floor >").expect_err("it is cut short");
    assert!(fault.to_string().starts_with("1:"), "{fault}");
}

/// Against the naive way: the whole list, cut into pieces.
#[test]
fn pages_go_both_ways_and_miss_nobody() {
    let hub = hub(None);
    let all: Vec<String> = (0..23).map(|n| format!("d{n:02}")).collect();
    for id in &all {
        hub.add_device(id, false, &[]).expect("a fresh id");
    }
    for typed in ["", "deviceId != 'd07'", "d1"] {
        let search = DeviceSearch::parse(typed).expect("a search");
        let wanted: Vec<String> = page(&hub, &search, PageFrom::Start, 1000)
            .devices
            .into_iter()
            .map(|device| device.device_id)
            .collect();
        let mut forward = Vec::new();
        let mut shown = page(&hub, &search, PageFrom::Start, 5);
        assert!(!shown.has_previous);
        loop {
            assert_eq!(shown.matching, wanted.len(), "{typed}");
            forward.extend(shown.devices.iter().map(|device| device.device_id.clone()));
            if !shown.has_next {
                break;
            }
            let last = forward.last().expect("a page has devices").clone();
            shown = page(&hub, &search, PageFrom::After(&last), 5);
            assert!(shown.has_previous);
        }
        assert_eq!(forward, wanted, "{typed}");
        let mut backward = shown.devices.clone();
        while shown.has_previous {
            let first = shown.devices[0].device_id.clone();
            shown = page(&hub, &search, PageFrom::Before(&first), 5);
            assert!(shown.has_next);
            backward.splice(0..0, shown.devices.clone());
        }
        let backward: Vec<_> = backward
            .into_iter()
            .map(|device| device.device_id)
            .collect();
        assert_eq!(backward, wanted, "{typed}");
    }
}

#[test]
fn others_have_their_turn_while_a_search_goes_through_everything() {
    let hub = hub(None);
    for number in 0..5000 {
        hub.add_device(&format!("d{number:04}"), false, &[])
            .expect("a fresh id");
    }
    let over = AtomicBool::new(false);
    let turns = std::thread::scope(|scope| {
        let other = scope.spawn(|| {
            let mut turns = 0;
            while !over.load(Ordering::Relaxed) {
                hub.twin(&identity("d0001")).expect("it is there");
                turns += 1;
            }
            turns
        });
        for typed in ["nowhere", "tags.site = 'nowhere' OR CONTAINS(tags.a, 'b')"] {
            for _ in 0..5 {
                assert_eq!(search(&hub, typed).matching, 0);
            }
        }
        over.store(true, Ordering::Relaxed);
        other.join().expect("no panic")
    });
    // With the lock held for a whole search there would be about one for each of the ten.
    assert!(turns > 30, "{turns}");
}

#[test]
fn a_queue_says_how_far_each_message_is() {
    let hub = furnished(None);
    let mut properties = Properties::new();
    properties.application.insert("line", "3");
    hub.send(&identity("pump7"), properties, "{\"a\":1}".into())
        .expect("room");
    let queue = || hub.queue("pump7").expect("it is registered");
    let waiting = &queue()[0];
    assert_eq!(waiting.state, WaitingState::Waiting);
    assert_eq!(waiting.body, json!({"a": 1}));
    assert_eq!(
        Value::from(waiting.properties.clone()),
        json!({"line": "3"})
    );
    assert!(!waiting.message_id.is_empty());

    let attached = connect(&hub, "pump7");
    let mut batch = hub.batch(&attached);
    batch
        .subscribe(&[(
            "devices/pump7/messages/devicebound/#".into(),
            QoS::AtLeastOnce,
        )])
        .expect("its own");
    batch.commit().expect("in memory");
    assert_eq!(queue()[0].state, WaitingState::Sent);
    hub.detach(&attached, &crate::connection::End::Disconnect, None);
    assert_eq!(queue()[0].state, WaitingState::Again);
    assert_eq!(hub.purge(&identity("pump7")).expect("it is registered"), 1);
    assert!(queue().is_empty());
    assert!(hub.queue("nobody").is_none());
}

fn tell(hub: &Hub, who: &str, bag: &str, body: &str) {
    let attached = connect(hub, who);
    let topic = hub_proto::topic::telemetry(&identity(who), bag);
    let mut batch = hub.batch(&attached);
    let body = bytes::Bytes::copy_from_slice(body.as_bytes());
    batch.publish(&topic, &body, false).expect("telemetry");
    batch.commit().expect("in memory");
}

fn numbers(found: &FoundEvents) -> Vec<u64> {
    let events = found.events.iter();
    events
        .map(|event| event["sequenceNumber"].as_u64().expect("a number"))
        .collect()
}

#[test]
fn events_are_found_by_all_that_is_asked_for() {
    let hub = furnished(None);
    hub.add_device("press4", false, &[]).expect("a fresh id");
    tell(
        &hub,
        "pump7",
        "kind=flow&%24.ct=text%2Fplain",
        "Alarm at the gate",
    );
    tell(&hub, "press4", "kind=force", "{\"n\":12}");
    tell(&hub, "pump7", "", "quiet");
    let find = |filter: EventFilter| numbers(&hub.find_events(&filter, 0, BOUNDS));
    let text = |text: &str| Some(text.to_owned());
    let none = EventFilter::default;
    assert_eq!(find(none()), [1, 2, 3]);
    assert_eq!(
        find(EventFilter {
            device_part: text("pump"),
            ..none()
        }),
        [1, 3]
    );
    assert_eq!(
        find(EventFilter {
            device: text("press4"),
            ..none()
        }),
        [2]
    );
    assert_eq!(
        find(EventFilter {
            device: text("press"),
            ..none()
        }),
        [] as [u64; 0]
    );
    assert_eq!(
        find(EventFilter {
            properties: vec![("kind".to_owned(), None)],
            ..none()
        }),
        [1, 2]
    );
    assert_eq!(
        find(EventFilter {
            properties: vec![("kind".to_owned(), text("force"))],
            ..none()
        }),
        [2]
    );
    assert_eq!(
        find(EventFilter {
            properties: vec![("contentType".to_owned(), text("text/plain"))],
            ..none()
        }),
        [1]
    );
    assert_eq!(
        find(EventFilter {
            text_in_any_case: text("ALARM"),
            ..none()
        }),
        [1]
    );
    assert_eq!(
        find(EventFilter {
            source: text("telemetry"),
            device_part: text("4"),
            ..none()
        }),
        [2]
    );
    assert_eq!(
        find(EventFilter {
            module_part: text("m"),
            ..none()
        }),
        [] as [u64; 0]
    );
}

#[test]
fn a_look_is_bounded_and_says_what_it_skipped() {
    let hub = furnished(None);
    for _ in 0..30 {
        tell(&hub, "pump7", "", "x");
    }
    let all = EventFilter::default();
    let look = |from, bounds| {
        let found = hub.find_events(&all, from, bounds);
        (numbers(&found), found.next, found.missed, found.end)
    };
    assert_eq!(look(29, BOUNDS), (vec![29, 30], 31, 0, 31));
    assert_eq!(look(31, BOUNDS), (vec![], 31, 0, 31));
    assert_eq!(look(99, BOUNDS), (vec![], 31, 0, 31), "it is not there yet");
    let few = EventBounds {
        events: 2,
        ..BOUNDS
    };
    assert_eq!(look(5, few), (vec![5, 6], 7, 0, 31));
    let narrow = EventBounds { bytes: 1, ..BOUNDS };
    assert_eq!(look(5, narrow), (vec![5], 6, 0, 31));
    let near = EventBounds {
        behind: 3,
        ..BOUNDS
    };
    assert_eq!(look(5, near), (vec![28, 29, 30], 31, 23, 31));
}
