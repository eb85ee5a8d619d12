//! Keys of enrolments.

use std::fmt;

use hub_proto::dps::registration::RegistrationId;
use hub_proto::sas::{KeyError, SymmetricKey};

/// The length of a new key: the longest that the service takes, as it makes them itself.
const KEY_BYTES: usize = 64;

/// A group's key, from which each of its devices' keys is derived. It proves no device itself.
#[derive(Clone, PartialEq, Eq)]
pub struct GroupKey(SymmetricKey);

impl GroupKey {
    /// Reads the form in which keys are handed around.
    ///
    /// # Errors
    /// When the text is empty or not base64.
    pub fn from_base64(text: &str) -> Result<Self, KeyError> {
        SymmetricKey::from_base64(text).map(Self)
    }

    /// The key of one device of the group: HMAC-SHA256 of its registration id as it is written, with this key.
    ///
    /// The service compares ids without case, but each letter's case changes the key: write ids in lower case.
    #[must_use]
    pub fn derive(&self, registration_id: &RegistrationId) -> SymmetricKey {
        self.0.derive(registration_id.as_str())
    }

    /// The key in the clear, for whoever keeps it in a vault.
    #[must_use]
    pub fn to_base64(&self) -> String {
        self.0.to_base64()
    }
}

impl From<SymmetricKey> for GroupKey {
    fn from(key: SymmetricKey) -> Self {
        Self(key)
    }
}

impl fmt::Debug for GroupKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("GroupKey(redacted)")
    }
}

/// Which of an enrolment's two keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeySlot {
    /// The one devices use.
    Primary,
    /// The one to change to.
    Secondary,
}

/// An enrolment's two keys, either of which opens it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyPair<K> {
    /// The one devices use.
    pub primary: K,
    /// The one to change to.
    pub secondary: K,
}

impl KeyPair<SymmetricKey> {
    pub(super) fn into_kind<K: From<SymmetricKey>>(self) -> KeyPair<K> {
        KeyPair {
            primary: self.primary.into(),
            secondary: self.secondary.into(),
        }
    }
}

/// A new key.
pub(super) fn random() -> SymmetricKey {
    let mut bytes = [0; KEY_BYTES];
    getrandom::fill(&mut bytes)
        .unwrap_or_else(|error| unreachable!("the system has no random numbers: {error}"));
    SymmetricKey::from_bytes(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn derives_as_the_documentation_does() {
        // The example of "How to use symmetric keys": HMAC-SHA256 with openssl gives the same.
        let group = GroupKey::from_base64("8isrFI1sGsIlvvFSSFRiMfCNzv21fjbE/+ah/lSh3lF8e2YG1Te7w1KpZhJFFXJrqYKi9yegxkqIChbqOS9Egw==")
            .expect("a key");
        let id = "sn-007-888-abc-mac-a1-b2-c3-d4-e5-f6"
            .parse()
            .expect("an id");
        assert_eq!(
            group.derive(&id).to_base64(),
            "Jsm0lyGpjaVYVP2g3FnmnmG9dI/9qU24wNoykUmermc="
        );
    }

    #[test]
    fn shows_nothing_of_a_key() {
        let text = "AAECAwQFBgcICQoLDA0ODw==";
        let key = GroupKey::from_base64(text).expect("a key");
        assert_eq!(key.to_base64(), text);
        let pair = KeyPair {
            primary: key.clone(),
            secondary: key,
        };
        assert!(!format!("{pair:?}").contains("AAEC"));
        assert!(GroupKey::from_base64("?").is_err());
    }

    #[test]
    fn new_keys_are_long_and_differ() {
        assert_eq!(random().len(), KEY_BYTES);
        assert_ne!(random(), random());
    }
}
