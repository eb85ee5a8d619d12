//! Where something stands in a text a person wrote.

use std::fmt;

/// A place in a text. Lines and columns count from 1, and columns count UTF-16 code units: so do edgeHub's errors,
/// and so do editors.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// The line, from 1.
    pub line: u32,
    /// The column, from 1.
    pub column: u32,
}

impl Position {
    /// The start of every text.
    pub const START: Self = Self { line: 1, column: 1 };

    /// The place of a byte offset. An offset past the end, or inside a character, counts as the next boundary.
    pub fn of(text: &str, offset: usize) -> Self {
        let mut end = offset.min(text.len());
        while !text.is_char_boundary(end) {
            end += 1;
        }
        let before = &text[..end];
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        let lines = before.bytes().filter(|byte| *byte == b'\n').count();
        let units = before[line_start..].encode_utf16().count();
        Self {
            line: u32::try_from(lines + 1).unwrap_or(u32::MAX),
            column: u32::try_from(units + 1).unwrap_or(u32::MAX),
        }
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_lines_from_one_and_columns_in_utf16_units() {
        let text = "ab\ncö€\u{1F697}d\n";
        let places = [
            (0, 1, 1),
            (2, 1, 3),
            (3, 2, 1),
            (4, 2, 2),
            (9, 2, 4),
            (13, 2, 6),
            (15, 3, 1),
            (99, 3, 1),
        ];
        for (offset, line, column) in places {
            assert_eq!(
                Position::of(text, offset),
                Position { line, column },
                "offset {offset}"
            );
        }
    }
}
