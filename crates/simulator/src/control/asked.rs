//! What a query string asks for, taken apart parameter by parameter: a misspelt one is a mistake, not nothing.

use std::ops::RangeInclusive;
use std::str::FromStr;

use axum::http::StatusCode;
use jiff::Timestamp;
use serde_json::Value;

use super::Fault;
use crate::events::EventFilter;

/// Events that one answer may be limited to.
pub(super) const MOST: usize = 1_000_000;

/// Parameters that nobody has taken yet.
pub(super) struct Asked(Vec<(String, String)>);

fn wrong(message: impl Into<String>) -> Fault {
    Fault::new(StatusCode::BAD_REQUEST, message)
}

impl Asked {
    /// # Errors
    /// When one that stands for a single thing is given twice.
    pub(super) fn of(parameters: Vec<(String, String)>) -> Result<Self, Fault> {
        for (at, (name, _)) in parameters.iter().enumerate() {
            let repeats = !matches!(name.as_str(), "property" | "pointer");
            if repeats && parameters[..at].iter().any(|(earlier, _)| earlier == name) {
                return Err(wrong(format!("{name} is given twice")));
            }
        }
        Ok(Self(parameters))
    }

    pub(super) fn text(&mut self, name: &str) -> Option<String> {
        let at = self.0.iter().position(|(given, _)| given == name)?;
        Some(self.0.remove(at).1)
    }

    /// One thing that has two names.
    pub(super) fn either(&mut self, names: [&str; 2]) -> Result<Option<String>, Fault> {
        match names.map(|name| self.text(name)) {
            [Some(_), Some(_)] => Err(wrong(format!(
                "{} and {} are the same thing: give one",
                names[0], names[1]
            ))),
            [one, other] => Ok(one.or(other)),
        }
    }

    fn parsed<T: FromStr>(&mut self, name: &str, what: &str) -> Result<Option<T>, Fault> {
        let Some(text) = self.text(name) else {
            return Ok(None);
        };
        let parsed = text.parse().map(Some);
        parsed.map_err(|_| wrong(format!("{name} is {text:?}; it can be {what}")))
    }

    pub(super) fn flag(&mut self, name: &str) -> Result<Option<bool>, Fault> {
        self.parsed(name, "true or false")
    }

    pub(super) fn number(
        &mut self,
        name: &str,
        within: RangeInclusive<usize>,
    ) -> Result<Option<usize>, Fault> {
        let what = format!("a whole number from {} to {}", within.start(), within.end());
        let number: Option<usize> = self.parsed(name, &what)?;
        match number.filter(|number| !within.contains(number)) {
            Some(number) => Err(wrong(format!("{name} is {number}; it can be {what}"))),
            None => Ok(number),
        }
    }

    fn time(&mut self, name: &str) -> Result<Option<i64>, Fault> {
        let what = "a time like 2026-11-21T18:20:00Z";
        let time: Option<Timestamp> = self.parsed(name, what)?;
        Ok(time.map(Timestamp::as_millisecond))
    }

    fn every(&mut self, name: &str) -> impl Iterator<Item = String> + use<> {
        let taken: Vec<String> = self
            .0
            .extract_if(.., |(given, _)| given == name)
            .map(|(_, value)| value)
            .collect();
        taken.into_iter()
    }

    /// `property=NAME` and `property=NAME=VALUE`.
    pub(super) fn properties(&mut self) -> Vec<(String, Option<String>)> {
        let split = |property: String| match property.split_once('=') {
            Some((name, value)) => (name.to_owned(), Some(value.to_owned())),
            None => (property, None),
        };
        self.every("property").map(split).collect()
    }

    /// `pointer=/PLACE` and `pointer=/PLACE=VALUE`, the value in JSON, or a text as it is.
    ///
    /// # Errors
    /// When one does not begin as a JSON pointer does.
    pub(super) fn pointers(&mut self) -> Result<Vec<(String, Option<Value>)>, Fault> {
        let read = |given: String| {
            let (pointer, value) = match given.split_once('=') {
                Some((pointer, value)) => (pointer.to_owned(), Some(json_or_text(value))),
                None => (given, None),
            };
            if pointer.starts_with('/') || pointer.is_empty() {
                Ok((pointer, value))
            } else {
                Err(wrong(format!(
                    "pointer is {pointer:?}; a JSON pointer begins with /, as in /level=3"
                )))
            }
        };
        self.every("pointer").map(read).collect()
    }

    pub(super) fn event_filter(&mut self) -> Result<EventFilter, Fault> {
        Ok(EventFilter {
            device: self.text("device"),
            module: self.text("module"),
            source: self.text("source"),
            properties: self.properties(),
            text: self.text("text"),
            pointers: self.pointers()?,
            after_ms: self.time("after")?,
            before_ms: self.time("before")?,
            ..EventFilter::default()
        })
    }

    /// # Errors
    /// When something is left that nobody took.
    pub(super) fn finish(self) -> Result<(), Fault> {
        match self.0.first() {
            Some((name, _)) => Err(wrong(format!("{name} is not asked for here"))),
            None => Ok(()),
        }
    }
}

/// The event number in a sequence number, or in a moment as answers give it.
pub(super) fn event_number(text: &str) -> Option<u64> {
    text.split_once('.')
        .map_or(text, |(event, _)| event)
        .parse()
        .ok()
}

/// A value as it is written on a command line or in an address.
pub(super) fn json_or_text(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|_| text.into())
}
