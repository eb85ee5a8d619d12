//! What proves a device: keys, certificates, a trusted platform module.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

use crate::sas::SymmetricKey;

/// What proves a device.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(
    tag = "type",
    rename_all = "camelCase",
    rename_all_fields = "camelCase"
)]
pub enum Attestation {
    /// A key, or for a group the key from which each device's is derived.
    SymmetricKey {
        /// The keys; the service makes those that are missing.
        #[serde(default, skip_serializing_if = "Keys::is_empty")]
        symmetric_key: Keys,
    },
    /// A certificate.
    X509 {
        /// Which one, or which authority's.
        x509: Box<X509Attestation>,
    },
    /// A trusted platform module.
    Tpm {
        /// Its endorsement and storage root key.
        tpm: Value,
    },
}

/// Primary and secondary key, either of which proves a device.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Keys {
    /// The first.
    #[serde(default, with = "base64_key", skip_serializing_if = "Option::is_none")]
    pub primary_key: Option<SymmetricKey>,
    /// The second, so that the first can be changed while devices use this one.
    #[serde(default, with = "base64_key", skip_serializing_if = "Option::is_none")]
    pub secondary_key: Option<SymmetricKey>,
}

impl Keys {
    /// Whether there is no key at all.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.primary_key.is_none() && self.secondary_key.is_none()
    }

    /// The keys that are there, primary first.
    pub fn iter(&self) -> impl Iterator<Item = &SymmetricKey> {
        self.primary_key.iter().chain(&self.secondary_key)
    }
}

/// Clients send an empty or a null key where the service is to make one.
mod base64_key {
    use super::{Deserialize, Deserializer, Serializer, SymmetricKey};

    #[expect(clippy::ref_option, reason = "serde asks for this signature")]
    pub(super) fn serialize<S: Serializer>(
        key: &Option<SymmetricKey>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        match key {
            Some(key) => serializer.serialize_str(&key.to_base64()),
            None => serializer.serialize_none(),
        }
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<SymmetricKey>, D::Error> {
        Option::<String>::deserialize(deserializer)?
            .filter(|text| !text.trim().is_empty())
            .map(|text| SymmetricKey::from_base64(&text).map_err(serde::de::Error::custom))
            .transpose()
    }
}

/// Which certificates prove a device.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct X509Attestation {
    /// The device's own certificate, for an individual enrolment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_certificates: Option<CertificatePair>,
    /// The authority that signs devices' certificates, for a group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signing_certificates: Option<CertificatePair>,
    /// Authorities the service has verified before, by name.
    #[serde(
        default,
        rename = "caReferences",
        skip_serializing_if = "Option::is_none"
    )]
    pub ca_references: Option<CaReferences>,
}

/// Primary and secondary certificate.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct CertificatePair {
    /// The first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub primary: Option<Certificate>,
    /// The second, to roll over to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secondary: Option<Certificate>,
}

/// A certificate: on the way in its text, on the way out what it says.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Certificate {
    /// PEM, or base64 of DER.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate: Option<String>,
    /// What the service read in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub info: Option<CertificateInfo>,
}

/// What a certificate says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CertificateInfo {
    /// Whose it is.
    pub subject_name: String,
    /// SHA-1 of the DER, in hexadecimal digits.
    pub sha1_thumbprint: String,
    /// SHA-256 of the DER, in hexadecimal digits.
    pub sha256_thumbprint: String,
    /// Who signed it.
    pub issuer_name: String,
    /// From when it counts.
    pub not_before_utc: String,
    /// Until when it counts.
    pub not_after_utc: String,
    /// Its number.
    pub serial_number: String,
    /// Its version, 3.
    pub version: u32,
}

/// Authorities by name.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CaReferences {
    /// The first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub primary: Option<String>,
    /// The second.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secondary: Option<String>,
}
