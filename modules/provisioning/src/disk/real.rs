//! The machine's file system.

use std::fs::{self, File, OpenOptions, Permissions, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, fchown};
use std::path::Path;

use super::{Attributes, Disk, Found, PRIVATE};

/// The machine's file system.
#[derive(Clone, Copy, Debug, Default)]
pub struct RealDisk;

/// The bits that `chmod` sets.
const MODE: u32 = 0o7777;

impl Disk for RealDisk {
    type File = File;
    type Lock = File;

    fn look(&self, path: &Path) -> io::Result<Option<Found>> {
        let found = fs::metadata(path).and_then(|metadata| {
            if !metadata.is_file() {
                return Err(io::ErrorKind::IsADirectory.into());
            }
            Ok(Found {
                path: fs::canonicalize(path)?,
                attributes: attributes(&metadata),
            })
        });
        match found {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            found => found.map(Some),
        }
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        fs::read(path)
    }

    fn create(&self, path: &Path) -> io::Result<File> {
        OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(PRIVATE)
            .open(path)
    }

    fn write(&self, file: &mut File, content: &[u8]) -> io::Result<()> {
        file.write_all(content)
    }

    fn set_attributes(&self, file: &File, wanted: Attributes) -> io::Result<()> {
        let now = attributes(&file.metadata()?);
        if (now.user, now.group) != (wanted.user, wanted.group) {
            fchown(file, Some(wanted.user), Some(wanted.group))?;
        }
        if now.mode != wanted.mode {
            file.set_permissions(Permissions::from_mode(wanted.mode))?;
        }
        Ok(())
    }

    fn sync(&self, file: &File) -> io::Result<()> {
        file.sync_all()
    }

    fn sync_directory(&self, path: &Path) -> io::Result<()> {
        File::open(path)?.sync_all()
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn lock(&self, path: &Path) -> io::Result<Option<File>> {
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(PRIVATE)
            .open(path)?;
        match file.try_lock() {
            Ok(()) => Ok(Some(file)),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }
}

fn attributes(metadata: &fs::Metadata) -> Attributes {
    Attributes {
        mode: metadata.mode() & MODE,
        user: metadata.uid(),
        group: metadata.gid(),
    }
}
