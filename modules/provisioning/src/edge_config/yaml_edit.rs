//! Changing a YAML configuration, in whatever form the section stands.

use std::collections::HashSet;

use super::error::{Position, Problem};
use super::flow::{self, Flow, FlowEntry, FlowValue, Syntax, YAML};
use super::splice::{Splices, indentation, insert_lines, line_end, line_start};
use super::wanted::{SECTION, Table, Wanted, WantedValue};
use super::yaml_text::{Document, Entry, Kind, Node, is_null};

/// How much deeper a level stands where nothing else shows it.
const STEP: &str = "  ";

/// The changes that make `body` say what is wanted.
pub(super) fn edit(body: &str, wanted: &Table) -> Result<Splices, Problem> {
    let document = Document::parse(body)?;
    let mut editor = Editor {
        body,
        splices: Splices::default(),
    };
    let Some(root) = &document.root else {
        let lines = lines(wanted.keys.iter(), "");
        insert_lines(&mut editor.splices, body, body.len(), &lines);
        return Ok(editor.splices);
    };
    let Kind::Mapping { entries, flow } = &root.kind else {
        return Err(Problem::NotKeys {
            at: Position::of(body, root.span.start),
        });
    };
    if *flow {
        flow::edit(&braces(body, root), wanted, &YAML, &mut editor.splices);
    } else if entries.iter().any(|entry| entry.name() == Some(SECTION)) {
        editor.block(entries, wanted)?;
    } else {
        // Behind everything, but before the mark that ends the document.
        let at = match entries.last() {
            Some(last) if document.ends => line_end(body, last.end()),
            _ => body.len(),
        };
        let mut new = vec![String::new()];
        new.extend(lines(wanted.keys.iter(), ""));
        insert_lines(&mut editor.splices, body, at, &new);
    }
    if !editor.splices.is_empty() {
        shared_nowhere(body, root, entries)?;
    }
    Ok(editor.splices)
}

/// Nothing outside the section may take a value from it: it would change with it.
fn shared_nowhere(body: &str, root: &Node, entries: &[Entry]) -> Result<(), Problem> {
    let Some(section) = entries.iter().find(|entry| entry.name() == Some(SECTION)) else {
        return Ok(());
    };
    let mut given = HashSet::new();
    let mut inside = HashSet::new();
    section.value.walk(&mut |node| {
        given.extend(node.anchor());
        inside.insert(node.span.start);
    });
    let mut shared = None;
    root.walk(&mut |node| {
        if let Kind::Alias(anchor) = &node.kind
            && given.contains(anchor)
            && !inside.contains(&node.span.start)
        {
            shared.get_or_insert(node.span.start);
        }
    });
    match shared {
        Some(at) => Err(Problem::Shared {
            at: Position::of(body, at),
        }),
        None => Ok(()),
    }
}

struct Editor<'a> {
    body: &'a str,
    splices: Splices,
}

impl Editor<'_> {
    /// Makes the keys of a block mapping say what is wanted.
    fn block(&mut self, entries: &[Entry], wanted: &Table) -> Result<(), Problem> {
        let mut missing: Vec<&Wanted> = wanted.keys.iter().collect();
        let mut neighbour = None;
        for entry in entries {
            let name = entry.name().unwrap_or_default();
            let Some(value) = wanted.get(name) else {
                if (wanted.drop)(name) {
                    self.remove(entry)?;
                }
                continue;
            };
            self.value(entry, value)?;
            missing.retain(|wanted| wanted.key != name);
            neighbour.get_or_insert(entry);
        }
        let Some(first) = entries.first().filter(|_| !missing.is_empty()) else {
            return Ok(());
        };
        let lines = lines(missing.into_iter(), self.indentation(first)?);
        let at = match neighbour {
            Some(entry) => line_end(self.body, entry.end()),
            None => line_start(self.body, first.key.span.start),
        };
        insert_lines(&mut self.splices, self.body, at, &lines);
        Ok(())
    }

    /// Makes one key hold what is wanted.
    fn value(&mut self, entry: &Entry, wanted: &WantedValue) -> Result<(), Problem> {
        let indent = self.indentation(entry)?.to_owned();
        match (wanted, &entry.value.kind) {
            (WantedValue::Text { text, same }, Kind::Scalar { text: is, plain })
                if same(is, text) && !(*plain && unsure(is)) => {}
            (WantedValue::Text { text, .. }, kind) => {
                let quoted = Syntax::text(text);
                if matches!(kind, Kind::Mapping { .. } | Kind::Sequence(_)) {
                    // A block below the key; its anchor and tag, if any, stand behind the key.
                    let behind = self.behind_colon(entry)?;
                    self.splices
                        .replace(behind..entry.end(), format!(" {quoted}"));
                } else {
                    self.replace(entry, &quoted)?;
                }
            }
            (WantedValue::Table(table), Kind::Mapping { entries, flow }) => {
                if *flow {
                    let braces = braces(self.body, &entry.value);
                    flow::edit(&braces, table, &YAML, &mut self.splices);
                } else if entries.is_empty() {
                    return Err(self.unsupported(entry));
                } else {
                    self.block(entries, table)?;
                }
            }
            (WantedValue::Table(table), _) => {
                self.replace(entry, "")?;
                let lines = lines(table.keys.iter(), &format!("{indent}{STEP}"));
                let at = line_end(self.body, entry.end());
                insert_lines(&mut self.splices, self.body, at, &lines);
            }
        }
        Ok(())
    }

    /// Puts another value behind the key's colon; the comment behind it stays.
    fn replace(&mut self, entry: &Entry, new: &str) -> Result<(), Problem> {
        let behind = self.behind_colon(entry)?;
        let rest = self.body[behind..].trim_start_matches([' ', '\t']);
        let next = self.body.len() - rest.len();
        if entry.end() <= behind {
            if !new.is_empty() {
                self.splices.insert(behind, format!(" {new}"));
            }
        } else if rest.starts_with(['\r', '\n', '#']) {
            // The value begins on another line.
            self.splices.replace(entry.value.span.clone(), new);
        } else if new.is_empty() {
            self.splices.remove(behind..entry.end());
        } else {
            self.splices.replace(next..entry.end(), new);
        }
        Ok(())
    }

    /// Removes a key with its lines.
    fn remove(&mut self, entry: &Entry) -> Result<(), Problem> {
        self.indentation(entry)?;
        let lines = line_start(self.body, entry.key.span.start)..line_end(self.body, entry.end());
        self.splices.remove(lines);
        Ok(())
    }

    /// The blanks before a key that begins its line.
    fn indentation(&self, entry: &Entry) -> Result<&str, Problem> {
        let key = entry.key.span.start;
        let blanks = indentation(self.body, key);
        if line_start(self.body, key) + blanks.len() == key {
            Ok(blanks)
        } else {
            Err(self.unsupported(entry))
        }
    }

    fn behind_colon(&self, entry: &Entry) -> Result<usize, Problem> {
        entry.behind_colon.ok_or_else(|| self.unsupported(entry))
    }

    fn unsupported(&self, entry: &Entry) -> Problem {
        Problem::Unsupported {
            at: Some(Position::of(self.body, entry.key.span.start)),
        }
    }
}

/// Keys as lines of a block.
fn lines<'w>(keys: impl Iterator<Item = &'w Wanted>, indent: &str) -> Vec<String> {
    let mut lines = Vec::new();
    for wanted in keys {
        match &wanted.value {
            WantedValue::Text { .. } => lines.push(format!("{indent}{}", YAML.entry(wanted))),
            WantedValue::Table(table) => {
                lines.push(format!("{indent}{}:", wanted.key));
                lines.extend(self::lines(table.keys.iter(), &format!("{indent}{STEP}")));
            }
        }
    }
    lines
}

/// Whether a plain scalar may be taken for a number, a truth value or nothing.
fn unsure(plain: &str) -> bool {
    let word = plain.to_ascii_lowercase();
    is_null(plain)
        || matches!(
            word.as_str(),
            "true" | "false" | "yes" | "no" | "on" | "off" | "y" | "n"
        )
        || word.replace('_', "").parse::<f64>().is_ok()
        || word.starts_with("0x")
        || word.starts_with("0o")
}

/// A flow mapping, for the editor that both languages share.
fn braces(body: &str, node: &Node) -> Flow {
    let Kind::Mapping { entries, .. } = &node.kind else {
        return Flow {
            inside: node.span.end,
            entries: Vec::new(),
        };
    };
    let brace = body[node.span.clone()].find('{').unwrap_or(0);
    let entries = entries.iter().map(|entry| FlowEntry {
        key: entry.name().unwrap_or_default().to_owned(),
        span: entry.key.span.start..entry.end(),
        value: match &entry.value.kind {
            Kind::Scalar { text, plain } if !entry.value.span.is_empty() => FlowValue::Text {
                text: text.clone(),
                span: entry.value.span.clone(),
                sure: !(*plain && unsure(text)),
            },
            Kind::Mapping { flow: true, .. } => FlowValue::Flow(braces(body, &entry.value)),
            _ => FlowValue::Other,
        },
    });
    Flow {
        inside: node.span.start + brace + 1,
        entries: entries.collect(),
    }
}
