//! A seed: what is to be there, as one document, held against what is.
//!
//! What is there stays, what is missing is made, and what is otherwise than the document says is told, each with its
//! place. The hub's part is in `hub/seeding.rs`, the provisioning service's in `dps/seeding.rs`.
//!
//! **Invariant:** a seed that has one problem changes nothing.

use std::fmt;
use std::io;

use manifest::Position;
use serde::Serialize;
use serde_json::{Map, Value};
use thiserror::Error;

/// What a seed made.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Seeded {
    /// Entries that were made or completed, by kind and name.
    pub made: Vec<String>,
}

/// One thing that is wrong with a seed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SeedProblem {
    /// Line and column in the document, from 1.
    pub line: u32,
    /// See above.
    pub column: u32,
    /// The entry by kind and name, such as `device pump7`; empty for the document itself.
    pub entry: String,
    /// The place in the document, as a JSON pointer.
    pub field: String,
    /// What there is, and what to do about it.
    pub message: String,
    /// Whether the document is sound and only says otherwise than what is there.
    pub contradiction: bool,
}

impl fmt::Display for SeedProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: ", self.line, self.column)?;
        if !self.entry.is_empty() {
            write!(f, "{}: ", self.entry)?;
        }
        f.write_str(&self.message)
    }
}

/// Why nothing was seeded.
#[derive(Debug, Error)]
pub enum SeedError {
    /// Every problem, in the order of the document; never empty.
    #[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
    Problems(Vec<SeedProblem>),
    /// It could not be kept.
    #[error("the journal cannot be written")]
    Journal(#[source] io::Error),
}

/// What a seed may have.
const PARTS: [&str; 5] = [
    "$schema",
    "certificates",
    "devices",
    "enrollmentGroups",
    "enrollments",
];

/// Reads a document.
///
/// # Errors
/// When it is no JSON object.
pub(crate) fn parse(text: &str) -> Result<Value, SeedError> {
    let problem = |line, column, message| {
        SeedError::Problems(vec![SeedProblem {
            line,
            column,
            entry: String::new(),
            field: String::new(),
            message,
            contradiction: false,
        }])
    };
    let document: Value = serde_json::from_str(text).map_err(|error| {
        let (line, column) = (error.line() as u32, error.column() as u32);
        problem(line, column, format!("this is no JSON: {error}"))
    })?;
    match document {
        Value::Object(_) => Ok(document),
        _ => Err(problem(
            1,
            1,
            "a seed is a JSON object: {\"devices\": […], …}".to_owned(),
        )),
    }
}

/// One entry of a seed, and where it stands.
#[derive(Debug, Clone)]
pub(crate) struct Entry<'a> {
    pub(crate) value: &'a Value,
    pub(crate) place: String,
    /// Kind and name.
    pub(crate) name: String,
}

/// What is found while a seed is held against what there is.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    problems: Vec<(String, String, String, bool)>,
    made: Vec<String>,
}

impl Findings {
    /// The document itself is wrong at a place below an entry.
    pub(crate) fn wrong(&mut self, entry: &Entry<'_>, below: &str, message: impl Into<String>) {
        let place = format!("{}{below}", entry.place);
        self.problems
            .push((entry.name.clone(), place, message.into(), false));
    }

    /// The document says otherwise than what is there.
    pub(crate) fn contradicts(
        &mut self,
        entry: &Entry<'_>,
        below: &str,
        what: &str,
        there: impl fmt::Display,
    ) {
        let message = format!(
            "{what} is {there} already, and the seed says otherwise; change the seed, or remove what is there"
        );
        let place = format!("{}{below}", entry.place);
        self.problems
            .push((entry.name.clone(), place, message, true));
    }

    pub(crate) fn made(&mut self, entry: &Entry<'_>) {
        if self.made.last() != Some(&entry.name) {
            self.made.push(entry.name.clone());
        }
    }

    pub(crate) fn has_problems(&self) -> bool {
        !self.problems.is_empty()
    }

    pub(crate) fn seeded(self) -> Seeded {
        Seeded { made: self.made }
    }

    /// The problems with their places in the text.
    pub(crate) fn into_error(self, text: &str) -> SeedError {
        let mut problems: Vec<SeedProblem> = self
            .problems
            .into_iter()
            .map(|(entry, field, message, contradiction)| {
                let Position { line, column } = manifest::position_of(text, &field);
                SeedProblem {
                    line,
                    column,
                    entry,
                    field,
                    message,
                    contradiction,
                }
            })
            .collect();
        problems.sort_by_key(|problem| (problem.line, problem.column));
        problems.dedup();
        SeedError::Problems(problems)
    }

    /// What a part of the document lists, each entry named by one of its fields; an entry that has no name, or that of
    /// another, is a problem.
    pub(crate) fn entries<'a>(
        &mut self,
        within: &Entry<'a>,
        part: &str,
        kind: &str,
        named_by: &str,
    ) -> Vec<Entry<'a>> {
        let items = match within.value.get(part) {
            None | Some(Value::Null) => return Vec::new(),
            Some(Value::Array(items)) => items,
            Some(_) => {
                self.wrong(within, &format!("/{part}"), format!("{part} is no list"));
                return Vec::new();
            }
        };
        let mut entries: Vec<Entry<'_>> = Vec::new();
        for (at, value) in items.iter().enumerate() {
            let place = format!("{}/{part}/{at}", within.place);
            let name = value.get(named_by).and_then(Value::as_str);
            let entry = Entry {
                value,
                place,
                name: format!("{kind}{}", name.unwrap_or_default()),
            };
            if name.is_none_or(str::is_empty) {
                self.wrong(&entry, "", format!("{named_by} is missing, or no text"));
            } else if entries.iter().any(|known| known.name == entry.name) {
                self.wrong(&entry, &format!("/{named_by}"), "it is in the seed twice");
            } else {
                entries.push(entry);
            }
        }
        entries
    }

    /// Tells of fields that nobody knows: a misspelt one would else be passed over.
    pub(crate) fn only(&mut self, entry: &Entry<'_>, known: &[&str]) {
        for field in entry.value.as_object().into_iter().flat_map(Map::keys) {
            if !known.contains(&field.as_str()) {
                let known = known.join(", ");
                let below = format!("/{}", escaped(field));
                self.wrong(
                    entry,
                    &below,
                    format!("{field} is nothing that can be seeded here; there are {known}"),
                );
            }
        }
    }

    /// A field that has to be an object.
    pub(crate) fn object<'a>(
        &mut self,
        entry: &Entry<'a>,
        field: &str,
    ) -> Option<&'a Map<String, Value>> {
        match entry.value.get(field) {
            None | Some(Value::Null) => None,
            Some(Value::Object(object)) => Some(object),
            Some(_) => {
                self.wrong(entry, &format!("/{field}"), format!("{field} is no object"));
                None
            }
        }
    }

    /// What of `stated` is not in `there` yet; what is there with another value is a contradiction.
    pub(crate) fn missing(
        &mut self,
        entry: &Entry<'_>,
        below: &str,
        stated: &Map<String, Value>,
        there: &Map<String, Value>,
    ) -> Map<String, Value> {
        let mut missing = Map::new();
        for (name, value) in stated {
            let below = format!("{below}/{}", escaped(name));
            match (value, there.get(name)) {
                (Value::Null, None) => {}
                (_, None) => drop(missing.insert(name.clone(), value.clone())),
                (Value::Object(stated), Some(Value::Object(there))) => {
                    let inner = self.missing(entry, &below, stated, there);
                    if !inner.is_empty() {
                        missing.insert(name.clone(), inner.into());
                    }
                }
                (value, Some(there)) if value == there => {}
                (_, Some(there)) => self.contradicts(entry, &below, name, there),
            }
        }
        missing
    }
}

/// The whole document as an entry; tells of parts that nobody knows.
pub(crate) fn root<'a>(seed: &'a Value, findings: &mut Findings) -> Entry<'a> {
    let root = Entry {
        value: seed,
        place: String::new(),
        name: String::new(),
    };
    findings.only(&root, &PARTS);
    root
}

/// A name as part of a JSON pointer.
fn escaped(name: &str) -> String {
    name.replace('~', "~0").replace('/', "~1")
}
