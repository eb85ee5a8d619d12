//! What a device's files turn out to say.

use crate::edge_config::DpsIdentity;
use crate::identity::Current;
use crate::journal::Record;
use crate::kept::Stamp;

/// What a device is found to be.
#[derive(Debug)]
pub struct Facts {
    /// The identity in the configuration.
    pub current: Current,
    /// The identity to come back to at a reset.
    pub stock: Option<DpsIdentity>,
    /// The last change.
    pub last: Option<Record>,
    /// What could not be read, as sentences.
    pub troubles: Vec<String>,
}

/// What tells whether another process, or a person with an editor, changed something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamps(pub(super) [Option<Stamp>; 3]);

/// What became of a change that a restart came upon.
#[derive(Debug)]
pub enum Found {
    /// Nothing is under way.
    Nothing,
    /// It goes on, to this identity, from that one.
    Goes {
        /// What is remembered of it.
        record: Box<Record>,
        /// The new identity.
        target: DpsIdentity,
        /// The identity the device had.
        previous: Current,
    },
    /// It was undone, or never came to be.
    RolledBack,
    /// The old configuration is in its place again, and the runtime has to take it: then
    /// [`Files::undone`](super::Files::undone).
    Undoing,
    /// Another process works on it.
    Others,
}
