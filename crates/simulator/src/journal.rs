//! The journal: every accepted change, in order, in one append-only log.
//!
//! A record is staged while the core is locked and written by [`Journal::commit`] before anybody is told that it
//! happened; so what was acknowledged survives a kill at any instant. The log is cut into segments, each of which
//! begins with a snapshot of everything but the events, so that old segments can go when retention is over.
//!
//! A torn frame at the end of the newest segment is what a kill leaves behind: it was never acknowledged and is cut off.
//!
//! Files hold keys and can be read by their owner only.
//!
//! **Not here:** what a record means (`change.rs`, `events.rs`), and protection against power loss: pages are handed to
//! the operating system, which is what a killed process needs; a desk simulator does not wait for the disk.

mod frame;
mod segments;

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

use self::frame::{HEADER, frame_at, header, is_torn, push_frame, read_frames};
use self::segments::{Sink, segment_path, segments};

/// What a frame holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The whole state without events, as JSON; always the first frame of a segment.
    Snapshot = 0,
    /// One change of the state, as JSON.
    Change = 1,
    /// One event at the hub, in the binary form of `events.rs`.
    Event = 2,
    /// One event at a custom endpoint, in the binary form of `events/hubs.rs`.
    Routed = 3,
    /// Frames that a kill keeps all or none of. Only the journal itself sees it.
    Group = 4,
    /// The whole state with its events, as JSON, in the place of everything before it.
    Restored = 5,
}

/// The state directory cannot be used.
#[derive(Debug, Error)]
pub enum JournalError {
    /// A file or directory could not be read or written.
    #[error(
        "cannot use {path} to keep the simulator's state; make it writable, or name another with --state"
    )]
    Io {
        /// Which file or directory.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A segment is damaged, as no kill can cause it.
    #[error(
        "{path} is damaged at byte {offset}; move the file away to start from what the other segments hold, or cut it there to keep what comes before"
    )]
    Damaged {
        /// Which segment.
        path: PathBuf,
        /// Where the first bad frame starts.
        offset: usize,
    },
    /// What the journal says is not understood, as when another version wrote it.
    #[error(
        "the journal in {path} was written by another version; use that one, or name another directory with --state"
    )]
    Foreign {
        /// The state directory.
        path: PathBuf,
        /// What was not understood.
        source: serde_json::Error,
    },
    /// Another process holds the directory.
    #[error(
        "{path} is in use by another simulator; stop it, or name another directory with --state"
    )]
    Busy {
        /// The state directory.
        path: PathBuf,
    },
}

/// Appends frames. Without a directory it keeps nothing, at no cost.
#[derive(Debug)]
pub(crate) struct Journal {
    sink: Option<Sink>,
    pending: Vec<u8>,
    /// Whether what is staged goes into a group.
    in_group: bool,
    beginning: Beginning,
}

/// Where a simulator's own life begins: what a reset goes back to.
#[derive(Debug)]
enum Beginning {
    /// Nothing was there.
    Empty,
    /// A whole state, as the payload of [`Kind::Restored`]: where no log holds it.
    State(Vec<u8>),
    /// The log up to so many bytes of a segment.
    Log { segment: u64, length: u64 },
}

/// A group that is being staged; nothing where it is within another, or nothing is kept.
#[derive(Debug)]
#[must_use]
pub(crate) struct Group(Option<usize>);

impl Journal {
    /// A journal that forgets: for a simulator whose state is in memory.
    pub(crate) fn in_memory() -> Self {
        Self {
            sink: None,
            pending: Vec::new(),
            in_group: false,
            beginning: Beginning::Empty,
        }
    }

    /// Opens the log in `directory`, handing every frame kept there to `replay`, oldest first.
    pub(crate) fn open(
        directory: &Path,
        mut replay: impl FnMut(Kind, &[u8]),
    ) -> Result<Self, JournalError> {
        let io_error = |path: &Path| {
            let path = path.to_owned();
            move |source| JournalError::Io { path, source }
        };
        fs::create_dir_all(directory).map_err(io_error(directory))?;
        let lock_path = directory.join("lock");
        let lock = File::create(&lock_path).map_err(io_error(&lock_path))?;
        if lock.try_lock().is_err() {
            return Err(JournalError::Busy {
                path: directory.to_owned(),
            });
        }
        let segments = segments(directory).map_err(io_error(directory))?;
        let (mut length, mut snapshot) = (0, 0);
        for (index, segment) in segments.iter().enumerate() {
            let path = segment_path(directory, *segment);
            let bytes = fs::read(&path).map_err(io_error(&path))?;
            let good = read_frames(&bytes, &mut replay);
            let newest = index + 1 == segments.len();
            if good < bytes.len() && !(newest && is_torn(&bytes[good..])) {
                return Err(JournalError::Damaged { path, offset: good });
            }
            if good < bytes.len() {
                let bytes = bytes.len() - good;
                tracing::warn!(path = %path.display(), bytes, "cut off what a kill left unfinished at the journal's end");
            }
            length = good as u64;
            snapshot = match frame_at(&bytes, 0) {
                Some((Kind::Snapshot, _, end)) => end as u64,
                _ => 0,
            };
        }
        let segment = segments.last().copied().unwrap_or(1);
        let path = segment_path(directory, segment);
        let sink = Sink::open(directory, lock, segment, length, snapshot);
        let sink = sink.map_err(io_error(&path))?;
        Ok(Self {
            sink: Some(sink),
            pending: Vec::new(),
            in_group: false,
            beginning: Beginning::Empty,
        })
    }

    /// Takes what is kept by now for the beginning. A log keeps the segment that this is in; without one, `state` is
    /// asked for the payload of a [`Kind::Restored`].
    pub(crate) fn begin_here(
        &mut self,
        state: impl FnOnce() -> serde_json::Result<Vec<u8>>,
    ) -> io::Result<()> {
        self.commit()?;
        self.beginning = match &mut self.sink {
            None => Beginning::State(state()?),
            Some(sink) => {
                sink.kept = Some(sink.segment);
                Beginning::Log {
                    segment: sink.segment,
                    length: sink.length,
                }
            }
        };
        Ok(())
    }

    /// Hands what makes up the beginning to `replay`, oldest first.
    pub(crate) fn read_beginning(
        &self,
        mut replay: impl FnMut(Kind, &[u8]),
    ) -> Result<(), JournalError> {
        let (sink, last, length) = match (&self.beginning, &self.sink) {
            (Beginning::State(state), _) => {
                replay(Kind::Restored, state);
                return Ok(());
            }
            (Beginning::Log { segment, length }, Some(sink)) => (sink, *segment, *length),
            _ => return Ok(()),
        };
        let directory = &sink.directory;
        let io_error = |path: &Path| {
            let path = path.to_owned();
            move |source| JournalError::Io { path, source }
        };
        let segments = segments(directory).map_err(io_error(directory))?;
        for segment in segments.into_iter().filter(|segment| *segment <= last) {
            let path = segment_path(directory, segment);
            let mut bytes = fs::read(&path).map_err(io_error(&path))?;
            if segment == last {
                bytes.truncate(length as usize);
            }
            read_frames(&bytes, &mut replay);
        }
        Ok(())
    }

    /// From here on the disk is full, for the tests of those who write.
    #[cfg(test)]
    pub(crate) fn fill_disk(&mut self) {
        let sink = self.sink.as_mut().expect("a journal with a directory");
        sink.file = std::fs::OpenOptions::new()
            .write(true)
            .open("/dev/full")
            .expect("every Linux has it");
    }

    /// Whether anything is kept.
    pub(crate) fn is_durable(&self) -> bool {
        self.sink.is_some()
    }

    /// Whether something waits for the next commit.
    pub(crate) fn has_staged(&self) -> bool {
        !self.pending.is_empty()
    }

    /// Puts a frame into the next commit.
    pub(crate) fn stage(&mut self, kind: Kind, payload: &[u8]) {
        if self.sink.is_some() {
            push_frame(&mut self.pending, kind, payload);
        }
    }

    /// What is staged until [`Journal::end_group`] is kept as a whole or not at all.
    pub(crate) fn begin_group(&mut self) -> Group {
        if self.sink.is_none() || self.in_group {
            return Group(None);
        }
        self.in_group = true;
        let start = self.pending.len();
        self.pending.extend_from_slice(&[0; HEADER]);
        self.pending.push(Kind::Group as u8);
        Group(Some(start))
    }

    pub(crate) fn end_group(&mut self, group: Group) {
        let Group(Some(start)) = group else { return };
        self.in_group = false;
        let body = start + HEADER;
        if self.pending.len() == body + 1 {
            return self.pending.truncate(start);
        }
        let header = header(&[&self.pending[body..]]);
        self.pending[start..body].copy_from_slice(&header);
    }

    /// Hands everything staged to the operating system.
    ///
    /// On failure the frames stay staged and the file is cut back to whole frames: the state in memory and the log
    /// agree again as soon as a later commit succeeds, and until then nobody gets an acknowledgement.
    pub(crate) fn commit(&mut self) -> io::Result<()> {
        let Some(sink) = self.sink.as_mut().filter(|_| !self.pending.is_empty()) else {
            return Ok(());
        };
        sink.write(&self.pending)?;
        self.pending.clear();
        // One long burst must not leave its memory behind in an idle process.
        self.pending.shrink_to(256 << 10);
        Ok(())
    }

    /// Whether the segment is long enough that a new one should begin.
    pub(crate) fn is_segment_full(&self) -> bool {
        self.sink.as_ref().is_some_and(Sink::is_full)
    }

    /// Begins a new segment with `snapshot`, and drops the segments that retention no longer covers.
    ///
    /// On failure the present segment goes on, and is full again a good while later.
    pub(crate) fn roll(&mut self, snapshot: &[u8]) -> io::Result<()> {
        self.commit()?;
        let Some(sink) = self.sink.as_mut() else {
            return Ok(());
        };
        sink.roll(snapshot)
    }
}

#[cfg(test)]
mod tests;
