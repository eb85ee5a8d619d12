//! Containers and blobs under the hub's lock: what is written, put together, and removed.

use std::collections::HashMap;
use std::io;
use std::time::Duration;

use hub_proto::sas::SymmetricKey;
use jiff::Timestamp;
use serde_json::{Value, json};
use thiserror::Error;
use uuid::Uuid;

use super::{Core, Hub};
use crate::blob::change::BlobChange;
use crate::blob::condition::{Condition, Unmet};
use crate::blob::{About, Blob, MAX_BLOCKS, NewBlob, Part};
use crate::change::Change;
use crate::registry::StoredKey;

/// How long blocks wait to be put together.
const BLOCK_LIFE: Duration = Duration::from_secs(7 * 24 * 3600);

/// Why a blob was not written, read or removed.
#[derive(Debug, Error)]
pub(crate) enum BlobFault {
    #[error("The specified container does not exist.")]
    NoContainer,
    #[error("The specified blob does not exist.")]
    NoBlob,
    #[error("The condition specified using HTTP conditional header(s) is not met.")]
    Condition(Unmet),
    #[error("The block list names {0:?}, which is not there.")]
    NoBlock(String),
    #[error("A blob has at most {MAX_BLOCKS} blocks.")]
    TooManyBlocks,
    #[error("The journal cannot be written.")]
    Journal(#[from] io::Error),
}

/// Where a block list looks for a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Among {
    Committed,
    Uncommitted,
    /// Among those that wait first.
    Latest,
}

impl Hub {
    /// The key that signs blobs' URIs; nothing before anybody has needed it.
    pub(crate) fn blob_key(&self) -> Option<SymmetricKey> {
        let core = self.lock();
        core.registry.blobs.key.as_ref().map(StoredKey::key)
    }

    /// Makes a container, and the key that signs URIs into it, if they are not there; returns the key.
    ///
    /// # Errors
    /// When the journal cannot be written.
    pub(crate) fn ensure_container(&self, name: &str, now: Timestamp) -> io::Result<SymmetricKey> {
        let mut core = self.lock();
        if core.registry.blobs.key.is_none() {
            let key = StoredKey::generate();
            core.change_blobs(BlobChange::KeySet { key });
        }
        if core.registry.blobs.container(name).is_none() {
            core.change_blobs(BlobChange::ContainerMade {
                container: name.to_owned(),
                at: now,
            });
        }
        self.commit(&mut core)?;
        let key = core.registry.blobs.key.as_ref();
        key.map(StoredKey::key)
            .ok_or_else(|| io::Error::other("the blob store has no key"))
    }

    /// One blob.
    ///
    /// # Errors
    /// When it, or its container, is not there, or the journal cannot be written.
    pub(crate) fn blob(&self, container: &str, name: &str) -> Result<Blob, BlobFault> {
        let core = self.lock_kept()?;
        core.check_container(container)?;
        let found = core.registry.blobs.blob(container, name);
        found.cloned().ok_or(BlobFault::NoBlob)
    }

    /// What `look` makes of a container.
    ///
    /// # Errors
    /// When it is not there, or the journal cannot be written.
    pub(crate) fn container<T>(
        &self,
        name: &str,
        look: impl FnOnce(&crate::blob::Container) -> T,
    ) -> Result<T, BlobFault> {
        let core = self.lock_kept()?;
        let found = core.registry.blobs.container(name);
        found.map(look).ok_or(BlobFault::NoContainer)
    }

    /// Puts a blob in its place; returns it as it is then.
    ///
    /// # Errors
    /// When the container is not there, a condition does not hold, or the journal cannot be written.
    pub(crate) fn put_blob(
        &self,
        (container, name): (&str, &str),
        new: NewBlob,
        condition: &Condition,
        now: Timestamp,
    ) -> Result<Blob, BlobFault> {
        let mut core = self.lock();
        core.check_condition(container, name, condition)?;
        self.place_blob(&mut core, (container, name), new, now)
    }

    /// Keeps a block until its blob is put together.
    ///
    /// # Errors
    /// When the container is not there, there are too many blocks, or the journal cannot be written.
    pub(crate) fn stage_block(
        &self,
        container: &str,
        name: &str,
        part: Part,
        now: Timestamp,
    ) -> Result<(), BlobFault> {
        let mut core = self.lock();
        core.check_container(container)?;
        let staged = core.registry.blobs.container(container);
        let staged = staged.and_then(|container| container.staged.get(name));
        if staged
            .is_some_and(|blocks| blocks.len() >= MAX_BLOCKS && !blocks.contains_key(&part.block))
        {
            return Err(BlobFault::TooManyBlocks);
        }
        let before = core.registry.blobs.parts_of(container, name);
        core.change_blobs(BlobChange::Staged {
            container: container.to_owned(),
            name: name.to_owned(),
            part,
            at: now,
        });
        self.forget_parts(&mut core, (container, name), before)?;
        Ok(())
    }

    /// Puts a blob together from blocks; returns it as it is then. Blocks that it does not name are forgotten.
    ///
    /// # Errors
    /// As [`Hub::put_blob`], and when a block is not there.
    pub(crate) fn put_blocks(
        &self,
        (container, name): (&str, &str),
        blocks: &[(Among, String)],
        about: About,
        condition: &Condition,
        now: Timestamp,
    ) -> Result<Blob, BlobFault> {
        let mut core = self.lock();
        core.check_condition(container, name, condition)?;
        let parts = core.parts_for(container, name, blocks)?;
        let new = NewBlob { parts, about };
        self.place_blob(&mut core, (container, name), new, now)
    }

    /// Removes a blob.
    ///
    /// # Errors
    /// When it is not there, a condition does not hold, or the journal cannot be written.
    pub(crate) fn remove_blob(
        &self,
        container: &str,
        name: &str,
        condition: &Condition,
    ) -> Result<(), BlobFault> {
        let mut core = self.lock();
        core.check_condition(container, name, condition)?;
        if core.registry.blobs.blob(container, name).is_none() {
            return Err(BlobFault::NoBlob);
        }
        let before = core.registry.blobs.parts_of(container, name);
        core.change_blobs(BlobChange::Removed {
            container: container.to_owned(),
            name: name.to_owned(),
        });
        self.forget_parts(&mut core, (container, name), before)?;
        Ok(())
    }

    /// Every container with its blobs.
    pub(crate) fn blobs(&self) -> Value {
        let core = self.lock();
        let containers = core.registry.blobs.containers.iter();
        let containers = containers.map(|(name, container)| {
            let blobs = container.blobs.iter().map(|(name, blob)| {
                json!({
                    "name": name,
                    "contentLength": blob.length(),
                    "contentType": blob.content_type(),
                    "etag": blob.etag(),
                    "lastModified": blob.modified,
                })
            });
            json!({"name": name, "blobs": blobs.collect::<Vec<_>>()})
        });
        json!({"containers": containers.collect::<Vec<_>>()})
    }

    /// Forgets blocks that nobody has put together for a week, as Azure Storage does.
    pub(super) fn forget_stale_blocks(&self, core: &mut Core, now: Timestamp) -> io::Result<()> {
        for (container, name) in core.registry.blobs.stale(now - BLOCK_LIFE) {
            let place = (container.as_str(), name.as_str());
            let before = core.registry.blobs.parts_of(&container, &name);
            core.change_blobs(BlobChange::Unstaged {
                container: container.clone(),
                name: name.clone(),
            });
            self.forget_parts(core, place, before)?;
        }
        Ok(())
    }

    fn place_blob(
        &self,
        core: &mut Core,
        (container, name): (&str, &str),
        new: NewBlob,
        now: Timestamp,
    ) -> Result<Blob, BlobFault> {
        let before = core.registry.blobs.parts_of(container, name);
        core.change_blobs(BlobChange::Put {
            container: container.to_owned(),
            name: name.to_owned(),
            new,
            at: now,
        });
        self.forget_parts(core, (container, name), before)?;
        let placed = core.registry.blobs.blob(container, name);
        placed.cloned().ok_or(BlobFault::NoBlob)
    }

    /// Commits, and removes what a change has left of `before` without anything that speaks of it.
    fn forget_parts(
        &self,
        core: &mut Core,
        (container, name): (&str, &str),
        mut before: HashMap<Uuid, u64>,
    ) -> io::Result<()> {
        self.commit(core)?;
        let after = core.registry.blobs.parts_of(container, name);
        before.retain(|id, _| !after.contains_key(id));
        self.room.remove(&before);
        Ok(())
    }
}

impl Core {
    fn change_blobs(&mut self, what: BlobChange) {
        self.record(Change::Blobs {
            what: Box::new(what),
        });
    }

    fn check_container(&self, name: &str) -> Result<(), BlobFault> {
        let found = self.registry.blobs.container(name);
        found.map(drop).ok_or(BlobFault::NoContainer)
    }

    fn check_condition(
        &self,
        container: &str,
        name: &str,
        condition: &Condition,
    ) -> Result<(), BlobFault> {
        self.check_container(container)?;
        let etag = self.registry.blobs.blob(container, name).map(Blob::etag);
        condition
            .check(etag.as_deref())
            .map_err(BlobFault::Condition)
    }

    fn parts_for(
        &self,
        container: &str,
        name: &str,
        blocks: &[(Among, String)],
    ) -> Result<Vec<Part>, BlobFault> {
        if blocks.len() > MAX_BLOCKS {
            return Err(BlobFault::TooManyBlocks);
        }
        let written = self.registry.blobs.blob(container, name);
        let written: HashMap<&str, &Part> = written
            .into_iter()
            .flat_map(|blob| &blob.parts)
            .map(|part| (part.block.as_str(), part))
            .collect();
        let container = self.registry.blobs.container(container);
        let staged = container.and_then(|container| container.staged.get(name));
        let parts = blocks.iter().map(|(among, id)| {
            let waiting = staged.and_then(|blocks| blocks.get(id)).map(|b| &b.part);
            let there = written.get(id.as_str()).copied();
            let found = match among {
                Among::Committed => there,
                Among::Uncommitted => waiting,
                Among::Latest => waiting.or(there),
            };
            found.cloned().ok_or_else(|| BlobFault::NoBlock(id.clone()))
        });
        parts.collect()
    }
}
