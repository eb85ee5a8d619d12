//! What is asked.

use std::borrow::Cow;

use serde_json::Value as Json;

use crate::path::{Path, Step};

/// A document queries are asked about. Implement it where a document is stored in another form than JSON: the fields a
/// condition asks for can then be found without putting all of it together.
pub trait Document {
    /// The value at a path, or none when there is nothing.
    fn find(&self, path: &Path) -> Option<Cow<'_, Json>>;

    /// The whole document, for `SELECT *`.
    fn to_json(&self) -> Json;
}

impl Document for Json {
    fn find(&self, path: &Path) -> Option<Cow<'_, Json>> {
        let (field, rest) = path.split();
        Step::walk(rest, self.as_object()?.get(field)?).map(Cow::Borrowed)
    }

    fn to_json(&self) -> Json {
        self.clone()
    }
}

impl<D: Document + ?Sized> Document for &D {
    fn find(&self, path: &Path) -> Option<Cow<'_, Json>> {
        (**self).find(path)
    }

    fn to_json(&self) -> Json {
        (**self).to_json()
    }
}
