//! What a reader says, in AMQP's types (part 1 of the specification): always in their long forms.

use bytes::{BufMut, BytesMut};

/// One value.
pub(super) enum Field<'a> {
    Null,
    Bool(bool),
    Ubyte(u8),
    Uint(u32),
    Text(&'a str),
    Symbol(&'a str),
    Binary(&'a [u8]),
    Long(i64),
    /// A list under a number.
    Described(u8, &'a [Self]),
    /// A value under a number: a section of a message.
    Section(u8, &'a Self),
    /// A value under a name.
    Named(&'a str, &'a Self),
    Map(&'a [(Self, Self)]),
}

/// A whole frame on channel 0: `kind` is 0 for AMQP and 1 for SASL.
pub(super) fn frame(out: &mut BytesMut, kind: u8, code: u8, fields: &[Field<'_>]) {
    frame_with(out, kind, code, fields, &[]);
}

/// The same with a payload, which is the sections of a message.
pub(super) fn frame_with(
    out: &mut BytesMut,
    kind: u8,
    code: u8,
    fields: &[Field<'_>],
    payload: &[Field<'_>],
) {
    let begins = out.len();
    out.extend_from_slice(&[0, 0, 0, 0, 2, kind, 0, 0]);
    Field::Described(code, fields).put(out);
    payload.iter().for_each(|section| section.put(out));
    let length = (out.len() - begins) as u32;
    out[begins..begins + 4].copy_from_slice(&length.to_be_bytes());
}

impl Field<'_> {
    fn put(&self, out: &mut BytesMut) {
        match self {
            Self::Null => out.put_u8(0x40),
            Self::Bool(value) => out.put_u8(if *value { 0x41 } else { 0x42 }),
            Self::Ubyte(value) => out.extend_from_slice(&[0x50, *value]),
            Self::Uint(value) => {
                out.put_u8(0x70);
                out.put_u32(*value);
            }
            Self::Long(value) => {
                out.put_u8(0x81);
                out.put_i64(*value);
            }
            Self::Section(code, value) => {
                out.extend_from_slice(&[0x00, 0x53, *code]);
                value.put(out);
            }
            Self::Text(text) => variable(out, 0xb1, text.as_bytes()),
            Self::Symbol(text) => variable(out, 0xb3, text.as_bytes()),
            Self::Binary(bytes) => variable(out, 0xb0, bytes),
            Self::Described(code, fields) => {
                out.extend_from_slice(&[0x00, 0x53, *code]);
                compound(out, 0xd0, fields.len(), |out| {
                    fields.iter().for_each(|field| field.put(out));
                });
            }
            Self::Named(name, value) => {
                out.put_u8(0x00);
                variable(out, 0xb3, name.as_bytes());
                value.put(out);
            }
            Self::Map(pairs) => compound(out, 0xd1, pairs.len() * 2, |out| {
                for (name, value) in *pairs {
                    name.put(out);
                    value.put(out);
                }
            }),
        }
    }
}

fn variable(out: &mut BytesMut, code: u8, bytes: &[u8]) {
    out.put_u8(code);
    out.extend_from_slice(&(bytes.len() as u32).to_be_bytes());
    out.extend_from_slice(bytes);
}

fn compound(out: &mut BytesMut, code: u8, count: usize, put: impl FnOnce(&mut BytesMut)) {
    out.put_u8(code);
    let begins = out.len();
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(&(count as u32).to_be_bytes());
    put(out);
    let length = (out.len() - begins - 4) as u32;
    out[begins..begins + 4].copy_from_slice(&length.to_be_bytes());
}
