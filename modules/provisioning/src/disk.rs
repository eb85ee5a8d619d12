//! Replacing a file so that a power cut leaves the old one or the new one, whole.
//!
//! [`Disk`] is the port to the file system: [`RealDisk`] is the machine's, [`SimulatedDisk`] one in
//! memory that forgets at a power cut whatever was not synced. [`replace`] is the one way in which
//! this crate changes a file: the new content is written beside the old, synced, renamed over it,
//! and the directory is synced. Mode and owner stay as they were; a file that was not there is 0600.
//! Access lists and extended attributes are not carried over.
//!
//! Everything here happens on the calling thread before the call returns, one system call after the
//! other, so that a test can stop the process at each of them.
//!
//! **Invariant:** until the rename the old file is untouched, and no step comes before what it
//! relies on has been synced.

mod error;
mod real;
mod simulated;

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};

pub use error::{Cause, DiskError, DiskStep};
pub use real::RealDisk;
pub use simulated::{Image, SimulatedDisk};

/// Behind the name of a file while its new content is being written.
const NEW: &str = ".cow-new";

/// The mode of a file that was not there before: it may hold keys.
const PRIVATE: u32 = 0o600;

/// A file system, as far as it is needed here. Each call is done when it returns.
pub trait Disk {
    /// A file open for writing.
    type File;
    /// Held until it is dropped.
    type Lock;

    /// The file's own path, behind any symbolic links, with its owner and mode; nothing where there
    /// is no file.
    ///
    /// # Errors
    ///
    /// What the system said.
    fn look(&self, path: &Path) -> io::Result<Option<Found>>;

    /// The whole content.
    ///
    /// # Errors
    ///
    /// What the system said.
    fn read(&self, path: &Path) -> io::Result<Vec<u8>>;

    /// Makes a file that must not be there yet, for its owner only.
    ///
    /// # Errors
    ///
    /// What the system said.
    fn create(&self, path: &Path) -> io::Result<Self::File>;

    /// Writes all of it behind what was written before.
    ///
    /// # Errors
    ///
    /// What the system said.
    fn write(&self, file: &mut Self::File, content: &[u8]) -> io::Result<()>;

    /// Gives the file an owner and a mode.
    ///
    /// # Errors
    ///
    /// What the system said.
    fn set_attributes(&self, file: &Self::File, attributes: Attributes) -> io::Result<()>;

    /// Waits until content and attributes would survive a power cut.
    ///
    /// # Errors
    ///
    /// What the system said.
    fn sync(&self, file: &Self::File) -> io::Result<()>;

    /// Waits until the names in a directory would survive a power cut.
    ///
    /// # Errors
    ///
    /// What the system said.
    fn sync_directory(&self, path: &Path) -> io::Result<()>;

    /// Gives a file another name in the same directory, in place of whatever had it.
    ///
    /// # Errors
    ///
    /// What the system said.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Removes a file.
    ///
    /// # Errors
    ///
    /// What the system said.
    fn remove(&self, path: &Path) -> io::Result<()>;

    /// Takes a lock that no other process can take at the same time; nothing when one has it.
    ///
    /// # Errors
    ///
    /// What the system said.
    fn lock(&self, path: &Path) -> io::Result<Option<Self::Lock>>;
}

/// A file that is there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Where it really lies.
    pub path: PathBuf,
    /// Who may do what with it.
    pub attributes: Attributes,
}

/// Who may do what with a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Attributes {
    /// The permission bits.
    pub mode: u32,
    /// The owner.
    pub user: u32,
    /// The owning group.
    pub group: u32,
}

/// The content of a file; nothing where there is no file.
///
/// # Errors
///
/// [`DiskError`] at [`DiskStep::Look`] or [`DiskStep::Read`].
pub fn read(disk: &impl Disk, path: &Path) -> Result<Option<Vec<u8>>, DiskError> {
    if look(disk, path)?.is_none() {
        return Ok(None);
    }
    let content = disk.read(path);
    content
        .map(Some)
        .map_err(|error| DiskError::new(DiskStep::Read, path, error))
}

/// Puts `content` in the place of the file, with the owner and mode it had.
///
/// # Errors
///
/// [`DiskError`], which names path, step and cure. The old file is whole; only when the very last
/// step failed, [`DiskStep::SyncDirectory`], is the new one in its place, and may not stay there if
/// the power goes.
pub fn replace(disk: &impl Disk, path: &Path, content: &[u8]) -> Result<(), DiskError> {
    let (path, attributes) = match look(disk, path)? {
        Some(found) => (found.path, Some(found.attributes)),
        None => (path.to_owned(), None),
    };
    put(disk, &path, content, attributes)
}

/// Copies a file, with its owner and mode, in the same way. Nothing to copy is no failure.
///
/// # Errors
///
/// [`DiskError`]; `to` is as it was then, with the exception that [`replace`] tells of.
pub fn copy(disk: &impl Disk, from: &Path, to: &Path) -> Result<(), DiskError> {
    let Some(found) = look(disk, from)? else {
        return Ok(());
    };
    let content = disk.read(from);
    let content = content.map_err(|error| DiskError::new(DiskStep::Read, from, error))?;
    let to = look(disk, to)?.map_or_else(|| to.to_owned(), |to| to.path);
    put(disk, &to, &content, Some(found.attributes))
}

/// Removes a file, if it is there, and what an interrupted [`replace`] of it left behind, for good.
///
/// # Errors
///
/// [`DiskError`] at [`DiskStep::Remove`] or [`DiskStep::SyncDirectory`].
pub fn remove(disk: &impl Disk, path: &Path) -> Result<(), DiskError> {
    let both = [new_name(path), path.to_owned()];
    let removed = both.map(|path| clear(disk, &path));
    sync_if(disk, path, removed)
}

/// Removes what an interrupted [`replace`] of the file left behind, for good.
///
/// # Errors
///
/// [`DiskError`] at [`DiskStep::Remove`] or [`DiskStep::SyncDirectory`].
pub fn tidy(disk: &impl Disk, path: &Path) -> Result<(), DiskError> {
    let path = look(disk, path)?.map_or_else(|| path.to_owned(), |found| found.path);
    let removed = [clear(disk, &new_name(&path))];
    sync_if(disk, &path, removed)
}

/// Waits until the file that has this name now would have it after a power cut.
///
/// After a process was stopped somewhere, what is seen need not be what is on disk. The content was
/// synced before it got the name.
///
/// # Errors
///
/// [`DiskError`] at [`DiskStep::SyncDirectory`].
pub fn settle(disk: &impl Disk, path: &Path) -> Result<(), DiskError> {
    let path = look(disk, path)?.map_or_else(|| path.to_owned(), |found| found.path);
    sync_directory(disk, &path)
}

/// The name of a file with `ending` behind it.
pub fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(ending);
    PathBuf::from(name)
}

fn put(
    disk: &impl Disk,
    path: &Path,
    content: &[u8],
    attributes: Option<Attributes>,
) -> Result<(), DiskError> {
    let new = new_name(path);
    let written = write_new(disk, &new, content, attributes).and_then(|()| {
        let renamed = disk.rename(&new, path);
        renamed.map_err(|error| DiskError::new(DiskStep::Rename, path, error))
    });
    if written.is_err() {
        // It may hold a key. What cannot be removed now is removed before the next attempt.
        let _ = clear(disk, &new).and_then(|_| sync_directory(disk, &new));
    }
    written?;
    sync_directory(disk, path)
}

fn write_new(
    disk: &impl Disk,
    new: &Path,
    content: &[u8],
    attributes: Option<Attributes>,
) -> Result<(), DiskError> {
    let fail = |step| move |error| DiskError::new(step, new, error);
    clear(disk, new)?;
    let mut file = disk.create(new).map_err(fail(DiskStep::Create))?;
    if let Some(attributes) = attributes {
        // Before there is anything to read in it.
        let given = disk.set_attributes(&file, attributes);
        given.map_err(fail(DiskStep::Attributes))?;
    }
    let written = disk.write(&mut file, content);
    written.map_err(fail(DiskStep::Write))?;
    disk.sync(&file).map_err(fail(DiskStep::Sync))
}

/// Removes a file if it is there; whether it was.
fn clear(disk: &impl Disk, path: &Path) -> Result<bool, DiskError> {
    match disk.remove(path) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(DiskError::new(DiskStep::Remove, path, error)),
    }
}

fn sync_if<const N: usize>(
    disk: &impl Disk,
    path: &Path,
    removed: [Result<bool, DiskError>; N],
) -> Result<(), DiskError> {
    let mut any = false;
    for removed in removed {
        any |= removed?;
    }
    if any {
        sync_directory(disk, path)?;
    }
    Ok(())
}

fn look(disk: &impl Disk, path: &Path) -> Result<Option<Found>, DiskError> {
    disk.look(path)
        .map_err(|error| DiskError::new(DiskStep::Look, path, error))
}

fn sync_directory(disk: &impl Disk, path: &Path) -> Result<(), DiskError> {
    let directory = match path.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    };
    match disk.sync_directory(directory) {
        // Nothing can have been in a directory that is not there.
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        synced => synced.map_err(|error| DiskError::new(DiskStep::SyncDirectory, directory, error)),
    }
}

fn new_name(path: &Path) -> PathBuf {
    beside(path, NEW)
}
