//! What an expression can be worth, and how two worths compare.

use std::borrow::Cow;
use std::cmp::Ordering;
use std::fmt;

use crate::scalar;

/// The type an expression has before any message is seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Type {
    Bool,
    Number,
    String,
    Null,
    Undefined,
    /// From the message's body, where anything may stand.
    Value,
}

impl Type {
    /// The name in edgeHub's messages. It has none for a body value.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Bool => "bool",
            Self::Number => "number",
            Self::String => "string",
            Self::Null => "null",
            Self::Undefined => "undefined",
            Self::Value => "unknown",
        }
    }
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value<'a> {
    Undefined,
    /// What a body path gives that leads nowhere. It is null, and `is_null` tells it from a null that is there.
    Missing,
    Null,
    Bool(bool),
    /// Not a number only as the result of arithmetic on body values; elsewhere that is [`Value::Undefined`].
    Number(f64),
    String(Cow<'a, str>),
    /// A property that is there and has no value.
    NoString,
}

impl<'a> Value<'a> {
    /// A number, for which "not a number" and "undefined" are one.
    pub(super) fn number(value: f64) -> Self {
        scalar::defined(value).map_or(Self::Undefined, Self::Number)
    }

    pub(super) fn string(value: impl Into<Cow<'a, str>>) -> Self {
        Self::String(value.into())
    }

    pub(super) fn is_defined(&self) -> bool {
        !matches!(self, Self::Undefined)
    }

    pub(super) fn as_bool(&self) -> Option<bool> {
        match self {
            Self::Bool(value) => Some(*value),
            _ => None,
        }
    }

    pub(super) fn as_number(&self) -> Option<f64> {
        match self {
            Self::Number(value) => Some(*value),
            _ => None,
        }
    }

    pub(super) fn as_str(&self) -> Option<&str> {
        match self {
            Self::String(value) => Some(value),
            _ => None,
        }
    }

    /// The order of values of different types, as body values compare: `true < 0`, `9 < ''`, `'z' < null`.
    fn rank(&self) -> u8 {
        match self {
            Self::Undefined => 0,
            Self::Bool(_) => 1,
            Self::Number(_) => 2,
            Self::String(_) | Self::NoString => 3,
            Self::Null | Self::Missing => 4,
        }
    }
}

impl From<Option<bool>> for Value<'_> {
    fn from(value: Option<bool>) -> Self {
        value.map_or(Self::Undefined, Self::Bool)
    }
}

impl fmt::Display for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Undefined => f.write_str("undefined"),
            Self::Missing => f.write_str("null (not there)"),
            Self::Null | Self::NoString => f.write_str("null"),
            Self::Bool(value) => write!(f, "{value}"),
            Self::Number(value) => write!(f, "{value}"),
            Self::String(value) => write!(f, "'{value}'"),
        }
    }
}

/// The order of two values of one static type, or none when either is undefined. A property without a value has no
/// order either.
pub(super) fn compare_typed(left: &Value<'_>, right: &Value<'_>) -> Option<Ordering> {
    match (left, right) {
        (Value::NoString, _) | (_, Value::NoString) => None,
        _ => compare_body(left, right),
    }
}

/// The order of two values of which at least one comes from a body. Different types have an order too: see
/// [`Value::rank`].
pub(super) fn compare_body(left: &Value<'_>, right: &Value<'_>) -> Option<Ordering> {
    if !left.is_defined() || !right.is_defined() {
        return None;
    }
    Some(match (left, right) {
        (Value::Bool(left), Value::Bool(right)) => left.cmp(right),
        (Value::Number(left), Value::Number(right)) => compare_numbers(*left, *right),
        (Value::String(left), Value::String(right)) => scalar::compare_strings(left, right),
        (Value::NoString, Value::String(_)) => Ordering::Less,
        (Value::String(_), Value::NoString) => Ordering::Greater,
        _ => left.rank().cmp(&right.rank()),
    })
}

/// .NET's `Double.CompareTo`: not a number equals itself and is less than every number.
fn compare_numbers(left: f64, right: f64) -> Ordering {
    left.partial_cmp(&right)
        .unwrap_or_else(|| right.is_nan().cmp(&left.is_nan()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn types_have_an_order_among_body_values() {
        let ascending = [
            Value::Bool(false),
            Value::Bool(true),
            Value::Number(f64::NAN),
            Value::Number(-1.0),
            Value::Number(f64::INFINITY),
            Value::NoString,
            Value::string(""),
            Value::string("a"),
            Value::string("\u{1F697}"),
            Value::string("\u{FF41}"),
            Value::Null,
        ];
        for (i, left) in ascending.iter().enumerate() {
            for (j, right) in ascending.iter().enumerate() {
                assert_eq!(
                    compare_body(left, right),
                    Some(i.cmp(&j)),
                    "{left} with {right}"
                );
            }
            assert_eq!(compare_body(left, &Value::Undefined), None);
        }
        assert_eq!(
            compare_body(&Value::Null, &Value::Missing),
            Some(Ordering::Equal)
        );
    }

    #[test]
    fn a_property_without_a_value_has_no_order_among_strings() {
        assert_eq!(compare_typed(&Value::NoString, &Value::NoString), None);
        assert_eq!(compare_typed(&Value::NoString, &Value::string("a")), None);
    }
}
