//! What peers and this side say to one another.

use hub_proto::message::Properties;

use super::*;
use crate::amqp::link::CREDIT;

fn sasl(peer: &mut Peer, mechanism: &str, response: &[u8]) -> Option<Value> {
    peer.inbox.extend_from_slice(&Protocol::Sasl.header());
    let mechanism = Value::Symbol(mechanism.to_owned());
    let response = Value::Binary(Bytes::copy_from_slice(response));
    put_frame(&mut peer.inbox, Protocol::Sasl, 0, |out| {
        encoding::composite(out, 0x41, &[mechanism, response, Value::Null]);
    });
    peer.handle(Timestamp::now());
    assert_eq!(take_header(&mut peer.out), Some(Some(Protocol::Sasl)));
    let _mechanisms = take_frame(&mut peer.out).expect("a frame");
    let outcome = take_frame(&mut peer.out)
        .expect("a frame")
        .expect("an outcome");
    match Value::decode(&mut &outcome.body[..]) {
        Ok(Value::Described(_, fields)) => match *fields {
            Value::List(fields) => fields.first().cloned(),
            _ => None,
        },
        _ => None,
    }
}

const WELCOME: Option<Value> = Some(Value::Ubyte(0));
const REFUSED: Option<Value> = Some(Value::Ubyte(1));

#[test]
fn a_peer_signs_in_later_or_with_a_policy_s_key() {
    let hub = hub();
    let key = hub.policy_key("service").expect("a policy").to_base64();
    let plain = |user: &str, password: &str| format!("\0{user}\0{password}").into_bytes();
    for (mechanism, response, expected) in [
        ("ANONYMOUS", Vec::new(), WELCOME),
        ("MSSBCBS", Vec::new(), WELCOME),
        ("PLAIN", plain("service", &key), WELCOME),
        ("PLAIN", plain("service", "another"), REFUSED),
        ("PLAIN", plain("device", &key), REFUSED),
        ("PLAIN", b"no zeros".to_vec(), REFUSED),
        ("EXTERNAL", Vec::new(), REFUSED),
    ] {
        let mut peer = Peer::new(hub.clone(), None, None);
        assert_eq!(
            sasl(&mut peer, mechanism, &response),
            expected,
            "{mechanism}"
        );
        assert_eq!(peer.is_over(), expected == REFUSED, "{mechanism}");
    }
}

#[test]
fn a_policy_s_token_opens_the_hub_if_it_may_serve() {
    for (resource, policy, status) in [
        ("sb://localhost/iothub-ehub-events", "service", 200),
        ("https://localhost", "iothubowner", 200),
        ("https://localhost", "registryRead", 401),
        ("https://localhost", "device", 200),
        ("sb://elsewhere/", "service", 401),
    ] {
        let mut client = Client::connect(hub());
        assert_eq!(
            client.put_token(resource, policy),
            status,
            "{resource} {policy}"
        );
    }
}

#[test]
fn nothing_is_attached_without_a_token_or_after_its_end() {
    let refused = |came: &[Came]| {
        assert_eq!(codes(came), [ATTACH, DETACH]);
        assert_eq!(came[0].fields[5], Value::Null, "a refusal has no source");
        assert_eq!(condition(&came[1]), Some("amqp:unauthorized-access"));
    };
    let mut client = Client::connect(hub());
    refused(&client.attach_receiver(0, &partition("$Default", 0)));

    let mut client = Client::with_token(hub());
    assert_eq!(
        codes(&client.attach_receiver(0, &partition("$Default", 0))),
        [ATTACH]
    );
    client.now += jiff::SignedDuration::from_hours(2);
    let came = client.hear();
    assert_eq!(codes(&came), [DETACH]);
    assert_eq!(condition(&came[0]), Some("amqp:unauthorized-access"));
    refused(&client.attach_receiver(1, &partition("$Default", 0)));
}

#[test]
fn a_token_for_one_partition_opens_no_other() {
    let mut client = Client::connect(hub());
    let one = format!("sb://localhost/{}", partition("$Default", 1));
    assert_eq!(client.put_token(&one, "service"), 200);
    assert_eq!(
        codes(&client.attach_receiver(0, &partition("$Default", 1))),
        [ATTACH]
    );
    assert_eq!(
        codes(&client.attach_receiver(1, &partition("$Default", 2))),
        [ATTACH, DETACH]
    );
}

/// Puts events of a device into the hub; returns its partition.
fn fill(hub: &Hub, bodies: &[&[u8]]) -> usize {
    for body in bodies {
        hub.lock().take("pump7", body);
    }
    (0..4)
        .find(|number| {
            hub.partition(EVENT_HUB, *number)
                .is_some_and(|(come, _)| come.next > 0)
        })
        .expect("it is somewhere")
}

#[test]
fn events_leave_as_credit_allows() {
    let hub = hub();
    let number = fill(&hub, &[b"a", b"b", b"c"]);
    let mut client = Client::with_token(hub.clone());
    client.attach_receiver(0, &partition("$Default", number));
    assert_eq!(client.hear(), [], "no credit, no event");
    client.give_credit(0, 0, 2, false);
    let came = client.hear();
    assert_eq!(codes(&came), [TRANSFER, TRANSFER]);
    assert!(came[0].payload.ends_with(b"a") && came[1].payload.ends_with(b"b"));
    // The count says that one of the two was not seen when this was written.
    client.give_credit(0, 1, 2, false);
    let came = client.hear();
    assert_eq!(codes(&came), [TRANSFER]);
    assert!(came[0].payload.ends_with(b"c"));
    client.give_credit(0, 3, 5, false);
    assert_eq!(client.hear(), []);
    hub.lock().take("pump7", b"d");
    assert_eq!(codes(&client.hear()), [TRANSFER]);
}

#[test]
fn a_large_event_comes_in_frames_that_the_peer_takes() {
    let hub = hub();
    let large = vec![b'x'; 5000];
    let number = fill(&hub, &[&large]);
    let mut client = Client::with_token(hub);
    client.attach_receiver(0, &partition("$Default", number));
    client.give_credit(0, 0, 1, false);
    let came = client.hear();
    assert!(came.len() > 5, "{}", came.len());
    let (last, before) = came.split_last().expect("frames");
    assert!(
        before
            .iter()
            .all(|came| came.fields[5] == Value::Bool(true))
    );
    assert_eq!(last.fields[5], Value::Bool(false));
    let whole: Vec<u8> = came.iter().flat_map(|came| came.payload.to_vec()).collect();
    assert!(whole.ends_with(&large));
}

#[test]
fn a_drained_link_has_no_credit_left() {
    let hub = hub();
    let number = fill(&hub, &[b"a"]);
    let mut client = Client::with_token(hub);
    client.attach_receiver(0, &partition("$Default", number));
    client.give_credit(0, 0, 10, true);
    let came = client.hear();
    assert_eq!(codes(&came), [TRANSFER, FLOW]);
    assert_eq!(
        came[1].fields[5],
        Value::Uint(10),
        "the count is as if all had come"
    );
    assert_eq!(came[1].fields[6], Value::Uint(0));
}

#[test]
fn a_reader_with_a_higher_epoch_ends_the_others() {
    let hub = hub();
    let epoch = |epoch| {
        let name = Value::Symbol("com.microsoft:epoch".to_owned());
        Value::Map(vec![(name, Value::Long(epoch))])
    };
    let address = partition("$Default", 0);
    let mut common = Client::with_token(hub.clone());
    common.attach_receiver(0, &address);
    let mut owner = Client::with_token(hub.clone());
    owner.attach(0, true, &address, Value::Null, epoch(1));
    let came = common.hear();
    assert_eq!(codes(&came), [DETACH]);
    assert_eq!(condition(&came[0]), Some("amqp:link:stolen"));
    assert_eq!(
        codes(&common.attach_receiver(1, &address)),
        [ATTACH, DETACH]
    );
    let mut lower = Client::with_token(hub.clone());
    assert_eq!(
        codes(&lower.attach(0, true, &address, Value::Null, epoch(0))),
        [ATTACH, DETACH]
    );
    assert_eq!(owner.hear(), []);
    // Its place is free when it goes, and another group's was never taken.
    drop(owner);
    assert_eq!(
        codes(&lower.attach(1, true, &address, Value::Null, epoch(0))),
        [ATTACH]
    );
    assert_eq!(
        codes(&common.attach_receiver(2, &partition("billing", 0))),
        [ATTACH]
    );
}

#[test]
fn five_readers_share_a_partition() {
    let mut client = Client::with_token(hub());
    for handle in 0..5 {
        assert_eq!(
            codes(&client.attach_receiver(handle, &partition("$Default", 0))),
            [ATTACH]
        );
    }
    let came = client.attach_receiver(5, &partition("$Default", 0));
    assert_eq!(condition(&came[1]), Some("amqp:resource-limit-exceeded"));
}

fn devicebound(to: &str, body: &[u8]) -> Bytes {
    let mut out = BytesMut::new();
    message::properties(
        &mut out,
        [(Property::To, text(to)), (Property::MessageId, text("m1"))],
    );
    message::map_section(&mut out, message::APPLICATION_PROPERTIES, |out| {
        encoding::string(out, "lane");
        encoding::value(out, &Value::Int(3));
        1
    });
    message::data(&mut out, body);
    out.freeze()
}

#[test]
fn a_message_for_a_device_is_queued_or_refused_with_a_reason() {
    let hub = hub();
    hub.add_device("pump7", false, &[]).expect("a fresh id");
    let mut client = Client::with_token(hub.clone());
    let came = client.attach_sender(0, "amqps://localhost/messages/devicebound");
    assert_eq!(codes(&came), [ATTACH, FLOW]);
    assert_eq!(came[1].fields[6], Value::Uint(CREDIT));
    let outcome = |came: &[Came]| {
        assert_eq!(codes(came), [DISPOSITION]);
        let Value::Described(outcome, fields) = &came[0].fields[4] else {
            panic!("no outcome in {came:?}");
        };
        let error = match &**fields {
            Value::List(fields) => fields.first().map(Value::undescribed).cloned(),
            _ => None,
        };
        let condition = match error {
            Some(Value::List(fields)) => fields[0].as_text().map(str::to_owned),
            _ => None,
        };
        (outcome.as_unsigned(), condition)
    };
    let to = "/devices/pump7/messages/devicebound";
    for delivery in 0..50 {
        let came = client.send(0, delivery, &devicebound(to, b"open the gate"));
        assert_eq!(outcome(&came), (Some(0x24), None), "{delivery}");
        client.give_credit(0, 0, 0, false);
    }
    assert_eq!(client.hear(), []);
    for (to, expected) in [
        (to, "amqp:resource-limit-exceeded"),
        ("/devices/pump8/messages/devicebound", "amqp:not-found"),
        ("nowhere", "amqp:invalid-field"),
    ] {
        let came = client.send(0, 51, &devicebound(to, b"late"));
        let came: Vec<_> = came
            .into_iter()
            .filter(|came| came.code == u64::from(DISPOSITION))
            .collect();
        assert_eq!(
            outcome(&came),
            (Some(0x25), Some(expected.to_owned())),
            "{to}"
        );
    }
    let kept = hub.send(
        &hub_proto::identity::Identity::device("pump7").expect("an id"),
        Properties::new(),
        Bytes::new(),
    );
    assert!(kept.is_err(), "the queue is really full");
}

#[test]
fn what_a_peer_may_not_do_ends_the_connection_with_a_reason() {
    for (code, fields, expected) in [
        (OPEN, vec![text("again")], "amqp:not-allowed"),
        (
            BEGIN,
            vec![Value::Null, Value::Uint(0), Value::Uint(1)],
            "amqp:not-allowed",
        ),
        (
            TRANSFER,
            vec![Value::Uint(9), Value::Uint(0)],
            "amqp:session:unattached-handle",
        ),
        (ATTACH, vec![text("x")], "amqp:decode-error"),
        (0x70, vec![], "amqp:decode-error"),
    ] {
        let mut client = Client::connect(hub());
        client.say(code, &fields);
        let came = client.hear();
        assert_eq!(codes(&came), [CLOSE], "{code:#x}");
        assert_eq!(condition(&came[0]), Some(expected), "{code:#x}");
        assert!(client.peer.is_over());
    }
}

#[test]
fn a_session_and_a_connection_end_as_they_began() {
    let mut client = Client::connect(hub());
    client.say(END, &[]);
    assert_eq!(codes(&client.hear()), [END]);
    client.say(
        BEGIN,
        &[
            Value::Null,
            Value::Uint(0),
            Value::Uint(10),
            Value::Uint(10),
        ],
    );
    assert_eq!(codes(&client.hear()), [BEGIN]);
    client.say(CLOSE, &[]);
    let came = client.hear();
    assert_eq!(codes(&came), [CLOSE]);
    assert_eq!(condition(&came[0]), None);
    assert!(client.peer.is_over());
}

/// Bytes that never become a message, on links that nobody needs, are nobody's but a stranger's.
#[test]
fn a_stranger_has_room_to_show_a_token_and_no_more() {
    let part = vec![0; 60_000];
    let unfinished = |client: &mut Client, handle: u32| {
        let mut fields = vec![Value::Null; 6];
        fields[0] = Value::Uint(handle);
        fields[1] = Value::Uint(handle);
        fields[5] = Value::Bool(true);
        client.say_with(TRANSFER, &fields, &part);
        client.hear()
    };
    let refused = |came: &[Came]| {
        assert_eq!(codes(came), [CLOSE]);
        assert_eq!(condition(&came[0]), Some("amqp:resource-limit-exceeded"));
    };

    let mut client = Client::connect(hub());
    for handle in 0..4 {
        client.attach_sender(handle, "$cbs");
        assert_eq!(unfinished(&mut client, handle), []);
    }
    client.attach_sender(4, "$cbs");
    refused(&unfinished(&mut client, 4));

    let mut client = Client::connect(hub());
    for handle in 0..16 {
        assert_eq!(codes(&client.attach_sender(handle, "$cbs")), [ATTACH, FLOW]);
    }
    let came = client.attach_sender(16, "$cbs");
    refused(came.get(2..).unwrap_or_default());

    let mut client = Client::with_token(hub());
    for handle in 0..20 {
        client.attach_sender(handle, "$cbs");
        assert_eq!(unfinished(&mut client, handle), [], "{handle}");
    }
}
