//! The workload API of the Edge runtime: HTTP over a Unix socket, one per module.
//!
//! It signs for a module without handing out the module's key, and gives it the certificates to trust.
//! Every call carries `?api-version=`. The daemon ignores `keyId` and `algo`, and so does
//! [`SignRequest`]'s reader: they may be missing.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

use crate::percent;

/// The api-versions the runtime has known.
pub const API_VERSIONS: [&str; 7] = [
    "2018-06-28",
    "2019-01-30",
    "2019-10-22",
    "2019-11-05",
    "2020-07-07",
    "2021-12-07",
    "2022-08-03",
];

/// What a workload socket can be asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Endpoint {
    /// `POST /modules/{m}/genid/{g}/sign`
    Sign {
        /// Whose key signs.
        module: String,
        /// The module's generation, from `IOTEDGE_MODULEGENERATIONID`.
        generation: String,
    },
    /// `POST /modules/{m}/genid/{g}/encrypt`
    Encrypt {
        /// Whose key encrypts.
        module: String,
        /// The module's generation.
        generation: String,
    },
    /// `POST /modules/{m}/genid/{g}/decrypt`
    Decrypt {
        /// Whose key decrypts.
        module: String,
        /// The module's generation.
        generation: String,
    },
    /// `POST /modules/{m}/genid/{g}/certificate/server`
    ServerCertificate {
        /// Who serves.
        module: String,
        /// The module's generation.
        generation: String,
    },
    /// `POST /modules/{m}/certificate/identity`
    IdentityCertificate {
        /// Who connects.
        module: String,
    },
    /// `GET /trust-bundle`
    TrustBundle,
    /// `GET /manifest-trust-bundle`
    ManifestTrustBundle,
    /// `GET /modules`
    Modules,
}

/// Why a request has no endpoint. `Display` is the `message` of the answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EndpointError {
    /// Answered with 400.
    #[error("api-version not specified")]
    NoApiVersion,
    /// Answered with 400.
    #[error("invalid api-version {0:?}")]
    BadApiVersion(String),
    /// Answered with 404.
    #[error("not found")]
    NotFound,
}

impl EndpointError {
    /// The HTTP status of the answer.
    #[must_use]
    pub const fn status(&self) -> u16 {
        match self {
            Self::NoApiVersion | Self::BadApiVersion(_) => 400,
            Self::NotFound => 404,
        }
    }
}

impl Endpoint {
    /// The HTTP method.
    #[must_use]
    pub const fn method(&self) -> &'static str {
        match self {
            Self::TrustBundle | Self::ManifestTrustBundle | Self::Modules => "GET",
            _ => "POST",
        }
    }

    /// The request target: path and query.
    #[must_use]
    pub fn target(&self, api_version: &str) -> String {
        format!("{self}?api-version={}", percent::encode(api_version))
    }

    /// Reads method and request target.
    ///
    /// # Errors
    /// When the api-version is missing or unknown, or there is no such endpoint.
    pub fn parse(method: &str, target: &str) -> Result<Self, EndpointError> {
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let version = query
            .split('&')
            .find_map(|pair| pair.strip_prefix("api-version="))
            .ok_or(EndpointError::NoApiVersion)?;
        if !API_VERSIONS.contains(&version) {
            return Err(EndpointError::BadApiVersion(version.to_owned()));
        }
        let segments: Vec<_> = path
            .trim_start_matches('/')
            .split('/')
            .map(percent::decode)
            .collect::<Result<_, _>>()
            .map_err(|_| EndpointError::NotFound)?;
        let segments: Vec<&str> = segments.iter().map(AsRef::as_ref).collect();
        let named = |text: &str| text.to_owned();
        let endpoint = match segments[..] {
            ["trust-bundle"] => Self::TrustBundle,
            ["manifest-trust-bundle"] => Self::ManifestTrustBundle,
            ["modules"] => Self::Modules,
            ["modules", m, "certificate", "identity"] => {
                Self::IdentityCertificate { module: named(m) }
            }
            ["modules", m, "genid", g, "sign"] => Self::Sign {
                module: named(m),
                generation: named(g),
            },
            ["modules", m, "genid", g, "encrypt"] => Self::Encrypt {
                module: named(m),
                generation: named(g),
            },
            ["modules", m, "genid", g, "decrypt"] => Self::Decrypt {
                module: named(m),
                generation: named(g),
            },
            ["modules", m, "genid", g, "certificate", "server"] => Self::ServerCertificate {
                module: named(m),
                generation: named(g),
            },
            _ => return Err(EndpointError::NotFound),
        };
        if endpoint.method() == method {
            Ok(endpoint)
        } else {
            Err(EndpointError::NotFound)
        }
    }
}

/// The path alone, with ids escaped: `$edgeAgent` becomes `%24edgeAgent`.
impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (module, generation, operation) = match self {
            Self::TrustBundle => return f.write_str("/trust-bundle"),
            Self::ManifestTrustBundle => return f.write_str("/manifest-trust-bundle"),
            Self::Modules => return f.write_str("/modules"),
            Self::IdentityCertificate { module } => {
                return write!(
                    f,
                    "/modules/{}/certificate/identity",
                    percent::encode(module)
                );
            }
            Self::Sign { module, generation } => (module, generation, "sign"),
            Self::Encrypt { module, generation } => (module, generation, "encrypt"),
            Self::Decrypt { module, generation } => (module, generation, "decrypt"),
            Self::ServerCertificate { module, generation } => {
                (module, generation, "certificate/server")
            }
        };
        write!(
            f,
            "/modules/{}/genid/{}/{operation}",
            percent::encode(module),
            percent::encode(generation)
        )
    }
}

/// What [`Endpoint::Sign`] takes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SignRequest {
    /// `primary` or `secondary`.
    #[serde(default)]
    pub key_id: String,
    /// `HMACSHA256`.
    #[serde(default)]
    pub algo: String,
    /// Base64 of what is to be signed.
    pub data: String,
}

impl SignRequest {
    /// A request to sign these bytes with the module's primary key.
    #[must_use]
    pub fn new(data: &[u8]) -> Self {
        Self {
            key_id: "primary".to_owned(),
            algo: "HMACSHA256".to_owned(),
            data: STANDARD.encode(data),
        }
    }

    /// What is to be signed; `None` when it is not base64, which is answered with 400.
    #[must_use]
    pub fn data(&self) -> Option<Vec<u8>> {
        STANDARD.decode(&self.data).ok()
    }
}

/// What [`Endpoint::Sign`] gives.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignResponse {
    /// Base64 of the HMAC-SHA256.
    pub digest: String,
}

impl SignResponse {
    /// An answer with this digest.
    #[must_use]
    pub fn new(digest: &[u8]) -> Self {
        Self {
            digest: STANDARD.encode(digest),
        }
    }

    /// The digest's bytes; `None` when they are not base64.
    #[must_use]
    pub fn digest(&self) -> Option<Vec<u8>> {
        STANDARD.decode(&self.digest).ok()
    }
}

/// What [`Endpoint::TrustBundle`] and [`Endpoint::ManifestTrustBundle`] give.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TrustBundle {
    /// PEM, possibly of several certificates.
    pub certificate: String,
}

/// What [`Endpoint::Encrypt`] takes; all texts are base64.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EncryptRequest {
    /// The bytes to encrypt.
    pub plaintext: String,
    /// Its initialisation vector.
    pub initialization_vector: String,
}

/// What [`Endpoint::Encrypt`] gives, base64.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EncryptResponse {
    /// The encrypted bytes.
    pub ciphertext: String,
}

/// What [`Endpoint::Decrypt`] takes; all texts are base64.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DecryptRequest {
    /// The encrypted bytes.
    pub ciphertext: String,
    /// Its initialisation vector.
    pub initialization_vector: String,
}

/// What [`Endpoint::Decrypt`] gives, base64.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DecryptResponse {
    /// The bytes.
    pub plaintext: String,
}

/// What [`Endpoint::ServerCertificate`] takes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ServerCertificateRequest {
    /// The subject's common name, which also becomes a subject alternative name.
    pub common_name: String,
    /// RFC 3339.
    pub expiration: String,
}

/// What [`Endpoint::IdentityCertificate`] takes; the body may also be missing.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct IdentityCertificateRequest {
    /// RFC 3339.
    #[serde(default)]
    pub expiration: Option<String>,
}

/// What the certificate endpoints give, with status 201.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CertificateResponse {
    /// The certificate's key.
    pub private_key: PrivateKey,
    /// PEM: the certificate, then its issuers.
    pub certificate: String,
    /// RFC 3339.
    pub expiration: String,
}

/// A private key as the certificate endpoints give it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PrivateKey {
    /// Always `key`.
    #[serde(rename = "type")]
    pub kind: String,
    /// PEM.
    pub bytes: String,
}

impl fmt::Debug for CertificateResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CertificateResponse")
            .field("expiration", &self.expiration)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PrivateKey(redacted)")
    }
}

/// The body of every failure.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorResponse {
    /// A sentence for people.
    pub message: String,
}
