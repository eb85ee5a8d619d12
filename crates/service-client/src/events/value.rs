//! AMQP's types as they come in (part 1.6 of the specification), as far as a reader has a use for them.

use bytes::{Buf as _, Bytes};

/// How deep values may lie in one another. What the service sends needs four.
const DEEPEST: u8 = 16;

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
    /// A list, or an array.
    List(Vec<Self>),
    Map(Vec<(Self, Self)>),
    /// Of another type, whose bytes are passed over.
    Other,
}

impl Value {
    /// Takes one value off the front; nothing when the bytes are none.
    pub(super) fn take(input: &mut Bytes) -> Option<Self> {
        Self::take_within(input, DEEPEST)
    }

    fn take_within(input: &mut Bytes, depth: u8) -> Option<Self> {
        let code = input.try_get_u8().ok()?;
        Self::of(code, input, depth)
    }

    /// The value behind its constructor.
    fn of(code: u8, input: &mut Bytes, depth: u8) -> Option<Self> {
        let below = |input: &mut Bytes| Self::take_within(input, depth.checked_sub(1)?);
        Some(match code {
            0x00 => Self::Described(Box::new(below(input)?), Box::new(below(input)?)),
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
                let items: Option<_> = (0..count).map(|_| below(&mut items)).collect();
                Self::List(items?)
            }
            0xc1 | 0xd1 => {
                let (count, mut items) = compound(input, code == 0xd1)?;
                let pair = |_| Some((below(&mut items)?, below(&mut items)?));
                let pairs: Option<_> = (0..count / 2).map(pair).collect();
                Self::Map(pairs?)
            }
            0xa0 | 0xb0 => Self::Binary(variable(input, code == 0xb0)?),
            0xa1 | 0xa3 | 0xb1 | 0xb3 => {
                let bytes = variable(input, code & 0x10 != 0)?;
                Self::Text(String::from_utf8(bytes.to_vec()).ok()?)
            }
            // All of one constructor, which stands in front of them.
            0xe0 | 0xf0 => {
                let (count, mut items) = compound(input, code == 0xf0)?;
                if count == 0 {
                    return Some(Self::List(Vec::new()));
                }
                let (code, depth) = (items.try_get_u8().ok()?, depth.checked_sub(1)?);
                // Their descriptors would stand before the constructor; values of no bytes could be any number.
                if code == 0x00 || code >> 4 == 4 {
                    return Some(Self::Other);
                }
                let items: Option<_> = (0..count)
                    .map(|_| Self::of(code, &mut items, depth))
                    .collect();
                Self::List(items?)
            }
            0x98 => {
                let mut hex = String::with_capacity(36);
                for (index, byte) in take_bytes(input, 16)?.iter().enumerate() {
                    if matches!(index, 4 | 6 | 8 | 10) {
                        hex.push('-');
                    }
                    hex.push_str(&format!("{byte:02x}"));
                }
                Self::Text(hex)
            }
            // The upper half of a code says how long a fixed value is.
            0x72..=0x7f | 0x82 | 0x84..=0x9f => {
                let length = match code >> 4 {
                    7 => 4,
                    8 => 8,
                    _ => 16,
                };
                take_bytes(input, length)?;
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

    /// A number of either kind.
    pub(super) fn signed(&self) -> Option<i64> {
        match self {
            Self::Signed(number) => Some(*number),
            Self::Unsigned(number) => i64::try_from(*number).ok(),
            _ => None,
        }
    }

    /// The fields of a described list: an error, a source.
    pub(super) fn fields(&self) -> &[Self] {
        match self {
            Self::Described(_, value) => value.fields(),
            Self::List(fields) => fields,
            _ => &[],
        }
    }

    /// An entry of a map.
    pub(super) fn entry(&self, name: &str) -> Option<&Self> {
        let Self::Map(pairs) = self else { return None };
        let mut pairs = pairs.iter();
        let found = pairs.find(|(key, _)| key.text() == Some(name));
        found.map(|(_, value)| value)
    }

    /// A simple value as a text, as properties have it.
    pub(super) fn simple(&self) -> Option<String> {
        Some(match self {
            Self::Text(text) => text.clone(),
            Self::Bool(value) => value.to_string(),
            Self::Unsigned(number) => number.to_string(),
            Self::Signed(number) => number.to_string(),
            Self::Binary(bytes) => String::from_utf8(bytes.to_vec()).ok()?,
            _ => return None,
        })
    }

    pub(super) fn text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }
}

fn take_bytes(input: &mut Bytes, length: usize) -> Option<Bytes> {
    (length <= input.len()).then(|| input.split_to(length))
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
    take_bytes(input, length)
}

/// How many values there are, and the bytes they are in.
fn compound(input: &mut Bytes, long: bool) -> Option<(usize, Bytes)> {
    let mut items = variable(input, long)?;
    let count = length(&mut items, long)?;
    // The smallest value has one byte.
    (count <= items.len()).then_some((count, items))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(bytes: &[u8]) -> Option<Value> {
        Value::take(&mut Bytes::copy_from_slice(bytes))
    }

    #[test]
    fn arrays_are_lists_of_one_constructor() {
        let texts = b"\xe0\x06\x02\xa1\x010\x011";
        let of = |text: &str| Value::Text(text.to_owned());
        assert_eq!(value(texts), Some(Value::List(vec![of("0"), of("1")])));
        assert_eq!(value(b"\xe0\x01\x00"), Some(Value::List(Vec::new())));
    }

    #[test]
    fn an_id_is_written_as_people_write_it() {
        let mut bytes = vec![0x98];
        bytes.extend(0..16);
        let text = "00010203-0405-0607-0809-0a0b0c0d0e0f";
        assert_eq!(value(&bytes), Some(Value::Text(text.to_owned())));
    }

    #[test]
    fn what_is_nested_too_deep_or_ends_too_soon_is_no_value() {
        assert_eq!(value(&[0x00; 60_000]), None);
        assert_eq!(value(&[0xc0, 0xff, 0xff]), None);
        assert_eq!(value(&[0xd0, 0, 0, 0, 4, 0xff, 0xff, 0xff, 0xff]), None);
        assert_eq!(value(&[0xf0, 0, 0, 0, 5, 0, 0, 0, 9, 0xa1]), None);
        assert_eq!(value(&[]), None);
    }
}
