//! What an expression can be worth, and how two worths compare.

use std::borrow::Cow;
use std::cmp::Ordering;

use manifest::scalar;
use serde_json::Value as Json;

use crate::number;

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value<'a> {
    /// What is not there, and what cannot be computed.
    Undefined,
    Null,
    Bool(bool),
    /// A double, as in JavaScript; never "not a number", which is undefined.
    Number(f64),
    String(Cow<'a, str>),
    /// An object or an array.
    Compound(Cow<'a, Json>),
}

impl<'a> Value<'a> {
    pub(crate) fn number(number: f64) -> Self {
        scalar::defined(number).map_or(Self::Undefined, Self::Number)
    }

    pub(crate) fn string(text: impl Into<Cow<'a, str>>) -> Self {
        Self::String(text.into())
    }

    pub(crate) fn of_json(json: &'a Json) -> Self {
        match json {
            Json::Null => Self::Null,
            Json::Bool(value) => Self::Bool(*value),
            Json::Number(number) => number.as_f64().map_or(Self::Undefined, Self::number),
            Json::String(text) => Self::string(text.as_str()),
            Json::Array(_) | Json::Object(_) => Self::Compound(Cow::Borrowed(json)),
        }
    }

    pub(crate) fn of_found(found: Option<Cow<'a, Json>>) -> Self {
        match found {
            None => Self::Undefined,
            Some(Cow::Borrowed(json)) => Self::of_json(json),
            Some(Cow::Owned(Json::String(text))) => Self::string(text),
            Some(Cow::Owned(json @ (Json::Array(_) | Json::Object(_)))) => {
                Self::Compound(Cow::Owned(json))
            }
            Some(Cow::Owned(Json::Null)) => Self::Null,
            Some(Cow::Owned(Json::Bool(value))) => Self::Bool(value),
            Some(Cow::Owned(Json::Number(number))) => {
                number.as_f64().map_or(Self::Undefined, Self::number)
            }
        }
    }

    pub(crate) fn as_bool(&self) -> Option<bool> {
        match self {
            Self::Bool(value) => Some(*value),
            _ => None,
        }
    }

    pub(crate) fn as_number(&self) -> Option<f64> {
        match self {
            Self::Number(value) => Some(*value),
            _ => None,
        }
    }

    pub(crate) fn is_primitive(&self) -> bool {
        !matches!(self, Self::Undefined | Self::Compound(_))
    }

    /// Whether two values are the same. Objects and arrays do not compare, as documented; two primitives of different
    /// types do, and differ, so that `tags.site != null` finds every site.
    pub(crate) fn equals(&self, other: &Self) -> Option<bool> {
        if !self.is_primitive() || !other.is_primitive() {
            return None;
        }
        Some(match (self, other) {
            (Self::Number(left), Self::Number(right)) => left == right,
            (left, right) => left == right,
        })
    }

    /// Which of two values comes first. Only numbers, strings and bools have an order, each among themselves.
    pub(crate) fn order(&self, other: &Self) -> Option<Ordering> {
        match (self, other) {
            (Self::Number(left), Self::Number(right)) => left.partial_cmp(right),
            (Self::String(left), Self::String(right)) => Some(scalar::compare_strings(left, right)),
            (Self::Bool(left), Self::Bool(right)) => Some(left.cmp(right)),
            _ => None,
        }
    }

    /// An order of all values, for sorting: undefined, null, bools, numbers, strings, then the rest as equals.
    pub(crate) fn sort_order(&self, other: &Self) -> Ordering {
        self.order(other)
            .unwrap_or_else(|| self.rank().cmp(&other.rank()))
    }

    fn rank(&self) -> u8 {
        match self {
            Self::Undefined => 0,
            Self::Null => 1,
            Self::Bool(_) => 2,
            Self::Number(_) => 3,
            Self::String(_) => 4,
            Self::Compound(_) => 5,
        }
    }
}

impl From<Option<bool>> for Value<'_> {
    fn from(value: Option<bool>) -> Self {
        value.map_or(Self::Undefined, Self::Bool)
    }
}

impl Value<'_> {
    /// The value in a result, where what is undefined is not there.
    pub(crate) fn to_json(&self) -> Option<Json> {
        match self {
            Self::Undefined => None,
            Self::Null => Some(Json::Null),
            Self::Bool(value) => Some(Json::Bool(*value)),
            Self::Number(value) => number::to_json(*value),
            Self::String(text) => Some(Json::from(text.as_ref())),
            Self::Compound(json) => Some(json.as_ref().clone()),
        }
    }
}
