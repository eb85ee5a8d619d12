//! A device that the provisioning service gives its hub.

use std::sync::Arc;

use dps_client::RegisterError;
use hub_proto::identity::Identity;
use serde_json::json;

use super::*;
use crate::place::Place;

fn assigned(hub: &str, device: &str) -> Assigned {
    Assigned {
        place: Arc::new(Place {
            identity: Identity::device(device).expect("a plain id"),
            hub: hub.to_owned(),
            host: hub.to_owned(),
        }),
        payload: Some(json!({"for": device})),
    }
}

fn refused() -> LinkError {
    transport::Error::CredentialsRefused.into()
}

/// A device that has come to its hub: `d1` at `hub1`.
fn at_hub1() -> Bench {
    let mut bench = Bench::unassigned();
    bench.wake();
    assert!(matches!(bench.outputs()[..], [Output::Register]));
    bench
        .session
        .handle_assigned(assigned("hub1", "d1"), bench.now);
    come_up(&mut bench, 1);
    bench
}

/// The hub takes the device; its twin has this desired version.
fn come_up(bench: &mut Bench, desired: u64) {
    bench.session.handle_up(None, bench.now);
    bench.session.handle_subscribed(false, bench.now);
    let rid = bench
        .published()
        .iter()
        .find_map(|topic| rid_in(topic, "$iothub/twin/GET/?$rid="))
        .expect("a GET");
    bench.deliver(
        &format!("$iothub/twin/res/200/?$rid={rid}"),
        &format!(r#"{{"desired":{{"$version":{desired}}},"reported":{{"$version":1}}}}"#),
    );
}

/// The hub refuses, long after it last took the device.
fn refuse_later(bench: &mut Bench) {
    bench.pass(Duration::from_secs(10_000));
    bench.session.handle_down(closed(), bench.now);
    bench.wake();
    bench.outputs();
    bench.session.handle_down(refused(), bench.now);
    bench.outputs();
    bench.wake();
}

#[test]
fn registers_then_connects_where_it_belongs() {
    let mut bench = Bench::unassigned();
    bench.send(1);
    bench.wake();
    let outputs = bench.outputs();
    assert!(matches!(outputs[..], [Output::Register]), "{outputs:?}");
    bench
        .session
        .handle_assigned(assigned("hub1", "d1"), bench.now);
    let outputs = bench.outputs();
    let [
        Output::Notify(Notice::Assigned { place, payload }),
        Output::Open(open),
    ] = &outputs[..]
    else {
        panic!("{outputs:?}")
    };
    assert_eq!((place.hub.as_str(), place), ("hub1", open));
    assert_eq!(payload, &Some(json!({"for": "d1"})));
    bench.session.handle_up(None, bench.now);
    let outputs = bench.outputs();
    let [
        Output::Subscribe(filters),
        Output::Notify(Notice::Connected),
        Output::PublishAcknowledged(packet),
    ] = &outputs[..]
    else {
        panic!("{outputs:?}")
    };
    assert_eq!(filters[0], "devices/d1/messages/devicebound/#");
    assert_eq!(packet.topic, "devices/d1/messages/events/message=1");
}

#[test]
fn a_loss_or_a_renewal_asks_nobody() {
    let mut bench = at_hub1();
    bench.outputs();
    for _ in 0..3 {
        bench.session.handle_down(closed(), bench.now);
        bench.wait_for_open();
        come_up(&mut bench, 1);
    }
}

#[test]
fn another_hub_gets_what_the_old_one_did_not_take() {
    let mut bench = at_hub1();
    for ticket in 1..=3 {
        bench.send(ticket);
    }
    for packet in 1..=3 {
        bench.session.handle_sent(packet);
    }
    bench.session.handle_acked(1, bench.now);
    assert!(has_settled(&bench.outputs(), 1));
    bench.session.handle_down(closed(), bench.now);
    // The answer to a call of the old hub, which the new one knows nothing of.
    bench
        .session
        .handle_response("1", 200, &json!({}), bench.now);
    refuse_later(&mut bench);
    let outputs = bench.outputs();
    assert!(matches!(outputs[..], [Output::Register]), "{outputs:?}");
    bench
        .session
        .handle_assigned(assigned("hub2", "d2"), bench.now);
    bench.session.handle_up(None, bench.now);
    assert_eq!(
        bench.published(),
        [
            "devices/d2/messages/events/message=2",
            "devices/d2/messages/events/message=3"
        ]
    );
    bench.session.handle_sent(1);
    bench.session.handle_acked(1, bench.now);
    assert!(has_settled(&bench.outputs(), 2));
}

#[test]
fn the_twin_is_told_anew_even_at_the_version_that_is_known() {
    for (hub, is_other) in [("hub2", true), ("hub1", false)] {
        let mut bench = at_hub1();
        refuse_later(&mut bench);
        assert!(matches!(bench.outputs()[..], [Output::Register]));
        bench
            .session
            .handle_assigned(assigned(hub, "d1"), bench.now);
        let outputs = bench.outputs();
        let told = outputs
            .iter()
            .any(|output| matches!(output, Output::Notify(Notice::Assigned { .. })));
        assert_eq!(told, is_other, "{outputs:?}");
        come_up(&mut bench, 1);
        let outputs = bench.outputs();
        assert!(
            matches!(outputs[..], [Output::Notify(Notice::Twin(_))]),
            "{outputs:?}"
        );
    }
}

#[test]
fn says_when_the_service_will_be_asked_again() {
    let mut bench = Bench::unassigned();
    bench.wake();
    bench.outputs();
    let disabled = RegisterError::Disabled.into();
    bench.session.handle_down(disabled, bench.now);
    let outputs = bench.outputs();
    let [
        Output::Notify(Notice::Disconnected {
            why: LinkError::Provisioning(RegisterError::Disabled),
            retry_in,
        }),
    ] = &outputs[..]
    else {
        panic!("{outputs:?}")
    };
    assert!(*retry_in >= Duration::from_secs(10), "{retry_in:?}");
    bench.pass(*retry_in - Duration::from_millis(1));
    assert!(bench.outputs().is_empty());
    bench.pass(Duration::from_millis(1));
    assert!(matches!(bench.outputs()[..], [Output::Register]));
}

#[test]
fn closes_while_it_registers() {
    let mut bench = Bench::unassigned();
    bench.send(1);
    bench.wake();
    bench.outputs();
    bench.session.handle_close(bench.now, bench.now);
    let outputs = bench.outputs();
    assert!(
        matches!(
            outputs[..],
            [Output::Drop, Output::Closed { undelivered: 1 }]
        ),
        "{outputs:?}"
    );
}
