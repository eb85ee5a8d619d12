//! What is wrong with a configuration, without ever showing a piece of it.

use std::fmt;
use std::path::{Path, PathBuf};

/// A configuration that cannot be read or changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError {
    /// Which file.
    pub path: PathBuf,
    /// What is wrong with it.
    pub problem: Problem,
}

/// A place in a file, both from 1; columns count characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// The line.
    pub line: usize,
    /// The character in the line.
    pub column: usize,
}

/// What is wrong with a configuration, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Problem {
    /// It holds bytes that are no text.
    #[error("line {line} is not UTF-8; save the file as UTF-8")]
    NotUtf8 {
        /// The first such line.
        line: usize,
    },
    /// Larger than any configuration.
    #[error(
        "the file is larger than 1 MiB, so it is no configuration of IoT Edge; name the right file"
    )]
    TooLarge,
    /// Not what its format asks for.
    #[error("{at}: {what}; mend that line, or put the backup in its place")]
    Syntax {
        /// Where reading stopped.
        at: Position,
        /// The parser's words, in which no piece of the file occurs.
        what: String,
    },
    /// A YAML key stands twice, of which IoT Edge would take one.
    #[error("{at}: a key that stands here already; remove one of the two")]
    Twice {
        /// The second one.
        at: Position,
    },
    /// YAML with `---` in the middle, of which IoT Edge reads the first part.
    #[error("{at}: a second document begins; keep the one that is meant")]
    SeveralDocuments {
        /// Where it begins.
        at: Position,
    },
    /// YAML whose aliases stand for more than anybody means, or for themselves.
    #[error("{at}: aliases that stand for too much; write the section out")]
    Aliases {
        /// The alias.
        at: Position,
    },
    /// YAML that is a list or a word.
    #[error("{at}: keys with values are expected here; name the right file")]
    NotKeys {
        /// Where it begins.
        at: Position,
    },
    /// Something in the section is used by an alias outside it, which would change as well.
    #[error(
        "{at}: this alias takes its value from the section provisioning, which is to change; write the value out"
    )]
    Shared {
        /// The alias.
        at: Position,
    },
    /// The section stands in a form that cannot be changed alone.
    #[error(
        "{}the section provisioning is written in a form that cannot be changed without touching more than it; write it as the template of IoT Edge does",
        at.map(|at| format!("{at}: ")).unwrap_or_default()
    )]
    Unsupported {
        /// Where it stands, where that is known.
        at: Option<Position>,
    },
}

impl ConfigError {
    pub(super) fn new(path: &Path, problem: Problem) -> Self {
        Self {
            path: path.to_owned(),
            problem,
        }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path.display(), self.problem)
    }
}

impl std::error::Error for ConfigError {}

impl Position {
    /// The place of a byte of `text`; one inside a character counts as that character's.
    pub(super) fn of(text: &str, byte: usize) -> Self {
        let mut byte = byte.min(text.len());
        while !text.is_char_boundary(byte) {
            byte -= 1;
        }
        let before = &text[..byte];
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        Self {
            line: 1 + before.matches('\n').count(),
            column: 1 + before[line_start..].chars().count(),
        }
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}", self.line, self.column)
    }
}
