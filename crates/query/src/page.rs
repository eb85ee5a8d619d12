//! Results, a page at a time.

use std::cmp::Ordering;
use std::num::NonZeroUsize;

use serde_json::Value as Json;

use crate::document::Document;
use crate::grouping::Groups;
use crate::query::{Column, Content, Query, Selection, SortBy};
use crate::value::Value;

/// A page of results.
#[derive(Clone, Debug, PartialEq)]
pub struct Page<K> {
    /// The results, at most as many as were asked for.
    pub items: Vec<Json>,
    /// Where the next page begins. None on the last.
    pub next: Option<Resume<K>>,
}

/// Where a page begins. It is the caller's to keep, or to give to a client and get back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Resume<K> {
    /// Behind a document. Documents that come and go meanwhile repeat and hide no others.
    After {
        /// The key of the last document that was given.
        key: K,
        /// How many were given on all pages before.
        given: usize,
    },
    /// Behind so many results, of groups or of a sorted list, which are made anew for every page.
    Skip(usize),
}

impl<K> Resume<K> {
    /// The key to begin behind, for those who can begin there.
    pub fn key(&self) -> Option<&K> {
        match self {
            Self::After { key, .. } => Some(key),
            Self::Skip(_) => None,
        }
    }

    /// The same place, with its key in another form.
    pub fn map<L>(self, form: impl FnOnce(K) -> L) -> Resume<L> {
        match self {
            Self::After { key, given } => Resume::After {
                key: form(key),
                given,
            },
            Self::Skip(given) => Resume::Skip(given),
        }
    }

    /// As [`Resume::map`], of a borrowed place.
    pub fn as_ref(&self) -> Resume<&K> {
        match self {
            Self::After { key, given } => Resume::After { key, given: *given },
            Self::Skip(given) => Resume::Skip(*given),
        }
    }

    fn given(&self) -> usize {
        match self {
            Self::After { given, .. } => *given,
            Self::Skip(given) => *given,
        }
    }
}

impl Query {
    /// The page that begins at `resume`, or the first one, of at most `most` results.
    ///
    /// `documents` come in ascending order of their keys, which are unique. Those up to [`Resume::key`] may be left out,
    /// unless the query groups or sorts.
    pub fn page<K: Ord, D: Document>(
        &self,
        documents: impl IntoIterator<Item = (K, D)>,
        resume: Option<&Resume<K>>,
        most: NonZeroUsize,
    ) -> Page<K> {
        let given = resume.map_or(0, Resume::given);
        let most = most
            .get()
            .min(self.top.unwrap_or(usize::MAX).saturating_sub(given));
        if most == 0 {
            return Page {
                items: Vec::new(),
                next: None,
            };
        }
        match &self.selection {
            Selection::Groups(columns) => {
                let mut groups = Groups::new(&self.groups, columns);
                for (_, document) in documents {
                    if self.matches(&document) {
                        groups.add(&document);
                    }
                }
                let mut rows = groups.into_rows();
                rows.sort_by(|left, right| self.compare_rows(left, right));
                self.cut(rows, given, most, |row| row)
            }
            _ if !self.order.is_empty() => {
                let documents = documents.into_iter().map(|(_, document)| document);
                let found: Vec<D> = documents
                    .filter(|document| self.matches(document))
                    .collect();
                self.cut(self.sorted(&found), given, most, |document| {
                    self.result(document)
                })
            }
            _ => self.walk(documents, resume, given, most),
        }
    }

    /// In the documents' own order, no further than needed to know whether there is a next page.
    fn walk<K: Ord, D: Document>(
        &self,
        documents: impl IntoIterator<Item = (K, D)>,
        resume: Option<&Resume<K>>,
        given: usize,
        most: usize,
    ) -> Page<K> {
        let after = resume.and_then(Resume::key);
        // A place in another query's results, if it leads here, is one in this one's.
        let skip = if after.is_some() { 0 } else { given };
        let mut matching = documents
            .into_iter()
            .filter(|(key, document)| {
                after.is_none_or(|after| key > after) && self.matches(document)
            })
            .skip(skip);
        let mut items = Vec::new();
        let mut last = None;
        for (key, document) in matching.by_ref().take(most) {
            items.push(self.result(&document));
            last = Some(key);
        }
        let given = given.saturating_add(items.len());
        let more = self.top.is_none_or(|top| given < top) && matching.next().is_some();
        let next = last
            .filter(|_| more)
            .map(|key| Resume::After { key, given });
        Page { items, next }
    }

    /// A page out of all results.
    fn cut<K, T>(
        &self,
        all: Vec<T>,
        given: usize,
        most: usize,
        result: impl Fn(T) -> Json,
    ) -> Page<K> {
        let total = all.len().min(self.top.unwrap_or(usize::MAX));
        let end = given.saturating_add(most);
        Page {
            items: all.into_iter().skip(given).take(most).map(result).collect(),
            next: (end < total).then_some(Resume::Skip(end)),
        }
    }

    fn result<D: Document>(&self, document: &D) -> Json {
        let columns = match &self.selection {
            Selection::Documents | Selection::Groups(_) => return document.to_json(),
            Selection::Columns(columns) => columns,
        };
        let fields = columns.iter().filter_map(|Column { name, content }| {
            let Content::Path(path) = content else {
                return None;
            };
            let value = document.find(path)?.into_owned();
            Some((name.clone(), value))
        });
        Json::Object(fields.collect())
    }

    /// Looks every value up once, however often it is compared.
    fn sorted<'d, D: Document>(&'d self, documents: &'d [D]) -> Vec<&'d D> {
        let keys_of = |document: &'d D| -> Vec<Value<'d>> {
            let keys = self.order.iter().map(|key| match &key.by {
                SortBy::Path(path) => Value::of_found(document.find(path)),
                SortBy::Column(_) => Value::Undefined,
            });
            keys.collect()
        };
        let mut keyed: Vec<(Vec<Value<'d>>, &D)> = documents
            .iter()
            .map(|document| (keys_of(document), document))
            .collect();
        keyed.sort_by(|(left, _), (right, _)| {
            self.compare(|index, _| left[index].sort_order(&right[index]))
        });
        keyed.into_iter().map(|(_, document)| document).collect()
    }

    fn compare_rows(&self, left: &Json, right: &Json) -> Ordering {
        self.compare(|_, by| match by {
            SortBy::Column(name) => cell(left, name).sort_order(&cell(right, name)),
            SortBy::Path(_) => Ordering::Equal,
        })
    }

    /// The first key by which two differ decides.
    fn compare(&self, by: impl Fn(usize, &SortBy) -> Ordering) -> Ordering {
        self.order
            .iter()
            .enumerate()
            .map(|(index, key)| {
                let order = by(index, &key.by);
                if key.descending {
                    order.reverse()
                } else {
                    order
                }
            })
            .find(|order| order.is_ne())
            .unwrap_or(Ordering::Equal)
    }
}

fn cell<'r>(row: &'r Json, name: &str) -> Value<'r> {
    row.get(name).map_or(Value::Undefined, Value::of_json)
}
