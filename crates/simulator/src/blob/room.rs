//! Where the bytes of blobs are: files below the state directory, or memory. Bounded either way.
//!
//! A part is written before anything says that it is there, and removed after nothing does any more; what a kill leaves
//! in between is swept out at the next start.

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::{Bytes, BytesMut};
use thiserror::Error;
use tokio::fs::{self, File};
use tokio::io::AsyncWriteExt;
use uuid::Uuid;

use super::Part;
use crate::registry::Body;

/// Bytes on disk.
const ON_DISK: u64 = 4 << 30;
/// Bytes in memory.
const IN_MEMORY: u64 = 64 << 20;

/// What a part takes besides its bytes, at most: its entry and its place in the journal. Without it, parts without bytes
/// would have no bound.
const ENTRY: u64 = 1 << 10;

/// Why a part was not kept.
#[derive(Debug, Error)]
pub(crate) enum RoomFault {
    #[error("the blob store is full: it holds {0} bytes at most")]
    Full(u64),
    #[error("the blob's bytes cannot be written")]
    Io(#[from] io::Error),
}

/// What is there for all blobs of a hub together.
#[derive(Debug)]
pub(crate) struct Room {
    directory: Option<PathBuf>,
    limit: u64,
    used: AtomicU64,
}

impl Room {
    /// Room below a hub's state directory, or in memory, for what `kept` says is there. Files of nobody are removed.
    pub(crate) fn open(state: Option<&Path>, kept: &HashMap<Uuid, u64>) -> Arc<Self> {
        let directory = state.map(|state| state.join("blobs"));
        if let Some(directory) = &directory {
            sweep(directory, kept);
        }
        Arc::new(Self {
            limit: if directory.is_some() {
                ON_DISK
            } else {
                IN_MEMORY
            },
            directory,
            used: AtomicU64::new(size(kept)),
        })
    }

    /// The file of a part; nothing if parts are in memory.
    pub(crate) fn path(&self, id: Uuid) -> Option<PathBuf> {
        Some(self.directory.as_ref()?.join(id.simple().to_string()))
    }

    /// Bytes that parts take, with their entries.
    #[cfg(test)]
    pub(crate) fn used(&self) -> u64 {
        self.used.load(Ordering::Relaxed)
    }

    /// Begins a part.
    ///
    /// # Errors
    /// When its file cannot be made.
    pub(crate) async fn begin(self: &Arc<Self>) -> Result<Draft, RoomFault> {
        let mut draft = self.draft()?;
        if let (Some(directory), Some(path)) = (&self.directory, self.path(draft.id)) {
            fs::DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(directory)
                .await?;
            let mut options = File::options();
            let file = options.write(true).create_new(true).mode(0o600);
            draft.sink = Sink::File(file.open(path).await?);
        }
        Ok(draft)
    }

    /// A part in memory, with room for its entry.
    fn draft(self: &Arc<Self>) -> Result<Draft, RoomFault> {
        self.take(ENTRY)?;
        Ok(Draft {
            room: self.clone(),
            id: Uuid::new_v4(),
            length: 0,
            sink: Sink::Memory(BytesMut::new()),
            kept: false,
        })
    }

    /// Takes room for so many bytes more.
    fn take(&self, bytes: u64) -> Result<(), RoomFault> {
        let taken = self
            .used
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |used| {
                used.checked_add(bytes).filter(|used| *used <= self.limit)
            });
        taken.map(drop).map_err(|_| RoomFault::Full(self.limit))
    }

    /// Removes parts that nothing speaks of any more.
    pub(crate) fn remove(&self, parts: &HashMap<Uuid, u64>) {
        self.give_back(parts);
        self.remove_files(parts.keys());
    }

    /// Other parts have taken the place of these. Files are left as they are.
    pub(crate) fn replace(&self, parts: &HashMap<Uuid, u64>, others: &HashMap<Uuid, u64>) {
        // There may be more than there is room for: then nothing is taken until there is again.
        self.used.fetch_add(size(others), Ordering::Relaxed);
        self.give_back(parts);
    }

    fn give_back(&self, parts: &HashMap<Uuid, u64>) {
        self.used.fetch_sub(size(parts), Ordering::Relaxed);
    }

    /// Removes the files of parts that nothing speaks of any more.
    pub(crate) fn remove_files<'a>(&self, parts: impl Iterator<Item = &'a Uuid>) {
        for path in parts.filter_map(|id| self.path(*id)) {
            if let Err(error) = std::fs::remove_file(&path)
                && error.kind() != io::ErrorKind::NotFound
            {
                tracing::warn!(%error, path = %path.display(), "a blob's file cannot be removed");
            }
        }
    }
}

/// A part that is being written, and is gone when it is dropped unless it was kept.
#[derive(Debug)]
pub(crate) struct Draft {
    room: Arc<Room>,
    id: Uuid,
    length: u64,
    sink: Sink,
    kept: bool,
}

#[derive(Debug)]
enum Sink {
    File(File),
    Memory(BytesMut),
}

impl Draft {
    /// Adds bytes.
    ///
    /// # Errors
    /// When there is no room for them, or they cannot be written.
    pub(crate) async fn write(&mut self, bytes: &Bytes) -> Result<(), RoomFault> {
        let more = bytes.len() as u64;
        self.room.take(more)?;
        self.length += more;
        match &mut self.sink {
            Sink::File(file) => file.write_all(bytes).await?,
            Sink::Memory(memory) => memory.extend_from_slice(bytes),
        }
        Ok(())
    }

    /// The part as it is now, as block `block` of its blob. It still has to be kept.
    ///
    /// # Errors
    /// When the last of it cannot be written.
    pub(crate) async fn finish(&mut self, block: &str) -> Result<Part, RoomFault> {
        let inline = match &mut self.sink {
            Sink::File(file) => {
                file.flush().await?;
                None
            }
            Sink::Memory(memory) => Some(Body(std::mem::take(memory).freeze())),
        };
        Ok(Part {
            id: self.id,
            block: block.to_owned(),
            length: self.length,
            inline,
        })
    }

    /// From here on something speaks of it.
    pub(crate) fn keep(mut self) {
        self.kept = true;
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        if !self.kept {
            self.room.remove(&HashMap::from([(self.id, self.length)]));
        }
    }
}

/// What parts take, with their entries.
fn size(parts: &HashMap<Uuid, u64>) -> u64 {
    parts.values().map(|length| length + ENTRY).sum()
}

fn sweep(directory: &Path, kept: &HashMap<Uuid, u64>) {
    // Nobody has used it yet, which is how nearly every hub starts.
    let Ok(entries) = std::fs::read_dir(directory) else {
        return;
    };
    for entry in entries.flatten() {
        let id = entry
            .file_name()
            .to_str()
            .and_then(|name| name.parse().ok());
        if id.is_some_and(|id: Uuid| !kept.contains_key(&id))
            && let Err(error) = std::fs::remove_file(entry.path())
        {
            tracing::warn!(%error, path = %entry.path().display(), "a blob's file cannot be removed");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn written(room: &Arc<Room>, bytes: &'static [u8]) -> (Draft, Part) {
        let mut draft = room.begin().await.expect("it can be made");
        draft.write(&Bytes::from_static(bytes)).await.expect("room");
        let part = draft.finish("").await.expect("it writes");
        (draft, part)
    }

    #[tokio::test]
    async fn a_draft_that_is_not_kept_leaves_nothing() {
        let directory = tempfile::tempdir().expect("a directory");
        let room = Room::open(Some(directory.path()), &HashMap::new());
        assert!(!directory.path().join("blobs").exists());
        let (draft, part) = written(&room, b"hello").await;
        let path = room.path(part.id).expect("a file");
        assert_eq!(std::fs::read(&path).expect("it is there"), b"hello");
        drop(draft);
        assert!(!path.exists());
        assert_eq!(room.used(), 0);
    }

    #[tokio::test]
    async fn what_a_kill_left_behind_is_swept_out() {
        let directory = tempfile::tempdir().expect("a directory");
        let room = Room::open(Some(directory.path()), &HashMap::new());
        let (first, kept) = written(&room, b"kept").await;
        let (second, left) = written(&room, b"left").await;
        first.keep();
        second.keep();
        let known = HashMap::from([(kept.id, kept.length)]);
        let room = Room::open(Some(directory.path()), &known);
        assert!(room.path(kept.id).is_some_and(|path| path.exists()));
        assert!(room.path(left.id).is_some_and(|path| !path.exists()));
        assert_eq!(room.used(), 4 + ENTRY);
    }

    #[tokio::test]
    async fn memory_is_bounded_and_given_back() {
        let room = Room::open(None, &HashMap::new());
        let all = Bytes::from(vec![0; (IN_MEMORY - ENTRY) as usize]);
        let mut draft = room.begin().await.expect("it can be made");
        draft.write(&all).await.expect("room");
        let full = draft.write(&Bytes::from_static(b"x")).await;
        assert!(matches!(full, Err(RoomFault::Full(IN_MEMORY))));
        let empty = room.begin().await;
        assert!(matches!(empty, Err(RoomFault::Full(IN_MEMORY))));
        drop(draft);
        let (draft, part) = written(&room, b"x").await;
        draft.keep();
        assert_eq!(part.inline, Some(Body(Bytes::from_static(b"x"))));
    }
}
