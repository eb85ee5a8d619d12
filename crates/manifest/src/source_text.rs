//! A text that may be the expansion of another, and where its parts come from.

use std::ops::Range;

use crate::position::Position;

/// A text, and the text a person wrote that it was made from.
#[derive(Clone, Debug)]
pub(crate) struct SourceText {
    written: String,
    expanded: String,
    replaced: Vec<Replacement>,
}

/// A placeholder and what stands in its place.
#[derive(Clone, Debug)]
struct Replacement {
    written: Range<usize>,
    expanded: Range<usize>,
}

impl SourceText {
    /// A text in which nothing is to be expanded.
    pub(crate) fn plain(text: &str) -> Self {
        Self {
            written: text.to_owned(),
            expanded: text.to_owned(),
            replaced: Vec::new(),
        }
    }

    /// A text with placeholders replaced. They come in the order they stand in and do not overlap.
    pub(crate) fn replace(
        text: &str,
        replacements: impl IntoIterator<Item = (Range<usize>, String)>,
    ) -> Self {
        let mut expanded = String::with_capacity(text.len());
        let mut replaced = Vec::new();
        let mut done = 0;
        for (placeholder, value) in replacements {
            expanded.push_str(&text[done..placeholder.start]);
            let start = expanded.len();
            expanded.push_str(&value);
            done = placeholder.end;
            replaced.push(Replacement {
                written: placeholder,
                expanded: start..expanded.len(),
            });
        }
        expanded.push_str(&text[done..]);
        Self {
            written: text.to_owned(),
            expanded,
            replaced,
        }
    }

    /// The text to read.
    pub(crate) fn text(&self) -> &str {
        &self.expanded
    }

    /// Where a byte offset of the text to read stands in the text that was written. Everything inside a replacement
    /// stands where its placeholder starts.
    pub(crate) fn position(&self, offset: usize) -> Position {
        let before = self
            .replaced
            .iter()
            .rfind(|replaced| replaced.expanded.start <= offset);
        let written = match before {
            None => offset,
            Some(replaced) if offset < replaced.expanded.end => replaced.written.start,
            Some(replaced) => replaced.written.end + (offset - replaced.expanded.end),
        };
        Position::of(&self.written, written)
    }

    /// The same for a byte offset into the value of a JSON string, whose literal stands at `literal`.
    pub(crate) fn position_in_string(&self, literal: &Range<usize>, offset: usize) -> Position {
        let inside = literal.start + 1..literal.end - 1;
        self.position(inside.start + raw_offset(&self.expanded[inside.clone()], offset))
    }
}

/// The offset in a JSON string literal, without its quotes, that corresponds to an offset in its value.
fn raw_offset(literal: &str, offset: usize) -> usize {
    let mut raw = 0;
    let mut value = 0;
    while value < offset && raw < literal.len() {
        let rest = &literal[raw..];
        let (raw_length, value_length) = step(rest);
        raw += raw_length;
        value += value_length;
    }
    raw
}

/// How long the first character of a literal is there, and in the value.
fn step(rest: &str) -> (usize, usize) {
    let Some(escape) = rest.strip_prefix('\\') else {
        let length = rest.chars().next().map_or(1, char::len_utf8);
        return (length, length);
    };
    let Some(digits) = escape.strip_prefix('u') else {
        return (2, 1);
    };
    let unit =
        |digits: Option<&str>| digits.and_then(|digits| u16::from_str_radix(digits, 16).ok());
    let first = unit(digits.get(..4));
    let second = unit(digits.get(4..10).and_then(|pair| pair.strip_prefix("\\u")));
    let pair = first.zip(second).and_then(|(first, second)| {
        let char = char::decode_utf16([first, second]).next()?.ok()?;
        (char.len_utf8() == 4).then_some(())
    });
    match (pair, first) {
        (Some(()), _) => (12, 4),
        (None, Some(unit)) => (6, char::from_u32(u32::from(unit)).map_or(3, char::len_utf8)),
        (None, None) => (rest.len(), 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_in_an_expansion_are_places_in_the_template() {
        let template = "a $X\nb ${LONG} c $Y!";
        let source = SourceText::replace(
            template,
            [
                (2..4, "1\n2".to_owned()),
                (7..14, String::new()),
                (17..19, "yy".to_owned()),
            ],
        );
        assert_eq!(source.text(), "a 1\n2\nb  c yy!");
        let places = [
            (0, (1, 1)),
            (2, (1, 3)),
            (4, (1, 3)),
            (5, (1, 5)),
            (6, (2, 1)),
            (9, (2, 11)),
            (11, (2, 13)),
            (12, (2, 13)),
            (13, (2, 15)),
        ];
        for (offset, (line, column)) in places {
            assert_eq!(
                source.position(offset),
                Position { line, column },
                "offset {offset}"
            );
        }
    }

    #[test]
    fn places_in_a_json_string_step_over_escapes() {
        let text = r#""a\"b\u00e9\uD83D\uDE97c\né""#;
        let source = SourceText::plain(text);
        let value = "a\"b\u{e9}\u{1F697}c\n\u{e9}";
        let literal = 0..text.len();
        let at = |needle: &str| {
            let offset = value.find(needle).expect("it is there");
            source.position_in_string(&literal, offset).column
        };
        assert_eq!(
            [
                at("a"),
                at("\""),
                at("b"),
                at("\u{e9}"),
                at("\u{1F697}"),
                at("c"),
                at("\n")
            ],
            [2, 3, 5, 6, 12, 24, 25]
        );
        assert_eq!(source.position_in_string(&literal, value.len()).column, 28);
    }
}
