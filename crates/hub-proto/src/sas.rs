//! Shared access signatures: the passwords and `Authorization` headers of devices and services.
//!
//! `SharedAccessSignature sr={audience}&sig={signature}&se={expiry}[&skn={policy}]`, the fields in any
//! order. What is signed is `sr` *as it stands in the token*, a newline, and `se`. Most clients escape
//! the audience first and some do not, so a verifier must not write it anew.

use std::borrow::Cow;
use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use thiserror::Error;

use crate::percent;

const SCHEME: &str = "SharedAccessSignature";

/// The clock difference a verifier should forgive, in seconds.
pub const CLOCK_SKEW: i64 = 300;

/// A symmetric key. It shows itself only through [`SymmetricKey::to_base64`].
#[derive(Clone, PartialEq, Eq)]
pub struct SymmetricKey(Vec<u8>);

/// Why a text is no key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum KeyError {
    /// Not base64, or without its padding.
    #[error("key is not base64")]
    NotBase64,
    /// Base64 of nothing.
    #[error("key is empty")]
    Empty,
}

impl SymmetricKey {
    /// A key of these bytes. The service takes 16 to 64 of them.
    #[must_use]
    pub fn from_bytes(bytes: impl Into<Vec<u8>>) -> Self {
        Self(bytes.into())
    }

    /// Reads the form in which keys are handed around.
    ///
    /// # Errors
    /// When the text is empty or not base64.
    pub fn from_base64(text: &str) -> Result<Self, KeyError> {
        let bytes = STANDARD
            .decode(text.trim())
            .map_err(|_| KeyError::NotBase64)?;
        if bytes.is_empty() {
            Err(KeyError::Empty)
        } else {
            Ok(Self(bytes))
        }
    }

    /// The key in the clear, for a connection string or an answer that must hold it.
    #[must_use]
    pub fn to_base64(&self) -> String {
        STANDARD.encode(&self.0)
    }

    /// The key's length in bytes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are no bytes, which makes it worthless.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// HMAC-SHA256 of `data` with this key.
    #[must_use]
    pub fn sign(&self, data: &[u8]) -> [u8; 32] {
        let mut mac = self.mac();
        mac.update(data);
        mac.finalize().into_bytes().into()
    }

    /// The key of one device of an enrolment group whose key this is.
    #[must_use]
    pub fn derive(&self, registration_id: &str) -> Self {
        Self(self.sign(registration_id.as_bytes()).to_vec())
    }

    /// Compares in constant time.
    fn verifies(&self, data: &[&[u8]], signature: &[u8]) -> bool {
        let mut mac = self.mac();
        for part in data {
            mac.update(part);
        }
        mac.verify_slice(signature).is_ok()
    }

    fn mac(&self) -> Hmac<Sha256> {
        Hmac::<Sha256>::new_from_slice(&self.0)
            .unwrap_or_else(|_| unreachable!("HMAC takes keys of any length"))
    }
}

impl fmt::Debug for SymmetricKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SymmetricKey(redacted)")
    }
}

/// A token before it is signed, for a key at hand or for a signer that keeps its key to itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unsigned {
    audience: String,
    expiry: i64,
    policy: Option<String>,
}

impl Unsigned {
    /// A token for the resource `audience`, not escaped, that ends at `expiry` in Unix seconds.
    #[must_use]
    pub fn new(audience: &str, expiry: i64) -> Self {
        Self {
            audience: percent::encode(audience).into_owned(),
            expiry,
            policy: None,
        }
    }

    /// Names the policy whose key signs (`skn`): a service's, or `registration`.
    #[must_use]
    pub fn with_policy(mut self, policy: impl Into<String>) -> Self {
        self.policy = Some(policy.into());
        self
    }

    /// What the key's holder has to sign with HMAC-SHA256.
    #[must_use]
    pub fn string_to_sign(&self) -> String {
        format!("{}\n{}", self.audience, self.expiry)
    }

    /// The token's text, once its signature is known.
    #[must_use]
    pub fn with_signature(&self, signature: &[u8]) -> String {
        let mut token = format!("{SCHEME} sr={}&sig=", self.audience);
        percent::encode_into(&STANDARD.encode(signature), &mut token);
        token.push_str(&format!("&se={}", self.expiry));
        if let Some(policy) = &self.policy {
            token.push_str("&skn=");
            percent::encode_into(policy, &mut token);
        }
        token
    }

    /// The token's text, signed with a key at hand.
    #[must_use]
    pub fn sign(&self, key: &SymmetricKey) -> String {
        self.with_signature(&key.sign(self.string_to_sign().as_bytes()))
    }
}

/// Why a token opens nothing.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum SasError {
    /// The text does not begin with `SharedAccessSignature`.
    #[error("not a shared access signature")]
    Scheme,
    /// A field is missing.
    #[error("token has no {0}")]
    Missing(&'static str),
    /// A field cannot be read.
    #[error("{0} of the token cannot be read")]
    Malformed(&'static str),
    /// None of the keys made the signature.
    #[error("token was signed with another key")]
    Signature,
    /// The token is for another resource.
    #[error("token is for {0:?}")]
    Audience(String),
    /// The token's time is over.
    #[error("token expired at {0}")]
    Expired(i64),
}

/// A token, taken apart.
#[derive(Clone, PartialEq, Eq)]
pub struct Token<'a> {
    signed_audience: &'a str,
    signed_expiry: &'a str,
    signature: Vec<u8>,
    expiry: i64,
    policy: Option<Cow<'a, str>>,
}

impl<'a> Token<'a> {
    /// Takes a token apart. Unknown fields are passed over.
    ///
    /// # Errors
    /// When the scheme or a field is missing or cannot be read.
    pub fn parse(text: &'a str) -> Result<Self, SasError> {
        let fields = text
            .split_at_checked(SCHEME.len())
            .filter(|(scheme, _)| scheme.eq_ignore_ascii_case(SCHEME))
            .and_then(|(_, fields)| fields.strip_prefix(' '))
            .ok_or(SasError::Scheme)?;
        let field = |name: &'static str| {
            fields
                .trim()
                .split('&')
                .find_map(|pair| pair.split_once('=').filter(|(key, _)| *key == name))
                .map(|(_, v)| v)
        };
        let signed_audience = field("sr").ok_or(SasError::Missing("sr"))?;
        let signature = field("sig").ok_or(SasError::Missing("sig"))?;
        let signed_expiry = field("se").ok_or(SasError::Missing("se"))?;
        Ok(Self {
            signed_audience,
            signed_expiry,
            signature: percent::decode(signature)
                .ok()
                .and_then(|signature| STANDARD.decode(signature.as_bytes()).ok())
                .ok_or(SasError::Malformed("sig"))?,
            expiry: signed_expiry
                .parse()
                .map_err(|_| SasError::Malformed("se"))?,
            policy: field("skn")
                .map(percent::decode)
                .transpose()
                .map_err(|_| SasError::Malformed("skn"))?,
        })
    }

    /// The resource it is for.
    ///
    /// # Errors
    /// When `sr` does not spell UTF-8.
    pub fn audience(&self) -> Result<Cow<'a, str>, SasError> {
        percent::decode(self.signed_audience).map_err(|_| SasError::Malformed("sr"))
    }

    /// When it ends, in Unix seconds.
    #[must_use]
    pub const fn expiry(&self) -> i64 {
        self.expiry
    }

    /// The policy that signed it (`skn`), if it names one.
    #[must_use]
    pub fn policy(&self) -> Option<&str> {
        self.policy.as_deref()
    }

    /// Checks the token for the resource `audience` (not escaped) against the keys that may open it, at
    /// the Unix second `now`, forgiving `skew` seconds. Gives back when it ends, in Unix seconds.
    ///
    /// # Errors
    /// [`SasError::Signature`], [`SasError::Audience`] or [`SasError::Expired`], in this order.
    pub fn verify<'k>(
        &self,
        audience: &str,
        keys: impl IntoIterator<Item = &'k SymmetricKey>,
        now: i64,
        skew: i64,
    ) -> Result<i64, SasError> {
        let signed = [
            self.signed_audience.as_bytes(),
            b"\n",
            self.signed_expiry.as_bytes(),
        ];
        if !keys
            .into_iter()
            .any(|key| key.verifies(&signed, &self.signature))
        {
            return Err(SasError::Signature);
        }
        let own = self.audience()?;
        if !opens(&own, audience) {
            return Err(SasError::Audience(own.into_owned()));
        }
        if self.expiry.saturating_add(skew) <= now {
            return Err(SasError::Expired(self.expiry));
        }
        Ok(self.expiry)
    }
}

impl fmt::Debug for Token<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Token")
            .field("audience", &self.signed_audience)
            .field("expiry", &self.expiry)
            .field("policy", &self.policy)
            .finish_non_exhaustive()
    }
}

/// Takes apart and verifies in one step, see [`Token::verify`].
///
/// # Errors
/// As [`Token::parse`] and [`Token::verify`].
pub fn verify<'k>(
    token: &str,
    audience: &str,
    keys: impl IntoIterator<Item = &'k SymmetricKey>,
    now: i64,
    skew: i64,
) -> Result<i64, SasError> {
    Token::parse(token)?.verify(audience, keys, now, skew)
}

/// Whether a token for `own` opens `resource`: the same, a prefix by path segment (a hub's own token
/// opens its devices), or a longer one as an old tool made it (`…/devices/d/api-version=…`). A module's
/// token is longer than its device's too, but opens only the module. Case never counts.
fn opens(own: &str, resource: &str) -> bool {
    let (own, resource) = (own.to_ascii_lowercase(), resource.to_ascii_lowercase());
    let below = |long: &str, short: &str| {
        long.strip_prefix(short)
            .and_then(|rest| rest.strip_prefix('/'))
            .map(str::to_owned)
    };
    own == resource
        || below(&resource, &own).is_some()
        || below(&own, &resource).is_some_and(|rest| !rest.starts_with("modules/"))
}
