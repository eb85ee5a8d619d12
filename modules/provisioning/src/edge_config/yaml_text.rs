//! YAML as it stands in a file: its nodes, each with its place.

mod nodes;

use std::collections::HashMap;
use std::ops::Range;

use nodes::Builder;
use saphyr_parser::{Event, Parser};
use serde_json::{Map, Value};

use super::error::{Position, Problem};

/// Nodes looked at when aliases are followed: far above any configuration, far below a bomb.
const MAX_NODES: usize = 100_000;
/// How deep nodes may lie in each other.
const MAX_DEPTH: usize = 64;

/// A whole file.
pub(super) struct Document<'a> {
    pub(super) body: &'a str,
    /// Nothing in a file of comments.
    pub(super) root: Option<Node>,
    /// Whether `...` ends it.
    pub(super) ends: bool,
}

/// A value, or a key.
pub(super) struct Node {
    /// From the first character, anchor and tag included where the parser counts them, to the last.
    pub(super) span: Range<usize>,
    /// The name under which aliases find it; 0 without one.
    anchor: usize,
    pub(super) kind: Kind,
}

/// What a node is.
pub(super) enum Kind {
    Scalar { text: String, plain: bool },
    Alias(usize),
    Sequence(Vec<Node>),
    Mapping { entries: Vec<Entry>, flow: bool },
}

/// A key with its value.
pub(super) struct Entry {
    pub(super) key: Node,
    /// Just behind the colon, where there is one behind the key.
    pub(super) behind_colon: Option<usize>,
    pub(super) value: Node,
}

impl Entry {
    /// The key as a text.
    pub(super) fn name(&self) -> Option<&str> {
        match &self.key.kind {
            Kind::Scalar { text, .. } => Some(text),
            _ => None,
        }
    }

    /// Behind the last character of its value, or its colon.
    pub(super) fn end(&self) -> usize {
        let colon = self.behind_colon.unwrap_or(self.key.span.end);
        colon.max(self.value.span.end)
    }
}

impl<'a> Document<'a> {
    /// Reads a text.
    pub(super) fn parse(body: &'a str) -> Result<Self, Problem> {
        let mut offsets: Vec<usize> = body.char_indices().map(|(at, _)| at).collect();
        offsets.push(body.len());
        let mut events = Vec::new();
        for event in Parser::new_from_str(body) {
            let (event, span) = event.map_err(|error| Problem::Syntax {
                at: Position {
                    line: error.marker().line(),
                    column: error.marker().col() + 1,
                },
                what: error.info().to_owned(),
            })?;
            events.push((event, nodes::bytes(&offsets, span)));
        }
        let mut builder = Builder::new(body, events.into_iter());
        let mut root = None;
        let mut ends = false;
        while let Some((event, span)) = builder.event() {
            match event {
                Event::DocumentStart(_) if root.is_some() => {
                    return Err(Problem::SeveralDocuments {
                        at: Position::of(body, span.start),
                    });
                }
                Event::DocumentStart(_) => {
                    let (event, span) = builder.next()?;
                    root = Some(builder.node(event, span, 0)?);
                }
                Event::DocumentEnd => ends |= body[span].starts_with("..."),
                _ => {}
            }
        }
        // A file of comments, or one that begins with `---` and says nothing.
        let empty = |root: &Node| matches!(&root.kind, Kind::Scalar { text, plain: true } if text.is_empty());
        Ok(Self {
            body,
            root: root.filter(|root| !empty(root)),
            ends,
        })
    }

    /// What the file says, whatever its form. Plain scalars are texts, as they are written; aliases
    /// are followed.
    pub(super) fn tree(&self) -> Result<Value, Problem> {
        let Some(root) = &self.root else {
            return Ok(Value::Null);
        };
        if !matches!(root.kind, Kind::Mapping { .. }) {
            return Err(Problem::NotKeys {
                at: Position::of(self.body, root.span.start),
            });
        }
        let mut anchors = HashMap::new();
        root.walk(&mut |node| {
            if node.anchor != 0 {
                anchors.insert(node.anchor, node);
            }
        });
        let mut budget = MAX_NODES;
        self.value(root, &anchors, &mut budget, 0)
    }

    fn value(
        &self,
        node: &Node,
        anchors: &HashMap<usize, &Node>,
        budget: &mut usize,
        depth: usize,
    ) -> Result<Value, Problem> {
        let too_much = || Problem::Aliases {
            at: Position::of(self.body, node.span.start),
        };
        *budget = budget.checked_sub(1).ok_or_else(too_much)?;
        // An alias can stand within its own anchor.
        if depth > MAX_DEPTH {
            return Err(too_much());
        }
        Ok(match &node.kind {
            Kind::Scalar { text, plain } if *plain && is_null(text) => Value::Null,
            Kind::Scalar { text, .. } => Value::from(text.as_str()),
            Kind::Alias(anchor) => match anchors.get(anchor) {
                Some(meant) => self.value(meant, anchors, budget, depth + 1)?,
                None => Value::Null,
            },
            Kind::Sequence(items) => items
                .iter()
                .map(|item| self.value(item, anchors, budget, depth + 1))
                .collect::<Result<_, _>>()?,
            Kind::Mapping { entries, .. } => {
                let mut keys = Map::new();
                for entry in entries {
                    let name = match self.value(&entry.key, anchors, budget, depth + 1)? {
                        Value::String(name) => name,
                        other => other.to_string(),
                    };
                    let value = self.value(&entry.value, anchors, budget, depth + 1)?;
                    if keys.insert(name, value).is_some() {
                        return Err(Problem::Twice {
                            at: Position::of(self.body, entry.key.span.start),
                        });
                    }
                }
                Value::Object(keys)
            }
        })
    }
}

impl Node {
    /// Shows this node and everything in it.
    pub(super) fn walk<'n>(&'n self, see: &mut impl FnMut(&'n Self)) {
        see(self);
        match &self.kind {
            Kind::Scalar { .. } | Kind::Alias(_) => {}
            Kind::Sequence(items) => items.iter().for_each(|item| item.walk(see)),
            Kind::Mapping { entries, .. } => {
                for entry in entries {
                    entry.key.walk(see);
                    entry.value.walk(see);
                }
            }
        }
    }

    /// The name under which aliases find it.
    pub(super) fn anchor(&self) -> Option<usize> {
        (self.anchor != 0).then_some(self.anchor)
    }
}

/// Whether a plain scalar says that there is nothing.
pub(super) fn is_null(plain: &str) -> bool {
    matches!(plain, "" | "~" | "null" | "Null" | "NULL")
}
