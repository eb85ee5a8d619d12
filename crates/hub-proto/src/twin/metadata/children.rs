//! The stamps of the properties below one.

use std::fmt;
use std::ops::Index;

use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::Metadata;

/// Stamps by the names of their properties, in the order of the names.
///
/// A list, since most objects have few properties and a registry has many objects: a node of a tree takes a kilobyte,
/// for one property or for eleven.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Children(Vec<(Box<str>, Metadata)>);

impl Children {
    pub(super) const fn new() -> Self {
        Self(Vec::new())
    }

    /// How many properties there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The stamp of one property.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Metadata> {
        self.place(name).ok().map(|at| &self.0[at].1)
    }

    /// All of them by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &Metadata)> {
        self.0.iter().map(|(name, stamp)| (name.as_ref(), stamp))
    }

    pub(super) fn remove(&mut self, name: &str) {
        if let Ok(at) = self.place(name) {
            self.0.remove(at);
        }
    }

    pub(super) fn insert(&mut self, name: &str, stamp: Metadata) {
        // What lay below the property that was there is gone with it.
        self.remove(name);
        self.entry(name, || stamp);
    }

    /// The stamp under a name, which is made when there is none.
    pub(super) fn entry(&mut self, name: &str, new: impl FnOnce() -> Metadata) -> &mut Metadata {
        let at = match self.place(name) {
            Ok(at) => at,
            Err(at) => {
                self.0.reserve_exact(1);
                self.0.insert(at, (name.into(), new()));
                at
            }
        };
        &mut self.0[at].1
    }

    fn place(&self, name: &str) -> Result<usize, usize> {
        self.0.binary_search_by(|(own, _)| own.as_ref().cmp(name))
    }
}

impl Index<&str> for Children {
    type Output = Metadata;

    /// # Panics
    /// When there is none of that name.
    fn index(&self, name: &str) -> &Metadata {
        self.get(name).expect("a property of that name")
    }
}

impl Serialize for Children {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.iter())
    }
}

impl<'de> Deserialize<'de> for Children {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Stamps;

        impl<'de> Visitor<'de> for Stamps {
            type Value = Children;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("stamps by name")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Children, A::Error> {
                let mut stamps: Vec<(Box<str>, Metadata)> = Vec::new();
                while let Some(stamp) = map.next_entry()? {
                    stamps.push(stamp);
                }
                stamps.sort_by(|(left, _), (right, _)| left.cmp(right));
                stamps.dedup_by(|(right, _), (left, _)| left == right);
                stamps.shrink_to_fit();
                Ok(Children(stamps))
            }
        }

        deserializer.deserialize_map(Stamps)
    }
}
