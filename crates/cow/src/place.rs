//! Where a street keeps its files: sockets in a private directory that goes with it, state wherever it was told.

use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use anyhow::Context;
use tempfile::TempDir;

/// What private directories are called, followed by something random. Short, because the path of a Unix socket may
/// have 107 bytes at most.
const PREFIX: &str = "cow-";

/// In a private directory: locked for as long as its street lives.
const LOCK: &str = "lock";

/// The files of one street. Dropping it removes what is not to be kept.
#[derive(Debug)]
pub(crate) struct Place {
    private: TempDir,
    kept: Option<PathBuf>,
    _lock: File,
}

impl Place {
    /// With `kept`, state is kept there; else it goes with the rest.
    pub(crate) fn open(kept: Option<&Path>) -> anyhow::Result<Self> {
        let kept = kept.map(open_kept).transpose()?;
        let mut builder = tempfile::Builder::new();
        let builder = builder.prefix(PREFIX);
        // An image from scratch has no /tmp, or one that is read-only.
        let private = match (builder.tempdir(), &kept) {
            (Err(_), Some(kept)) => builder.tempdir_in(kept),
            (made, _) => made,
        };
        let private = private.context("cannot make a temporary directory")?;
        let lock = lock(private.path()).context("cannot lock the temporary directory")?;
        if let Some(siblings) = private.path().parent() {
            // What cannot be cleared away is in nobody's way.
            let _ = remove_orphans(siblings, private.path());
        }
        Ok(Self {
            private,
            kept,
            _lock: lock,
        })
    }

    /// For sockets and what else is of no use afterwards.
    pub(crate) fn private(&self) -> &Path {
        self.private.path()
    }

    /// For what is to be kept, if anything is.
    pub(crate) fn kept(&self) -> Option<&Path> {
        self.kept.as_deref()
    }

    /// Where the machines' files are: kept with the rest, or gone with the rest.
    pub(crate) fn root(&self) -> &Path {
        self.kept.as_deref().unwrap_or(self.private.path())
    }
}

fn open_kept(directory: &Path) -> anyhow::Result<PathBuf> {
    make_private(directory)?;
    // Modules may run elsewhere, so their paths are whole.
    fs::canonicalize(directory).with_context(|| format!("cannot use {}", directory.display()))
}

/// Makes a directory that only its owner may enter, unless it is there.
pub(crate) fn make_private(directory: &Path) -> anyhow::Result<()> {
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(directory)
        .with_context(|| format!("cannot make the directory {}", directory.display()))
}

/// Marks a directory as somebody's. The lock gets its name only once it is held, so that nobody finds it free in between.
fn lock(directory: &Path) -> io::Result<File> {
    let unnamed = directory.join("lock.new");
    let lock = File::create(&unnamed)?;
    lock.lock()?;
    fs::rename(unnamed, directory.join(LOCK))?;
    Ok(lock)
}

/// Removes directories that streets left behind which were killed: they hold keys.
fn remove_orphans(siblings: &Path, own: &Path) -> io::Result<()> {
    let user = fs::metadata(own)?.uid();
    for entry in fs::read_dir(siblings)? {
        let entry = entry?;
        let named_so = entry
            .file_name()
            .to_str()
            .is_some_and(|name| name.starts_with(PREFIX));
        let ours = || {
            entry
                .metadata()
                .is_ok_and(|metadata| metadata.is_dir() && metadata.uid() == user)
        };
        if named_so && ours() && is_orphan(&entry.path()) {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
    Ok(())
}

/// Whether the street of a private directory lives, as far as can be told: nobody's directory is one's own to judge.
pub(crate) fn is_alive(directory: &Path) -> bool {
    directory.try_exists().unwrap_or(true) && !is_orphan(directory)
}

fn is_orphan(directory: &Path) -> bool {
    File::open(directory.join(LOCK)).is_ok_and(|lock| lock.try_lock().is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_nobody_holds_is_cleared_away() {
        let siblings = tempfile::tempdir().expect("a directory");
        let make = |name: &str| {
            let directory = siblings.path().join(name);
            fs::create_dir(&directory).expect("it is new");
            directory
        };
        let (held, orphan, unmarked, foreign) =
            (make("cow-a"), make("cow-b"), make("cow-c"), make("other"));
        let _lock = lock(&held).expect("it is ours");
        drop(lock(&orphan).expect("it is ours"));
        drop(lock(&foreign).expect("it is ours"));

        remove_orphans(siblings.path(), &held).expect("it can be listed");

        let left = [held, orphan, unmarked, foreign].map(|directory| directory.exists());
        assert_eq!(left, [true, false, true, true]);
    }
}
