//! edgeHub's route language: `FROM source [WHERE condition] INTO sink`.
//!
//! The hub's own routes are written as data, with a condition in the same language: [`Condition::parse_for_hub`].
//!
//! The language is what edgeHub's ANTLR grammars and its expression compiler accept, not what its documentation says;
//! where they differ, a comment at the place tells. Compiling has three steps: tokens, syntax tree, types. What comes
//! out evaluates without allocating, for borrowed properties and a body parsed once.

mod body;
mod bracket;
mod check;
mod condition;
mod date;
mod explain;
mod finding;
mod function;
mod lint;
mod message;
mod parse;
mod sample;
mod sink;
mod source;
mod syntax;
#[cfg(test)]
mod tests;
mod token;
mod tree;
mod value;

use std::fmt;
use std::ops::Range;
use std::str::FromStr;

use self::check::Rules;
pub use self::condition::Condition;
pub use self::explain::Explanation;
use self::finding::Finding;
pub use self::finding::{RouteError, RouteWarning};
pub use self::message::{MessageSource, RoutedMessage, read_body};
pub use self::sample::{SampleError, SampleMessage};
pub use self::sink::Sink;
pub use self::source::SourcePattern;

/// A route edgeHub compiles.
#[derive(Clone, Debug)]
pub struct Route {
    source: SourcePattern,
    condition: Option<Condition>,
    sink: Sink,
    warnings: Vec<RouteWarning>,
    source_span: Range<usize>,
    sink_span: Range<usize>,
}

impl Route {
    /// Compiles a route.
    ///
    /// # Errors
    ///
    /// Everything that keeps edgeHub from taking it: the first syntax error, or else all others together.
    pub fn parse(text: &str) -> Result<Self, Vec<RouteError>> {
        let error = |finding| RouteError::new(text, finding);
        if text.trim().is_empty() {
            let empty = Finding::new(0..0, "the route is empty")
                .help("write `FROM /messages/* INTO $upstream`");
            return Err(vec![error(empty)]);
        }
        let syntax = parse::route(text).map_err(|finding| vec![error(finding)])?;
        let source = SourcePattern::new(&syntax.source);
        let mut errors = Vec::new();
        let mut warnings = Vec::new();
        if !source.is_possible() {
            let message = format!("no message comes from `{}`", syntax.source);
            let help = "sources are `/messages/*`, `/messages/modules/NAME/*`, `/messages/modules/NAME/outputs/OUTPUT`, \
                        `/twinChangeNotifications` and `/*`";
            warnings.push(Finding::new(syntax.source_span.clone(), message).help(help));
        }
        let condition = syntax.condition.as_ref().and_then(|condition| {
            match Condition::compile(text, condition, Rules::of_edge(source.is_about_twins())) {
                Ok((condition, more)) => {
                    warnings.extend(more);
                    Some(condition)
                }
                Err(more) => {
                    errors.extend(more);
                    None
                }
            }
        });
        let sink = match Sink::read(text, &syntax.sink) {
            Ok((sink, warning)) => {
                warnings.extend(warning);
                Some(sink)
            }
            Err(finding) => {
                errors.push(finding);
                None
            }
        };
        for comment in syntax.swallowed {
            let message = format!("edgeHub reads `{}` as a comment", &text[comment.clone()]);
            warnings.push(
                Finding::new(comment, message)
                    .help("a `/*` in the source starts it: leave the `*/` out"),
            );
        }
        if let Some(trailing) = syntax.trailing {
            let message = format!("edgeHub ignores `{}`", &text[trailing.clone()]);
            warnings.push(
                Finding::new(trailing, message).help("take it out: a route ends with its sink"),
            );
        }
        match sink {
            Some(sink) if errors.is_empty() => Ok(Self {
                source,
                condition,
                sink,
                source_span: syntax.source_span,
                sink_span: syntax.sink.span(),
                warnings: warnings
                    .into_iter()
                    .map(|finding| RouteWarning::new(text, finding))
                    .collect(),
            }),
            _ => Err(errors.into_iter().map(error).collect()),
        }
    }

    /// Whether a message goes this way. It does not when the condition is undefined.
    pub fn matches<M: RoutedMessage + ?Sized>(&self, message: &M) -> bool {
        self.source.matches(message.source())
            && self
                .condition
                .as_ref()
                .is_none_or(|condition| condition.evaluate(message) == Some(true))
    }

    /// Where it takes messages from.
    pub fn source(&self) -> &SourcePattern {
        &self.source
    }

    /// Which of them it takes. All, without a condition.
    pub fn condition(&self) -> Option<&Condition> {
        self.condition.as_ref()
    }

    /// Where it takes them to.
    pub fn sink(&self) -> &Sink {
        &self.sink
    }

    /// The stretch of the text that names the source, in bytes.
    pub fn source_span(&self) -> Range<usize> {
        self.source_span.clone()
    }

    /// The stretch of the text that names the sink, in bytes: without the function, for a module.
    pub fn sink_span(&self) -> Range<usize> {
        self.sink_span.clone()
    }

    /// What edgeHub accepts and the writer hardly meant.
    pub fn warnings(&self) -> &[RouteWarning] {
        &self.warnings
    }

    /// Whether every message this route takes is taken to the same place by `other`.
    pub fn is_covered_by(&self, other: &Self) -> bool {
        let condition_covered = match (&self.condition, &other.condition) {
            (_, None) => true,
            (Some(mine), Some(theirs)) => mine.canonical() == theirs.canonical(),
            (None, Some(_)) => false,
        };
        self.sink == other.sink && condition_covered && other.source.includes(&self.source)
    }
}

/// The route written one way: two texts that mean the same are displayed alike.
impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "FROM {}", self.source)?;
        if let Some(condition) = &self.condition {
            write!(f, " WHERE {}", condition.canonical())?;
        }
        write!(f, " INTO {}", self.sink)
    }
}

impl FromStr for Route {
    type Err = Vec<RouteError>;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::parse(text)
    }
}
