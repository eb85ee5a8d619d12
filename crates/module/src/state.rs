//! What a restart must find again: small JSON files, replaced as a whole or not at all.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Write};
use std::marker::PhantomData;
use std::path::{Path, PathBuf};

use hub_client::error_chain;
use serde::Serialize;
use serde::de::DeserializeOwned;

/// The directory of a module's state, or none: then nothing survives a restart.
#[derive(Clone, Debug)]
pub struct StateDir {
    path: Option<PathBuf>,
}

/// One value that survives restarts and power cuts.
///
/// A power cut at any instant leaves the old value or the new one: the new one is written beside
/// the old, synced, renamed over it, and the directory is synced. Files are small and changes rare,
/// so this is done on the spot, and what comes after it, a message or an answer, can rely on it.
#[derive(Debug)]
pub struct StateFile<T> {
    path: Option<PathBuf>,
    value: PhantomData<fn() -> T>,
}

/// Why state could not be kept or found.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// The directory is not there and cannot be made, or is not writable.
    #[error("{} cannot hold the module's state", path.display())]
    Directory {
        /// Which directory.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file could not be read.
    #[error("{} cannot be read", path.display())]
    Read {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file does not hold what it should.
    #[error("{} does not hold this module's state", path.display())]
    Content {
        /// Which file.
        path: PathBuf,
        /// Where it stopped making sense.
        source: serde_json::Error,
    },
    /// A file could not be written.
    #[error("{} cannot be written", path.display())]
    Write {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl StateDir {
    /// Opens the directory, making it where it is missing, and proves that it can be written to.
    ///
    /// # Errors
    ///
    /// [`StateError::Directory`]
    pub fn open(path: Option<&Path>) -> Result<Self, StateError> {
        let Some(path) = path else {
            tracing::warn!("BAY_STATE_DIR is not set, so nothing survives a restart");
            return Ok(Self { path: None });
        };
        let probe = path.join(".writable");
        fs::create_dir_all(path)
            .and_then(|()| File::create(&probe))
            .and_then(|_| fs::remove_file(&probe))
            .map_err(|source| StateError::Directory {
                path: path.to_owned(),
                source,
            })?;
        Ok(Self {
            path: Some(path.to_owned()),
        })
    }

    /// The value kept as `NAME.json`.
    pub fn file<T>(&self, name: &str) -> StateFile<T> {
        StateFile {
            path: self
                .path
                .as_ref()
                .map(|path| path.join(format!("{name}.json"))),
            value: PhantomData,
        }
    }
}

impl<T: Serialize + DeserializeOwned> StateFile<T> {
    /// The value last kept, if any.
    ///
    /// A file that makes no sense is put aside under another name, so that the module can go on and
    /// somebody can look at it.
    pub fn load(&self) -> Option<T> {
        match self.read() {
            Ok(value) => value,
            Err(error) => {
                tracing::warn!(
                    error = error_chain(&error),
                    "state is lost, starting without it"
                );
                if let (Some(path), StateError::Content { .. }) = (&self.path, &error) {
                    // Failing to put it aside changes nothing: the next save replaces it.
                    let _ = fs::rename(path, beside(path, ".unreadable"));
                }
                None
            }
        }
    }

    /// Keeps a value. When this returns, a restart finds it.
    ///
    /// # Errors
    ///
    /// [`StateError::Write`]; the old value is still there then.
    pub fn save(&self, value: &T) -> Result<(), StateError> {
        let Some(path) = &self.path else {
            return Ok(());
        };
        replace(path, value).map_err(|source| StateError::Write {
            path: path.clone(),
            source,
        })
    }

    fn read(&self) -> Result<Option<T>, StateError> {
        let Some(path) = &self.path else {
            return Ok(None);
        };
        let text = match fs::read(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => {
                return Err(StateError::Read {
                    path: path.clone(),
                    source,
                });
            }
        };
        let value = serde_json::from_slice(&text).map_err(|source| StateError::Content {
            path: path.clone(),
            source,
        })?;
        Ok(Some(value))
    }
}

fn replace(path: &Path, value: &impl Serialize) -> io::Result<()> {
    let new = beside(path, ".new");
    let mut file = File::create(&new)?;
    file.write_all(&serde_json::to_vec(value)?)?;
    file.sync_all()?;
    fs::rename(&new, path)?;
    File::open(path.parent().unwrap_or(Path::new(".")))?.sync_all()
}

fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(ending);
    PathBuf::from(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dir() -> (tempfile::TempDir, StateDir) {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let state =
            StateDir::open(Some(&dir.path().join("state"))).expect("a directory that can be made");
        (dir, state)
    }

    fn names(dir: &tempfile::TempDir) -> Vec<String> {
        let entries = dir
            .path()
            .join("state")
            .read_dir()
            .expect("the state directory");
        let mut names: Vec<_> = entries
            .map(|entry| {
                entry
                    .expect("a file")
                    .file_name()
                    .into_string()
                    .expect("a plain name")
            })
            .collect();
        names.sort();
        names
    }

    #[test]
    fn what_is_saved_is_found_again() {
        let (dir, state) = dir();
        assert_eq!(state.file::<u32>("n").load(), None);
        state.file("n").save(&17).expect("room on disk");
        state.file("n").save(&18).expect("room on disk");

        assert_eq!(state.file::<u32>("n").load(), Some(18));
        assert_eq!(names(&dir), ["n.json"]);
    }

    /// A power cut while writing leaves half a file under the other name.
    #[test]
    fn a_half_written_file_is_not_looked_at() {
        let (dir, state) = dir();
        state.file("n").save(&17).expect("room on disk");
        fs::write(dir.path().join("state/n.json.new"), "1").expect("room on disk");

        assert_eq!(state.file::<u32>("n").load(), Some(17));
    }

    #[test]
    fn nonsense_is_put_aside() {
        let (dir, state) = dir();
        fs::write(dir.path().join("state/n.json"), "{").expect("room on disk");

        assert_eq!(state.file::<u32>("n").load(), None);
        assert_eq!(names(&dir), ["n.json.unreadable"]);
    }

    #[test]
    fn without_a_directory_nothing_is_kept_and_nothing_fails() {
        let state = StateDir::open(None).expect("nothing to open");
        state.file("n").save(&17).expect("nothing to do");

        assert_eq!(state.file::<u32>("n").load(), None);
    }

    #[test]
    fn a_failed_save_leaves_the_old_value() {
        let (dir, state) = dir();
        state.file("n").save(&17).expect("room on disk");
        // A directory in the way of the new file, because permissions do not stop a root user.
        fs::create_dir(dir.path().join("state/n.json.new")).expect("room on disk");

        let error = state.file("n").save(&18).expect_err("something in the way");
        assert!(matches!(error, StateError::Write { .. }));
        assert_eq!(state.file::<u32>("n").load(), Some(17));
    }

    #[test]
    fn a_file_is_no_directory() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let file = dir.path().join("file");
        fs::write(&file, "").expect("room on disk");

        let error = StateDir::open(Some(&file)).expect_err("not a directory");
        assert_eq!(
            error.to_string(),
            format!("{} cannot hold the module's state", file.display())
        );
    }
}
