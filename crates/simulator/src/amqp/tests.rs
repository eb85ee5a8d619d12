//! The service's side without sockets: what a peer's bytes lead to.

use std::sync::Arc;

use bytes::{BufMut, Bytes, BytesMut};
use hub_proto::sas::{SymmetricKey, Unsigned};
use jiff::Timestamp;

use super::frame::{Protocol, put_frame, take_frame, take_header};
use super::message::{self, Property};
use super::peer::Peer;
use super::value::Value;
use super::{EVENT_HUB, encoding};
use crate::hub::{Hub, Names};

mod conversations;
mod devices;
mod forms;
mod notices;

/// A hub called `localhost` in memory.
fn hub() -> Arc<Hub> {
    let names = Names {
        hub: "localhost".to_owned(),
        gateway: "localhost".to_owned(),
        accepted: vec!["localhost".to_owned()],
    };
    let hub = Hub::open(None, names).expect("in memory");
    hub.ensure_policies().expect("in memory");
    Arc::new(hub)
}

/// A peer of a connection that is open, with one session on channel 0.
struct Client {
    hub: Arc<Hub>,
    peer: Peer,
    now: Timestamp,
}

/// A performative that came back: its code, its fields, and what follows them.
#[derive(Debug, PartialEq)]
struct Came {
    code: u64,
    fields: Vec<Value>,
    payload: Bytes,
}

const OPEN: u8 = 0x10;
const BEGIN: u8 = 0x11;
const ATTACH: u8 = 0x12;
const FLOW: u8 = 0x13;
const TRANSFER: u8 = 0x14;
const DISPOSITION: u8 = 0x15;
const DETACH: u8 = 0x16;
const END: u8 = 0x17;
const CLOSE: u8 = 0x18;

impl Client {
    fn connect(hub: Arc<Hub>) -> Self {
        let mut client = Self {
            peer: Peer::new(hub.clone(), None, None),
            hub,
            now: Timestamp::now(),
        };
        client.put(&Protocol::Amqp.header());
        client.say(
            OPEN,
            &[text("client"), text("localhost"), Value::Uint(1024)],
        );
        client.say(
            BEGIN,
            &[
                Value::Null,
                Value::Uint(0),
                Value::Uint(1000),
                Value::Uint(1000),
            ],
        );
        client.run();
        assert_eq!(
            take_header(&mut client.peer.out),
            Some(Some(Protocol::Amqp))
        );
        assert_eq!(codes(&client.heard()), [OPEN, BEGIN]);
        client
    }

    /// The same with a token for everything.
    fn with_token(hub: Arc<Hub>) -> Self {
        let mut client = Self::connect(hub);
        assert_eq!(client.put_token("sb://localhost/", "service"), 200);
        client
    }

    fn put(&mut self, bytes: &[u8]) {
        self.peer.inbox.extend_from_slice(bytes);
    }

    fn say(&mut self, code: u8, fields: &[Value]) {
        self.say_with(code, fields, &[]);
    }

    fn say_with(&mut self, code: u8, fields: &[Value], payload: &[u8]) {
        put_frame(&mut self.peer.inbox, Protocol::Amqp, 0, |out| {
            encoding::composite(out, code, fields);
            out.put_slice(payload);
        });
    }

    fn run(&mut self) {
        self.peer.handle(self.now);
        while self.peer.pump(self.now) {}
    }

    /// What was written since the last time.
    fn heard(&mut self) -> Vec<Came> {
        let mut all = Vec::new();
        while let Some(frame) = take_frame(&mut self.peer.out).expect("own frames are right") {
            let mut input = &frame.body[..];
            let Ok(Value::Described(descriptor, fields)) = Value::decode(&mut input) else {
                panic!("no performative in {frame:?}");
            };
            let Value::List(fields) = *fields else {
                panic!("no list in {frame:?}");
            };
            all.push(Came {
                code: descriptor.as_unsigned().expect("a code"),
                fields,
                payload: frame.body.slice(frame.body.len() - input.len()..),
            });
        }
        all
    }

    fn hear(&mut self) -> Vec<Came> {
        self.run();
        self.heard()
    }

    /// Attaches a link by which this client sends.
    fn attach_sender(&mut self, handle: u32, address: &str) -> Vec<Came> {
        self.attach(handle, false, address, Value::Null, Value::Null)
    }

    /// Attaches a link by which this client receives.
    fn attach_receiver(&mut self, handle: u32, address: &str) -> Vec<Came> {
        self.attach(handle, true, address, Value::Null, Value::Null)
    }

    fn attach(
        &mut self,
        handle: u32,
        receiver: bool,
        address: &str,
        filters: Value,
        properties: Value,
    ) -> Vec<Came> {
        let terminus = |code: u64, fields: Vec<Value>| {
            Value::Described(Box::new(Value::Ulong(code)), Box::new(Value::List(fields)))
        };
        let mut source = vec![Value::Null; 8];
        source[0] = text(address);
        source[7] = filters;
        let mut fields = vec![Value::Null; 14];
        fields[0] = text(&format!("link {handle}"));
        fields[1] = Value::Uint(handle);
        fields[2] = Value::Bool(receiver);
        fields[5] = terminus(0x28, source);
        fields[6] = terminus(0x29, vec![text(address)]);
        fields[9] = Value::Uint(0);
        fields[13] = properties;
        self.say(ATTACH, &fields);
        self.hear()
    }

    fn give_credit(&mut self, handle: u32, count: u32, credit: u32, drain: bool) {
        let mut fields = vec![Value::Null; 11];
        fields[0] = Value::Uint(0);
        fields[1] = Value::Uint(1000);
        fields[2] = Value::Uint(0);
        fields[3] = Value::Uint(1000);
        fields[4] = Value::Uint(handle);
        fields[5] = Value::Uint(count);
        fields[6] = Value::Uint(credit);
        fields[8] = Value::Bool(drain);
        self.say(FLOW, &fields);
    }

    fn send(&mut self, handle: u32, delivery: u32, message: &[u8]) -> Vec<Came> {
        self.say_with(
            TRANSFER,
            &[
                Value::Uint(handle),
                Value::Uint(delivery),
                Value::Binary(Bytes::from_static(b"tag")),
            ],
            message,
        );
        self.hear()
    }

    /// Puts a token that a policy signed for `resource`; returns the status.
    fn put_token(&mut self, resource: &str, policy: &str) -> i64 {
        let key = self.hub.policy_key(policy).expect("a policy");
        let letters = SymmetricKey::from_bytes(key.to_base64());
        let expiry = self.now.as_second() + 3600;
        let token = Unsigned::new(resource, expiry)
            .with_policy(policy)
            .sign(&letters);
        self.put_signed(resource, &token)
    }

    /// Puts a token for `name`; returns the status.
    fn put_signed(&mut self, name: &str, token: &str) -> i64 {
        self.attach_sender(100, "$cbs");
        self.attach_receiver(101, "$cbs");
        self.give_credit(101, 0, 10, false);
        let request = request(
            &[
                ("operation", "put-token"),
                ("type", "servicebus.windows.net:sastoken"),
                ("name", name),
            ],
            text(token),
        );
        let came = self.send(100, 0, &request);
        let status = status(&came);
        for handle in [100, 101] {
            self.say(DETACH, &[Value::Uint(handle), Value::Bool(true)]);
        }
        assert_eq!(codes(&self.hear()), [DETACH, DETACH]);
        status
    }
}

fn text(text: &str) -> Value {
    Value::String(text.to_owned())
}

fn codes(came: &[Came]) -> Vec<u8> {
    came.iter()
        .map(|came| u8::try_from(came.code).expect("a short code"))
        .collect()
}

/// The condition of the error that a detach or a close tells.
fn condition(came: &Came) -> Option<&str> {
    let error = came.fields.last()?.undescribed();
    match error {
        Value::List(fields) => fields.first()?.as_text(),
        _ => None,
    }
}

fn request(properties: &[(&str, &str)], body: Value) -> Bytes {
    let mut out = BytesMut::new();
    message::properties(&mut out, [(Property::MessageId, Value::Ulong(7))]);
    message::map_section(&mut out, message::APPLICATION_PROPERTIES, |out| {
        for (name, value) in properties {
            encoding::string(out, name);
            encoding::string(out, value);
        }
        properties.len()
    });
    encoding::descriptor(&mut out, message::VALUE);
    encoding::value(&mut out, &body);
    out.freeze()
}

/// The status in the answer among what came.
fn status(came: &[Came]) -> i64 {
    let answer = came.iter().find(|came| came.code == u64::from(TRANSFER));
    let answer = answer.expect("an answer");
    let message = message::Message::decode(&answer.payload).expect("a message");
    assert_eq!(message.property(Property::CorrelationId), &Value::Ulong(7));
    let status = message.application_properties.get("status-code");
    status.and_then(Value::as_signed).expect("a status")
}

/// The address of a partition for a group.
fn partition(group: &str, partition: usize) -> String {
    format!("{EVENT_HUB}/ConsumerGroups/{group}/Partitions/{partition}")
}
