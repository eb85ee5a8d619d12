//! The performatives of part 2 of the specification, as far as a service's side looks at them.

use bytes::{BufMut, Bytes, BytesMut};

use super::encoding;
use super::frame::{Protocol, put_frame};
use super::value::{DecodeError, Value};

const OPEN: u8 = 0x10;
const BEGIN: u8 = 0x11;
const ATTACH: u8 = 0x12;
const FLOW: u8 = 0x13;
const TRANSFER: u8 = 0x14;
const DISPOSITION: u8 = 0x15;
const DETACH: u8 = 0x16;
const END: u8 = 0x17;
const CLOSE: u8 = 0x18;
const ERROR: u8 = 0x1d;
const ACCEPTED: u8 = 0x24;
const REJECTED: u8 = 0x25;

/// What a peer is told when something is not to be had: `amqp:error`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault {
    /// A symbol of the specification, or one of the service's own.
    pub(crate) condition: &'static str,
    pub(crate) description: String,
}

impl Fault {
    pub(crate) fn new(condition: &'static str, description: impl Into<String>) -> Self {
        Self {
            condition,
            description: description.into(),
        }
    }

    fn put(&self, out: &mut BytesMut) {
        let condition = Value::Symbol(self.condition.to_owned());
        let description = Value::String(self.description.clone());
        encoding::composite(out, ERROR, &[condition, description, Value::Null]);
    }
}

/// One performative from a peer.
#[derive(Debug, PartialEq)]
pub(crate) enum Performative {
    Open(Open),
    Begin(Begin),
    Attach(Box<Attach>),
    Flow(Flow),
    Transfer(Transfer),
    /// What became of deliveries: nothing here waits for that, because events are settled when they leave.
    Disposition,
    Detach {
        handle: u32,
        closed: bool,
    },
    End,
    Close,
}

#[derive(Debug, PartialEq)]
pub(crate) struct Open {
    pub(crate) max_frame_size: u32,
    /// Milliseconds after which the peer takes silence for death; 0 for never.
    pub(crate) idle_time_out: u32,
}

#[derive(Debug, PartialEq)]
pub(crate) struct Begin {
    pub(crate) next_outgoing_id: u32,
    pub(crate) incoming_window: u32,
}

#[derive(Debug, PartialEq)]
pub(crate) struct Attach {
    pub(crate) name: String,
    pub(crate) handle: u32,
    /// Whether the peer is to receive.
    pub(crate) receiver: bool,
    pub(crate) snd_settle_mode: u8,
    pub(crate) rcv_settle_mode: u8,
    pub(crate) source: Value,
    pub(crate) target: Value,
    pub(crate) initial_delivery_count: u32,
    pub(crate) desired_capabilities: Value,
    pub(crate) properties: Value,
}

#[derive(Debug, PartialEq)]
pub(crate) struct Flow {
    pub(crate) next_incoming_id: Option<u32>,
    pub(crate) incoming_window: u32,
    pub(crate) link: Option<LinkFlow>,
    pub(crate) echo: bool,
}

#[derive(Debug, PartialEq)]
pub(crate) struct LinkFlow {
    pub(crate) handle: u32,
    pub(crate) delivery_count: Option<u32>,
    pub(crate) credit: u32,
    pub(crate) drain: bool,
}

#[derive(Debug, PartialEq)]
pub(crate) struct Transfer {
    pub(crate) handle: u32,
    /// Present on the first frame of a delivery.
    pub(crate) delivery_id: Option<u32>,
    pub(crate) settled: bool,
    pub(crate) more: bool,
    pub(crate) aborted: bool,
    pub(crate) payload: Bytes,
}

impl Performative {
    /// Reads the body of a frame that is not empty.
    pub(crate) fn decode(body: &Bytes) -> Result<Self, DecodeError> {
        let mut input = &body[..];
        let Value::Described(descriptor, fields) = Value::decode(&mut input)? else {
            return Err(DecodeError::Field("performative"));
        };
        let (Value::Ulong(code), Value::List(fields)) = (*descriptor, *fields) else {
            return Err(DecodeError::Field("performative"));
        };
        let payload = body.slice(body.len() - input.len()..);
        let mut fields = Fields(fields);
        Ok(match u8::try_from(code) {
            Ok(OPEN) => Self::Open(Open {
                max_frame_size: fields.number(2)?.unwrap_or(u32::MAX),
                idle_time_out: fields.number(4)?.unwrap_or(0),
            }),
            Ok(BEGIN) => Self::Begin(Begin {
                next_outgoing_id: fields.wanted(1, "next-outgoing-id")?,
                incoming_window: fields.wanted(2, "incoming-window")?,
            }),
            Ok(ATTACH) => Self::Attach(Box::new(Attach {
                name: match fields.take(0) {
                    Value::String(name) => name,
                    _ => return Err(DecodeError::Field("name")),
                },
                handle: fields.wanted(1, "handle")?,
                receiver: match fields.take(2) {
                    Value::Bool(role) => role,
                    _ => return Err(DecodeError::Field("role")),
                },
                snd_settle_mode: fields.number(3)?.map_or(2, |mode| mode as u8),
                rcv_settle_mode: fields.number(4)?.map_or(0, |mode| mode as u8),
                source: fields.take(5),
                target: fields.take(6),
                initial_delivery_count: fields.number(9)?.unwrap_or(0),
                desired_capabilities: fields.take(12),
                properties: fields.take(13),
            })),
            Ok(FLOW) => Self::Flow(Flow {
                next_incoming_id: fields.number(0)?,
                incoming_window: fields.wanted(1, "incoming-window")?,
                link: match fields.number(4)? {
                    None => None,
                    Some(handle) => Some(LinkFlow {
                        handle,
                        delivery_count: fields.number(5)?,
                        credit: fields.number(6)?.unwrap_or(0),
                        drain: fields.flag(8),
                    }),
                },
                echo: fields.flag(9),
            }),
            Ok(TRANSFER) => Self::Transfer(Transfer {
                handle: fields.wanted(0, "handle")?,
                delivery_id: fields.number(1)?,
                settled: fields.flag(4),
                more: fields.flag(5),
                aborted: fields.flag(9),
                payload,
            }),
            Ok(DISPOSITION) => Self::Disposition,
            Ok(DETACH) => Self::Detach {
                handle: fields.wanted(0, "handle")?,
                closed: fields.flag(1),
            },
            Ok(END) => Self::End,
            Ok(CLOSE) => Self::Close,
            _ => return Err(DecodeError::Field("performative")),
        })
    }
}

/// A list whose last fields may be left out.
struct Fields(Vec<Value>);

impl Fields {
    fn take(&mut self, at: usize) -> Value {
        self.0
            .get_mut(at)
            .map_or(Value::Null, |field| std::mem::replace(field, Value::Null))
    }

    fn number(&self, at: usize) -> Result<Option<u32>, DecodeError> {
        match self.0.get(at) {
            None | Some(Value::Null) => Ok(None),
            Some(field) => field
                .as_unsigned()
                .and_then(|number| u32::try_from(number).ok())
                .map(Some)
                .ok_or(DecodeError::Field("a number")),
        }
    }

    fn wanted(&self, at: usize, name: &'static str) -> Result<u32, DecodeError> {
        self.number(at)?.ok_or(DecodeError::Field(name))
    }

    fn flag(&self, at: usize) -> bool {
        self.0.get(at) == Some(&Value::Bool(true))
    }
}

fn put(out: &mut BytesMut, channel: u16, code: u8, fields: &[Value]) {
    put_frame(out, Protocol::Amqp, channel, |out| {
        encoding::composite(out, code, fields);
    });
}

/// `own` side's limits; `container` names this service.
pub(crate) fn open(out: &mut BytesMut, container: &str, max_frame: u32, idle_time_out: u32) {
    let mut fields = vec![Value::Null; 10];
    fields[0] = Value::String(container.to_owned());
    fields[2] = Value::Uint(max_frame);
    fields[3] = Value::Ushort(super::peer::CHANNEL_MAX);
    fields[4] = Value::Uint(idle_time_out);
    put(out, 0, OPEN, &fields);
}

/// The answer to a begin on the same channel.
pub(crate) fn begin(out: &mut BytesMut, channel: u16, window: u32) {
    let mut fields = vec![Value::Null; 8];
    fields[0] = Value::Ushort(channel);
    fields[1] = Value::Uint(0);
    fields[2] = Value::Uint(window);
    fields[3] = Value::Uint(u32::MAX);
    fields[4] = Value::Uint(super::peer::HANDLE_MAX);
    put(out, channel, BEGIN, &fields);
}

/// The answer to an attach under the same handle, or a refusal, which has neither source nor target.
pub(crate) fn attach(
    out: &mut BytesMut,
    channel: u16,
    peer: &Attach,
    offered: Value,
    max_message: u64,
    refused: bool,
) {
    let given = |value: &Value| {
        if refused { Value::Null } else { value.clone() }
    };
    let mut fields = vec![Value::Null; 14];
    fields[0] = Value::String(peer.name.clone());
    fields[1] = Value::Uint(peer.handle);
    fields[2] = Value::Bool(!peer.receiver);
    fields[3] = Value::Ubyte(peer.snd_settle_mode);
    fields[4] = Value::Ubyte(peer.rcv_settle_mode);
    fields[5] = given(&peer.source);
    fields[6] = given(&peer.target);
    if peer.receiver {
        fields[9] = Value::Uint(0);
    }
    fields[10] = Value::Ulong(max_message);
    fields[11] = offered;
    put(out, channel, ATTACH, &fields);
}

/// A session's windows, and with `link` a link's credit: `(handle, delivery count, credit, drain)`.
pub(crate) fn flow(
    out: &mut BytesMut,
    channel: u16,
    next_incoming: u32,
    window: u32,
    next_outgoing: u32,
    link: Option<(u32, u32, u32, bool)>,
) {
    let mut fields = vec![Value::Null; 11];
    fields[0] = Value::Uint(next_incoming);
    fields[1] = Value::Uint(window);
    fields[2] = Value::Uint(next_outgoing);
    fields[3] = Value::Uint(u32::MAX);
    if let Some((handle, delivery_count, credit, drain)) = link {
        fields[4] = Value::Uint(handle);
        fields[5] = Value::Uint(delivery_count);
        fields[6] = Value::Uint(credit);
        fields[8] = Value::Bool(drain);
    }
    put(out, channel, FLOW, &fields);
}

/// One frame of a delivery; the first of it carries its number, which serves as its tag too.
pub(crate) fn transfer(
    out: &mut BytesMut,
    channel: u16,
    handle: u32,
    (delivery, first): (u32, bool),
    settled: bool,
    more: bool,
    payload: &[u8],
) {
    put_frame(out, Protocol::Amqp, channel, |out| {
        encoding::descriptor(out, TRANSFER);
        encoding::list(out, |out| {
            encoding::uint(out, handle);
            if first {
                encoding::uint(out, delivery);
                encoding::binary(out, &delivery.to_be_bytes());
                encoding::uint(out, 0);
            } else {
                (0..3).for_each(|_| encoding::null(out));
            }
            encoding::boolean(out, settled);
            encoding::boolean(out, more);
            (0..5).for_each(|_| encoding::null(out));
            11
        });
        out.put_slice(payload);
    });
}

/// Settles a delivery of the peer's: taken, or refused with a reason.
pub(crate) fn disposition(
    out: &mut BytesMut,
    channel: u16,
    delivery: u32,
    outcome: &Result<(), Fault>,
) {
    put_frame(out, Protocol::Amqp, channel, |out| {
        encoding::descriptor(out, DISPOSITION);
        encoding::list(out, |out| {
            encoding::boolean(out, true);
            encoding::uint(out, delivery);
            encoding::uint(out, delivery);
            encoding::boolean(out, true);
            match outcome {
                Ok(()) => encoding::composite(out, ACCEPTED, &[]),
                Err(fault) => {
                    encoding::descriptor(out, REJECTED);
                    encoding::list(out, |out| {
                        fault.put(out);
                        1
                    });
                }
            }
            encoding::boolean(out, false);
            6
        });
    });
}

pub(crate) fn detach(
    out: &mut BytesMut,
    channel: u16,
    handle: u32,
    closed: bool,
    fault: Option<&Fault>,
) {
    put_frame(out, Protocol::Amqp, channel, |out| {
        encoding::descriptor(out, DETACH);
        encoding::list(out, |out| {
            encoding::uint(out, handle);
            encoding::boolean(out, closed);
            error_or_null(out, fault);
            3
        });
    });
}

pub(crate) fn end(out: &mut BytesMut, channel: u16) {
    put(out, channel, END, &[Value::Null]);
}

pub(crate) fn close(out: &mut BytesMut, fault: Option<&Fault>) {
    put_frame(out, Protocol::Amqp, 0, |out| {
        encoding::descriptor(out, CLOSE);
        encoding::list(out, |out| {
            error_or_null(out, fault);
            1
        });
    });
}

fn error_or_null(out: &mut BytesMut, fault: Option<&Fault>) {
    match fault {
        Some(fault) => fault.put(out),
        None => encoding::null(out),
    }
}
