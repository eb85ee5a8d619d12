//! TOML as it stands in a file: its lines of keys and headers, each with its place.

use std::borrow::Cow;
use std::ops::Range;

use serde_json::Value;
use toml_parser::parser::{Event, EventKind, parse_document};
use toml_parser::{ErrorSink, Source};

use super::error::{Position, Problem};
use super::flow::{Flow, FlowEntry, FlowValue};
use super::splice::{line_end, line_start};

/// What the file says, whatever its form.
pub(super) fn tree(body: &str) -> Result<Value, Problem> {
    toml::from_str(body).map_err(|error| Problem::Syntax {
        at: Position::of(body, error.span().map_or(0, |span| span.start)),
        what: error.message().to_owned(),
    })
}

/// A header or a key with its value.
pub(super) struct Statement {
    /// The keys from the root.
    pub(super) path: Vec<String>,
    /// How many of them are said by the header above it.
    pub(super) said: usize,
    /// From the first character to the last, without comment.
    pub(super) span: Range<usize>,
    /// Its whole lines.
    pub(super) lines: Range<usize>,
    pub(super) what: What,
}

/// What a statement says.
pub(super) enum What {
    Header,
    /// One of `[[…]]`.
    ArrayHeader,
    Value(FlowValue),
}

impl Statement {
    /// Whether it speaks of `path` or of something in it.
    pub(super) fn is_within(&self, path: &[&str]) -> bool {
        self.path.len() >= path.len() && self.path.iter().zip(path).all(|(a, b)| a == b)
    }

    /// Whether it speaks of `path` itself.
    pub(super) fn is(&self, path: &[&str]) -> bool {
        self.path.len() == path.len() && self.is_within(path)
    }
}

/// The statements of a text that [`tree`] takes.
pub(super) fn statements(body: &str) -> Vec<Statement> {
    let source = Source::new(body);
    let tokens = source.lex().into_vec();
    let mut events: Vec<Event> = Vec::new();
    parse_document(&tokens, &mut events, &mut ());
    events.retain(|event| {
        !matches!(
            event.kind(),
            EventKind::Whitespace | EventKind::Comment | EventKind::Newline
        )
    });
    let mut reader = Reader {
        body,
        source,
        events: &events,
    };
    let mut header: Vec<String> = Vec::new();
    let mut found = Vec::new();
    while let Some(event) = reader.next() {
        let (path, said, end, what) = match event.kind() {
            EventKind::StdTableOpen | EventKind::ArrayTableOpen => {
                header = reader.key();
                let end = reader.next().map_or(body.len(), |close| close.span().end());
                let what = if event.kind() == EventKind::StdTableOpen {
                    What::Header
                } else {
                    What::ArrayHeader
                };
                (header.clone(), 0, end, what)
            }
            EventKind::SimpleKey => {
                let mut path = header.clone();
                path.push(reader.decode_key(event));
                path.extend(reader.rest_of_key());
                reader.next();
                let (value, span) = reader.value();
                let end = span.end;
                (path, header.len(), end, What::Value(value))
            }
            _ => continue,
        };
        let start = event.span().start();
        found.push(Statement {
            path,
            said,
            span: start..end,
            lines: line_start(body, start)..line_end(body, end),
            what,
        });
    }
    found
}

/// Reads events, of which the parser has seen that they are in order.
struct Reader<'a> {
    body: &'a str,
    source: Source<'a>,
    events: &'a [Event],
}

impl Reader<'_> {
    fn next(&mut self) -> Option<Event> {
        let (first, rest) = self.events.split_first()?;
        self.events = rest;
        Some(*first)
    }

    fn peek(&self) -> Option<EventKind> {
        self.events.first().map(Event::kind)
    }

    fn key(&mut self) -> Vec<String> {
        let first = self.next().map(|event| self.decode_key(event));
        first.into_iter().chain(self.rest_of_key()).collect()
    }

    fn rest_of_key(&mut self) -> Vec<String> {
        let mut rest = Vec::new();
        while self.peek() == Some(EventKind::KeySep) {
            self.next();
            rest.extend(self.next().map(|event| self.decode_key(event)));
        }
        rest
    }

    fn value(&mut self) -> (FlowValue, Range<usize>) {
        let Some(event) = self.next() else {
            return (FlowValue::Other, self.body.len()..self.body.len());
        };
        let start = event.span().start();
        match event.kind() {
            EventKind::InlineTableOpen => {
                let mut entries = Vec::new();
                let end = loop {
                    let Some(event) = self.next() else {
                        break self.body.len();
                    };
                    match event.kind() {
                        EventKind::InlineTableClose => break event.span().end(),
                        EventKind::SimpleKey => entries.push(self.entry(event)),
                        _ => {}
                    }
                };
                let flow = Flow {
                    inside: event.span().end(),
                    entries,
                };
                (FlowValue::Flow(flow), start..end)
            }
            EventKind::ArrayOpen => {
                let mut depth = 1;
                let mut end = event.span().end();
                while depth > 0 {
                    let Some(event) = self.next() else { break };
                    match event.kind() {
                        EventKind::ArrayOpen => depth += 1,
                        EventKind::ArrayClose => depth -= 1,
                        _ => {}
                    }
                    end = event.span().end();
                }
                (FlowValue::Other, start..end)
            }
            _ => {
                let span = start..event.span().end();
                let value = match self.decode_text(event) {
                    Some(text) => FlowValue::Text {
                        text,
                        span: span.clone(),
                        sure: true,
                    },
                    None => FlowValue::Other,
                };
                (value, span)
            }
        }
    }

    fn entry(&mut self, first: Event) -> FlowEntry {
        let key = self.decode_key(first);
        let dotted = !self.rest_of_key().is_empty();
        self.next();
        let (value, span) = self.value();
        FlowEntry {
            key,
            span: first.span().start()..span.end,
            // `{ a.b = 1 }` says only a part of `a`.
            value: if dotted { FlowValue::Other } else { value },
        }
    }

    fn decode_key(&self, event: Event) -> String {
        let mut key = Cow::Borrowed("");
        if let Some(raw) = self.source.get(event) {
            raw.decode_key(&mut key, &mut () as &mut dyn ErrorSink);
        }
        key.into_owned()
    }

    /// The text, if the value is one.
    fn decode_text(&self, event: Event) -> Option<String> {
        event.encoding()?;
        let mut text = Cow::Borrowed("");
        // Anything with quotes is a text.
        let _ = self.source.get(event)?.decode_scalar(&mut text, &mut ());
        Some(text.into_owned())
    }
}
