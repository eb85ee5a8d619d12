//! AMQP 1.0's types (part 1 of the specification), read from the wire.
//!
//! Input is a stranger's: nesting and counts are bounded before anything is allocated for them.

use bytes::Bytes;
use thiserror::Error;

/// Deeper than anything a client has reason to send; a filter in a source in an attach is four deep.
const MAX_DEPTH: u8 = 16;

/// One value of any type.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Value {
    Null,
    Bool(bool),
    Ubyte(u8),
    Ushort(u16),
    Uint(u32),
    Ulong(u64),
    Byte(i8),
    Short(i16),
    Int(i32),
    Long(i64),
    /// Milliseconds of Unix time.
    Timestamp(i64),
    Uuid([u8; 16]),
    /// A number or character that nothing here looks into: its constructor and its bytes.
    Opaque(u8, Bytes),
    Binary(Bytes),
    String(String),
    Symbol(String),
    List(Vec<Self>),
    Map(Vec<(Self, Self)>),
    Array(Vec<Self>),
    Described(Box<Self>, Box<Self>),
}

/// Why bytes are no value, or not the one expected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub(crate) enum DecodeError {
    #[error("the value is cut short")]
    Short,
    #[error("there is no type with the constructor {0:#04x}")]
    Constructor(u8),
    #[error("values are nested more than {MAX_DEPTH} deep")]
    Depth,
    #[error("a compound value has more items than bytes")]
    Count,
    #[error("a text is not UTF-8")]
    Text,
    #[error("{0} is missing, or has another type")]
    Field(&'static str),
}

impl Value {
    /// Reads one value from the front of `input`.
    pub(crate) fn decode(input: &mut &[u8]) -> Result<Self, DecodeError> {
        decode(input, 0)
    }

    /// A text or symbol, whichever a client chose.
    pub(crate) fn as_text(&self) -> Option<&str> {
        match self {
            Self::String(text) | Self::Symbol(text) => Some(text),
            _ => None,
        }
    }

    /// A whole number of any width that is not negative.
    pub(crate) fn as_unsigned(&self) -> Option<u64> {
        match *self {
            Self::Ubyte(number) => Some(number.into()),
            Self::Ushort(number) => Some(number.into()),
            Self::Uint(number) => Some(number.into()),
            Self::Ulong(number) => Some(number),
            _ => self.as_signed().and_then(|number| number.try_into().ok()),
        }
    }

    /// A whole number of any signed width.
    pub(crate) fn as_signed(&self) -> Option<i64> {
        match *self {
            Self::Byte(number) => Some(number.into()),
            Self::Short(number) => Some(number.into()),
            Self::Int(number) => Some(number.into()),
            Self::Long(number) => Some(number),
            _ => None,
        }
    }

    /// What a map has under a text or symbol.
    pub(crate) fn get(&self, key: &str) -> Option<&Self> {
        let Self::Map(pairs) = self else {
            return None;
        };
        let found = pairs.iter().find(|(name, _)| name.as_text() == Some(key));
        found.map(|(_, value)| value)
    }

    /// What a descriptor stands before; any other value as it is.
    pub(crate) fn undescribed(&self) -> &Self {
        match self {
            Self::Described(_, value) => value,
            value => value,
        }
    }
}

fn decode(input: &mut &[u8], depth: u8) -> Result<Value, DecodeError> {
    let [constructor] = *fixed::<1>(input)?;
    if constructor != 0 {
        return decode_as(constructor, input, depth);
    }
    if depth == MAX_DEPTH {
        return Err(DecodeError::Depth);
    }
    let descriptor = decode(input, depth + 1)?;
    let value = decode(input, depth + 1)?;
    Ok(Value::Described(Box::new(descriptor), Box::new(value)))
}

fn decode_as(constructor: u8, input: &mut &[u8], depth: u8) -> Result<Value, DecodeError> {
    Ok(match constructor {
        0x40 => Value::Null,
        0x41 => Value::Bool(true),
        0x42 => Value::Bool(false),
        0x56 => Value::Bool(fixed::<1>(input)? != &[0]),
        0x50 => Value::Ubyte(fixed::<1>(input)?[0]),
        0x60 => Value::Ushort(u16::from_be_bytes(*fixed(input)?)),
        0x43 => Value::Uint(0),
        0x52 => Value::Uint(fixed::<1>(input)?[0].into()),
        0x70 => Value::Uint(u32::from_be_bytes(*fixed(input)?)),
        0x44 => Value::Ulong(0),
        0x53 => Value::Ulong(fixed::<1>(input)?[0].into()),
        0x80 => Value::Ulong(u64::from_be_bytes(*fixed(input)?)),
        0x51 => Value::Byte(i8::from_be_bytes(*fixed(input)?)),
        0x61 => Value::Short(i16::from_be_bytes(*fixed(input)?)),
        0x54 => Value::Int(i8::from_be_bytes(*fixed(input)?).into()),
        0x71 => Value::Int(i32::from_be_bytes(*fixed(input)?)),
        0x55 => Value::Long(i8::from_be_bytes(*fixed(input)?).into()),
        0x81 => Value::Long(i64::from_be_bytes(*fixed(input)?)),
        0x83 => Value::Timestamp(i64::from_be_bytes(*fixed(input)?)),
        0x98 => Value::Uuid(*fixed(input)?),
        // float, decimal32, char; double, decimal64; decimal128.
        0x72..=0x74 => Value::Opaque(constructor, bytes(input, 4)?),
        0x82 | 0x84 => Value::Opaque(constructor, bytes(input, 8)?),
        0x94 => Value::Opaque(constructor, bytes(input, 16)?),
        0xa0 | 0xb0 => Value::Binary(Bytes::copy_from_slice(sized(constructor, input)?)),
        0xa1 | 0xb1 => Value::String(text(constructor, input)?),
        0xa3 | 0xb3 => Value::Symbol(text(constructor, input)?),
        0x45 => Value::List(Vec::new()),
        0xc0 | 0xd0 => {
            let (count, mut items) = compound(constructor, input, depth)?;
            Value::List(
                (0..count)
                    .map(|_| decode(&mut items, depth + 1))
                    .collect::<Result<_, _>>()?,
            )
        }
        0xc1 | 0xd1 => {
            let (count, mut items) = compound(constructor, input, depth)?;
            let mut pair = |_| {
                Ok((
                    decode(&mut items, depth + 1)?,
                    decode(&mut items, depth + 1)?,
                ))
            };
            Value::Map((0..count / 2).map(&mut pair).collect::<Result<_, _>>()?)
        }
        0xe0 | 0xf0 => {
            let (count, mut items) = compound(constructor, input, depth)?;
            let [constructor] = *fixed::<1>(&mut items)?;
            Value::Array(
                (0..count)
                    .map(|_| decode_as(constructor, &mut items, depth + 1))
                    .collect::<Result<_, _>>()?,
            )
        }
        unknown => return Err(DecodeError::Constructor(unknown)),
    })
}

/// The number of items of a list, map or array, and their bytes.
fn compound<'a>(
    constructor: u8,
    input: &mut &'a [u8],
    depth: u8,
) -> Result<(usize, &'a [u8]), DecodeError> {
    if depth == MAX_DEPTH {
        return Err(DecodeError::Depth);
    }
    let mut items = sized(constructor, input)?;
    let count = length(constructor, &mut items)?;
    // Arrays of values without bytes of their own (nulls) could claim any number.
    if count > items.len() {
        return Err(DecodeError::Count);
    }
    Ok((count, items))
}

/// One byte or four of length, as the constructor's upper half says: 0xa, 0xc and 0xe are the short ones.
fn length(constructor: u8, input: &mut &[u8]) -> Result<usize, DecodeError> {
    Ok(if constructor & 0x10 == 0 {
        fixed::<1>(input)?[0].into()
    } else {
        u32::from_be_bytes(*fixed(input)?) as usize
    })
}

fn sized<'a>(constructor: u8, input: &mut &'a [u8]) -> Result<&'a [u8], DecodeError> {
    let length = length(constructor, input)?;
    let (value, rest) = input.split_at_checked(length).ok_or(DecodeError::Short)?;
    *input = rest;
    Ok(value)
}

fn text(constructor: u8, input: &mut &[u8]) -> Result<String, DecodeError> {
    let text = std::str::from_utf8(sized(constructor, input)?).map_err(|_| DecodeError::Text)?;
    Ok(text.to_owned())
}

fn bytes(input: &mut &[u8], length: usize) -> Result<Bytes, DecodeError> {
    let (value, rest) = input.split_at_checked(length).ok_or(DecodeError::Short)?;
    *input = rest;
    Ok(Bytes::copy_from_slice(value))
}

fn fixed<'a, const N: usize>(input: &mut &'a [u8]) -> Result<&'a [u8; N], DecodeError> {
    let (value, rest) = input.split_first_chunk().ok_or(DecodeError::Short)?;
    *input = rest;
    Ok(value)
}
