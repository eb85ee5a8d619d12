//! What the state directory keeps beside the journal: the stock identity, the first identity until it has
//! been taken, the portal's PIN, and where the device was assigned.
//!
//! Every file is for its owner only and is replaced whole. The host's service and the Edge module share the
//! directory; only whoever holds the journal's lock changes the identities.

use std::fs;
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::card::{self, Card};
use crate::disk::{self, DiskError, RealDisk};
use crate::edge_config::{DpsIdentity, Endpoint, Who};
use crate::identity::Assigned;
use crate::portal::Pin;

const STOCK: &str = "stock.toml";
const FIRST: &str = "first.toml";
const PIN: &str = "portal.pin";
const ASSIGNED: &str = "assigned.json";
const CARD: &str = "card.sha256";

/// The state directory.
#[derive(Clone, Debug)]
pub struct Kept {
    directory: PathBuf,
}

/// What an identity file on the card came to.
#[derive(Debug)]
pub enum Taken {
    /// There is none, or none that was not taken before.
    Nothing,
    /// It is in the state directory now. The file is gone from the card, or could not be removed, for the
    /// reason given.
    Taken(Option<io::Error>),
    /// It cannot be used, for this reason, and stays where it is.
    Unusable(String),
}

#[derive(Serialize, Deserialize)]
struct AssignedTo {
    who: Who,
    #[serde(flatten)]
    assigned: Assigned,
}

/// What tells whether a file was replaced since.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    inode: u64,
    modified: (i64, i64),
}

impl Kept {
    /// Opens the directory, making it where it is missing, for its owner only.
    ///
    /// # Errors
    ///
    /// It cannot be made.
    pub fn open(directory: &Path) -> io::Result<Self> {
        if !directory.is_dir() {
            fs::DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(directory)?;
        }
        Ok(Self {
            directory: directory.to_owned(),
        })
    }

    /// The directory.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// The identity to come back to at a reset.
    ///
    /// # Errors
    ///
    /// A sentence about the file that cannot be read.
    pub fn stock(&self) -> Result<Option<DpsIdentity>, String> {
        self.identity(STOCK)
    }

    /// Keeps the identity to come back to.
    ///
    /// # Errors
    ///
    /// [`DiskError`]; the old one is kept then.
    pub fn keep_stock(&self, identity: &DpsIdentity) -> Result<(), DiskError> {
        self.put(STOCK, card::write(identity).as_bytes())
    }

    /// The first identity, as long as it has not been taken.
    ///
    /// # Errors
    ///
    /// A sentence about the file that cannot be read.
    pub fn first(&self) -> Result<Option<DpsIdentity>, String> {
        self.identity(FIRST)
    }

    /// Forgets the first identity: it has been taken, or another one was.
    ///
    /// # Errors
    ///
    /// [`DiskError`]
    pub fn forget_first(&self) -> Result<(), DiskError> {
        disk::remove(&RealDisk, &self.directory.join(FIRST))
    }

    /// The portal's PIN, if one is kept.
    pub fn pin(&self) -> Option<Pin> {
        let content = self.read(PIN).ok()??;
        String::from_utf8(content).ok()?.trim().parse().ok()
    }

    /// Keeps the portal's PIN.
    ///
    /// # Errors
    ///
    /// [`DiskError`]
    pub fn keep_pin(&self, pin: &Pin) -> Result<(), DiskError> {
        self.put(PIN, pin.expose().as_bytes())
    }

    /// Where `who` was assigned, if that was the last one to be.
    pub fn assigned(&self, who: &Who) -> Option<Assigned> {
        let content = self.read(ASSIGNED).ok()??;
        let kept: AssignedTo = serde_json::from_slice(&content).ok()?;
        (kept.who == *who).then_some(kept.assigned)
    }

    /// Keeps where `who` was assigned. It is only told to people, so that it cannot be kept is no failure.
    pub fn keep_assigned(&self, who: Who, assigned: Assigned) {
        let kept = AssignedTo { who, assigned };
        let content = serde_json::to_vec(&kept).unwrap_or_default();
        if let Err(error) = self.put(ASSIGNED, &content) {
            tracing::debug!(%error, "where the device was assigned is not kept");
        }
    }

    /// Takes an identity file over from the card: it is here before it is gone from there.
    ///
    /// A card that cannot be written keeps its file for ever. That it was taken is known by its digest, so
    /// that a device which has a project's identity by then does not lose it at its next start.
    ///
    /// # Errors
    ///
    /// [`DiskError`]: it cannot be kept here, and stays where it is.
    pub fn take_card(&self, file: &Path, endpoint: &Endpoint) -> Result<Taken, DiskError> {
        let content = match disk::read(&RealDisk, file) {
            Ok(Some(content)) => content,
            Ok(None) => return Ok(Taken::Nothing),
            Err(error) => return Ok(Taken::Unusable(error.to_string())),
        };
        let digest: String = Sha256::digest(&content)
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        if self
            .read(CARD)?
            .is_some_and(|known| known == digest.as_bytes())
        {
            // A crash came between, or the card can be written again.
            return Ok(match fs::remove_file(file) {
                Ok(()) | Err(_) => Taken::Nothing,
            });
        }
        let card = match Card::read(&content, endpoint) {
            Ok(card) => card,
            Err(why) => return Ok(Taken::Unusable(format!("{}: {why}", file.display()))),
        };
        if let Some(pin) = &card.pin {
            self.keep_pin(pin)?;
        }
        self.put(FIRST, card::write(&card.identity).as_bytes())?;
        self.put(CARD, digest.as_bytes())?;
        Ok(Taken::Taken(fs::remove_file(file).err()))
    }

    /// What tells whether the stock identity was replaced since.
    pub fn stamp(&self) -> Option<Stamp> {
        Stamp::of(&self.directory.join(STOCK))
    }

    fn identity(&self, name: &str) -> Result<Option<DpsIdentity>, String> {
        let Some(content) = self.read(name).map_err(|error| error.to_string())? else {
            return Ok(None);
        };
        // What this program wrote names its endpoint, so the default is never needed.
        Card::read(&content, &Endpoint::default())
            .map(|card| Some(card.identity))
            .map_err(|why| format!("{}: {why}", self.directory.join(name).display()))
    }

    fn read(&self, name: &str) -> Result<Option<Vec<u8>>, DiskError> {
        disk::read(&RealDisk, &self.directory.join(name))
    }

    fn put(&self, name: &str, content: &[u8]) -> Result<(), DiskError> {
        disk::replace(&RealDisk, &self.directory.join(name), content)
    }
}

impl Stamp {
    /// That of a file; nothing where there is none.
    pub fn of(path: &Path) -> Option<Self> {
        let metadata = fs::metadata(path).ok()?;
        Some(Self {
            inode: metadata.ino(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    const KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

    fn text(scope: &str) -> String {
        format!(
            "id_scope = \"{scope}\"\nregistration_id = \"r\"\nsymmetric_key = \"{KEY}\"\nportal_pin = \"12345678\"\n"
        )
    }

    struct Place {
        directory: tempfile::TempDir,
        kept: Kept,
    }

    impl Place {
        fn new() -> Self {
            let directory = tempfile::tempdir().expect("a temporary directory");
            let kept = Kept::open(&directory.path().join("state")).expect("a directory");
            Self { directory, kept }
        }

        fn card(&self) -> PathBuf {
            self.directory.path().join("cow-identity.toml")
        }

        fn take(&self) -> Taken {
            self.kept
                .take_card(&self.card(), &Endpoint::default())
                .expect("room on disk")
        }
    }

    #[test]
    fn a_card_is_taken_over_once() {
        let place = Place::new();
        assert!(matches!(place.take(), Taken::Nothing));
        fs::write(place.card(), text("0ne1")).expect("room on disk");

        assert!(matches!(place.take(), Taken::Taken(None)));
        assert!(!place.card().exists());
        let first = place.kept.first().expect("readable").expect("kept");
        assert_eq!(first.id_scope, "0ne1");
        assert!(place.kept.pin().is_some());
        for name in [FIRST, PIN] {
            let path = place.kept.directory().join(name);
            let mode = fs::metadata(path).expect("a file").permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{name}");
        }

        // A card that was read-only then has the same file again.
        place.kept.forget_first().expect("room on disk");
        fs::write(place.card(), text("0ne1")).expect("room on disk");
        assert!(matches!(place.take(), Taken::Nothing));
        assert_eq!(place.kept.first(), Ok(None));
        assert!(!place.card().exists());

        // Another one is news.
        fs::write(place.card(), text("0ne2")).expect("room on disk");
        assert!(matches!(place.take(), Taken::Taken(None)));
    }

    #[test]
    fn a_card_that_cannot_be_used_stays() {
        let place = Place::new();
        fs::write(place.card(), text("0ne 1")).expect("room on disk");
        let Taken::Unusable(why) = place.take() else {
            panic!("a scope has no space");
        };
        assert!(why.contains("idScope") && !why.contains(KEY), "{why}");
        assert!(place.card().exists());
    }

    #[test]
    fn what_is_kept_is_found_again() {
        let Place {
            kept,
            directory: _held,
        } = Place::new();
        assert_eq!(kept.stock(), Ok(None));
        assert_eq!(kept.stamp(), None);
        let card = Card::read(text("0ne1").as_bytes(), &Endpoint::default()).expect("a card");
        kept.keep_stock(&card.identity).expect("room on disk");
        assert_eq!(kept.stock(), Ok(Some(card.identity.clone())));
        assert!(kept.stamp().is_some());

        let assigned = Assigned {
            hub: "hub.example".to_owned(),
            device_id: "r".to_owned(),
        };
        let who = card.identity.who();
        kept.keep_assigned(who.clone(), assigned.clone());
        assert_eq!(kept.assigned(&who), Some(assigned));
        assert_eq!(kept.assigned(&Who::None), None);
    }
}
