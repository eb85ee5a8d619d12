//! Keys and values within braces: TOML's inline tables and YAML's flow mappings.

use std::ops::Range;

use super::splice::Splices;
use super::wanted::{Table, Wanted, WantedValue};

/// How one of the two languages writes things.
pub(super) struct Syntax {
    /// Between key and value.
    pub(super) separator: &'static str,
}

pub(super) const TOML: Syntax = Syntax { separator: " = " };
pub(super) const YAML: Syntax = Syntax { separator: ": " };

/// A pair of braces.
pub(super) struct Flow {
    /// Just behind the opening brace.
    pub(super) inside: usize,
    pub(super) entries: Vec<FlowEntry>,
}

/// A key and its value within braces.
pub(super) struct FlowEntry {
    pub(super) key: String,
    /// Key and value, without the comma.
    pub(super) span: Range<usize>,
    pub(super) value: FlowValue,
}

/// What can be changed in its place.
pub(super) enum FlowValue {
    /// A text; `sure` when no reader takes it for a number or the like.
    Text {
        text: String,
        span: Range<usize>,
        sure: bool,
    },
    Flow(Flow),
    /// Anything else, which has to go if another thing is wanted.
    Other,
}

impl Syntax {
    /// A text in double quotes. JSON's escapes are a subset of both languages'.
    pub(super) fn text(text: &str) -> String {
        serde_json::Value::from(text).to_string()
    }

    /// A key with its value, on one line.
    pub(super) fn entry(&self, wanted: &Wanted) -> String {
        let value = match &wanted.value {
            WantedValue::Text { text, .. } => Self::text(text),
            WantedValue::Table(table) => self.braces(table),
        };
        format!("{}{}{value}", wanted.key, self.separator)
    }

    /// Everything wanted, within braces.
    pub(super) fn braces(&self, table: &Table) -> String {
        let entries: Vec<_> = table.keys.iter().map(|key| self.entry(key)).collect();
        format!("{{ {} }}", entries.join(", "))
    }
}

/// Makes the keys within braces say what is wanted.
pub(super) fn edit(flow: &Flow, wanted: &Table, syntax: &Syntax, splices: &mut Splices) {
    let mut missing: Vec<&Wanted> = wanted.keys.iter().collect();
    let mut kept: Vec<&FlowEntry> = Vec::new();
    for entry in &flow.entries {
        let keep = match (wanted.get(&entry.key), &entry.value) {
            (
                Some(WantedValue::Text { text, same }),
                FlowValue::Text {
                    text: is,
                    span,
                    sure,
                },
            ) => {
                if !sure || !same(is, text) {
                    splices.replace(span.clone(), Syntax::text(text));
                }
                true
            }
            (Some(WantedValue::Table(table)), FlowValue::Flow(inner)) => {
                edit(inner, table, syntax, splices);
                true
            }
            (Some(_), _) => false,
            (None, _) => !(wanted.drop)(&entry.key),
        };
        if keep {
            missing.retain(|wanted| wanted.key != entry.key);
            kept.push(entry);
        }
    }
    let new: Vec<_> = missing.iter().map(|key| syntax.entry(key)).collect();
    let new = new.join(", ");
    if kept.is_empty()
        && let (Some(first), Some(last)) = (flow.entries.first(), flow.entries.last())
    {
        return splices.replace(first.span.start..last.span.end, new);
    }
    let stays = |entry: &FlowEntry| kept.iter().any(|it| it.span == entry.span);
    for (index, entry) in flow.entries.iter().enumerate() {
        if stays(entry) {
            continue;
        }
        match flow.entries.get(index + 1) {
            Some(next) => splices.remove(entry.span.start..next.span.start),
            None => {
                let from = kept.last().map_or(entry.span.start, |last| last.span.end);
                splices.remove(from..entry.span.end);
            }
        }
    }
    if missing.is_empty() {
        return;
    }
    // Behind the last key that was wanted and there, so that the new ones stand with their like.
    let neighbour = kept
        .iter()
        .rev()
        .find(|entry| wanted.get(&entry.key).is_some());
    match neighbour {
        Some(entry) => splices.insert(entry.span.end, format!(", {new}")),
        None if kept.is_empty() => splices.insert(flow.inside, format!(" {new} ")),
        None => splices.insert(flow.inside, format!(" {new},")),
    }
}
