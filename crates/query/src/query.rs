//! A query, compiled.

use std::collections::BTreeSet;

use crate::aggregate::Aggregate;
use crate::document::Document;
use crate::error::QueryError;
use crate::expression::Expression;
use crate::parse;
use crate::path::Path;

/// What can be queried. The names are the service's, and the caller says which of them it has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Collection {
    /// As in `FROM`, in any case there.
    pub name: &'static str,
    /// Whether it gives whole documents only: `SELECT *`, without groups.
    pub whole: bool,
}

impl Collection {
    /// Device twins.
    pub const DEVICES: Self = Self::new("devices");
    /// Module twins.
    pub const MODULES: Self = Self::new("devices.modules");
    /// What jobs did to each device. Projections and groups are not supported, says the documentation.
    pub const JOBS: Self = Self::whole("devices.jobs");
    /// Enrolments of single devices.
    pub const ENROLLMENTS: Self = Self::whole("enrollments");
    /// Enrolment groups.
    pub const ENROLLMENT_GROUPS: Self = Self::whole("enrollmentGroups");

    /// A collection that gives all a query can ask for.
    pub const fn new(name: &'static str) -> Self {
        Self { name, whole: false }
    }

    /// A collection that gives whole documents only.
    pub const fn whole(name: &'static str) -> Self {
        Self { name, whole: true }
    }
}

/// A query, compiled.
#[derive(Clone, Debug)]
pub struct Query {
    pub(crate) collection: Collection,
    pub(crate) selection: Selection,
    /// The most results there are, over all pages.
    pub(crate) top: Option<usize>,
    pub(crate) condition: Option<Expression>,
    pub(crate) groups: Vec<Path>,
    pub(crate) order: Vec<SortKey>,
}

#[derive(Clone, Debug)]
pub(crate) enum Selection {
    /// `*`
    Documents,
    /// A new document of each.
    Columns(Vec<Column>),
    /// A new document of each group.
    Groups(Vec<Column>),
}

#[derive(Clone, Debug)]
pub(crate) struct Column {
    pub(crate) name: String,
    pub(crate) content: Content,
}

#[derive(Clone, Debug)]
pub(crate) enum Content {
    Path(Path),
    Aggregate(Aggregate, Option<Path>),
}

#[derive(Clone, Debug)]
pub(crate) struct SortKey {
    pub(crate) by: SortBy,
    pub(crate) descending: bool,
}

#[derive(Clone, Debug)]
pub(crate) enum SortBy {
    /// A value of the document.
    Path(Path),
    /// A column of the result, of groups.
    Column(String),
}

impl Query {
    /// Longer texts than this are refused, as documented.
    pub const MAX_CHARACTERS: usize = 8192;

    /// Compiles a query over one of these collections.
    ///
    /// # Errors
    ///
    /// The first thing that is wrong with it.
    pub fn parse(text: &str, collections: &[Collection]) -> Result<Self, QueryError> {
        parse::query(text, collections).map_err(|mistake| mistake.of(text))
    }

    /// Compiles a condition alone, as deployments and jobs name their targets: `tags.site = 'north'`, or `*` for all.
    ///
    /// # Errors
    ///
    /// The first thing that is wrong with it.
    pub fn parse_condition(text: &str, collection: Collection) -> Result<Self, QueryError> {
        let condition = match text.trim() {
            "*" => None,
            _ => Some(parse::condition(text, collection).map_err(|mistake| mistake.of(text))?),
        };
        Ok(Self {
            collection,
            selection: Selection::Documents,
            top: None,
            condition,
            groups: Vec::new(),
            order: Vec::new(),
        })
    }

    /// What it asks about: one of those it was parsed with.
    pub fn collection(&self) -> Collection {
        self.collection
    }

    /// Whether its results are whole documents, and not documents made of parts of them.
    pub fn selects_documents(&self) -> bool {
        matches!(self.selection, Selection::Documents)
    }

    /// Whether a document fulfils the condition.
    pub fn matches<D: Document + ?Sized>(&self, document: &D) -> bool {
        self.condition
            .as_ref()
            .is_none_or(|condition| condition.holds(document))
    }

    /// The only values of a field at the top with which a document can fulfil the condition, as far as can be seen:
    /// `deviceId = 'a'`, `deviceId IN ['a', 'b']`, and what AND and OR make of these. None when there may be any others.
    pub fn values_of(&self, field: &str) -> Option<BTreeSet<&str>> {
        self.condition.as_ref()?.values_of(field)
    }
}
