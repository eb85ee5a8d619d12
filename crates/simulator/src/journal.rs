//! The journal: every accepted change, in order, in one append-only log.
//!
//! A record is staged while the core is locked and written by [`Journal::commit`] before anybody is told that it
//! happened; so what was acknowledged survives a kill at any instant. The log is cut into segments, each of which
//! begins with a snapshot of everything but the events, so that old segments can go when retention is over.
//!
//! A frame is `length u32 | crc32 u32 | kind u8 | payload`, little endian; length and checksum cover kind and payload.
//! A torn frame at the end of the newest segment is what a kill leaves behind: it was never acknowledged and is cut off.
//!
//! **Not here:** what a record means (`state.rs`), and protection against power loss: pages are handed to the
//! operating system, which is what a killed process needs; a desk simulator does not wait for the disk.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use thiserror::Error;

const HEADER: usize = 8;
const SEGMENT_BYTES: u64 = 64 << 20;
const KEPT_SEGMENTS: usize = 4;
/// Longest believable frame: a snapshot of a large registry. Anything above it is damage, not data.
const MAX_FRAME: usize = 512 << 20;

/// What a frame holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// The whole state without events, as JSON; always the first frame of a segment.
    Snapshot = 0,
    /// One change of the state, as JSON.
    Change = 1,
    /// One event at the hub, in the binary form of `events.rs`.
    Event = 2,
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
    /// A segment is damaged in the middle, which a kill cannot cause.
    #[error(
        "{path} is damaged at byte {offset}; move the file away to start from what the other segments hold"
    )]
    Damaged {
        /// Which segment.
        path: PathBuf,
        /// Where the first bad frame starts.
        offset: usize,
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
}

#[derive(Debug)]
struct Sink {
    directory: PathBuf,
    file: File,
    segment: u64,
    length: u64,
    /// Held for the life of the process: the lock that keeps a second simulator out.
    _lock: File,
}

impl Journal {
    /// A journal that forgets: for a simulator whose state is in memory.
    pub(crate) fn in_memory() -> Self {
        Self {
            sink: None,
            pending: Vec::new(),
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
        let mut length = 0;
        for (index, segment) in segments.iter().enumerate() {
            let path = segment_path(directory, *segment);
            let bytes = fs::read(&path).map_err(io_error(&path))?;
            let good = read_frames(&bytes, &mut replay);
            let newest = index + 1 == segments.len();
            if good < bytes.len() && !newest {
                return Err(JournalError::Damaged { path, offset: good });
            }
            length = good as u64;
        }
        let segment = segments.last().copied().unwrap_or(1);
        let path = segment_path(directory, segment);
        let file = open_segment(&path).map_err(io_error(&path))?;
        file.set_len(length).map_err(io_error(&path))?;
        let sink = Sink {
            directory: directory.to_owned(),
            file,
            segment,
            length,
            _lock: lock,
        };
        Ok(Self {
            sink: Some(sink),
            pending: Vec::new(),
        })
    }

    /// Whether anything is kept.
    pub(crate) fn is_durable(&self) -> bool {
        self.sink.is_some()
    }

    /// Puts a frame into the next commit.
    pub(crate) fn stage(&mut self, kind: Kind, payload: &[u8]) {
        if self.sink.is_some() {
            push_frame(&mut self.pending, kind, payload);
        }
    }

    /// Hands everything staged to the operating system.
    ///
    /// On failure the frames stay staged and the file is cut back to whole frames: the state in memory and the log
    /// agree again as soon as a later commit succeeds, and until then nobody gets an acknowledgement.
    pub(crate) fn commit(&mut self) -> io::Result<()> {
        let Some(sink) = self.sink.as_mut().filter(|_| !self.pending.is_empty()) else {
            return Ok(());
        };
        if let Err(error) = sink.file.write_all(&self.pending) {
            sink.file.set_len(sink.length)?;
            return Err(error);
        }
        sink.length += self.pending.len() as u64;
        self.pending.clear();
        // One long burst must not leave its memory behind in an idle process.
        self.pending.shrink_to(256 << 10);
        Ok(())
    }

    /// Whether the segment is long enough that a new one should begin.
    pub(crate) fn is_segment_full(&self) -> bool {
        self.sink
            .as_ref()
            .is_some_and(|sink| sink.length >= SEGMENT_BYTES)
    }

    /// Begins a new segment with `snapshot`, and drops the segments that retention no longer covers.
    pub(crate) fn roll(&mut self, snapshot: &[u8]) -> io::Result<()> {
        self.commit()?;
        let Some(sink) = self.sink.as_mut() else {
            return Ok(());
        };
        let mut frame = Vec::with_capacity(snapshot.len() + HEADER + 1);
        push_frame(&mut frame, Kind::Snapshot, snapshot);
        // Written under another name first: a segment that exists under its own name has its whole snapshot.
        let path = segment_path(&sink.directory, sink.segment + 1);
        let unfinished = path.with_extension("new");
        fs::write(&unfinished, &frame)?;
        File::open(&unfinished)?.sync_all()?;
        fs::rename(&unfinished, &path)?;
        File::open(&sink.directory)?.sync_all()?;
        sink.file = open_segment(&path)?;
        sink.segment += 1;
        sink.length = frame.len() as u64;
        let all = segments(&sink.directory)?;
        for old in all.iter().rev().skip(KEPT_SEGMENTS) {
            fs::remove_file(segment_path(&sink.directory, *old))?;
        }
        Ok(())
    }
}

fn push_frame(into: &mut Vec<u8>, kind: Kind, payload: &[u8]) {
    let length = u32::try_from(payload.len() + 1).expect("records are far below 4 GiB");
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&[kind as u8]);
    hasher.update(payload);
    into.extend_from_slice(&length.to_le_bytes());
    into.extend_from_slice(&hasher.finalize().to_le_bytes());
    into.push(kind as u8);
    into.extend_from_slice(payload);
}

/// Replays whole frames and returns how many bytes they took.
fn read_frames(bytes: &[u8], replay: &mut impl FnMut(Kind, &[u8])) -> usize {
    let mut at = 0;
    while let Some((kind, payload, next)) = frame_at(bytes, at) {
        replay(kind, payload);
        at = next;
    }
    at
}

fn frame_at(bytes: &[u8], at: usize) -> Option<(Kind, &[u8], usize)> {
    let header = bytes.get(at..at + HEADER)?;
    let length = u32::from_le_bytes(header[..4].try_into().ok()?) as usize;
    let checksum = u32::from_le_bytes(header[4..].try_into().ok()?);
    if length == 0 || length > MAX_FRAME {
        return None;
    }
    let body = bytes.get(at + HEADER..at + HEADER + length)?;
    if crc32fast::hash(body) != checksum {
        return None;
    }
    let kind = match body[0] {
        0 => Kind::Snapshot,
        1 => Kind::Change,
        2 => Kind::Event,
        _ => return None,
    };
    Some((kind, &body[1..], at + HEADER + length))
}

fn open_segment(path: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).append(true).open(path)
}

fn segment_path(directory: &Path, segment: u64) -> PathBuf {
    directory.join(format!("journal-{segment:08}.log"))
}

fn segments(directory: &Path) -> io::Result<Vec<u64>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory)? {
        let name = entry?.file_name();
        let number: Option<u64> = name.to_str().and_then(|name| {
            name.strip_prefix("journal-")?
                .strip_suffix(".log")?
                .parse()
                .ok()
        });
        found.extend(number);
    }
    found.sort_unstable();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn replayed(directory: &Path) -> Vec<(Kind, Vec<u8>)> {
        let mut frames = Vec::new();
        Journal::open(directory, |kind, payload| {
            frames.push((kind, payload.to_vec()));
        })
        .expect("it opens");
        frames
    }

    #[test]
    fn a_kill_at_any_byte_keeps_a_prefix_of_whole_frames() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let mut journal = Journal::open(dir.path(), |_, _| {}).expect("it opens");
        for number in 0..5u8 {
            journal.stage(Kind::Change, &vec![number; 10 * usize::from(number)]);
            journal.commit().expect("it writes");
        }
        drop(journal);
        let path = segment_path(dir.path(), 1);
        let whole = fs::read(&path).expect("the segment is there");
        let mut most = 0;
        for cut in 0..=whole.len() {
            fs::write(&path, &whole[..cut]).expect("it is cut");
            let frames = replayed(dir.path());
            for (number, (kind, payload)) in frames.iter().enumerate() {
                assert_eq!((*kind, payload.len()), (Kind::Change, 10 * number));
            }
            assert!(frames.len() >= most, "a longer file never holds less");
            most = frames.len();
        }
        assert_eq!(most, 5);
    }

    #[test]
    fn a_new_segment_starts_with_the_snapshot_and_old_ones_go() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let mut journal = Journal::open(dir.path(), |_, _| {}).expect("it opens");
        for number in 0..6u8 {
            journal.stage(Kind::Event, &[number]);
            journal.roll(&[b's', number]).expect("it rolls");
        }
        drop(journal);
        assert_eq!(segments(dir.path()).expect("listed"), [4, 5, 6, 7]);
        assert_eq!(
            replayed(dir.path()).last(),
            Some(&(Kind::Snapshot, vec![b's', 5]))
        );
    }

    #[test]
    fn damage_in_the_middle_is_told_and_a_second_simulator_is_kept_out() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let mut journal = Journal::open(dir.path(), |_, _| {}).expect("it opens");
        journal.stage(Kind::Event, b"one");
        journal.roll(b"s").expect("it rolls");
        let second = Journal::open(dir.path(), |_, _| {}).expect_err("the directory is locked");
        assert!(matches!(second, JournalError::Busy { .. }));
        drop(journal);
        let path = segment_path(dir.path(), 1);
        let mut bytes = fs::read(&path).expect("the segment is there");
        bytes[HEADER + 1] ^= 1;
        fs::write(&path, bytes).expect("it is damaged");
        let error = Journal::open(dir.path(), |_, _| {}).expect_err("damage is noticed");
        assert!(
            matches!(error, JournalError::Damaged { offset: 0, .. }),
            "{error}"
        );
    }
}
