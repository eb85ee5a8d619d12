//! Performatives, written.

use bytes::{BufMut, BytesMut};

use super::{
    ACCEPTED, ATTACH, Attach, BEGIN, CLOSE, DETACH, DISPOSITION, END, FLOW, Fault, MODIFIED, OPEN,
    Outcome, REJECTED, RELEASED, TRANSFER,
};
use crate::amqp::encoding;
use crate::amqp::frame::{Protocol, put_frame};
use crate::amqp::peer::{CHANNEL_MAX, HANDLE_MAX};
use crate::amqp::value::Value;

const ERROR: u8 = 0x1d;

impl Fault {
    fn put(&self, out: &mut BytesMut) {
        let condition = Value::Symbol(self.condition.to_owned());
        let description = Value::String(self.description.clone());
        encoding::composite(out, ERROR, &[condition, description, Value::Null]);
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
    fields[3] = Value::Ushort(CHANNEL_MAX);
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
    fields[4] = Value::Uint(HANDLE_MAX);
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

/// One frame of a delivery; the first of it carries its number and its tag.
pub(crate) fn transfer(
    out: &mut BytesMut,
    (channel, handle): (u16, u32),
    first: Option<(u32, &[u8])>,
    settled: bool,
    more: bool,
    payload: &[u8],
) {
    put_frame(out, Protocol::Amqp, channel, |out| {
        encoding::descriptor(out, TRANSFER);
        encoding::list(out, |out| {
            encoding::uint(out, handle);
            match first {
                Some((delivery, tag)) => {
                    encoding::uint(out, delivery);
                    encoding::binary(out, tag);
                    encoding::uint(out, 0);
                }
                None => (0..3).for_each(|_| encoding::null(out)),
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

/// Takes note of what the peer made of deliveries of this side's: they are settled on both sides then.
pub(crate) fn settlement(
    out: &mut BytesMut,
    channel: u16,
    (first, last): (u32, u32),
    outcome: Outcome,
) {
    let (code, fields) = match outcome {
        Outcome::Accepted => (ACCEPTED, Vec::new()),
        Outcome::Rejected => (REJECTED, Vec::new()),
        Outcome::Released => (RELEASED, Vec::new()),
        Outcome::Modified { undeliverable } => {
            let fields = [Value::Bool(true), Value::Bool(undeliverable)];
            (MODIFIED, fields.to_vec())
        }
    };
    put_frame(out, Protocol::Amqp, channel, |out| {
        encoding::descriptor(out, DISPOSITION);
        encoding::list(out, |out| {
            encoding::boolean(out, false);
            encoding::uint(out, first);
            encoding::uint(out, last);
            encoding::boolean(out, true);
            encoding::composite(out, code, &fields);
            5
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
