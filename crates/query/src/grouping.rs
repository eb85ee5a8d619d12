//! Documents into groups.

use std::collections::HashMap;
use std::fmt::Write as _;

use serde_json::Value as Json;

use crate::aggregate::Tally;
use crate::document::Document;
use crate::path::Path;
use crate::query::{Column, Content};
use crate::value::Value;

/// The groups seen so far.
#[derive(Debug)]
pub(crate) struct Groups<'q> {
    by: &'q [Path],
    columns: &'q [Column],
    /// In the order of the first document of each.
    groups: Vec<Group>,
    /// Where a group is, by what its documents have in common, written down.
    places: HashMap<String, usize>,
}

#[derive(Debug)]
struct Group {
    /// The values the documents have in common.
    common: Vec<Option<Json>>,
    /// One for each column.
    tallies: Vec<Tally>,
}

impl<'q> Groups<'q> {
    pub(crate) fn new(by: &'q [Path], columns: &'q [Column]) -> Self {
        let mut groups = Self {
            by,
            columns,
            groups: Vec::new(),
            places: HashMap::new(),
        };
        // Without GROUP BY all documents are one group, and no documents are too: their count is zero.
        if by.is_empty() {
            groups.place(String::new(), Vec::new());
        }
        groups
    }

    pub(crate) fn add<D: Document + ?Sized>(&mut self, document: &D) {
        let values: Vec<Value<'_>> = self
            .by
            .iter()
            .map(|path| Value::of_found(document.find(path)))
            .collect();
        let mark = mark(&values);
        let place = match self.places.get(&mark) {
            Some(place) => *place,
            None => self.place(mark, values.iter().map(Value::to_json).collect()),
        };
        let group = &mut self.groups[place];
        for (column, tally) in self.columns.iter().zip(&mut group.tallies) {
            if let Content::Aggregate(aggregate, of) = &column.content {
                let value = of.as_ref().map_or(Value::Undefined, |path| {
                    Value::of_found(document.find(path))
                });
                aggregate.add(tally, &value);
            }
        }
    }

    /// A document of each group.
    pub(crate) fn into_rows(self) -> Vec<Json> {
        let (by, columns) = (self.by, self.columns);
        let rows = self.groups.into_iter().map(|group| {
            let mut row = serde_json::Map::new();
            for (column, tally) in columns.iter().zip(group.tallies) {
                let value = match &column.content {
                    Content::Aggregate(aggregate, _) => aggregate.result(tally),
                    Content::Path(path) => by
                        .iter()
                        .position(|grouped| grouped == path)
                        .and_then(|index| group.common[index].clone()),
                };
                if let Some(value) = value {
                    row.insert(column.name.clone(), value);
                }
            }
            Json::Object(row)
        });
        rows.collect()
    }

    fn place(&mut self, mark: String, common: Vec<Option<Json>>) -> usize {
        let place = self.groups.len();
        self.places.insert(mark, place);
        let tallies = self.columns.iter().map(|_| Tally::default()).collect();
        self.groups.push(Group { common, tallies });
        place
    }
}

/// Values written down so that equal ones are written alike, and others are not.
fn mark(values: &[Value<'_>]) -> String {
    let mut mark = String::new();
    for value in values {
        match value {
            Value::Undefined => write!(mark, "u"),
            Value::Null => write!(mark, "n"),
            Value::Bool(value) => write!(mark, "b{value}"),
            // Zero has two signs and is one value.
            Value::Number(value) => write!(mark, "d{}", value + 0.0),
            Value::String(text) => write!(mark, "s{}:{text}", text.len()),
            Value::Compound(json) => write!(mark, "c{json}"),
        }
        .expect("a string takes all that is written to it");
        mark.push(' ');
    }
    mark
}
