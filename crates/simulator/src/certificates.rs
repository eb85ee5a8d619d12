//! Certificates that clients present and people register: what they say of themselves.
//!
//! TLS has seen by then that a client holds the key of the certificate it presents (`pki/possession.rs`). Whether a chain
//! leads to a trusted authority is decided in [`chain`], told the time.

mod chain;

use std::fmt;
use std::sync::Arc;

use hub_proto::dps::enrollment::CertificateInfo;
use jiff::Timestamp;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use thiserror::Error;
use x509_parser::prelude::{FromDer, X509Certificate};

pub(crate) use chain::{ChainFault, verify_chain};

/// What a client presented: its own certificate first, then whatever of its issuers it sent along. Never empty.
#[derive(Debug, Clone)]
pub(crate) struct PeerCertificates(Arc<[CertificateDer<'static>]>);

impl PeerCertificates {
    /// Those of a finished handshake, if the client has presented any.
    pub(crate) fn of(connection: &rustls::ServerConnection) -> Option<Self> {
        connection.peer_certificates().and_then(Self::new)
    }

    pub(crate) fn new(presented: &[CertificateDer<'static>]) -> Option<Self> {
        (!presented.is_empty()).then(|| Self(presented.into()))
    }

    /// The client's own certificate.
    pub(crate) fn leaf(&self) -> &CertificateDer<'static> {
        &self.0[0]
    }

    /// What it sent along: issuers, in any order.
    pub(crate) fn intermediates(&self) -> &[CertificateDer<'static>] {
        &self.0[1..]
    }
}

/// Why a text is no certificate.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(crate) enum CertificateError {
    /// Neither PEM nor the base64 of DER.
    #[error("it is neither PEM, beginning with -----BEGIN CERTIFICATE-----, nor DER in base64")]
    Text,
    /// The bytes are no X.509 certificate.
    #[error("it is no X.509 certificate: {0}")]
    Content(String),
    /// Not a thumbprint.
    #[error(
        "{0:?} is no thumbprint: the 40 hexadecimal digits of SHA-1 or the 64 of SHA-256, without colons"
    )]
    Thumbprint(String),
}

/// One certificate, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Certificate {
    pub(crate) der: CertificateDer<'static>,
    /// As text, e.g. `CN=press 7, O=Example`.
    pub(crate) subject: String,
    /// The subject's common name, which is whom a device's certificate speaks for.
    pub(crate) common_name: Option<String>,
    pub(crate) issuer: String,
    /// Hexadecimal digits.
    pub(crate) serial: String,
    /// 1 to 3; anything newer than 1998 says 3.
    pub(crate) version: u32,
    pub(crate) not_before: Timestamp,
    pub(crate) not_after: Timestamp,
    /// Whether it may issue others.
    pub(crate) is_ca: bool,
}

impl Certificate {
    /// Takes DER apart.
    ///
    /// # Errors
    /// When it is no X.509 certificate, or something follows it.
    pub(crate) fn from_der(der: CertificateDer<'static>) -> Result<Self, CertificateError> {
        let (rest, parsed) = X509Certificate::from_der(&der)
            .map_err(|error| CertificateError::Content(error.to_string()))?;
        if !rest.is_empty() {
            let reason = format!("{} bytes follow it", rest.len());
            return Err(CertificateError::Content(reason));
        }
        // Beyond what a timestamp holds lies only the year 9999, which stands for "no end".
        let at = |time: x509_parser::time::ASN1Time, beyond| {
            Timestamp::from_second(time.timestamp()).unwrap_or(beyond)
        };
        let common_name = parsed.subject().iter_common_name().next();
        Ok(Self {
            subject: parsed.subject().to_string(),
            common_name: common_name.and_then(|name| Some(name.as_str().ok()?.to_owned())),
            issuer: parsed.issuer().to_string(),
            serial: hex(parsed.raw_serial()),
            version: parsed.version().0 + 1,
            not_before: at(parsed.validity().not_before, Timestamp::MIN),
            not_after: at(parsed.validity().not_after, Timestamp::MAX),
            is_ca: parsed.is_ca(),
            der: der.clone(),
        })
    }

    /// Reads the first certificate of a PEM text, or DER in base64: the two forms the services' APIs take.
    ///
    /// # Errors
    /// When the text is neither.
    pub(crate) fn from_text(text: &str) -> Result<Self, CertificateError> {
        let der = if text.contains("-----BEGIN") {
            CertificateDer::from_pem_slice(text.as_bytes()).map_err(|_| CertificateError::Text)?
        } else {
            let base64: String = text.split_whitespace().collect();
            let engine = &base64::engine::general_purpose::STANDARD;
            base64::Engine::decode(engine, base64)
                .map_err(|_| CertificateError::Text)?
                .into()
        };
        Self::from_der(der)
    }

    /// As PEM.
    pub(crate) fn to_pem(&self) -> String {
        let engine = &base64::engine::general_purpose::STANDARD;
        let base64 = base64::Engine::encode(engine, &self.der);
        let mut pem = "-----BEGIN CERTIFICATE-----\n".to_owned();
        for line in base64.as_bytes().chunks(64) {
            pem.extend(line.iter().map(|byte| char::from(*byte)));
            pem.push('\n');
        }
        pem + "-----END CERTIFICATE-----\n"
    }

    pub(crate) fn sha1(&self) -> Thumbprint {
        Thumbprint::digest(&ring::digest::SHA1_FOR_LEGACY_USE_ONLY, &self.der)
    }

    pub(crate) fn sha256(&self) -> Thumbprint {
        Thumbprint::digest(&ring::digest::SHA256, &self.der)
    }

    /// What it says, as the services' APIs show it.
    pub(crate) fn info(&self) -> CertificateInfo {
        CertificateInfo {
            subject_name: self.subject.clone(),
            sha1_thumbprint: self.sha1().to_string(),
            sha256_thumbprint: self.sha256().to_string(),
            issuer_name: self.issuer.clone(),
            not_before_utc: hub_proto::time::format(self.not_before),
            not_after_utc: hub_proto::time::format(self.not_after),
            serial_number: self.serial.clone(),
            version: self.version,
        }
    }

    /// Whether `now` lies within its time.
    ///
    /// # Errors
    /// Which end of its time it is beyond.
    pub(crate) fn check_time(&self, now: Timestamp) -> Result<(), ChainFault> {
        let subject = || self.subject.clone();
        if now < self.not_before {
            let not_before = self.not_before;
            return Err(ChainFault::NotYetValid {
                subject: subject(),
                not_before,
            });
        }
        if now > self.not_after {
            let not_after = self.not_after;
            return Err(ChainFault::Expired {
                subject: subject(),
                not_after,
            });
        }
        Ok(())
    }
}

/// Kept and shown as PEM.
impl Serialize for Certificate {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.to_pem())
    }
}

impl<'de> Deserialize<'de> for Certificate {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::from_text(&text).map_err(serde::de::Error::custom)
    }
}

/// A SHA-1 or SHA-256 digest of a certificate in upper-case hexadecimal digits, as the hub shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Thumbprint(String);

impl Thumbprint {
    /// Reads 40 or 64 hexadecimal digits of either case.
    ///
    /// # Errors
    /// When it is anything else.
    pub(crate) fn parse(text: &str) -> Result<Self, CertificateError> {
        let is_hex = text.bytes().all(|byte| byte.is_ascii_hexdigit());
        if is_hex && matches!(text.len(), 40 | 64) {
            Ok(Self(text.to_ascii_uppercase()))
        } else {
            Err(CertificateError::Thumbprint(text.to_owned()))
        }
    }

    /// Whether this is the digest of `certificate`; the number of digits says by which algorithm.
    pub(crate) fn is_of(&self, certificate: &Certificate) -> bool {
        *self == certificate.sha1() || *self == certificate.sha256()
    }

    fn digest(algorithm: &'static ring::digest::Algorithm, der: &[u8]) -> Self {
        Self(hex(ring::digest::digest(algorithm, der).as_ref()))
    }
}

impl fmt::Display for Thumbprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for Thumbprint {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Thumbprint {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02X}")).collect()
}

#[cfg(test)]
pub(crate) mod issuing;
#[cfg(test)]
mod tests;
