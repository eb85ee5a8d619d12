//! The changes of containers and blobs, as the journal has them.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{Blob, Blobs, Container, NewBlob, Part, Staged};
use crate::registry::StoredKey;

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(tag = "blob", rename_all = "camelCase")]
pub(crate) enum BlobChange {
    KeySet {
        key: StoredKey,
    },
    ContainerMade {
        container: String,
        at: Timestamp,
    },
    /// A blob was written, or put together.
    Put {
        container: String,
        name: String,
        new: NewBlob,
        at: Timestamp,
    },
    /// A block of it came in.
    Staged {
        container: String,
        name: String,
        part: Part,
        at: Timestamp,
    },
    /// Blocks that came in were not wanted.
    Unstaged {
        container: String,
        name: String,
    },
    Removed {
        container: String,
        name: String,
    },
}

impl Blobs {
    /// Carries out one change. A container that is not there is no error: the change then means nothing.
    pub(crate) fn apply(&mut self, change: BlobChange) {
        match change {
            BlobChange::KeySet { key } => self.key = Some(key),
            BlobChange::ContainerMade { container, at } => {
                self.containers
                    .entry(container)
                    .or_insert_with(|| Container::new(at));
            }
            BlobChange::Put {
                container,
                name,
                new,
                at,
            } => self.put(&container, name, new, at),
            BlobChange::Staged {
                container,
                name,
                part,
                at,
            } => {
                if let Some(container) = self.containers.get_mut(&container) {
                    let blocks = container.staged.entry(name).or_default();
                    blocks.insert(part.block.clone(), Staged { part, at });
                }
            }
            BlobChange::Unstaged { container, name } => {
                if let Some(container) = self.containers.get_mut(&container) {
                    container.staged.remove(&name);
                }
            }
            BlobChange::Removed { container, name } => {
                if let Some(container) = self.containers.get_mut(&container) {
                    container.blobs.remove(&name);
                }
            }
        }
    }

    fn put(&mut self, container: &str, name: String, new: NewBlob, at: Timestamp) {
        let Some(container) = self.containers.get_mut(container) else {
            return;
        };
        self.revision += 1;
        container.staged.remove(&name);
        let created = container.blobs.get(&name).map_or(at, |blob| blob.created);
        let blob = Blob {
            parts: new.parts,
            about: new.about,
            created,
            modified: at,
            revision: self.revision,
        };
        container.blobs.insert(name, blob);
    }
}
