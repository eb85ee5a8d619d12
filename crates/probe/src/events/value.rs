//! AMQP's types as they come in (part 1.6 of the specification), as far as a reader has a use for them.

use bytes::{Buf, Bytes};

/// One value.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    Null,
    Bool(bool),
    Unsigned(u64),
    Signed(i64),
    Text(String),
    Binary(Bytes),
    Described(Box<Self>, Box<Self>),
    List(Vec<Self>),
    Map(Vec<(Self, Self)>),
    /// Of another type, whose bytes are passed over.
    Other,
}

impl Value {
    /// Takes one value off the front; nothing when the bytes are none.
    pub(super) fn take(input: &mut Bytes) -> Option<Self> {
        let code = input.try_get_u8().ok()?;
        Some(match code {
            0x00 => Self::Described(Box::new(Self::take(input)?), Box::new(Self::take(input)?)),
            0x40 => Self::Null,
            0x41 => Self::Bool(true),
            0x42 => Self::Bool(false),
            0x56 => Self::Bool(input.try_get_u8().ok()? != 0),
            0x43 | 0x44 => Self::Unsigned(0),
            0x50 | 0x52 | 0x53 => Self::Unsigned(input.try_get_u8().ok()?.into()),
            0x60 => Self::Unsigned(input.try_get_u16().ok()?.into()),
            0x70 => Self::Unsigned(input.try_get_u32().ok()?.into()),
            0x80 => Self::Unsigned(input.try_get_u64().ok()?),
            0x51 | 0x54 | 0x55 => Self::Signed(input.try_get_i8().ok()?.into()),
            0x61 => Self::Signed(input.try_get_i16().ok()?.into()),
            0x71 => Self::Signed(input.try_get_i32().ok()?.into()),
            0x81 | 0x83 => Self::Signed(input.try_get_i64().ok()?),
            0x45 => Self::List(Vec::new()),
            0xc0 | 0xd0 => {
                let (count, mut items) = compound(input, code == 0xd0)?;
                let items: Option<_> = (0..count).map(|_| Self::take(&mut items)).collect();
                Self::List(items?)
            }
            0xc1 | 0xd1 => {
                let (count, mut items) = compound(input, code == 0xd1)?;
                let pair = |_| Some((Self::take(&mut items)?, Self::take(&mut items)?));
                let pairs: Option<_> = (0..count / 2).map(pair).collect();
                Self::Map(pairs?)
            }
            0xa0 | 0xb0 => Self::Binary(variable(input, code == 0xb0)?),
            0xa1 | 0xa3 | 0xb1 | 0xb3 => {
                let bytes = variable(input, code & 0x10 != 0)?;
                Self::Text(String::from_utf8(bytes.to_vec()).ok()?)
            }
            0xe0 | 0xf0 => {
                variable(input, code == 0xf0)?;
                Self::Other
            }
            // The upper half of a code says how long a fixed value is.
            0x72..=0x7f | 0x82 | 0x84..=0x9f => {
                let length = match code >> 4 {
                    7 => 4,
                    8 => 8,
                    _ => 16,
                };
                if input.len() < length {
                    return None;
                }
                input.advance(length);
                Self::Other
            }
            _ => return None,
        })
    }

    pub(super) fn number(&self) -> Option<u64> {
        match self {
            Self::Unsigned(number) => Some(*number),
            _ => None,
        }
    }

    pub(super) fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }
}

fn length(input: &mut Bytes, long: bool) -> Option<usize> {
    Some(if long {
        input.try_get_u32().ok()? as usize
    } else {
        input.try_get_u8().ok()?.into()
    })
}

fn variable(input: &mut Bytes, long: bool) -> Option<Bytes> {
    let length = length(input, long)?;
    (length <= input.len()).then(|| input.split_to(length))
}

/// How many values there are, and the bytes they are in.
fn compound(input: &mut Bytes, long: bool) -> Option<(usize, Bytes)> {
    let mut items = variable(input, long)?;
    let count = length(&mut items, long)?;
    // The smallest value has one byte.
    (count <= items.len()).then_some((count, items))
}
