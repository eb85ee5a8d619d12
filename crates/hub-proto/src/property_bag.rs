//! The property bag: message properties as they ride in the last segment of a topic.
//!
//! `name=value` pairs joined by `&`, both halves percent-encoded; `name=` is the empty text and `name`
//! alone is null. Some SDKs put a `/` behind the bag, which is not part of it.

use std::borrow::Cow;
use std::fmt;

use thiserror::Error;

use crate::percent::{self, NotUtf8};

/// One property, borrowed from the bag's text where nothing in it was escaped.
pub type Pair<'a> = (Cow<'a, str>, Option<Cow<'a, str>>);

/// Why a bag cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum BagError {
    /// A value without a name: `=x`.
    #[error("a property has no name")]
    NoName,
    /// A name or a value does not spell UTF-8.
    #[error("a property is not UTF-8")]
    NotUtf8,
}

impl From<NotUtf8> for BagError {
    fn from(_: NotUtf8) -> Self {
        Self::NotUtf8
    }
}

/// Reads a bag pair by pair without allocating for pairs that hold no escape.
///
/// One trailing `/` is taken off and empty pairs (`a=1&&b=2`) are passed over.
#[must_use]
pub fn pairs(bag: &str) -> Pairs<'_> {
    Pairs {
        rest: bag.strip_suffix('/').unwrap_or(bag),
    }
}

/// Iterator made by [`pairs`].
#[derive(Debug, Clone)]
pub struct Pairs<'a> {
    rest: &'a str,
}

impl<'a> Iterator for Pairs<'a> {
    type Item = Result<Pair<'a>, BagError>;

    fn next(&mut self) -> Option<Self::Item> {
        while !self.rest.is_empty() {
            let (pair, rest) = self.rest.split_once('&').unwrap_or((self.rest, ""));
            self.rest = rest;
            if !pair.is_empty() {
                return Some(decode_pair(pair));
            }
        }
        None
    }
}

fn decode_pair(pair: &str) -> Result<Pair<'_>, BagError> {
    let (name, value) = match pair.split_once('=') {
        Some((name, value)) => (name, Some(value)),
        None => (pair, None),
    };
    if name.is_empty() {
        return Err(BagError::NoName);
    }
    Ok((
        percent::decode(name)?,
        value.map(percent::decode).transpose()?,
    ))
}

/// Appends one pair to a bag's text, with the `&` that separates it from what is there already.
pub fn push_pair(bag: &mut String, name: &str, value: Option<&str>) {
    if !bag.is_empty() {
        bag.push('&');
    }
    percent::encode_into(name, bag);
    if let Some(value) = value {
        bag.push('=');
        percent::encode_into(value, bag);
    }
}

/// Properties in the order in which they were set; a value may be null.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PropertyBag {
    entries: Vec<(String, Option<String>)>,
}

impl PropertyBag {
    /// A bag without properties.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            entries: Vec::new(),
        }
    }

    /// Reads the last segment of a topic. Of a name given twice the last value counts.
    ///
    /// # Errors
    /// When a pair has no name or does not spell UTF-8.
    pub fn decode(bag: &str) -> Result<Self, BagError> {
        let mut decoded = Self::new();
        for pair in pairs(bag) {
            let (name, value) = pair?;
            decoded.set(name, value);
        }
        Ok(decoded)
    }

    /// The bag as a topic carries it, without a trailing `/`.
    #[must_use]
    pub fn encode(&self) -> String {
        let mut bag = String::new();
        for (name, value) in self.iter() {
            push_pair(&mut bag, name, value);
        }
        bag
    }

    /// Sets a property to a text.
    pub fn insert(&mut self, name: impl Into<String>, value: impl Into<String>) {
        self.set(name.into(), Some(value.into()));
    }

    /// Sets a property to a text or to null; a name that is already there keeps its place.
    pub fn set(&mut self, name: impl Into<String>, value: Option<impl Into<String>>) {
        let (name, value) = (name.into(), value.map(Into::into));
        match self.entries.iter_mut().find(|(known, _)| *known == name) {
            Some(entry) => entry.1 = value,
            None => self.entries.push((name, value)),
        }
    }

    /// Takes a property out.
    pub fn remove(&mut self, name: &str) -> Option<Option<String>> {
        let index = self.entries.iter().position(|(known, _)| known == name)?;
        Some(self.entries.remove(index).1)
    }

    /// A property's text; `None` when it is absent or null.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.entries
            .iter()
            .find(|(known, _)| known == name)
            .and_then(|(_, value)| value.as_deref())
    }

    /// Whether a property is there, be it null.
    #[must_use]
    pub fn contains(&self, name: &str) -> bool {
        self.entries.iter().any(|(known, _)| known == name)
    }

    /// Names and values in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&str, Option<&str>)> {
        self.entries
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_deref()))
    }

    /// The number of properties.
    #[must_use]
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether there are no properties.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }
}

impl fmt::Display for PropertyBag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.encode())
    }
}

impl<N: Into<String>, V: Into<String>> FromIterator<(N, V)> for PropertyBag {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(pairs: I) -> Self {
        let mut bag = Self::new();
        for (name, value) in pairs {
            bag.insert(name, value);
        }
        bag
    }
}
