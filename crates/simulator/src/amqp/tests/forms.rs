//! What is written can be read, and what a stranger writes does no harm.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::amqp::message::Message;
use crate::amqp::performative::Performative;
use crate::amqp::value::DecodeError;

fn values() -> impl Strategy<Value = Value> {
    let bytes = vec(any::<u8>(), 0..300).prop_map(Bytes::from);
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        any::<u8>().prop_map(Value::Ubyte),
        any::<u16>().prop_map(Value::Ushort),
        any::<u32>().prop_map(Value::Uint),
        any::<u64>().prop_map(Value::Ulong),
        any::<i8>().prop_map(Value::Byte),
        any::<i16>().prop_map(Value::Short),
        any::<i32>().prop_map(Value::Int),
        any::<i64>().prop_map(Value::Long),
        any::<i64>().prop_map(Value::Timestamp),
        any::<[u8; 16]>().prop_map(Value::Uuid),
        any::<[u8; 8]>().prop_map(|bytes| Value::Opaque(0x82, Bytes::copy_from_slice(&bytes))),
        bytes.prop_map(Value::Binary),
        ".{0,300}".prop_map(Value::String),
        "[a-z:-]{0,300}".prop_map(Value::Symbol),
        vec("[a-z]{0,9}".prop_map(Value::Symbol), 1..4).prop_map(Value::Array),
        vec("[a-z]{0,9}".prop_map(Value::String), 1..4).prop_map(Value::Array),
    ];
    leaf.prop_recursive(4, 64, 8, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..8).prop_map(Value::List),
            vec((inner.clone(), inner.clone()), 0..8).prop_map(Value::Map),
            (any::<u64>(), inner).prop_map(|(code, value)| {
                Value::Described(Box::new(Value::Ulong(code)), Box::new(value))
            }),
        ]
    })
}

proptest! {
    #[test]
    fn a_value_that_was_written_is_read(value in values()) {
        let mut out = BytesMut::new();
        encoding::value(&mut out, &value);
        let mut input = &out[..];
        prop_assert_eq!(Value::decode(&mut input), Ok(value));
        prop_assert!(input.is_empty());
    }

    #[test]
    fn a_value_cut_short_is_none(value in values(), at in any::<prop::sample::Index>()) {
        let mut out = BytesMut::new();
        encoding::value(&mut out, &value);
        let mut input = &out[..at.index(out.len())];
        prop_assert!(Value::decode(&mut input).is_err());
    }

    #[test]
    fn any_bytes_are_a_value_or_an_error(bytes in vec(any::<u8>(), 0..200)) {
        let _ = Value::decode(&mut &bytes[..]);
        let _ = Message::decode(&bytes);
        let _ = Performative::decode(&bytes.into());
    }

    #[test]
    fn any_bytes_after_a_header_end_in_an_answer(sasl: bool, bytes in vec(any::<u8>(), 0..400)) {
        let mut peer = Peer::new(hub(), None, None);
        let protocol = if sasl { Protocol::Sasl } else { Protocol::Amqp };
        peer.inbox.extend_from_slice(&protocol.header());
        peer.inbox.extend_from_slice(&bytes);
        peer.handle(Timestamp::UNIX_EPOCH);
        prop_assert!(peer.out.starts_with(b"AMQP"));
    }

}

proptest! {
    // Each case is a hub of its own.
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Frames that are right in form, with fields that may be anything.
    #[test]
    fn any_fields_are_handled_or_refused(
        said in vec((0x10_u8..0x1a, vec(values(), 0..14), vec(any::<u8>(), 0..40)), 1..12)
    ) {
        let mut client = Client::with_token(hub());
        client.attach_sender(0, "messages/devicebound");
        client.attach_receiver(1, &partition("$Default", 0));
        for (code, fields, payload) in said {
            client.say_with(code, &fields, &payload);
        }
        client.run();
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// The same from a device, and messages of any sections on each of its links.
    #[test]
    fn a_device_may_say_anything(
        said in vec((0x10_u8..0x1a, vec(values(), 0..14), vec(any::<u8>(), 0..40)), 0..6),
        sent in vec((0_u32..3, any::<bool>(), vec((0x70_u8..0x79, values()), 0..4)), 0..6),
    ) {
        let mut client = devices::pump7(devices::furnished());
        for (handle, address) in (0..).zip([devices::EVENTS, devices::METHODS, devices::TWIN]) {
            client.attach_sender(handle, address);
        }
        for (handle, address) in (3..).zip([devices::BOUND, devices::METHODS, devices::TWIN]) {
            client.attach_receiver(handle, address);
            client.give_credit(handle, 0, 10, false);
        }
        for (number, (handle, is_batch, sections)) in sent.into_iter().enumerate() {
            let mut message = BytesMut::new();
            for (code, value) in sections {
                encoding::descriptor(&mut message, code);
                encoding::value(&mut message, &value);
            }
            let fields = [
                Value::Uint(handle),
                Value::Uint(number as u32),
                Value::Null,
                Value::Uint(if is_batch { 0x8001_3700 } else { 0 }),
            ];
            client.say_with(TRANSFER, &fields, &message);
            prop_assert!(client.hear().iter().any(|came| came.code == u64::from(DISPOSITION)));
        }
        for (code, fields, payload) in said {
            client.say_with(code, &fields, &payload);
        }
        client.run();
    }
}

#[test]
fn nesting_has_an_end() {
    let mut deep = vec![0x00; 100];
    assert_eq!(Value::decode(&mut &deep[..]), Err(DecodeError::Depth));
    deep = [0xc0, 0xff, 0x01].repeat(100);
    assert!(Value::decode(&mut &deep[..]).is_err());
}

#[test]
fn a_count_beyond_the_bytes_is_refused() {
    // An array of four thousand million nulls in six bytes.
    let bytes = [0xf0, 0, 0, 0, 5, 0xff, 0xff, 0xff, 0xff, 0x40];
    assert_eq!(Value::decode(&mut &bytes[..]), Err(DecodeError::Count));
}

#[test]
fn a_frame_longer_than_said_is_refused_before_it_is_there() {
    let mut peer = Peer::new(hub(), None, None);
    peer.inbox.extend_from_slice(&Protocol::Amqp.header());
    peer.inbox.extend_from_slice(&[0xff, 0, 0, 0, 2, 0, 0, 0]);
    peer.handle(Timestamp::UNIX_EPOCH);
    assert!(peer.is_over());
}
