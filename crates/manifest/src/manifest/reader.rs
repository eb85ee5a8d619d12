//! Reading a tree field by field, and keeping what is wrong on the way.

use std::ops::Range;

use super::SchemaVersion;
use crate::node::{Field, Node, NodeKind};
use crate::position::Position;
use crate::problem::{Problem, Severity};
use crate::source_text::SourceText;
use crate::suggest::closest;

pub(super) struct Reader<'a> {
    pub(super) source: &'a SourceText,
    pub(super) problems: Vec<Problem>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(source: &'a SourceText) -> Self {
        Self {
            source,
            problems: Vec::new(),
        }
    }

    pub(super) fn error(
        &mut self,
        span: &Range<usize>,
        message: impl Into<String>,
        help: impl Into<String>,
    ) {
        let position = self.source.position(span.start);
        self.report(Severity::Error, position, message.into(), help.into());
    }

    pub(super) fn warning(
        &mut self,
        span: &Range<usize>,
        message: impl Into<String>,
        help: impl Into<String>,
    ) {
        let position = self.source.position(span.start);
        self.report(Severity::Warning, position, message.into(), help.into());
    }

    /// Nothing is said for help when there is nothing to say.
    pub(super) fn report(
        &mut self,
        severity: Severity,
        position: Position,
        message: String,
        help: String,
    ) {
        self.problems.push(Problem {
            severity,
            position,
            message,
            help: (!help.is_empty()).then_some(help),
        });
    }

    /// The fields of an object, every unknown one reported.
    pub(super) fn object<'n>(
        &mut self,
        node: &'n Node,
        name: &str,
        known: &[&str],
    ) -> Option<&'n [Field]> {
        let fields = self.any_object(node, name)?;
        for field in fields {
            if !known.contains(&field.name.as_str()) {
                self.unknown(field, name, known);
            }
        }
        Some(fields)
    }

    /// The fields of an object whose keys are names.
    pub(super) fn any_object<'n>(&mut self, node: &'n Node, name: &str) -> Option<&'n [Field]> {
        if node.fields().is_none() {
            let message = format!("`{name}` is {}", node.kind_name());
            self.error(&node.span, message, "an object belongs here");
        }
        node.fields()
    }

    pub(super) fn unknown(&mut self, field: &Field, parent: &str, known: &[&str]) {
        let help = match closest(&field.name, known.iter().copied()) {
            Some(name) => format!("did you mean `{name}`?"),
            None if known.is_empty() => String::new(),
            None => format!("there are {}", known.join(", ")),
        };
        let message = format!("the runtime knows no `{}` in `{parent}`", field.name);
        self.warning(&field.name_span, message, help);
    }

    /// A field that must be there.
    pub(super) fn required<'n>(
        &mut self,
        node: &'n Node,
        parent: &str,
        name: &str,
        example: &str,
    ) -> Option<&'n Node> {
        let value = node
            .get(name)
            .filter(|value| !matches!(value.kind, NodeKind::Null));
        if value.is_none() {
            let message = format!("`{parent}` has no `{name}`");
            self.error(&node.span, message, format!("add `\"{name}\": {example}`"));
        }
        value
    }

    pub(super) fn string<'n>(&mut self, node: &'n Node, name: &str) -> Option<&'n str> {
        if node.as_str().is_none() {
            let message = format!("`{name}` is {}", node.kind_name());
            self.error(&node.span, message, "a string belongs here");
        }
        node.as_str()
    }

    /// A whole number within a range.
    pub(super) fn integer(
        &mut self,
        node: &Node,
        name: &str,
        range: std::ops::RangeInclusive<i64>,
    ) -> Option<i64> {
        let value = node.as_integer().filter(|value| range.contains(value));
        if value.is_none() {
            let given = match &node.kind {
                NodeKind::Number(text) => text.clone(),
                _ => node.kind_name().to_owned(),
            };
            let help = format!(
                "a whole number from {} to {} belongs here",
                range.start(),
                range.end()
            );
            self.error(&node.span, format!("`{name}` is {given}"), help);
        }
        value
    }

    /// One of some words, in any case.
    pub(super) fn choice<T: Copy>(
        &mut self,
        node: &Node,
        name: &str,
        choices: &[(&str, T)],
    ) -> Option<T> {
        let word = self.string(node, name)?;
        let choice = choices
            .iter()
            .find(|(known, _)| known.eq_ignore_ascii_case(word));
        if choice.is_none() {
            let words: Vec<&str> = choices.iter().map(|(known, _)| *known).collect();
            let help = match closest(word, words.iter().copied()) {
                Some(known) => format!("did you mean `{known}`?"),
                None => format!("write {}", words.join(", ")),
            };
            self.error(&node.span, format!("`{name}` cannot be `{word}`"), help);
        }
        choice.map(|(_, value)| *value)
    }

    /// The schema version of a section, when it is one the runtime takes.
    pub(super) fn schema_version(
        &mut self,
        desired: &Node,
        section: &str,
        last_minor: u32,
    ) -> Option<SchemaVersion> {
        let node = desired.get("schemaVersion")?;
        let help = format!("write `\"1.1\"`; {section} takes 1.0 to 1.{last_minor}");
        let NodeKind::String(text) = &node.kind else {
            self.error(
                &node.span,
                format!("`schemaVersion` is {}", node.kind_name()),
                help,
            );
            return None;
        };
        let mut numbers = text.split('.').map(str::parse::<u32>);
        let version = match (numbers.next(), numbers.next()) {
            (Some(Ok(major)), Some(Ok(minor))) => Some(SchemaVersion { major, minor }),
            _ => None,
        };
        let version = version.filter(|version| version.major == 1 && version.minor <= last_minor);
        if version.is_none() {
            self.error(
                &node.span,
                format!("`schemaVersion` cannot be `{text}`"),
                help,
            );
        }
        version
    }
}
