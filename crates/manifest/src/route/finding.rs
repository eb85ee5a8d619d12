//! What there is to say about a place in a route.

use std::fmt;
use std::ops::Range;

use crate::position::Position;

/// Something about a stretch of text, before it is known whose text it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Finding {
    pub(super) span: Range<usize>,
    pub(super) message: String,
    pub(super) help: Option<String>,
}

impl Finding {
    pub(super) fn new(span: Range<usize>, message: impl Into<String>) -> Self {
        Self {
            span,
            message: message.into(),
            help: None,
        }
    }

    /// Says what to write instead. Nothing is said when there is nothing to say.
    pub(super) fn help(mut self, help: impl Into<String>) -> Self {
        let help = help.into();
        self.help = (!help.is_empty()).then_some(help);
        self
    }
}

macro_rules! positioned {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq)]
        pub struct $name {
            /// The line, from 1.
            pub line: u32,
            /// The column, from 1, in UTF-16 code units.
            pub column: u32,
            /// What there is. For an error edgeHub has too, in edgeHub's words.
            pub message: String,
            /// What to write instead.
            pub help: Option<String>,
            span: Range<usize>,
        }

        impl $name {
            pub(super) fn new(text: &str, finding: Finding) -> Self {
                let Position { line, column } = Position::of(text, finding.span.start);
                Self {
                    line,
                    column,
                    message: finding.message,
                    help: finding.help,
                    span: finding.span,
                }
            }

            /// The stretch of the text it is about, in bytes. Empty at the end of the text.
            pub fn span(&self) -> Range<usize> {
                self.span.clone()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}:{}: {}", self.line, self.column, self.message)
            }
        }
    };
}

positioned! {
    /// Why edgeHub refuses a route, and with it the whole configuration the route is part of.
    RouteError
}

positioned! {
    /// What edgeHub accepts and the writer hardly meant.
    RouteWarning
}

impl std::error::Error for RouteError {}
