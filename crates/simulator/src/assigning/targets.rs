//! Whom configurations are for, and which of several counts.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use jiff::Timestamp;
use query::{Collection, Query};

use crate::registry::Configuration;

/// One configuration, as it is held against twins.
#[derive(Debug)]
pub(crate) struct Target {
    pub(crate) id: String,
    pub(crate) made: Timestamp,
    pub(crate) priority: u64,
    pub(crate) kind: Kind,
    pub(crate) whom: Whom,
}

/// What a configuration's content is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// `modulesContent`: what Edge devices run. A layered one says nothing of the runtime itself, and counts only on
    /// one that does.
    Deployment { layered: bool },
    /// `deviceContent`.
    Device,
    /// `moduleContent`.
    Module,
}

/// A target condition.
#[derive(Debug, Clone)]
pub(crate) enum Whom {
    /// The empty condition.
    Nobody,
    Devices(Query),
    Modules(Query),
}

impl Whom {
    /// Reads a condition. `*` is every device; that of modules begins with the collection it is over.
    ///
    /// # Errors
    /// What cannot be understood of it.
    pub(crate) fn parse(condition: &str) -> Result<Self, String> {
        let condition = condition.trim();
        if condition.is_empty() {
            return Ok(Self::Nobody);
        }
        let parsed = match behind(condition, ["from", "devices.modules", "where"]) {
            Some(rest) => Query::parse_condition(rest, Collection::MODULES).map(Self::Modules),
            None => Query::parse_condition(condition, Collection::DEVICES).map(Self::Devices),
        };
        parsed.map_err(|error| error.to_string())
    }
}

/// What stands behind these words, in any case and with any space between them.
fn behind<'t>(text: &'t str, words: [&str; 3]) -> Option<&'t str> {
    words.iter().try_fold(text, |rest, word| {
        let (begin, rest) = rest.trim_start().split_at_checked(word.len())?;
        let ends = rest.starts_with(char::is_whitespace);
        (begin.eq_ignore_ascii_case(word) && ends).then_some(rest)
    })
}

impl Configuration {
    /// What its content is for; that of none is for whomever the condition names.
    pub(crate) fn kind(&self) -> Kind {
        let content = |name: &str| self.content.get(name);
        if let Some(modules) = content("modulesContent") {
            let layered = modules.pointer("/$edgeAgent/properties.desired").is_none();
            return Kind::Deployment { layered };
        }
        let of_modules = || matches!(Whom::parse(&self.target_condition), Ok(Whom::Modules(_)));
        match (content("moduleContent"), content("deviceContent")) {
            (Some(_), _) => Kind::Module,
            (None, None) if of_modules() => Kind::Module,
            _ => Kind::Device,
        }
    }
}

impl Target {
    /// Every configuration that is for somebody.
    pub(crate) fn all(configurations: &BTreeMap<String, Configuration>) -> Vec<Self> {
        let targets = configurations.iter().filter_map(|(id, configuration)| {
            let whom = match Whom::parse(&configuration.target_condition) {
                Ok(Whom::Nobody) => return None,
                Ok(whom) => whom,
                Err(error) => {
                    // It was understood when it was put, by an older version than this.
                    tracing::warn!(
                        configuration = id,
                        error,
                        "a target condition is no longer understood"
                    );
                    return None;
                }
            };
            Some(Self {
                id: id.clone(),
                made: configuration.created,
                priority: configuration.priority,
                kind: configuration.kind(),
                whom,
            })
        });
        targets.collect()
    }

    /// The strongest first: the highest priority, and of one priority the newest.
    fn precedence(&self, other: &Self) -> Ordering {
        let strength = |target: &Self| (target.priority, target.made);
        strength(other)
            .cmp(&strength(self))
            .then_with(|| self.id.cmp(&other.id))
    }
}

/// Which of the configurations whose conditions a twin fulfils count.
#[derive(Debug, Default)]
pub(crate) struct Ranking<'t> {
    /// Those that do, in the order in which they are laid on one another.
    pub(crate) applied: Vec<&'t Target>,
    /// The others, the strongest first.
    pub(crate) targeted: Vec<&'t Target>,
}

impl<'t> Ranking<'t> {
    /// Of configurations of devices or of modules the strongest counts, alone.
    pub(crate) fn of_one(matching: impl IntoIterator<Item = &'t Target>) -> Self {
        let mut targeted = strongest_first(matching);
        let applied = targeted.drain(..targeted.len().min(1)).collect();
        Self { applied, targeted }
    }

    /// Of deployments the strongest that is not layered counts, and on it those layered ones that have a higher
    /// priority. Without it none does.
    pub(crate) fn of_deployments(matching: impl IntoIterator<Item = &'t Target>) -> Self {
        let ranked = strongest_first(matching);
        let is_layered = |target: &Target| target.kind == Kind::Deployment { layered: true };
        let base = ranked.iter().copied().find(|target| !is_layered(target));
        let Some(base) = base else {
            return Self {
                applied: Vec::new(),
                targeted: ranked,
            };
        };
        let counts = |target: &&Target| {
            std::ptr::eq(*target, base) || is_layered(target) && target.priority > base.priority
        };
        let (mut applied, targeted): (Vec<_>, Vec<_>) = ranked.into_iter().partition(counts);
        // The base is the weakest of them.
        applied.reverse();
        Self { applied, targeted }
    }
}

fn strongest_first<'t>(matching: impl IntoIterator<Item = &'t Target>) -> Vec<&'t Target> {
    let mut ranked: Vec<_> = matching.into_iter().collect();
    ranked.sort_by(|left, right| left.precedence(right));
    ranked
}

#[cfg(test)]
mod tests;
