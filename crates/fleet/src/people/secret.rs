//! Secrets people and programs carry: 256 random bits, of which the database holds the SHA-256 only.

use std::fmt;
use std::fmt::Write;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};

/// A secret that was just made. Its `Debug` does not show it.
pub(crate) struct Secret(String);

impl Secret {
    /// A new one behind a prefix that tells people and scanners what it is.
    ///
    /// # Errors
    /// When the system has no random numbers.
    pub(crate) fn new(prefix: &str) -> Result<Self, getrandom::Error> {
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes)?;
        Ok(Self(
            prefix.to_owned() + &BASE64_URL_SAFE_NO_PAD.encode(bytes),
        ))
    }

    /// What its holder is told, once.
    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }

    /// What is kept of it.
    pub(crate) fn hash(&self) -> String {
        hash(&self.0)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

/// What is kept of a secret, to find it by. Nobody guesses 256 bits, so it needs no salt and no slowness.
pub(crate) fn hash(secret: &str) -> String {
    let digest = Sha256::digest(secret.as_bytes());
    digest
        .iter()
        .fold(String::with_capacity(64), |mut text, byte| {
            // Writing to a string does not fail.
            let _ = write!(text, "{byte:02x}");
            text
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_its_own_and_shows_itself_to_nobody() {
        let secret = Secret::new("cow_").expect("random numbers");
        assert_ne!(
            secret.reveal(),
            Secret::new("cow_").expect("random numbers").reveal()
        );
        assert_eq!(secret.reveal().len(), 4 + 43);
        assert!(!format!("{secret:?}").contains(&secret.reveal()[4..]));
        // FIPS 180-2, appendix B.1.
        let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(hash("abc"), abc);
    }
}
