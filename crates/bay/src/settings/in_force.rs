//! The settings a module works with, and what it answered about each.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{Setting, Table};
use crate::Acknowledgement;

/// The reported properties to send. Empty when the hub already knows everything.
pub type Answers = Map<String, Value>;

/// The settings in force.
///
/// Three things move them: the whole twin ([`Self::handle_twin`]), a patch of it
/// ([`Self::handle_desired`]), and the device itself, when it learns a value by measuring
/// ([`Self::learn`]).
#[derive(Clone, Debug)]
pub struct InForce<S> {
    start: S,
    settings: S,
    memory: Memory,
}

/// What survives a restart, so that a bay without a link works with the last settings it was given.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Memory {
    /// The wishes last heard, granted or not.
    #[serde(default)]
    desired: Map<String, Value>,
    /// The wishes last granted.
    #[serde(default)]
    granted: Map<String, Value>,
    /// What the device learned itself.
    #[serde(default)]
    learned: BTreeMap<String, Learned>,
}

/// A value the device found out by itself. It holds until somebody wishes something new.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Learned {
    value: Value,
    how: String,
    /// The wish that stood when the value was learned: the same wish, heard again, is old news.
    instead_of: Option<Value>,
}

/// What is asked of one setting.
#[derive(Clone, Debug)]
enum Wish {
    Value(Value),
    Start,
}

impl<S: Table> InForce<S> {
    /// Begins with the settings a module starts with.
    pub fn new(start: S) -> Self {
        Self {
            settings: start.clone(),
            start,
            memory: Memory::default(),
        }
    }

    /// Begins where the last run ended. What no longer fits this program's settings is dropped.
    pub fn restore(start: S, memory: Memory) -> Self {
        let learned = memory
            .learned
            .iter()
            .map(|(name, learned)| (name, &learned.value));
        let kept: Vec<_> = memory.granted.iter().chain(learned).collect();
        let write = |settings: &mut S, name: &str, value: &Value| {
            find::<S>(name).is_some_and(|setting| (setting.write)(settings, value).is_ok())
        };

        // All at once first, because values that agree with one another need not agree with the
        // start values one by one.
        let mut settings = start.clone();
        for (name, value) in &kept {
            write(&mut settings, name, value);
        }
        if settings.check().is_err() {
            settings = start.clone();
            for (name, value) in &kept {
                let mut candidate = settings.clone();
                if write(&mut candidate, name, value) && candidate.check().is_ok() {
                    settings = candidate;
                }
            }
        }
        Self {
            start,
            settings,
            memory,
        }
    }

    /// The settings in force.
    pub fn settings(&self) -> &S {
        &self.settings
    }

    /// What to keep for [`Self::restore`].
    pub fn memory(&self) -> &Memory {
        &self.memory
    }

    /// Takes the whole twin, as fetched at start and after each reconnection: `desired` with its
    /// version, and `reported` as the hub has it.
    pub fn handle_twin(
        &mut self,
        desired: &Map<String, Value>,
        version: u64,
        reported: &Map<String, Value>,
    ) -> Answers {
        let mut wishes = Vec::new();
        for setting in S::SETTINGS {
            let heard = desired.get(setting.name).filter(|value| !value.is_null());
            let old_news = self
                .memory
                .learned
                .get(setting.name)
                .is_some_and(|learned| learned.instead_of.as_ref() == heard);
            match heard {
                _ if old_news => {}
                Some(value) => wishes.push((setting, Wish::Value(value.clone()))),
                None => wishes.push((setting, Wish::Start)),
            }
        }

        let mut answers = self.grant(wishes, version);
        for (name, learned) in &self.memory.learned {
            answers.insert(name.clone(), learned.answer());
        }
        answers.retain(|name, answer| !same_answer(reported.get(name), answer));
        answers
    }

    /// Takes a patch of the desired properties and the version it leads to; a null withdraws a
    /// wish.
    pub fn handle_desired(&mut self, patch: &Map<String, Value>, version: u64) -> Answers {
        let wishes = S::SETTINGS
            .iter()
            .filter_map(|setting| {
                let value = patch.get(setting.name)?;
                Some((
                    setting,
                    if value.is_null() {
                        Wish::Start
                    } else {
                        Wish::Value(value.clone())
                    },
                ))
            })
            .collect();
        self.grant(wishes, version)
    }

    /// Puts a value in force that the device found out itself; `how` is what the answer says:
    /// "calibrated".
    ///
    /// # Errors
    ///
    /// Why the value cannot be; nothing has changed then.
    pub fn learn(
        &mut self,
        name: &'static str,
        value: Value,
        how: &str,
    ) -> Result<Answers, super::Refusal> {
        let setting =
            find::<S>(name).ok_or_else(|| super::Refusal(format!("{name} is not a setting")))?;
        let mut candidate = self.settings.clone();
        (setting.write)(&mut candidate, &value)?;
        candidate
            .check()
            .map_err(|clash| super::Refusal(clash.reason))?;

        self.settings = candidate;
        self.memory.granted.remove(name);
        let learned = Learned {
            value: (setting.read)(&self.settings),
            how: how.to_owned(),
            instead_of: self.memory.desired.get(name).cloned(),
        };
        let answers = Map::from_iter([(name.to_owned(), learned.answer())]);
        self.memory.learned.insert(name.to_owned(), learned);
        Ok(answers)
    }

    /// The names in a desired section that are not settings of this module, for the log.
    pub fn unknown<'a>(&self, desired: &'a Map<String, Value>) -> Vec<&'a str> {
        desired
            .keys()
            .map(String::as_str)
            .filter(|name| !name.starts_with('$') && find::<S>(name).is_none())
            .collect()
    }

    /// Grants what can be granted, all at once: two settings that only make sense together may
    /// arrive in one patch.
    fn grant(&mut self, wishes: Vec<(&'static Setting<S>, Wish)>, version: u64) -> Answers {
        for (setting, wish) in &wishes {
            self.memory.learned.remove(setting.name);
            match wish {
                Wish::Value(value) => self
                    .memory
                    .desired
                    .insert(setting.name.to_owned(), value.clone()),
                Wish::Start => self.memory.desired.remove(setting.name),
            };
        }

        let mut refused: BTreeMap<&'static str, String> = BTreeMap::new();
        let candidate = loop {
            let mut candidate = self.settings.clone();
            for (setting, wish) in &wishes {
                if refused.contains_key(setting.name) {
                    continue;
                }
                if let Err(refusal) = put(setting, wish, &self.start, &mut candidate) {
                    refused.insert(setting.name, refusal.0);
                }
            }
            let Err(clash) = candidate.check() else {
                break candidate;
            };
            let before = refused.len();
            for (setting, _) in &wishes {
                if clash.settings.contains(&setting.name) {
                    refused
                        .entry(setting.name)
                        .or_insert_with(|| clash.reason.clone());
                }
            }
            if refused.len() == before {
                // The clash lies outside these wishes, so it was there before them: a table whose
                // own start values disagree. Nothing is granted.
                refused.extend(
                    wishes
                        .iter()
                        .map(|(setting, _)| (setting.name, clash.reason.clone())),
                );
                break self.settings.clone();
            }
        };
        self.settings = candidate;

        wishes
            .into_iter()
            .map(|(setting, wish)| {
                let value = (setting.read)(&self.settings);
                let refusal = refused.remove(setting.name);
                match (&wish, &refusal) {
                    (Wish::Value(_), None) => self
                        .memory
                        .granted
                        .insert(setting.name.to_owned(), value.clone()),
                    (Wish::Start, None) => self.memory.granted.remove(setting.name),
                    (_, Some(_)) => None,
                };
                let answer = match (wish, refusal) {
                    (Wish::Value(_), None) => Acknowledgement::taken(value, version),
                    (Wish::Start, Some(why)) if value != (setting.read)(&self.start) => {
                        Acknowledgement::refused(value, why, version)
                    }
                    (Wish::Start, _) => Acknowledgement::default(value, "default"),
                    (Wish::Value(_), Some(why)) => Acknowledgement::refused(value, why, version),
                };
                (setting.name.to_owned(), to_value(&answer))
            })
            .collect()
    }
}

impl Learned {
    fn answer(&self) -> Value {
        to_value(&Acknowledgement::default(
            self.value.clone(),
            self.how.as_str(),
        ))
    }
}

fn find<S: Table>(name: &str) -> Option<&'static Setting<S>> {
    S::SETTINGS.iter().find(|setting| setting.name == name)
}

fn put<S: Table>(
    setting: &Setting<S>,
    wish: &Wish,
    start: &S,
    candidate: &mut S,
) -> Result<(), super::Refusal> {
    match wish {
        Wish::Value(value) => (setting.write)(candidate, unwrapped(value)),
        Wish::Start => (setting.write)(candidate, &(setting.read)(start)),
    }
}

/// The wish inside the older wrapped form `{"value": x}`. No setting is an object, so the two
/// cannot be confused.
fn unwrapped(value: &Value) -> &Value {
    value
        .as_object()
        .and_then(|object| object.get("value"))
        .unwrap_or(value)
}

/// Whether the hub already has this answer. Hubs keep numbers as they like, so `5` and `5.0` are
/// the same.
fn same_answer(reported: Option<&Value>, answer: &Value) -> bool {
    fn same(one: &Value, other: &Value) -> bool {
        match (one, other) {
            (Value::Number(one), Value::Number(other)) => one.as_f64() == other.as_f64(),
            (Value::Object(one), Value::Object(other)) => {
                one.len() == other.len()
                    && one
                        .iter()
                        .all(|(key, value)| other.get(key).is_some_and(|other| same(value, other)))
            }
            _ => one == other,
        }
    }
    reported.is_some_and(|reported| same(reported, answer))
}

fn to_value(answer: &Acknowledgement) -> Value {
    serde_json::json!({ "value": answer.value, "ac": answer.ac, "ad": answer.ad, "av": answer.av })
}
