//! Changing a TOML configuration, in whatever form the section stands.

use super::error::{Position, Problem};
use super::flow::{self, FlowValue, Syntax, TOML};
use super::splice::{Splices, indentation, insert_lines};
use super::toml_text::{Statement, What, statements};
use super::wanted::{Table, Wanted, WantedValue};

/// The changes that make `body` say what is wanted.
pub(super) fn edit(body: &str, wanted: &Table) -> Result<Splices, Problem> {
    let statements = statements(body);
    let mut editor = Editor {
        body,
        gone: vec![false; statements.len()],
        statements,
        splices: Splices::default(),
    };
    for Wanted { key, value } in &wanted.keys {
        let WantedValue::Table(table) = value else {
            continue;
        };
        if !editor.table(&[key], table)? {
            editor.append(key, table);
        }
    }
    for (statement, gone) in editor.statements.iter().zip(&editor.gone) {
        if *gone {
            editor.splices.remove(statement.lines.clone());
        }
    }
    Ok(editor.splices)
}

struct Editor<'a> {
    body: &'a str,
    statements: Vec<Statement>,
    /// Which statements are to go.
    gone: Vec<bool>,
    splices: Splices,
}

/// Where new keys of a table can be written.
enum Place {
    /// As lines behind this statement, which says so many keys of the path already.
    Behind { statement: usize, said: usize },
    /// Under a header of their own, before this statement.
    HeaderBefore(usize),
}

impl Editor<'_> {
    /// Makes the table at `path` say what is wanted; false when there is nothing of it to keep, and
    /// then nothing is left of it.
    fn table(&mut self, path: &[&str], wanted: &Table) -> Result<bool, Problem> {
        let within = self.within(path);
        if within.is_empty() {
            return Ok(false);
        }
        for &index in &within {
            let statement = &self.statements[index];
            if matches!(statement.what, What::ArrayHeader) {
                return Err(Problem::Unsupported {
                    at: Some(Position::of(self.body, statement.span.start)),
                });
            }
            if let What::Value(value) = &statement.what
                && statement.is(path)
            {
                let FlowValue::Flow(flow) = value else {
                    self.gone[index] = true;
                    return Ok(false);
                };
                flow::edit(flow, wanted, &TOML, &mut self.splices);
                return Ok(true);
            }
        }

        let mut missing = Vec::new();
        for key in &wanted.keys {
            let full: Vec<&str> = path.iter().copied().chain([key.key]).collect();
            let there = match &key.value {
                WantedValue::Text { text, same } => self.text(&full, text, *same),
                WantedValue::Table(table) => self.table(&full, table)?,
            };
            if !there {
                missing.push(key);
            }
        }
        for index in within {
            let statement = &self.statements[index];
            let Some(key) = statement.path.get(path.len()) else {
                continue;
            };
            if wanted.get(key).is_none() && (wanted.drop)(key) {
                self.gone[index] = true;
            }
        }
        if missing.is_empty() {
            return Ok(true);
        }
        let Some(place) = self.place(path, wanted) else {
            for index in self.within(path) {
                self.gone[index] = true;
            }
            return Ok(false);
        };
        self.write(path, place, &missing);
        Ok(true)
    }

    /// Makes the key at `path` hold the text; false when it is not there, or not as a text.
    fn text(&mut self, path: &[&str], text: &str, same: fn(&str, &str) -> bool) -> bool {
        for index in self.within(path) {
            let statement = &self.statements[index];
            if let What::Value(FlowValue::Text { text: is, span, .. }) = &statement.what
                && statement.is(path)
            {
                if !same(is, text) {
                    self.splices.replace(span.clone(), Syntax::text(text));
                }
                return true;
            }
            self.gone[index] = true;
        }
        false
    }

    /// Where missing keys of the table at `path` belong.
    fn place(&self, path: &[&str], wanted: &Table) -> Option<Place> {
        let staying = || {
            let all = self.statements.iter().enumerate();
            all.filter(|(index, _)| !self.gone[*index])
        };
        let direct = || {
            staying().filter(|(_, statement)| {
                let direct = statement.path.len() == path.len() + 1 && statement.is_within(path);
                direct && matches!(statement.what, What::Value(_))
            })
        };
        let is_wanted = |statement: &Statement| {
            let key = statement.path.last();
            key.is_some_and(|key| wanted.get(key).is_some())
        };
        // Behind the first of the keys that were asked for, which is what the table is about.
        let neighbour = direct()
            .find(|(_, statement)| is_wanted(statement))
            .or_else(|| direct().next());
        if let Some((index, statement)) = neighbour {
            return Some(Place::Behind {
                statement: index,
                said: statement.said,
            });
        }
        let header = staying()
            .find(|(_, statement)| matches!(statement.what, What::Header) && statement.is(path));
        if let Some((index, _)) = header {
            return Some(Place::Behind {
                statement: index,
                said: path.len(),
            });
        }
        let below = staying()
            .find(|(_, statement)| statement.is_within(path))
            .filter(|(_, statement)| matches!(statement.what, What::Header));
        below.map(|(index, _)| Place::HeaderBefore(index))
    }

    fn write(&mut self, path: &[&str], place: Place, missing: &[&Wanted]) {
        match place {
            Place::HeaderBefore(index) => {
                let mut lines = vec![format!("[{}]", path.join("."))];
                lines.extend(missing.iter().map(|key| TOML.entry(key)));
                lines.push(String::new());
                let at = self.statements[index].lines.start;
                insert_lines(&mut self.splices, self.body, at, &lines);
            }
            Place::Behind { statement, said } => {
                let anchor = &self.statements[statement];
                let under_header = said == path.len();
                let indent = indentation(self.body, anchor.span.start).to_owned();
                let end = anchor.lines.end;
                let mut lines = Vec::new();
                let mut tables = Vec::new();
                for key in missing {
                    match &key.value {
                        // A table gets a header of its own, as in the template, except the value of
                        // a key, which is a table in name only.
                        WantedValue::Table(table) if path.len() == 1 && under_header => {
                            tables.push((key.key, table));
                        }
                        WantedValue::Table(table) if path.len() == 1 => {
                            for inner in &table.keys {
                                let key = dotted(&path[said..], key.key);
                                lines.push(format!("{indent}{key}.{}", TOML.entry(inner)));
                            }
                        }
                        _ => {
                            let prefix = dotted(&path[said..], "");
                            lines.push(format!("{indent}{prefix}{}", TOML.entry(key)));
                        }
                    }
                }
                insert_lines(&mut self.splices, self.body, end, &lines);
                for (key, table) in tables {
                    self.sub_table(path, key, table);
                }
            }
        }
    }

    /// Writes a table with a header: where a header goes that is not wanted any more, else behind
    /// the last key that stands under the header of `path`.
    fn sub_table(&mut self, path: &[&str], key: &str, table: &Table) {
        let header = vec![format!("[{}.{key}]", path.join("."))];
        let keys = table.keys.iter().map(|key| TOML.entry(key));
        let lines: Vec<_> = header.into_iter().chain(keys).collect();
        let all = self.statements.iter().zip(&self.gone);
        let goes = all
            .filter(|(statement, gone)| **gone && statement.is_within(path))
            .find(|(statement, _)| matches!(statement.what, What::Header));
        if let Some((statement, _)) = goes {
            let at = statement.lines.start;
            return insert_lines(&mut self.splices, self.body, at, &lines);
        }
        let under = self.statements.iter().filter(|statement| {
            let key = matches!(statement.what, What::Value(_)) && statement.said == path.len();
            statement.is_within(path) && (key || statement.is(path))
        });
        let at = under.map(|statement| statement.lines.end).max();
        let mut separated = vec![String::new()];
        separated.extend(lines);
        let at = at.unwrap_or(self.body.len());
        insert_lines(&mut self.splices, self.body, at, &separated);
    }

    /// Writes the whole section at the end of the file.
    fn append(&mut self, key: &str, table: &Table) {
        let mut lines = vec![format!("[{key}]")];
        if !self.body.is_empty() {
            lines.insert(0, String::new());
        }
        for wanted in &table.keys {
            match &wanted.value {
                WantedValue::Text { .. } => lines.push(TOML.entry(wanted)),
                WantedValue::Table(inner) => {
                    lines.push(String::new());
                    lines.push(format!("[{key}.{}]", wanted.key));
                    lines.extend(inner.keys.iter().map(|key| TOML.entry(key)));
                }
            }
        }
        insert_lines(&mut self.splices, self.body, self.body.len(), &lines);
    }

    fn within(&self, path: &[&str]) -> Vec<usize> {
        let all = self.statements.iter().enumerate();
        all.filter(|(index, statement)| !self.gone[*index] && statement.is_within(path))
            .map(|(index, _)| index)
            .collect()
    }
}

/// The keys with a dot behind each, and one more.
fn dotted(path: &[&str], key: &str) -> String {
    let mut dotted: String = path.iter().map(|key| format!("{key}.")).collect();
    dotted.push_str(key);
    dotted
}
