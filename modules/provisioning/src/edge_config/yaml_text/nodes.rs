//! Where nodes end.
//!
//! The parser says what is there and where it begins; its word on where a node ends may take in
//! blanks, comments and commas behind it, so that is found here.

use std::ops::Range;

use saphyr_parser::{Event, ScalarStyle, Span};

use super::{Entry, Kind, MAX_DEPTH, Node};
use crate::edge_config::error::{Position, Problem};

/// The parser counts characters.
pub(super) fn bytes(offsets: &[usize], span: Span) -> Range<usize> {
    let byte = |character: usize| offsets[character.min(offsets.len() - 1)];
    let start = byte(span.start.index());
    start..byte(span.end.index()).max(start)
}

/// Builds nodes of events.
pub(super) struct Builder<'a, I> {
    body: &'a str,
    events: I,
}

impl<'a, I: Iterator<Item = (Event<'a>, Range<usize>)>> Builder<'a, I> {
    pub(super) fn new(body: &'a str, events: I) -> Self {
        Self { body, events }
    }

    /// The next event, if there is one.
    pub(super) fn event(&mut self) -> Option<(Event<'a>, Range<usize>)> {
        self.events.next()
    }

    /// The next event, where there has to be one.
    pub(super) fn next(&mut self) -> Result<(Event<'a>, Range<usize>), Problem> {
        // The parser closes what it opens, so this is for a parser with a fault.
        self.events.next().ok_or_else(|| Problem::Syntax {
            at: Position::of(self.body, self.body.len()),
            what: "unexpected end".to_owned(),
        })
    }

    /// The node that begins with `event`.
    pub(super) fn node(
        &mut self,
        event: Event<'a>,
        span: Range<usize>,
        depth: usize,
    ) -> Result<Node, Problem> {
        if depth > MAX_DEPTH {
            return Err(Problem::Syntax {
                at: Position::of(self.body, span.start),
                what: "nested too deep".to_owned(),
            });
        }
        let start = span.start;
        let content = skip_properties(self.body, start);
        Ok(match event {
            Event::Scalar(text, style, anchor, _) => {
                let end = match style {
                    ScalarStyle::SingleQuoted | ScalarStyle::DoubleQuoted => {
                        quoted_end(self.body, content)
                    }
                    _ => trimmed_end(self.body, span),
                };
                Node {
                    span: start..end,
                    anchor,
                    kind: Kind::Scalar {
                        plain: style == ScalarStyle::Plain,
                        text: text.into_owned(),
                    },
                }
            }
            Event::Alias(anchor) => Node {
                span: start..trimmed_end(self.body, span),
                anchor: 0,
                kind: Kind::Alias(anchor),
            },
            Event::SequenceStart(anchor, _) => {
                let flow = self.body[content..].starts_with('[');
                let mut items = Vec::new();
                loop {
                    let (event, span) = self.next()?;
                    if matches!(event, Event::SequenceEnd) {
                        break;
                    }
                    items.push(self.node(event, span, depth + 1)?);
                }
                let end = match items.last() {
                    _ if flow => flow_end(self.body, content),
                    Some(last) => last.span.end,
                    None => start,
                };
                Node {
                    span: start..end,
                    anchor,
                    kind: Kind::Sequence(items),
                }
            }
            Event::MappingStart(anchor, _) => {
                let flow = self.body[content..].starts_with('{');
                let mut entries: Vec<Entry> = Vec::new();
                loop {
                    let (event, span) = self.next()?;
                    if matches!(event, Event::MappingEnd) {
                        break;
                    }
                    let key = self.node(event, span, depth + 1)?;
                    let (event, span) = self.next()?;
                    let value = self.node(event, span, depth + 1)?;
                    entries.push(Entry {
                        behind_colon: behind_colon(self.body, key.span.end),
                        key,
                        value,
                    });
                }
                let end = match entries.last() {
                    _ if flow => flow_end(self.body, content),
                    Some(last) => last.end(),
                    None => start,
                };
                Node {
                    span: start..end,
                    anchor,
                    kind: Kind::Mapping { entries, flow },
                }
            }
            // No other event stands where a node is due.
            _ => Node {
                span: start..start,
                anchor: 0,
                kind: Kind::Sequence(Vec::new()),
            },
        })
    }
}

/// Behind anchor and tag, if the node has them.
fn skip_properties(body: &str, start: usize) -> usize {
    let mut at = start;
    while body[at..].starts_with(['&', '!']) {
        let word = body[at..].find(char::is_whitespace).unwrap_or(0);
        let rest = &body[at + word..];
        let blanks = rest.len() - rest.trim_start().len();
        if word + blanks == 0 {
            break;
        }
        at += word + blanks;
    }
    at
}

/// Behind the quote that closes the one at `start`.
fn quoted_end(body: &str, start: usize) -> usize {
    let bytes = body.as_bytes();
    let Some(&quote) = bytes.get(start) else {
        return start;
    };
    let mut at = start + 1;
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'\\' if quote == b'"' => at += 1,
            _ if byte == quote => {
                // In single quotes a quote is written twice.
                if quote == b'\'' && bytes.get(at + 1) == Some(&quote) {
                    at += 1;
                } else {
                    return at + 1;
                }
            }
            _ => {}
        }
        at += 1;
    }
    body.len()
}

/// Behind the brace or bracket that closes the one at `start`.
fn flow_end(body: &str, start: usize) -> usize {
    let bytes = body.as_bytes();
    let mut depth = 0_usize;
    let mut at = start;
    while let Some(&byte) = bytes.get(at) {
        let before = at.checked_sub(1).map_or(b' ', |before| bytes[before]);
        // Quotes and comments begin only where a token can.
        let begins = before.is_ascii_whitespace() || b"{[,:".contains(&before);
        match byte {
            b'"' | b'\'' if begins => {
                at = quoted_end(body, at);
                continue;
            }
            b'#' if before.is_ascii_whitespace() => {
                at += body[at..].find('\n').unwrap_or(body.len() - at);
                continue;
            }
            b'{' | b'[' => depth += 1,
            b'}' | b']' => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return at + 1;
                }
            }
            _ => {}
        }
        at += 1;
    }
    body.len()
}

fn trimmed_end(body: &str, span: Range<usize>) -> usize {
    span.start + body[span.clone()].trim_end().len()
}

fn behind_colon(body: &str, key_end: usize) -> Option<usize> {
    let rest = body[key_end..].trim_start_matches([' ', '\t']);
    let colon = body.len() - rest.len();
    rest.starts_with(':').then_some(colon + 1)
}
