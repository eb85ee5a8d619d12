//! Topics so long that what goes out again would be no topic any more.

use super::*;
use crate::hub::SendError;
use crate::wire::MAX_TOPIC;

/// A topic of the sensor's that is `length` bytes long.
fn telemetry_of(length: usize) -> String {
    let mut topic =
        "devices/edge01/modules/sensor/messages/events/%24.on=occupancy&filler=".to_owned();
    topic.extend(std::iter::repeat_n('x', length - topic.len()));
    topic
}

#[test]
fn the_longest_topic_that_is_taken_arrives_and_a_longer_one_is_not_taken() {
    let hub = furnished(None);
    let (sensor, light) = (
        connect(&hub, "edge01/sensor"),
        connect(&hub, "edge01/light"),
    );
    subscribe(&hub, &light, &[INPUTS]);
    publish(&hub, &sensor, &telemetry_of(MAX_TOPIC), "{}").expect("just within the limit");
    let delivered = received(&light).expect("connected");
    assert_eq!(delivered.len(), 1);
    assert!(delivered[0].topic.len() <= usize::from(u16::MAX));
    let refused = publish(&hub, &sensor, &telemetry_of(MAX_TOPIC + 1), "{}");
    assert_eq!(
        refused.expect_err("too long"),
        "a topic of 60001 bytes is more than 60000"
    );
}

#[test]
fn a_request_id_is_bounded_too() {
    let hub = furnished(None);
    let pump = connect(&hub, "pump7");
    let topic = format!("$iothub/twin/GET/?$rid={}", "7".repeat(MAX_TOPIC));
    publish(&hub, &pump, &topic, "").expect_err("its answer would be no topic");
}

#[test]
fn properties_from_the_cloud_are_measured_as_they_travel() {
    let hub = furnished(None);
    let mut properties = Properties::new();
    // Each space takes three bytes in a topic.
    properties.application.insert("note", " ".repeat(20_000));
    let refused = hub.send(&identity("pump7"), properties, "x".into());
    assert!(matches!(refused, Err(SendError::TooManyProperties(bytes)) if bytes > MAX_TOPIC));
}
