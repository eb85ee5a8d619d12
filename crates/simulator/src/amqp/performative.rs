//! The performatives of part 2 of the specification, as far as a service's side looks at them.

mod writing;

use bytes::Bytes;

pub(crate) use self::writing::{
    attach, begin, close, detach, disposition, end, flow, open, settlement, transfer,
};
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
const RECEIVED: u64 = 0x23;
const ACCEPTED: u8 = 0x24;
const REJECTED: u8 = 0x25;
const RELEASED: u8 = 0x26;
const MODIFIED: u8 = 0x27;

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
}

/// One performative from a peer.
#[derive(Debug, PartialEq)]
pub(crate) enum Performative {
    Open(Open),
    Begin(Begin),
    Attach(Box<Attach>),
    Flow(Flow),
    Transfer(Transfer),
    Disposition(Disposition),
    Detach { handle: u32, closed: bool },
    End,
    Close,
}

#[derive(Debug, PartialEq)]
pub(crate) struct Open {
    /// What the peer calls this side; empty if it does not say.
    pub(crate) hostname: String,
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
    /// How the payload is to be read; 0 for one message.
    pub(crate) message_format: u32,
    pub(crate) settled: bool,
    pub(crate) more: bool,
    pub(crate) aborted: bool,
    pub(crate) payload: Bytes,
}

/// What became of deliveries `first` to `last`.
#[derive(Debug, PartialEq)]
pub(crate) struct Disposition {
    /// Whether the peer received them.
    pub(crate) receiver: bool,
    pub(crate) first: u32,
    pub(crate) last: u32,
    /// Whether the peer has forgotten them.
    pub(crate) settled: bool,
    /// Nothing while it has not made up its mind.
    pub(crate) outcome: Option<Outcome>,
}

/// What a receiver made of a delivery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    Accepted,
    Rejected,
    Released,
    Modified {
        /// The receiver does not want it again.
        undeliverable: bool,
    },
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
                hostname: fields.take(1).as_text().unwrap_or_default().to_owned(),
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
                message_format: fields.number(3)?.unwrap_or(0),
                settled: fields.flag(4),
                more: fields.flag(5),
                aborted: fields.flag(9),
                payload,
            }),
            Ok(DISPOSITION) => {
                let first = fields.wanted(1, "first")?;
                Self::Disposition(Disposition {
                    receiver: fields.flag(0),
                    first,
                    last: fields.number(2)?.unwrap_or(first),
                    settled: fields.flag(3),
                    outcome: Outcome::decode(&fields.take(4))?,
                })
            }
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

impl Outcome {
    /// Whether the delivery is over and done with, rather than wanted again.
    pub(crate) fn is_final(self) -> bool {
        match self {
            Self::Accepted
            | Self::Rejected
            | Self::Modified {
                undeliverable: true,
            } => true,
            Self::Released
            | Self::Modified {
                undeliverable: false,
            } => false,
        }
    }

    /// Reads a delivery's state; nothing for one that is none yet.
    fn decode(state: &Value) -> Result<Option<Self>, DecodeError> {
        let wrong = DecodeError::Field("state");
        let (descriptor, fields) = match state {
            Value::Null => return Ok(None),
            Value::Described(descriptor, fields) => (descriptor, fields),
            _ => return Err(wrong),
        };
        let Value::List(fields) = &**fields else {
            return Err(wrong);
        };
        let code = descriptor.as_unsigned().ok_or(wrong)?;
        Ok(match u8::try_from(code) {
            Ok(ACCEPTED) => Some(Self::Accepted),
            Ok(REJECTED) => Some(Self::Rejected),
            Ok(RELEASED) => Some(Self::Released),
            Ok(MODIFIED) => Some(Self::Modified {
                undeliverable: fields.get(1) == Some(&Value::Bool(true)),
            }),
            _ if code == RECEIVED => None,
            _ => return Err(wrong),
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
