//! The journal's file: a line that says what it is, with a checksum, and JSON.

use std::path::PathBuf;

use super::JournalError;
use super::record::Book;
use crate::disk::{self, Disk, DiskError};

/// What the first line begins with; the number is that of the format.
const TITLE: &str = "cow identity journal 1 ";
/// Behind the name of a journal that makes no sense.
const DAMAGED: &str = ".damaged";

#[derive(Debug)]
pub(super) struct JournalFile<D> {
    pub(super) disk: D,
    pub(super) path: PathBuf,
}

impl<D: Disk> JournalFile<D> {
    pub(super) fn new(disk: D, path: PathBuf) -> Self {
        Self { disk, path }
    }

    /// Everything remembered; nothing where there is no journal yet.
    pub(super) fn load(&self) -> Result<Book, JournalError> {
        match disk::read(&self.disk, &self.path)? {
            Some(content) => decode(&content).map_err(|what| JournalError::Damaged {
                path: self.path.clone(),
                what,
            }),
            None => Ok(Book::default()),
        }
    }

    /// Puts what is remembered in the place of what was.
    pub(super) fn save(&self, book: &Book) -> Result<(), JournalError> {
        Ok(disk::replace(&self.disk, &self.path, &encode(book))?)
    }

    /// Gives a journal that makes no sense another name, for somebody to look at.
    pub(super) fn put_aside(&self) -> Result<PathBuf, DiskError> {
        let aside = disk::beside(&self.path, DAMAGED);
        disk::copy(&self.disk, &self.path, &aside)?;
        disk::remove(&self.disk, &self.path)?;
        Ok(aside)
    }

    /// Sees to it that file and name are on disk as they are seen.
    pub(super) fn settle(&self) -> Result<(), DiskError> {
        disk::tidy(&self.disk, &self.path)?;
        disk::settle(&self.disk, &self.path)
    }
}

fn encode(book: &Book) -> Vec<u8> {
    // Texts, numbers and lists: there is nothing in it that JSON cannot hold.
    let json = serde_json::to_string_pretty(book).unwrap_or_default();
    format!("{TITLE}{:08x}\n{json}\n", crc32fast::hash(json.as_bytes())).into_bytes()
}

fn decode(content: &[u8]) -> Result<Book, &'static str> {
    let text = std::str::from_utf8(content).map_err(|_| "it is no text")?;
    let (title, json) = text.split_once('\n').ok_or("its first line is cut off")?;
    let checksum = title
        .strip_prefix(TITLE)
        .ok_or("its first line is another's")?;
    let json = json.strip_suffix('\n').ok_or("its end is missing")?;
    if checksum != format!("{:08x}", crc32fast::hash(json.as_bytes())) {
        return Err("its checksum is wrong");
    }
    serde_json::from_str(json).map_err(|_| "it was written by another version")
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use bay::message::ChangeKind;
    use jiff::Timestamp;

    use super::super::record::Record;
    use super::*;
    use crate::edge_config::Who;

    #[test]
    fn any_cut_and_any_changed_byte_is_noticed() {
        let mut book = Book::default();
        book.begin(Record::new(
            ChangeKind::Setup,
            Path::new("/etc/aziot/config.toml"),
            Who::None,
            Who::None,
            Timestamp::UNIX_EPOCH,
        ));
        let whole = encode(&book);
        assert_eq!(decode(&whole), Ok(book));

        for cut in 0..whole.len() {
            assert!(decode(&whole[..cut]).is_err(), "cut at {cut}");
        }
        for at in 0..whole.len() {
            for bit in 0..8 {
                let mut changed = whole.clone();
                changed[at] ^= 1 << bit;
                assert!(decode(&changed).is_err(), "bit {bit} of byte {at}");
            }
        }
    }
}
