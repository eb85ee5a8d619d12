//! What comes in, and what is said to it.

use super::*;
use crate::twin::TwinState;

#[test]
fn inputs_are_acknowledged_only_when_dealt_with_and_only_on_their_connection() {
    let mut bench = Bench::online();
    let link = bench.session.link();
    bench.session.handle_delivery(
        "devices/edge01/modules/light/inputs/occupancy/kind=x",
        Bytes::new(),
        5,
        bench.now,
    );
    let outputs = bench.outputs();
    let [
        Output::Notify(Notice::Input {
            name,
            message,
            packet: 5,
        }),
    ] = &outputs[..]
    else {
        panic!("{outputs:?}")
    };
    assert_eq!(
        (name.as_str(), message.property_value("kind")),
        ("occupancy", Some("x"))
    );
    bench.session.handle_ack(link, 5);
    assert!(matches!(bench.outputs()[..], [Output::Acknowledge(5)]));
    bench.session.handle_down(closed(), bench.now);
    bench.connect();
    bench.session.handle_ack(link, 5);
    assert!(
        bench.outputs().is_empty(),
        "packet 5 may be another message by now"
    );
}

#[test]
fn what_cannot_be_read_is_not_kept_waiting() {
    let mut bench = Bench::online();
    bench.session.handle_delivery(
        "devices/edge01/modules/light/inputs/i/a=%ff",
        Bytes::new(),
        5,
        bench.now,
    );
    bench
        .session
        .handle_delivery("something/else", Bytes::new(), 6, bench.now);
    let outputs = bench.outputs();
    assert!(
        matches!(
            outputs[..],
            [Output::Acknowledge(5), Output::Acknowledge(6)]
        ),
        "{outputs:?}"
    );
    bench.deliver("$iothub/methods/POST/m/?$rid=1", "{");
    assert_eq!(bench.published(), ["$iothub/methods/res/400/?$rid=1"]);
}

#[test]
fn methods_are_handed_over_and_answered() {
    let mut bench = Bench::online();
    bench.deliver("$iothub/methods/POST/do%20it/?$rid=a1", "");
    let outputs = bench.outputs();
    let [Output::Notify(Notice::Method { name, payload, rid })] = &outputs[..] else {
        panic!("{outputs:?}")
    };
    assert_eq!(
        (name.as_str(), payload, rid.as_str()),
        ("do it", &serde_json::Value::Null, "a1")
    );
    bench
        .session
        .handle_response("a1", 200, &serde_json::json!({"x": 1}), bench.now);
    assert_eq!(bench.published(), ["$iothub/methods/res/200/?$rid=a1"]);
    bench
        .session
        .handle_response("a2", 200, &"x".repeat(131_072).into(), bench.now);
    assert_eq!(
        bench.published(),
        ["$iothub/methods/res/500/?$rid=a2"],
        "too large for the hub"
    );
}

#[test]
fn an_answer_outlives_a_reconnection_but_not_its_caller() {
    let mut bench = Bench::online();
    bench.session.handle_down(closed(), bench.now);
    bench
        .session
        .handle_response("old", 200, &serde_json::Value::Null, bench.now);
    bench.now += Duration::from_secs(200);
    bench
        .session
        .handle_response("new", 200, &serde_json::Value::Null, bench.now);
    bench.now += Duration::from_secs(100);
    bench.wait_for_open();
    bench.session.handle_up(None, bench.now);
    assert_eq!(bench.published(), ["$iothub/methods/res/200/?$rid=new"]);
}

#[test]
fn the_twin_is_fetched_anew_and_passed_on_only_when_it_moved() {
    let mut bench = Bench::online();
    bench.session.handle_down(closed(), bench.now);
    bench.wait_for_open();
    bench.session.handle_up(None, bench.now);
    assert!(
        bench.published().is_empty(),
        "not before the answers' topic is subscribed"
    );
    bench.session.handle_subscribed(false, bench.now);
    let topics = bench.published();
    let [topic] = &topics[..] else {
        panic!("{topics:?}")
    };
    let rid = rid_in(topic, "$iothub/twin/GET/?$rid=").expect("a GET");
    let twin = r#"{"desired":{"a":2,"$version":3},"reported":{"$version":1}}"#;
    bench.deliver(&format!("$iothub/twin/res/200/?$rid={rid}"), twin);
    let outputs = bench.outputs();
    let [Output::Notify(Notice::Twin(TwinState { desired, .. }))] = &outputs[..] else {
        panic!("{outputs:?}")
    };
    assert_eq!(desired.version, 3);
}
