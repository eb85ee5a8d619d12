//! AMQP 1.0's types, written. Lists and maps take their long form, so that they are written in one go.

use bytes::{BufMut, BytesMut};

use super::value::Value;

/// Writes one value.
pub(crate) fn value(out: &mut BytesMut, value: &Value) {
    match value {
        Value::Null => null(out),
        Value::Bool(value) => boolean(out, *value),
        Value::Ubyte(number) => out.put_slice(&[0x50, *number]),
        Value::Ushort(number) => {
            out.put_u8(0x60);
            out.put_u16(*number);
        }
        Value::Uint(number) => uint(out, *number),
        Value::Ulong(number) => {
            out.put_u8(0x80);
            out.put_u64(*number);
        }
        Value::Byte(number) => {
            out.put_u8(0x51);
            out.put_i8(*number);
        }
        Value::Short(number) => {
            out.put_u8(0x61);
            out.put_i16(*number);
        }
        Value::Int(number) => {
            out.put_u8(0x71);
            out.put_i32(*number);
        }
        Value::Long(number) => long(out, *number),
        Value::Timestamp(milliseconds) => timestamp(out, *milliseconds),
        Value::Uuid(bytes) => {
            out.put_u8(0x98);
            out.put_slice(bytes);
        }
        Value::Opaque(constructor, bytes) => {
            out.put_u8(*constructor);
            out.put_slice(bytes);
        }
        Value::Binary(bytes) => binary(out, bytes),
        Value::String(text) => string(out, text),
        Value::Symbol(text) => symbol(out, text),
        Value::List(items) => list(out, |out| {
            items.iter().for_each(|item| self::value(out, item));
            items.len()
        }),
        Value::Map(pairs) => map(out, |out| {
            for (key, item) in pairs {
                self::value(out, key);
                self::value(out, item);
            }
            pairs.len()
        }),
        Value::Array(items) => array(out, items),
        Value::Described(descriptor, described) => {
            out.put_u8(0);
            self::value(out, descriptor);
            self::value(out, described);
        }
    }
}

pub(crate) fn null(out: &mut BytesMut) {
    out.put_u8(0x40);
}

pub(crate) fn boolean(out: &mut BytesMut, value: bool) {
    out.put_u8(if value { 0x41 } else { 0x42 });
}

pub(crate) fn uint(out: &mut BytesMut, number: u32) {
    out.put_u8(0x70);
    out.put_u32(number);
}

pub(crate) fn long(out: &mut BytesMut, number: i64) {
    out.put_u8(0x81);
    out.put_i64(number);
}

pub(crate) fn timestamp(out: &mut BytesMut, milliseconds: i64) {
    out.put_u8(0x83);
    out.put_i64(milliseconds);
}

pub(crate) fn binary(out: &mut BytesMut, bytes: &[u8]) {
    sized(out, 0xa0, bytes);
}

pub(crate) fn string(out: &mut BytesMut, text: &str) {
    sized(out, 0xa1, text.as_bytes());
}

pub(crate) fn symbol(out: &mut BytesMut, text: &str) {
    sized(out, 0xa3, text.as_bytes());
}

/// A list; `items` writes them and says how many.
pub(crate) fn list(out: &mut BytesMut, items: impl FnOnce(&mut BytesMut) -> usize) {
    compound(out, 0xd0, items);
}

/// A map; `pairs` writes keys and values in turn and says how many pairs.
pub(crate) fn map(out: &mut BytesMut, pairs: impl FnOnce(&mut BytesMut) -> usize) {
    compound(out, 0xd1, |out| pairs(out) * 2);
}

/// What stands before a performative's or section's value.
pub(crate) fn descriptor(out: &mut BytesMut, code: u8) {
    out.put_slice(&[0x00, 0x53, code]);
}

/// A described list of all its fields: some peers count on those that are null being there too.
pub(crate) fn composite(out: &mut BytesMut, code: u8, fields: &[Value]) {
    descriptor(out, code);
    list(out, |out| {
        fields.iter().for_each(|field| value(out, field));
        fields.len()
    });
}

/// The short form where the length fits into a byte; the long form's constructor is 0x10 above.
fn sized(out: &mut BytesMut, constructor: u8, bytes: &[u8]) {
    match u8::try_from(bytes.len()) {
        Ok(length) => out.put_slice(&[constructor, length]),
        Err(_) => {
            out.put_u8(constructor + 0x10);
            out.put_u32(bytes.len() as u32);
        }
    }
    out.put_slice(bytes);
}

fn compound(out: &mut BytesMut, constructor: u8, items: impl FnOnce(&mut BytesMut) -> usize) {
    out.put_u8(constructor);
    let start = out.len();
    out.put_u64(0);
    let count = items(out) as u32;
    // The size covers the count.
    let size = (out.len() - start - 4) as u32;
    out[start..start + 4].copy_from_slice(&size.to_be_bytes());
    out[start + 4..start + 8].copy_from_slice(&count.to_be_bytes());
}

/// Arrays here are of texts, of one kind each: capabilities, mechanisms and partition ids.
fn array(out: &mut BytesMut, items: &[Value]) {
    let constructor = match items.first() {
        Some(Value::String(_)) => 0xb1,
        _ => 0xb3,
    };
    out.put_u8(0xf0);
    let start = out.len();
    out.put_u64(0);
    out.put_u8(constructor);
    let mut count = 0_u32;
    for text in items.iter().filter_map(Value::as_text) {
        out.put_u32(text.len() as u32);
        out.put_slice(text.as_bytes());
        count += 1;
    }
    let size = (out.len() - start - 4) as u32;
    out[start..start + 4].copy_from_slice(&size.to_be_bytes());
    out[start + 4..start + 8].copy_from_slice(&count.to_be_bytes());
}
