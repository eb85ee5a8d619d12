//! The session in invented time: what it does for each thing that happens.

use super::*;
use crate::options::{BackoffLimits, OutboxLimits, WhenFull};

use self::bench::{Bench, closed, has_settled, message, rid_in};

mod bench;
mod delivery;
mod provisioned;

#[test]
fn a_connection_subscribes_and_says_so_once() {
    let mut bench = Bench::new();
    bench.wait_for_open();
    bench.session.handle_up(None, bench.now);
    let outputs = bench.outputs();
    let [
        Output::Subscribe(filters),
        Output::Notify(Notice::Connected),
    ] = &outputs[..]
    else {
        panic!("{outputs:?}");
    };
    assert_eq!(
        filters[..],
        [
            "devices/edge01/modules/light/inputs/#",
            "$iothub/methods/POST/#",
            "$iothub/twin/res/#",
            "$iothub/twin/PATCH/properties/desired/#"
        ]
    );
    bench.session.handle_subscribed(true, bench.now);
    let outputs = bench.outputs();
    assert!(
        matches!(
            &outputs[..],
            [
                Output::Drop,
                Output::Notify(Notice::Disconnected {
                    why: LinkError::SubscriptionRefused,
                    ..
                })
            ]
        ),
        "{outputs:?}"
    );
}

#[test]
fn messages_wait_and_are_sent_again_in_order() {
    let mut bench = Bench::new();
    (1..=3).for_each(|ticket| bench.send(ticket));
    bench.wait_for_open();
    bench.session.handle_up(None, bench.now);
    assert_eq!(bench.published(), [message(1), message(2), message(3)]);
    bench.session.handle_sent(1);
    bench.session.handle_sent(2);
    bench.session.handle_acked(2, bench.now);
    assert!(has_settled(&bench.outputs(), 2));
    bench.session.handle_down(closed(), bench.now);
    bench.wait_for_open();
    bench.session.handle_up(None, bench.now);
    assert_eq!(bench.published(), [message(1), message(3)]);
    bench.session.handle_sent(1);
    bench.session.handle_acked(1, bench.now);
    assert!(
        has_settled(&bench.outputs(), 1),
        "packet id 1 stands for message 1 again"
    );
}

#[test]
fn attempts_back_off_until_a_connection_has_lasted() {
    let backoff = BackoffLimits {
        first: Duration::from_secs(1),
        cap: Duration::from_secs(8),
    };
    let mut bench = Bench::with(Options {
        backoff,
        ..Options::default()
    });
    let mut waits = Vec::new();
    let mut fail_after = |bench: &mut Bench, online: Option<Duration>| {
        bench.wait_for_open();
        if let Some(online) = online {
            bench.session.handle_up(None, bench.now);
            bench.now += online;
        }
        bench.session.handle_down(closed(), bench.now);
        let retry_in = bench.outputs().into_iter().find_map(|output| match output {
            Output::Notify(Notice::Disconnected { retry_in, .. }) => Some(retry_in),
            _ => None,
        });
        waits.push(retry_in.expect("every failure is told").as_secs_f64());
    };
    for _ in 0..6 {
        fail_after(&mut bench, None);
    }
    fail_after(&mut bench, Some(Duration::from_secs(9)));
    fail_after(&mut bench, Some(Duration::from_secs(10)));
    for (wait, full) in waits.iter().zip([1.0, 2.0, 4.0, 8.0, 8.0, 8.0, 8.0, 1.0]) {
        assert!((full / 2.0..=full).contains(wait), "{waits:?}");
    }
}

#[test]
fn a_token_is_renewed_at_four_fifths_without_a_word() {
    let mut bench = Bench::online();
    bench.pass(Duration::from_secs(2879));
    assert!(bench.outputs().is_empty(), "not yet");
    bench.send(1);
    bench.outputs();
    bench.session.handle_sent(1);
    bench.pass(Duration::from_secs(1));
    bench.send(2);
    assert!(
        bench.outputs().is_empty(),
        "message 1 is awaited and message 2 held back"
    );
    bench.session.handle_acked(1, bench.now);
    let outputs = bench.outputs();
    assert!(
        has_settled(&outputs, 1) && matches!(outputs.last(), Some(Output::Disconnect)),
        "{outputs:?}"
    );
    bench.session.handle_down(closed(), bench.now);
    let outputs = bench.outputs();
    assert!(
        matches!(&outputs[..], [Output::Open(_)]),
        "at once and silently: {outputs:?}"
    );
    bench.session.handle_up(None, bench.now);
    let outputs = bench.outputs();
    assert!(
        matches!(&outputs[..], [Output::Subscribe(_), Output::PublishAcknowledged(packet)] if packet.topic == message(2)),
        "{outputs:?}"
    );
}

#[test]
fn a_renewal_waits_only_so_long_and_tells_when_it_fails() {
    let mut bench = Bench::online();
    bench.pass(Duration::from_secs(2875));
    bench.send(1);
    bench.session.handle_sent(1);
    bench.outputs();
    bench.pass(Duration::from_secs(5));
    bench.wake();
    assert!(
        bench
            .outputs()
            .iter()
            .any(|output| matches!(output, Output::Disconnect))
    );
    bench.wake();
    let outputs = bench.outputs();
    assert!(
        matches!(&outputs[..], [Output::Drop, Output::Open(_)]),
        "the other side never closed: {outputs:?}"
    );
    bench
        .session
        .handle_down(transport::Error::CredentialsRefused.into(), bench.now);
    let outputs = bench.outputs();
    assert!(
        matches!(
            &outputs[..],
            [Output::Notify(Notice::Disconnected {
                why: LinkError::Connection(transport::Error::CredentialsRefused),
                ..
            })]
        ),
        "{outputs:?}"
    );
    bench.wait_for_open();
    bench.session.handle_up(None, bench.now);
    let outputs = bench.outputs();
    assert!(
        matches!(outputs[1], Output::Notify(Notice::Connected)),
        "{outputs:?}"
    );
    assert!(
        matches!(&outputs[2], Output::PublishAcknowledged(packet) if packet.topic == message(1)),
        "{outputs:?}"
    );
}

#[test]
fn a_lost_acknowledgement_ends_the_connection() {
    let mut bench = Bench::online();
    bench.send(1);
    bench.session.handle_sent(1);
    bench.outputs();
    bench.wake();
    assert_eq!(bench.outputs().len(), 2, "dropped and told");
    bench.wait_for_open();
    bench.session.handle_up(None, bench.now);
    assert_eq!(bench.published(), [message(1)]);
}

#[test]
fn closing_flushes_and_takes_leave() {
    let mut bench = Bench::online();
    bench.send(1);
    bench
        .session
        .handle_close(bench.now + Duration::from_secs(5), bench.now);
    assert!(bench.session.is_closing());
    assert_eq!(bench.published(), [message(1)]);
    bench.session.handle_sent(1);
    bench.session.handle_acked(1, bench.now);
    assert!(matches!(
        bench.outputs()[..],
        [Output::Settle(1, _), Output::Disconnect]
    ));
    bench.session.handle_down(closed(), bench.now);
    assert!(matches!(
        bench.outputs()[..],
        [Output::Drop, Output::Closed { undelivered: 0 }]
    ));
    assert_eq!(bench.session.poll_timeout(), None);
}

#[test]
fn closing_ends_at_the_deadline_and_counts_what_is_left() {
    let mut bench = Bench::online();
    bench.send(1);
    bench.outputs();
    bench
        .session
        .handle_close(bench.now + Duration::from_secs(5), bench.now);
    bench.wake();
    assert!(matches!(bench.outputs()[..], [Output::Disconnect]));
    bench.wake();
    assert!(matches!(
        bench.outputs()[..],
        [
            Output::Drop,
            Output::Drop,
            Output::Closed { undelivered: 1 }
        ]
    ));

    let mut offline = Bench::new();
    offline.send(1);
    offline.session.handle_close(offline.now, offline.now);
    assert!(matches!(
        offline.outputs()[..],
        [Output::Drop, Output::Closed { undelivered: 1 }]
    ));
}

#[test]
fn dropped_messages_are_told() {
    let outbox = OutboxLimits {
        messages: 1,
        bytes: 1000,
        when_full: WhenFull::DropOldest,
    };
    let mut bench = Bench::with(Options {
        outbox,
        ..Options::default()
    });
    bench.send(1);
    bench.send(2);
    assert!(matches!(
        bench.outputs()[..],
        [Output::Settle(1, Settled::Dropped)]
    ));
}
