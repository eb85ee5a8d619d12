//! What stands in a specification, before anything is known of its parts.

use std::fmt::Display;
use std::str::FromStr;

use super::SpecError;

const KEYS: [&str; 18] = [
    "ranger",
    "trigger",
    "echo",
    "sensor",
    "turns",
    "red",
    "green",
    "blue",
    "strip",
    "leds",
    "active-low",
    "at-exit",
    "gauge",
    "bus",
    "address",
    "shunt-milliohm",
    "cells",
    "thermometer",
];

/// The pairs of a specification, taken out one by one.
pub(super) struct Pairs<'a>(Vec<(&'a str, &'a str)>);

pub(super) fn wrong(key: &str, reason: impl Into<String>) -> SpecError {
    SpecError {
        key: key.to_owned(),
        reason: reason.into(),
    }
}

impl<'a> Pairs<'a> {
    pub(super) fn read(text: &'a str) -> Result<Self, SpecError> {
        let mut pairs: Vec<(&str, &str)> = Vec::new();
        for pair in text
            .split(',')
            .map(str::trim)
            .filter(|pair| !pair.is_empty())
        {
            let (key, value) = pair
                .split_once('=')
                .ok_or_else(|| wrong(pair, "needs a value, as in trigger=GPIO23"))?;
            if !KEYS.contains(&key) {
                return Err(wrong(
                    key,
                    format!("is not known; there are {}", KEYS.join(", ")),
                ));
            }
            if pairs.iter().any(|(known, _)| *known == key) {
                return Err(wrong(key, "is there twice"));
            }
            pairs.push((key, value));
        }
        Ok(Self(pairs))
    }

    pub(super) fn take(&mut self, key: &str) -> Option<&'a str> {
        let at = self.0.iter().position(|(known, _)| *known == key)?;
        Some(self.0.swap_remove(at).1)
    }

    pub(super) fn parsed<T: FromStr<Err: Display>>(
        &mut self,
        key: &str,
    ) -> Result<Option<T>, SpecError> {
        self.take(key)
            .map(|value| {
                value
                    .parse()
                    .map_err(|error: T::Err| wrong(key, error.to_string()))
            })
            .transpose()
    }

    pub(super) fn choice<T: Copy>(
        &mut self,
        key: &str,
        choices: &[(&str, T)],
    ) -> Result<Option<T>, SpecError> {
        let Some(value) = self.take(key) else {
            return Ok(None);
        };
        let chosen = choices.iter().find(|(name, _)| *name == value);
        chosen.map(|(_, choice)| Some(*choice)).ok_or_else(|| {
            let names: Vec<&str> = choices.iter().map(|(name, _)| *name).collect();
            wrong(key, format!("must be one of {}", names.join(", ")))
        })
    }

    pub(super) fn whole(
        &mut self,
        key: &str,
        range: std::ops::RangeInclusive<u32>,
    ) -> Result<Option<u32>, SpecError> {
        let Some(value) = self.take(key) else {
            return Ok(None);
        };
        let number = value.parse().ok().filter(|number| range.contains(number));
        number.map(Some).ok_or_else(|| {
            wrong(
                key,
                format!(
                    "must be a whole number from {} to {}",
                    range.start(),
                    range.end()
                ),
            )
        })
    }

    /// A key that is left belongs to a part that is not there.
    pub(super) fn all_taken(self) -> Result<(), SpecError> {
        match self.0.first() {
            None => Ok(()),
            Some((key, _)) => Err(wrong(key, "belongs to a part that is not named here")),
        }
    }
}
