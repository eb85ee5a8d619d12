//! A place in a text, shown.

use crate::position::Position;

/// The longest line that is shown whole.
const WIDTH: usize = 100;
/// How much of a longer line is shown before the place.
const BEFORE: usize = 60;
const CUT: char = '…';

/// The line a position is on, and below it a line with a caret under the place. A long line is cut; a tab is shown as
/// a space. Characters are taken to be equally wide.
pub fn excerpt(text: &str, position: Position) -> [String; 2] {
    let index = usize::try_from(position.line)
        .unwrap_or(usize::MAX)
        .saturating_sub(1);
    let line = text.split('\n').nth(index).unwrap_or_default().trim_end();
    let chars: Vec<char> = line
        .chars()
        .map(|char| if char == '\t' { ' ' } else { char })
        .collect();
    let place = place_of(line, position.column);
    let start = if chars.len() > WIDTH {
        place.saturating_sub(BEFORE)
    } else {
        0
    };
    let end = (start + WIDTH).min(chars.len());
    let mut shown: String = chars.get(start..end).unwrap_or_default().iter().collect();
    let mut indent = place - start;
    if start > 0 {
        shown.insert(0, CUT);
        indent += 1;
    }
    if end < chars.len() {
        shown.push(CUT);
    }
    [shown, format!("{}^", " ".repeat(indent))]
}

/// How many characters stand before a column, which counts UTF-16 code units.
fn place_of(line: &str, column: u32) -> usize {
    let mut units = usize::try_from(column)
        .unwrap_or(usize::MAX)
        .saturating_sub(1);
    let mut place = 0;
    for char in line.chars() {
        if units < char.len_utf16() {
            break;
        }
        units -= char.len_utf16();
        place += 1;
    }
    place
}

#[cfg(test)]
mod tests {
    use super::*;

    fn show(text: &str, line: u32, column: u32) -> String {
        excerpt(text, Position { line, column }).join("\n")
    }

    #[test]
    fn the_caret_stands_under_the_place() {
        assert_eq!(show("kind = 3", 1, 6), "kind = 3\n     ^");
        assert_eq!(show("a\n\tb = c\r\n", 2, 4), " b = c\n   ^");
        assert_eq!(show("'\u{1F697}' = 3", 1, 6), "'\u{1F697}' = 3\n    ^");
        assert_eq!(show("kind =", 1, 7), "kind =\n      ^");
        assert_eq!(show("", 1, 1), "\n^");
        assert_eq!(show("a", 7, 3), "\n^");
    }

    #[test]
    fn a_long_line_is_cut_around_the_place() {
        let text = format!("{}X{}", "a".repeat(200), "b".repeat(200));
        let [line, caret] = excerpt(
            &text,
            Position {
                line: 1,
                column: 201,
            },
        );
        assert_eq!(line.chars().count(), 102);
        assert_eq!(line.chars().nth(caret.len() - 1), Some('X'));
        assert!(line.starts_with('…') && line.ends_with('…'));
        let [line, caret] = excerpt(&text, Position { line: 1, column: 1 });
        assert!(line.starts_with('a') && line.ends_with('…') && caret == "^");
    }
}
