//! A small blob store beside the hub, for what goes through one at the real hub: files that devices upload, and the
//! import and export of identities. It speaks Azure Storage's REST API as far as the official clients ask for it.
//!
//! The hub's own listener serves it, below `/blob/{container}/{blob}`: the style of an emulator, in which the first
//! segment names the storage account. Clients that take a blob's URL apart know that style for `localhost`, and for
//! other names put the URL together again as it was.
//!
//! This file holds what is kept of containers and blobs; `sas` says who may do what; `room` keeps the bytes; the rest is
//! the REST face.
//!
//! **Not here:** page and append blobs, snapshots, leases, tags, copies between accounts, account keys in headers.
//!
//! **Invariant:** nothing is made, on disk or in memory, before the first container is.

pub(crate) mod change;
pub(crate) mod condition;
mod https;
pub(crate) mod room;
pub(crate) mod sas;

use std::collections::{BTreeMap, HashMap};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

pub(crate) use self::https::serve_request;
use crate::registry::{Body, StoredKey};

/// The storage account's name, and the first segment of every path.
pub(crate) const ACCOUNT: &str = "blob";
/// Blocks of one blob, as Azure Storage limits them.
pub(crate) const MAX_BLOCKS: usize = 50_000;
/// Longest name of a blob, as Azure Storage limits it.
const LONGEST_NAME: usize = 1024;

/// All that is kept.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Blobs {
    /// The account's key, which signs every URI. Made when it is first needed.
    pub(crate) key: Option<StoredKey>,
    pub(crate) containers: BTreeMap<String, Container>,
    /// Raised by every write, so that no two versions of a blob have one entity tag.
    revision: u64,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Container {
    pub(crate) made: Timestamp,
    pub(crate) blobs: BTreeMap<String, Blob>,
    /// Blocks that are in no blob yet, by blob and block id.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) staged: BTreeMap<String, BTreeMap<String, Staged>>,
}

/// One blob, which others can read.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Blob {
    pub(crate) parts: Vec<Part>,
    pub(crate) about: About,
    pub(crate) created: Timestamp,
    pub(crate) modified: Timestamp,
    revision: u64,
}

/// What a writer says of a blob.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct About {
    /// Headers that readers get back: `content-type` and its siblings, by their names in lower case.
    pub(crate) headers: BTreeMap<String, String>,
    /// `x-ms-meta-…`, by the names without that.
    pub(crate) metadata: BTreeMap<String, String>,
}

/// A piece of a blob.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Part {
    /// Names its file, where there is one.
    pub(crate) id: Uuid,
    /// The block it was written as; empty for a blob that was written whole.
    pub(crate) block: String,
    pub(crate) length: u64,
    /// The bytes, where they are not in a file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) inline: Option<Body>,
}

/// A block that waits to be put into its blob.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Staged {
    pub(crate) part: Part,
    pub(crate) at: Timestamp,
}

/// A blob as it is written.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct NewBlob {
    pub(crate) parts: Vec<Part>,
    pub(crate) about: About,
}

impl Container {
    fn new(made: Timestamp) -> Self {
        Self {
            made,
            blobs: BTreeMap::new(),
            staged: BTreeMap::new(),
        }
    }
}

impl Blob {
    pub(crate) fn content_type(&self) -> &str {
        let given = self.about.headers.get("content-type");
        given.map_or("application/octet-stream", String::as_str)
    }

    pub(crate) fn length(&self) -> u64 {
        self.parts.iter().map(|part| part.length).sum()
    }

    /// The entity tag, without quotes.
    pub(crate) fn etag(&self) -> String {
        format!("0x8D{:013X}", self.revision)
    }
}

impl Blobs {
    /// Takes the place of others, of which no entity tag is to stand for anything here.
    pub(crate) fn go_on_from(&mut self, replaced: &Self) {
        self.revision = self.revision.max(replaced.revision);
    }

    pub(crate) fn container(&self, name: &str) -> Option<&Container> {
        self.containers.get(name)
    }

    pub(crate) fn blob(&self, container: &str, name: &str) -> Option<&Blob> {
        self.containers.get(container)?.blobs.get(name)
    }

    /// Every part that is kept for one blob, written or not, with its length.
    pub(crate) fn parts_of(&self, container: &str, name: &str) -> HashMap<Uuid, u64> {
        let container = self.containers.get(container);
        let staged = container.and_then(|c| c.staged.get(name)).into_iter();
        let written = container.and_then(|c| c.blobs.get(name)).into_iter();
        staged
            .flat_map(|blocks| blocks.values().map(|block| &block.part))
            .chain(written.flat_map(|blob| &blob.parts))
            .map(|part| (part.id, part.length))
            .collect()
    }

    /// Every part that is kept at all.
    pub(crate) fn all_parts(&self) -> HashMap<Uuid, u64> {
        let mut all = HashMap::new();
        for container in self.containers.values() {
            let staged = container.staged.values().flat_map(BTreeMap::values);
            let written = container.blobs.values().flat_map(|blob| &blob.parts);
            let parts = staged.map(|block| &block.part).chain(written);
            all.extend(parts.map(|part| (part.id, part.length)));
        }
        all
    }

    /// The blobs whose blocks nobody has put together since `before`.
    pub(crate) fn stale(&self, before: Timestamp) -> Vec<(String, String)> {
        let mut stale = Vec::new();
        for (name, container) in &self.containers {
            for (blob, blocks) in &container.staged {
                if blocks.values().all(|block| block.at < before) {
                    stale.push((name.clone(), blob.clone()));
                }
            }
        }
        stale
    }
}

/// Whether this can be a container's name: 3 to 63 of lower-case letters, digits and single hyphens.
pub(crate) fn is_container_name(name: &str) -> bool {
    let is_allowed = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    (3..=63).contains(&name.len())
        && name.bytes().all(is_allowed)
        && !name.starts_with('-')
        && !name.ends_with('-')
        && !name.contains("--")
}

/// Whether this can be a blob's name.
pub(crate) fn is_blob_name(name: &str) -> bool {
    !name.is_empty() && name.chars().count() <= LONGEST_NAME && !name.contains('\0')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_azure_storage() {
        for name in ["abc", "device-files", "a1b", &"a".repeat(63)] {
            assert!(is_container_name(name), "{name}");
        }
        let long = "a".repeat(64);
        for name in [
            "", "ab", "Abc", "a--b", "-ab", "ab-", "a_b", "$web", "ä12", &long,
        ] {
            assert!(!is_container_name(name), "{name}");
        }
        assert!(is_blob_name("pump7/a b.txt"));
        assert!(is_blob_name(&"ä".repeat(1024)));
        assert!(!is_blob_name(""));
        assert!(!is_blob_name(&"ä".repeat(1025)));
        assert!(!is_blob_name("a\0b"));
    }
}
