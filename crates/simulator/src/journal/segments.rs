//! The files that a log is cut into: what is written to, when the next begins, and which stay.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use super::Kind;
use super::frame::{HEADER, push_frame};

/// A segment is full when so much has followed its snapshot, whose own length says nothing: a large registry would
/// else begin a new segment with every record.
pub(super) const SEGMENT_BYTES: u64 = 64 << 20;
/// After a segment could not be begun, so much is written before the next attempt.
const RETRY_BYTES: u64 = 4 << 20;
const KEPT_SEGMENTS: usize = 4;

/// The newest segment, which is written to.
#[derive(Debug)]
pub(super) struct Sink {
    pub(super) directory: PathBuf,
    pub(super) file: File,
    pub(super) segment: u64,
    pub(super) length: u64,
    /// The length at which the next segment is due.
    full_at: u64,
    /// A failed write left bytes behind that are not a whole frame, and they could not be cut off yet.
    torn: bool,
    /// A segment that retention does not take.
    pub(super) kept: Option<u64>,
    /// Held for the life of the process: the lock that keeps a second simulator out.
    _lock: File,
}

impl Sink {
    /// Goes on writing a segment behind its first `length` bytes, of which so many are its snapshot.
    pub(super) fn open(
        directory: &Path,
        lock: File,
        segment: u64,
        length: u64,
        snapshot: u64,
    ) -> io::Result<Self> {
        let file = append_to(&segment_path(directory, segment))?;
        file.set_len(length)?;
        Ok(Self {
            directory: directory.to_owned(),
            file,
            segment,
            length,
            full_at: snapshot + SEGMENT_BYTES,
            torn: false,
            kept: None,
            _lock: lock,
        })
    }

    pub(super) fn write(&mut self, frames: &[u8]) -> io::Result<()> {
        if self.torn {
            self.file.set_len(self.length)?;
            self.torn = false;
        }
        if let Err(error) = self.file.write_all(frames) {
            self.torn = self.file.set_len(self.length).is_err();
            return Err(error);
        }
        self.length += frames.len() as u64;
        Ok(())
    }

    pub(super) fn is_full(&self) -> bool {
        self.length >= self.full_at
    }

    /// Begins a new segment with `snapshot`. On failure the present one goes on, and is full again a good while later.
    pub(super) fn roll(&mut self, snapshot: &[u8]) -> io::Result<()> {
        let begun = self.begin_segment(snapshot);
        if begun.is_err() {
            self.full_at = self.length + RETRY_BYTES;
        }
        begun
    }

    fn begin_segment(&mut self, snapshot: &[u8]) -> io::Result<()> {
        let mut frame = Vec::with_capacity(snapshot.len() + HEADER + 1);
        push_frame(&mut frame, Kind::Snapshot, snapshot);
        // Written under another name first: a segment that exists under its own name has its whole snapshot. From the
        // moment it has that name its snapshot counts, so nothing may fail before it is the one that is written to.
        let path = segment_path(&self.directory, self.segment + 1);
        let unfinished = path.with_extension("new");
        remove_if_there(&unfinished)?;
        let mut file = append_to(&unfinished)?;
        file.write_all(&frame)?;
        file.sync_all()?;
        fs::rename(&unfinished, &path)?;
        self.file = file;
        self.segment += 1;
        self.length = frame.len() as u64;
        self.full_at = self.length + SEGMENT_BYTES;
        self.torn = false;
        // An old segment that stays costs space and no more.
        if let Err(error) = self.drop_old() {
            tracing::warn!(%error, "an old segment of the journal cannot be removed");
        }
        Ok(())
    }

    fn drop_old(&self) -> io::Result<()> {
        File::open(&self.directory)?.sync_all()?;
        let segments = segments(&self.directory)?;
        let old = segments.iter().rev().skip(KEPT_SEGMENTS);
        for old in old.filter(|old| self.kept != Some(**old)) {
            fs::remove_file(segment_path(&self.directory, *old))?;
        }
        Ok(())
    }
}

fn append_to(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.create(true).append(true).mode(0o600).open(path)
}

fn remove_if_there(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

pub(super) fn segment_path(directory: &Path, segment: u64) -> PathBuf {
    directory.join(format!("journal-{segment:08}.log"))
}

pub(super) fn segments(directory: &Path) -> io::Result<Vec<u64>> {
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
