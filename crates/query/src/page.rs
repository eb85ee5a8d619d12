//! Results, a page at a time.

use std::cmp::Ordering;
use std::num::NonZeroUsize;

use serde_json::Value as Json;

use crate::document::Document;
use crate::paging::Outcome;
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

    pub(crate) fn given(&self) -> usize {
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
        let after = resume.and_then(Resume::key).filter(|_| self.lists());
        let mut paging = self.paging(resume, most);
        // A sorted list is made of documents that were all seen before the first is chosen.
        let mut seen = Vec::new();
        for (key, document) in documents {
            if after.is_some_and(|after| key <= *after) {
                continue;
            }
            let at = seen.len();
            let wants_more = paging.offer(&document, || (key, at));
            if self.sorts() {
                seen.push(document);
            }
            if !wants_more {
                break;
            }
        }
        let (items, next) = match paging.finish() {
            Outcome::Whole(page) => (page.items, page.next),
            Outcome::Of(chosen, next) => {
                let items = chosen.iter().map(|(_, at)| self.result(&seen[*at]));
                (items.collect(), next)
            }
        };
        let next = next.map(|resume| resume.map(|(key, _)| key));
        Page { items, next }
    }

    /// Whether its results are a list in the order of the documents' own keys, which goes on behind a key.
    pub fn lists(&self) -> bool {
        self.order.is_empty() && !matches!(self.selection, Selection::Groups(_))
    }

    fn sorts(&self) -> bool {
        !self.order.is_empty() && !matches!(self.selection, Selection::Groups(_))
    }

    /// What a document is on the page: itself, or what the query selects of it.
    pub fn result<D: Document + ?Sized>(&self, document: &D) -> Json {
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

    pub(crate) fn sorted_rows(&self, mut rows: Vec<Json>) -> Vec<Json> {
        rows.sort_by(|left, right| {
            self.compare(|_, by| match by {
                SortBy::Column(name) => cell(left, name).sort_order(&cell(right, name)),
                SortBy::Path(_) => Ordering::Equal,
            })
        });
        rows
    }

    /// The first key by which two differ decides.
    pub(crate) fn compare(&self, by: impl Fn(usize, &SortBy) -> Ordering) -> Ordering {
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
