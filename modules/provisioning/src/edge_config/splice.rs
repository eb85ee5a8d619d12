//! Changes of a text, by place; what no change names stays byte for byte.

use std::ops::Range;

/// Changes of one text.
#[derive(Default)]
pub(super) struct Splices {
    changes: Vec<(Range<usize>, String)>,
}

impl Splices {
    pub(super) fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    pub(super) fn replace(&mut self, range: Range<usize>, text: impl Into<String>) {
        self.changes.push((range, text.into()));
    }

    pub(super) fn insert(&mut self, at: usize, text: impl Into<String>) {
        self.replace(at..at, text);
    }

    pub(super) fn remove(&mut self, range: Range<usize>) {
        self.replace(range, "");
    }

    /// The text with every change made. Changes at the same place are made in the order in which
    /// they were asked for, and what is removed twice is gone once.
    pub(super) fn apply(mut self, text: &str) -> String {
        self.changes.sort_by_key(|(range, _)| range.start);
        let mut changed = String::with_capacity(text.len() + 256);
        let mut at = 0;
        for (range, new) in &self.changes {
            if range.start > at {
                changed.push_str(&text[at..range.start]);
            }
            changed.push_str(new);
            at = at.max(range.end);
        }
        changed.push_str(&text[at..]);
        changed
    }
}

/// Where the line of `at` begins.
pub(super) fn line_start(text: &str, at: usize) -> usize {
    text[..at].rfind('\n').map_or(0, |newline| newline + 1)
}

/// Where the line of `at` ends: behind its line break, if it has one.
pub(super) fn line_end(text: &str, at: usize) -> usize {
    text[at..]
        .find('\n')
        .map_or(text.len(), |newline| at + newline + 1)
}

/// The whitespace before the first thing on the line of `at`.
pub(super) fn indentation(text: &str, at: usize) -> &str {
    let line = &text[line_start(text, at)..];
    &line[..line.len() - line.trim_start_matches([' ', '\t']).len()]
}

/// Puts whole lines where a line ends, with the line breaks of their surroundings.
///
/// At the end of a file without a final line break the new last line has none either.
pub(super) fn insert_lines(splices: &mut Splices, text: &str, at: usize, lines: &[String]) {
    if lines.is_empty() {
        return;
    }
    let newline = newline_near(text, at);
    let mut new = lines.join(newline);
    if at > 0 && !text[..at].ends_with('\n') {
        new.insert_str(0, newline);
    } else {
        new.push_str(newline);
    }
    splices.insert(at, new);
}

/// The line break used just before `at`, else anywhere, else the plain one.
fn newline_near(text: &str, at: usize) -> &'static str {
    let breaks_with_return = |end: usize| text[..end].ends_with('\r');
    let near = text[..at].rfind('\n').or_else(|| text.find('\n'));
    match near {
        Some(newline) if breaks_with_return(newline) => "\r\n",
        _ => "\n",
    }
}
