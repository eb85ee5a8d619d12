//! A file system in memory that forgets at a power cut whatever was not synced.
//!
//! It is as treacherous as POSIX lets a disk be. A file's content since its last sync may be there
//! after a cut, or not, or half, or as zeros of the right length. Names are a matter of their own:
//! of the creations, renames and removals since the directory was last synced any may have
//! happened, whatever the order, and a file that was synced may have no name. What was synced stays.
//!
//! It does *not* model lost directories, nor a disk that lies about a sync.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::{Attributes, Disk, Found, PRIVATE};

/// How many of the newest changes of names may each be lost or not; with more in flight, which only
/// a writer without syncs has, there would be more cases than anybody can look at, and the older
/// ones are taken to have happened.
const MAX_LOST: usize = 8;

/// Files by path, as a machine finds them when it comes up.
pub type Image = BTreeMap<PathBuf, (Vec<u8>, Attributes)>;

/// A file system in memory. Clones are the same file system.
#[derive(Clone, Debug, Default)]
pub struct SimulatedDisk {
    state: Arc<Mutex<State>>,
}

/// A file open for writing.
#[derive(Clone, Copy, Debug)]
pub struct SimulatedFile(usize);

/// Held until it is dropped.
#[derive(Debug)]
pub struct SimulatedLock {
    disk: SimulatedDisk,
    path: PathBuf,
}

#[derive(Debug, Default)]
struct State {
    files: Vec<Inode>,
    directories: BTreeSet<PathBuf>,
    names: BTreeMap<PathBuf, usize>,
    /// The names that a power cut cannot take away.
    kept: BTreeMap<PathBuf, usize>,
    /// What happened to names since, oldest first.
    pending: Vec<Naming>,
    locks: BTreeSet<PathBuf>,
    /// How many changes were asked for.
    operations: usize,
    cut_before: Option<usize>,
    failing: Option<(Range<usize>, io::ErrorKind)>,
}

#[derive(Clone, Debug)]
struct Inode {
    content: Vec<u8>,
    /// What a power cut cannot take away.
    kept: Vec<u8>,
    synced: bool,
    attributes: Attributes,
}

#[derive(Clone, Debug)]
enum Naming {
    Made(PathBuf, usize),
    Renamed(PathBuf, PathBuf, usize),
    Removed(PathBuf),
}

impl SimulatedDisk {
    /// A disk with these directories and, synced, these files.
    #[must_use]
    pub fn new(directories: &[&Path], image: &Image) -> Self {
        let mut state = State {
            directories: directories.iter().map(|path| path.to_path_buf()).collect(),
            ..State::default()
        };
        for (path, (content, attributes)) in image {
            state.names.insert(path.clone(), state.files.len());
            state.files.push(Inode {
                content: content.clone(),
                kept: content.clone(),
                synced: true,
                attributes: *attributes,
            });
        }
        state.kept.clone_from(&state.names);
        Self {
            state: Arc::new(Mutex::new(state)),
        }
    }

    /// How many changes of the disk were asked for until now.
    #[must_use]
    pub fn operations(&self) -> usize {
        self.state().operations
    }

    /// Cuts the power before the change of this number, from 0: it and everything after it fails.
    pub fn cut_before(&self, operation: usize) {
        self.state().cut_before = Some(operation);
    }

    /// Lets a process that was stopped by [`cut_before`](Self::cut_before) start again on a machine
    /// that had power all the time: nothing is lost, and nothing more is synced.
    pub fn restart_process(&self) {
        self.state().cut_before = None;
    }

    /// Lets the changes of these numbers fail, from 0; the others do not.
    pub fn fail(&self, operations: Range<usize>, error: io::ErrorKind) {
        self.state().failing = Some((operations, error));
    }

    /// The files as a running machine sees them.
    #[must_use]
    pub fn seen(&self) -> Image {
        let state = self.state();
        let named = state.names.iter();
        named
            .map(|(path, &file)| {
                let inode = &state.files[file];
                (path.clone(), (inode.content.clone(), inode.attributes))
            })
            .collect()
    }

    /// Everything that a machine may find when the power comes back.
    #[must_use]
    pub fn after_power_cut(&self) -> BTreeSet<Image> {
        let state = self.state();
        let (older, newest) = state
            .pending
            .split_at(state.pending.len().saturating_sub(MAX_LOST));
        let mut kept = state.kept.clone();
        older.iter().for_each(|naming| naming.happen(&mut kept));
        let mut images = BTreeSet::new();
        for happened in 0..1_u32 << newest.len() {
            let mut names = kept.clone();
            for (index, naming) in newest.iter().enumerate() {
                if happened & (1 << index) != 0 {
                    naming.happen(&mut names);
                }
            }
            let mut found = vec![Image::new()];
            for (path, file) in names {
                let inode = &state.files[file];
                let contents = inode.after_power_cut();
                found = found
                    .into_iter()
                    .flat_map(|image| {
                        contents.iter().map({
                            let path = path.clone();
                            move |content| {
                                let mut image = image.clone();
                                let file = (content.clone(), inode.attributes);
                                image.insert(path.clone(), file);
                                image
                            }
                        })
                    })
                    .collect();
            }
            images.extend(found);
        }
        images
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The state, for a change of it.
    fn change(&self) -> io::Result<MutexGuard<'_, State>> {
        let mut state = self.state();
        state.has_power()?;
        let operation = state.operations;
        state.operations += 1;
        match &state.failing {
            Some((failing, error)) if failing.contains(&operation) => Err((*error).into()),
            _ => Ok(state),
        }
    }

    /// The state, for a look at it.
    fn glance(&self) -> io::Result<MutexGuard<'_, State>> {
        let state = self.state();
        state.has_power()?;
        Ok(state)
    }
}

impl State {
    fn has_power(&self) -> io::Result<()> {
        match self.cut_before {
            Some(cut) if cut <= self.operations => Err(no_power()),
            _ => Ok(()),
        }
    }

    fn named(&self, path: &Path) -> io::Result<usize> {
        let file = self.names.get(path).copied();
        file.ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn naming(&mut self, naming: Naming) {
        naming.happen(&mut self.names);
        self.pending.push(naming);
    }
}

impl Inode {
    fn after_power_cut(&self) -> BTreeSet<Vec<u8>> {
        if self.synced {
            return BTreeSet::from([self.kept.clone()]);
        }
        let half = self.content[..self.content.len() / 2].to_vec();
        let zeros = vec![0; self.content.len()];
        BTreeSet::from([self.kept.clone(), half, zeros, self.content.clone()])
    }
}

impl Naming {
    fn happen(&self, names: &mut BTreeMap<PathBuf, usize>) {
        match self {
            Self::Made(path, file) => {
                names.insert(path.clone(), *file);
            }
            Self::Renamed(from, to, file) => {
                names.remove(from);
                names.insert(to.clone(), *file);
            }
            Self::Removed(path) => {
                names.remove(path);
            }
        }
    }

    fn is_in(&self, directory: &Path) -> bool {
        let (Self::Made(path, _) | Self::Renamed(_, path, _) | Self::Removed(path)) = self;
        path.parent() == Some(directory)
    }
}

impl Disk for SimulatedDisk {
    type File = SimulatedFile;
    type Lock = SimulatedLock;

    fn look(&self, path: &Path) -> io::Result<Option<Found>> {
        let state = self.glance()?;
        Ok(state.names.get(path).map(|&file| Found {
            path: path.to_owned(),
            attributes: state.files[file].attributes,
        }))
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        let state = self.glance()?;
        let file = state.named(path)?;
        Ok(state.files[file].content.clone())
    }

    fn create(&self, path: &Path) -> io::Result<SimulatedFile> {
        let mut state = self.change()?;
        if state.names.contains_key(path) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let directory = path.parent().unwrap_or(Path::new("/"));
        if !state.directories.contains(directory) {
            return Err(io::ErrorKind::NotFound.into());
        }
        let file = state.files.len();
        state.files.push(Inode {
            content: Vec::new(),
            kept: Vec::new(),
            synced: false,
            attributes: Attributes {
                mode: PRIVATE,
                user: 0,
                group: 0,
            },
        });
        state.naming(Naming::Made(path.to_owned(), file));
        Ok(SimulatedFile(file))
    }

    fn write(&self, file: &mut SimulatedFile, content: &[u8]) -> io::Result<()> {
        let mut state = self.change()?;
        let inode = &mut state.files[file.0];
        inode.content.extend_from_slice(content);
        inode.synced = false;
        Ok(())
    }

    fn set_attributes(&self, file: &SimulatedFile, attributes: Attributes) -> io::Result<()> {
        self.change()?.files[file.0].attributes = attributes;
        Ok(())
    }

    fn sync(&self, file: &SimulatedFile) -> io::Result<()> {
        let mut state = self.change()?;
        let inode = &mut state.files[file.0];
        inode.kept.clone_from(&inode.content);
        inode.synced = true;
        Ok(())
    }

    fn sync_directory(&self, path: &Path) -> io::Result<()> {
        let mut state = self.change()?;
        if !state.directories.contains(path) {
            return Err(io::ErrorKind::NotFound.into());
        }
        let pending = std::mem::take(&mut state.pending);
        for naming in pending {
            if naming.is_in(path) {
                naming.happen(&mut state.kept);
            } else {
                state.pending.push(naming);
            }
        }
        Ok(())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.change()?;
        let file = state.named(from)?;
        state.naming(Naming::Renamed(from.to_owned(), to.to_owned(), file));
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        if !self.glance()?.names.contains_key(path) {
            return Err(io::ErrorKind::NotFound.into());
        }
        let mut state = self.change()?;
        state.naming(Naming::Removed(path.to_owned()));
        Ok(())
    }

    fn lock(&self, path: &Path) -> io::Result<Option<SimulatedLock>> {
        let taken = self.glance()?.locks.insert(path.to_owned());
        Ok(taken.then(|| SimulatedLock {
            disk: self.clone(),
            path: path.to_owned(),
        }))
    }
}

impl Drop for SimulatedLock {
    fn drop(&mut self) {
        self.disk.state().locks.remove(&self.path);
    }
}

fn no_power() -> io::Error {
    io::Error::other("the power is gone")
}
