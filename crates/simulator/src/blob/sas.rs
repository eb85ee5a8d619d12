//! Shared access signatures of the blob store: what a URI's query allows, to whom, and until when. Pure, told the time.
//!
//! These are service signatures by the account's key (*Create a service SAS*, Azure Storage REST reference), versions
//! 2018-11-09 and later; hub tokens are another thing, see `hub_proto::sas`.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hub_proto::percent;
use hub_proto::sas::SymmetricKey;
use jiff::Timestamp;
use thiserror::Error;

use super::ACCOUNT;
use crate::is_same_secret;

/// The version this store signs with: the first with its string to sign.
const VERSION: &str = "2020-12-06";
/// The first version that signs the kind of resource, and so the first that is taken.
const OLDEST: &str = "2018-11-09";

/// What a request needs to be allowed; the letters of `sp`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Permission {
    Read,
    Write,
    /// Only what is not there yet; writing includes it.
    Create,
    Delete,
    List,
}

impl Permission {
    fn letters(self) -> &'static [char] {
        match self {
            Self::Read => &['r'],
            Self::Write => &['w'],
            Self::Create => &['c', 'w'],
            Self::Delete => &['d'],
            Self::List => &['l'],
        }
    }
}

/// What a signature is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Resource<'a> {
    pub(crate) container: &'a str,
    /// Nothing for all of the container.
    pub(crate) blob: Option<&'a str>,
}

impl Resource<'_> {
    fn canonical(self) -> String {
        let Self { container, blob } = self;
        match blob {
            Some(blob) => format!("/blob/{ACCOUNT}/{container}/{blob}"),
            None => format!("/blob/{ACCOUNT}/{container}"),
        }
    }
}

/// Why a query opens nothing.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(crate) enum SasFault {
    #[error("The request has no signature: sig is missing.")]
    Missing,
    #[error("{0} is missing, or not what it can be.")]
    Field(&'static str),
    #[error("The signature is not valid for this resource.")]
    Signature,
    #[error("The signature is valid from {0} only.")]
    NotYet(Timestamp),
    #[error("The signature was valid until {0}.")]
    Expired(Timestamp),
    #[error("sp does not allow this: it would have to hold one of {0:?}.")]
    Permission(&'static [char]),
}

/// Signs a query, beginning with `?`, for what `permissions` say until `expires`.
pub(crate) fn sign(
    key: &SymmetricKey,
    resource: Resource<'_>,
    permissions: &str,
    expires: Timestamp,
) -> String {
    let kind = if resource.blob.is_some() { "b" } else { "c" };
    let expires = expires.strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    let fields = Fields {
        version: VERSION,
        kind,
        permissions,
        expires: &expires,
        ..Fields::default()
    };
    let signature = STANDARD.encode(key.sign(fields.to_sign(resource).as_bytes()));
    format!(
        "?sv={VERSION}&sr={kind}&sp={permissions}&se={}&sig={}",
        percent::encode(&expires),
        percent::encode(&signature)
    )
}

/// Checks that a query allows `wanted` of a blob, or of a container as a whole.
///
/// # Errors
/// What it lacks.
pub(crate) fn check(
    query: &str,
    key: &SymmetricKey,
    resource: Resource<'_>,
    wanted: Permission,
    now: Timestamp,
) -> Result<(), SasFault> {
    let decoded = decode(query)?;
    let fields = Fields::read(&decoded);
    if fields.signature.is_empty() {
        return Err(SasFault::Missing);
    }
    if !is_version(fields.version) {
        return Err(SasFault::Field("sv"));
    }
    let signed = match fields.kind {
        "b" if resource.blob.is_some() => resource,
        "c" => Resource {
            blob: None,
            ..resource
        },
        "b" => return Err(SasFault::Signature),
        _ => return Err(SasFault::Field("sr")),
    };
    let signature = STANDARD
        .decode(fields.signature)
        .map_err(|_| SasFault::Field("sig"))?;
    if !is_same_secret(&key.sign(fields.to_sign(signed).as_bytes()), &signature) {
        return Err(SasFault::Signature);
    }
    if !fields.start.is_empty() {
        let start = moment(fields.start).ok_or(SasFault::Field("st"))?;
        if now < start {
            return Err(SasFault::NotYet(start));
        }
    }
    let expires = moment(fields.expires).ok_or(SasFault::Field("se"))?;
    if now >= expires {
        return Err(SasFault::Expired(expires));
    }
    let letters = wanted.letters();
    match fields.permissions.contains(letters) {
        true => Ok(()),
        false => Err(SasFault::Permission(letters)),
    }
}

/// What is signed of a query; empty where it says nothing.
#[derive(Debug, Clone, Copy, Default)]
struct Fields<'a> {
    version: &'a str,
    kind: &'a str,
    permissions: &'a str,
    start: &'a str,
    expires: &'a str,
    identifier: &'a str,
    addresses: &'a str,
    protocol: &'a str,
    snapshot: &'a str,
    encryption_scope: &'a str,
    /// `rscc`, `rscd`, `rsce`, `rscl`, `rsct`: headers that readers are to get.
    overrides: [&'a str; 5],
    signature: &'a str,
}

impl<'a> Fields<'a> {
    fn read(query: &'a [(String, String)]) -> Self {
        let get = |name: &str| {
            let mut pairs = query.iter();
            pairs
                .find(|(key, _)| key == name)
                .map_or("", |(_, value)| value.as_str())
        };
        Self {
            version: get("sv"),
            kind: get("sr"),
            permissions: get("sp"),
            start: get("st"),
            expires: get("se"),
            identifier: get("si"),
            addresses: get("sip"),
            protocol: get("spr"),
            snapshot: get("snapshot"),
            encryption_scope: get("ses"),
            overrides: ["rscc", "rscd", "rsce", "rscl", "rsct"].map(get),
            signature: get("sig"),
        }
    }

    fn to_sign(self, resource: Resource<'_>) -> String {
        let canonical = resource.canonical();
        let mut lines = vec![
            self.permissions,
            self.start,
            self.expires,
            &canonical,
            self.identifier,
            self.addresses,
            self.protocol,
            self.version,
            self.kind,
            self.snapshot,
        ];
        if self.version >= VERSION {
            lines.push(self.encryption_scope);
        }
        lines.extend(self.overrides);
        lines.join("\n")
    }
}

fn decode(query: &str) -> Result<Vec<(String, String)>, SasFault> {
    let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    pairs
        .map(|(name, value)| {
            let value = percent::decode(value).map_err(|_| SasFault::Field("The query"))?;
            Ok((name.to_ascii_lowercase(), value.into_owned()))
        })
        .collect()
}

/// A date, of which the letters' order is that of time.
fn is_version(text: &str) -> bool {
    let is_date = text.len() == 10
        && text.bytes().enumerate().all(|(at, byte)| match at {
            4 | 7 => byte == b'-',
            _ => byte.is_ascii_digit(),
        });
    is_date && text >= OLDEST
}

/// Reads a moment in one of the forms signatures have it in: a second, a minute or a day.
fn moment(text: &str) -> Option<Timestamp> {
    let whole = match text.len() {
        10 => format!("{text}T00:00:00Z"),
        17 => format!("{}:00Z", text.strip_suffix('Z')?),
        _ => text.to_owned(),
    };
    whole.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const BEGAN: Timestamp = Timestamp::UNIX_EPOCH;
    const FILE: Resource<'_> = Resource {
        container: "uploads",
        blob: Some("pump7/a b.txt"),
    };
    const ALL: Resource<'_> = Resource {
        container: "uploads",
        blob: None,
    };

    fn key() -> SymmetricKey {
        SymmetricKey::from_bytes(*b"0123456789abcdef")
    }

    fn in_an_hour() -> Timestamp {
        BEGAN + std::time::Duration::from_secs(3600)
    }

    fn signed(resource: Resource<'_>, permissions: &str) -> String {
        let query = sign(&key(), resource, permissions, in_an_hour());
        query.strip_prefix('?').expect("a query").to_owned()
    }

    #[test]
    fn a_signature_opens_what_it_was_made_for() {
        let query = signed(FILE, "rw");
        let ask = |resource, wanted| check(&query, &key(), resource, wanted, BEGAN);
        assert_eq!(ask(FILE, Permission::Read), Ok(()));
        assert_eq!(ask(FILE, Permission::Create), Ok(()));
        assert_eq!(
            ask(FILE, Permission::Delete),
            Err(SasFault::Permission(&['d']))
        );
        let other = Resource {
            blob: Some("pump8/a b.txt"),
            ..FILE
        };
        assert_eq!(ask(other, Permission::Read), Err(SasFault::Signature));
        assert_eq!(ask(ALL, Permission::List), Err(SasFault::Signature));
    }

    #[test]
    fn a_container_s_signature_opens_every_blob_of_it() {
        let query = signed(ALL, "rl");
        let ask = |resource, wanted| check(&query, &key(), resource, wanted, BEGAN);
        assert_eq!(ask(ALL, Permission::List), Ok(()));
        assert_eq!(ask(FILE, Permission::Read), Ok(()));
        let elsewhere = Resource {
            container: "exports",
            ..FILE
        };
        assert_eq!(ask(elsewhere, Permission::Read), Err(SasFault::Signature));
    }

    #[test]
    fn a_signature_has_its_time() {
        let query = signed(FILE, "r");
        let ask = |now| check(&query, &key(), FILE, Permission::Read, now);
        let second = std::time::Duration::from_secs(1);
        assert_eq!(ask(in_an_hour() - second), Ok(()));
        assert_eq!(ask(in_an_hour()), Err(SasFault::Expired(in_an_hour())));
    }

    #[test]
    fn what_was_changed_after_signing_opens_nothing() {
        let query = signed(FILE, "r");
        let ask = |query: &str| check(query, &key(), FILE, Permission::Read, BEGAN);
        assert_eq!(
            ask(&query.replace("sp=r", "sp=rw")),
            Err(SasFault::Signature)
        );
        let later = query.replace("1970-01-01", "1990-01-01");
        assert_eq!(ask(&later), Err(SasFault::Signature));
        let stranger = SymmetricKey::from_bytes(*b"another key here");
        assert_eq!(
            check(&query, &stranger, FILE, Permission::Read, BEGAN),
            Err(SasFault::Signature)
        );
    }

    #[test]
    fn what_is_missing_is_named() {
        let query = signed(FILE, "r");
        let ask = |query: &str| check(query, &key(), FILE, Permission::Read, BEGAN);
        assert_eq!(ask(""), Err(SasFault::Missing));
        assert_eq!(ask("sig=x&sr=b"), Err(SasFault::Field("sv")));
        let old = query.replace(VERSION, "2015-04-05");
        assert_eq!(ask(&old), Err(SasFault::Field("sv")));
        let strange = query.replace("sr=b", "sr=q");
        assert_eq!(ask(&strange), Err(SasFault::Field("sr")));
        assert_eq!(
            ask("sv=2020-12-06&sr=b&sig=%FF"),
            Err(SasFault::Field("The query"))
        );
    }

    /// By the documentation's order of lines, checked once against `azure-storage-blob`'s `generate_blob_sas`.
    #[test]
    fn the_official_client_signs_alike() {
        let key = SymmetricKey::from_base64("MDEyMzQ1Njc4OWFiY2RlZg==").expect("base64");
        let fields = Fields {
            version: "2020-12-06",
            kind: "b",
            permissions: "rw",
            expires: "2030-01-01T00:00:00Z",
            ..Fields::default()
        };
        let lines = fields.to_sign(FILE);
        assert_eq!(
            lines,
            "rw\n\n2030-01-01T00:00:00Z\n/blob/blob/uploads/pump7/a b.txt\n\n\n\n2020-12-06\nb\n\n\n\n\n\n\n"
        );
        assert_eq!(key.sign(lines.as_bytes()).len(), 32);
    }
}
