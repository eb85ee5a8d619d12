//! Why a query is refused.

use std::ops::Range;

use manifest::Position;
use thiserror::Error;

/// Why a query is refused: the first thing that is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{position}: {message}")]
pub struct QueryError {
    /// Where it is wrong.
    pub position: Position,
    /// What is wrong.
    pub message: String,
    /// What to write instead.
    pub help: String,
}

/// Something wrong with a stretch of text, before it is known whose text it is.
#[derive(Debug)]
pub(crate) struct Mistake {
    span: Range<usize>,
    message: String,
    help: String,
}

impl Mistake {
    pub(crate) fn new(
        span: Range<usize>,
        message: impl Into<String>,
        help: impl Into<String>,
    ) -> Self {
        Self {
            span,
            message: message.into(),
            help: help.into(),
        }
    }

    pub(crate) fn of(self, text: &str) -> QueryError {
        QueryError {
            position: Position::of(text, self.span.start),
            message: self.message,
            help: self.help,
        }
    }
}
