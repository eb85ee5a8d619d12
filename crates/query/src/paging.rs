//! A page in the making, for documents that cannot be held still until it is whole.

use std::num::NonZeroUsize;

use serde_json::Value as Json;

use crate::document::Document;
use crate::grouping::Groups;
use crate::page::{Page, Resume};
use crate::query::{Query, Selection, SortBy};
use crate::value::Value;

/// A page that is made of documents which are offered one by one, in ascending order of their keys.
///
/// Whoever offers them may let them change in between: a page is then of no single instant, but each result is of one.
/// It keeps no document, only the keys `K` of those it may have to see again and what they are sorted by.
#[derive(Debug)]
pub struct Paging<'q, K> {
    query: &'q Query,
    /// Results on all pages before.
    given: usize,
    most: usize,
    found: Found<'q, K>,
}

#[derive(Debug)]
enum Found<'q, K> {
    Groups(Groups<'q>),
    Sorted {
        rows: Vec<Row<K>>,
        matching: usize,
    },
    /// In the documents' own order.
    Listed {
        skip: usize,
        items: Vec<Json>,
        last: Option<K>,
        more: bool,
    },
}

/// A document of a sorted list: its key, and what it is sorted by.
#[derive(Debug)]
struct Row<K> {
    sorted_by: Vec<Option<Json>>,
    key: K,
}

/// What offering the documents came to.
#[derive(Debug)]
pub enum Outcome<K> {
    /// The page.
    Whole(Page<K>),
    /// The documents that the page consists of, in its order, and where the next one begins. [`Query::result`] makes
    /// of each what belongs on the page.
    Of(Vec<K>, Option<Resume<K>>),
}

/// Rows beyond those a page can need, before the surplus is dropped: sorting is dear, and so is memory.
const SURPLUS: usize = 4096;

impl<'q, K> Paging<'q, K> {
    pub(crate) fn new<L>(query: &'q Query, resume: Option<&Resume<L>>, most: NonZeroUsize) -> Self {
        let given = resume.map_or(0, Resume::given);
        let left = query.top.unwrap_or(usize::MAX).saturating_sub(given);
        let found = match &query.selection {
            Selection::Groups(columns) => Found::Groups(Groups::new(&query.groups, columns)),
            _ if !query.order.is_empty() => Found::Sorted {
                rows: Vec::new(),
                matching: 0,
            },
            _ => Found::Listed {
                // A place in another query's results, if it leads here, is one in this one's.
                skip: match resume.and_then(Resume::key) {
                    Some(_) => 0,
                    None => given,
                },
                items: Vec::new(),
                last: None,
                more: false,
            },
        };
        Self {
            query,
            given,
            most: most.get().min(left),
            found,
        }
    }

    /// Takes the next document into account; says whether the page wants another.
    pub fn offer<D: Document + ?Sized>(&mut self, document: &D, key: impl FnOnce() -> K) -> bool {
        if self.most == 0 {
            return false;
        }
        if !self.query.matches(document) {
            return true;
        }
        match &mut self.found {
            Found::Groups(groups) => groups.add(document),
            Found::Sorted { rows, matching } => {
                *matching += 1;
                rows.push(Row {
                    sorted_by: self.query.sorted_by(document),
                    key: key(),
                });
                let needed = self.given.saturating_add(self.most);
                if rows.len() >= needed.saturating_add(needed.max(SURPLUS)) {
                    self.query.sort(rows);
                    rows.truncate(needed);
                }
            }
            Found::Listed { skip, .. } if *skip > 0 => *skip -= 1,
            Found::Listed {
                items, last, more, ..
            } => {
                if items.len() == self.most {
                    *more = true;
                    return false;
                }
                items.push(self.query.result(document));
                *last = Some(key());
                // When nothing can follow there is no need to look whether something does.
                let given = self.given.saturating_add(items.len());
                return self.query.top.is_none_or(|top| given < top);
            }
        }
        true
    }

    /// What the documents came to.
    pub fn finish(self) -> Outcome<K> {
        let (query, given) = (self.query, self.given);
        let end = given.saturating_add(self.most);
        let next = |total: usize| {
            let total = total.min(query.top.unwrap_or(usize::MAX));
            (self.most > 0 && end < total).then_some(Resume::Skip(end))
        };
        match self.found {
            Found::Groups(groups) => {
                let rows = query.sorted_rows(groups.into_rows());
                let next = next(rows.len());
                let items = rows.into_iter().skip(given).take(self.most).collect();
                Outcome::Whole(Page { items, next })
            }
            Found::Sorted { mut rows, matching } => {
                query.sort(&mut rows);
                let keys = rows.into_iter().map(|row| row.key);
                let keys = keys.skip(given).take(self.most).collect();
                Outcome::Of(keys, next(matching))
            }
            Found::Listed {
                items, last, more, ..
            } => {
                let given = given.saturating_add(items.len());
                let next = last
                    .filter(|_| more)
                    .map(|key| Resume::After { key, given });
                Outcome::Whole(Page { items, next })
            }
        }
    }
}

impl Query {
    /// Begins the page at `resume`, or the first one, of at most `most` results.
    ///
    /// A list in the documents' own order goes on behind [`Resume::key`]: documents up to there must not be offered.
    pub fn paging<K, L>(&self, resume: Option<&Resume<L>>, most: NonZeroUsize) -> Paging<'_, K> {
        Paging::new(self, resume, most)
    }

    fn sorted_by<D: Document + ?Sized>(&self, document: &D) -> Vec<Option<Json>> {
        let values = self.order.iter().map(|key| match &key.by {
            SortBy::Path(path) => document.find(path).map(std::borrow::Cow::into_owned),
            SortBy::Column(_) => None,
        });
        values.collect()
    }

    /// Equal ones stay in the order in which they came.
    fn sort<K>(&self, rows: &mut [Row<K>]) {
        rows.sort_by(|left, right| {
            self.compare(|index, _| left.value(index).sort_order(&right.value(index)))
        });
    }
}

impl<K> Row<K> {
    fn value(&self, index: usize) -> Value<'_> {
        let json = self.sorted_by[index].as_ref();
        json.map_or(Value::Undefined, Value::of_json)
    }
}
