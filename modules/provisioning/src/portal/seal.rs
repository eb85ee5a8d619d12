//! What the portal gives a browser to bring back, such that nobody else can make it: cookies and form tokens.
//!
//! A visitor is a number, sealed with a secret that the process made at its start; so a visitor who never signs in costs
//! the device no memory. The PIN is only ever compared by its seal, in a time that tells nothing of it.

use std::fmt;

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;

type HmacSha256 = Hmac<Sha256>;

/// The process's secret.
#[derive(Clone)]
pub(super) struct Seal(HmacSha256);

impl Seal {
    pub(super) fn new(secret: &[u8; 32]) -> Self {
        let mac = HmacSha256::new_from_slice(secret);
        Self(mac.unwrap_or_else(|_| unreachable!("HMAC takes keys of any length")))
    }

    /// A visitor's cookie.
    pub(super) fn cookie(&self, visitor: u64) -> String {
        format!("{visitor}.{}", self.seal("visitor", &visitor.to_string()))
    }

    /// Whose cookie this is, if it is of this process.
    pub(super) fn visitor(&self, cookie: &str) -> Option<u64> {
        let (number, seal) = cookie.split_once('.')?;
        let visitor: u64 = number.parse().ok()?;
        self.is_sealed("visitor", &visitor.to_string(), seal)
            .then_some(visitor)
    }

    /// What every form of a visitor's pages carries.
    pub(super) fn form_token(&self, visitor: u64) -> String {
        self.seal("form", &visitor.to_string())
    }

    pub(super) fn is_form_token(&self, visitor: u64, token: &str) -> bool {
        self.is_sealed("form", &visitor.to_string(), token)
    }

    pub(super) fn is_pin(&self, pin: &str, given: &str) -> bool {
        self.is_sealed("pin", pin, &self.seal("pin", given))
    }

    fn mac(&self, purpose: &str, text: &str) -> HmacSha256 {
        self.0
            .clone()
            .chain_update(purpose)
            .chain_update([0])
            .chain_update(text)
    }

    fn seal(&self, purpose: &str, text: &str) -> String {
        let seal = self.mac(purpose, text).finalize().into_bytes();
        seal.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// In a time that does not depend on how much of `seal` is right.
    fn is_sealed(&self, purpose: &str, text: &str, seal: &str) -> bool {
        let bytes: Option<Vec<u8>> = (0..seal.len())
            .step_by(2)
            .map(|at| u8::from_str_radix(seal.get(at..at + 2)?, 16).ok())
            .collect();
        bytes.is_some_and(|bytes| self.mac(purpose, text).verify_slice(&bytes).is_ok())
    }
}

impl fmt::Debug for Seal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Seal(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cookie_is_its_processs_and_nobody_elses() {
        let (ours, theirs) = (Seal::new(&[1; 32]), Seal::new(&[2; 32]));
        let cookie = ours.cookie(42);
        assert_eq!(ours.visitor(&cookie), Some(42));
        assert_eq!(theirs.visitor(&cookie), None);
        for forged in [
            cookie.replacen("42", "43", 1),
            format!("42.{}", ours.form_token(42)),
            cookie[..cookie.len() - 2].to_owned(),
            "42.".into(),
            "42".into(),
            ".".into(),
            "42.é".into(),
            String::new(),
        ] {
            assert_eq!(ours.visitor(&forged), None, "{forged}");
        }
    }

    #[test]
    fn a_form_token_is_one_visitors() {
        let seal = Seal::new(&[1; 32]);
        let token = seal.form_token(1);
        assert!(seal.is_form_token(1, &token));
        assert!(!seal.is_form_token(2, &token));
        assert!(!seal.is_form_token(1, ""));
        assert!(!seal.is_form_token(1, &seal.cookie(1)));
    }

    #[test]
    fn a_pin_is_compared_whole() {
        let seal = Seal::new(&[1; 32]);
        assert!(seal.is_pin("314159", "314159"));
        for wrong in ["31415", "3141590", "", "314158"] {
            assert!(!seal.is_pin("314159", wrong), "{wrong}");
        }
        assert_eq!(format!("{seal:?}"), "Seal(..)");
    }
}
