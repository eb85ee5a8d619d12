//! The certificate by which a client proves who it is.

use std::fmt;
use std::sync::Arc;

use rustls::client::WantsClientCert;
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::{self, PemObject as _};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{ClientConfig, ConfigBuilder, InconsistentKeys};

use crate::tls;

/// A client's certificate with its chain and its private key. `Debug` shows nothing of the key.
#[derive(Clone)]
pub struct ClientCertificate {
    certificates: usize,
    identity: Arc<SingleCertAndKey>,
}

/// Why a certificate and a key cannot be used. The text repeats nothing of the key.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum CertificateError {
    /// No `BEGIN CERTIFICATE` block, or one that is damaged.
    #[error("there is no certificate in PEM form, or a damaged one")]
    NoCertificate,
    /// The certificate is no X.509 version 3 certificate.
    #[error("the certificate cannot be used")]
    Certificate(#[source] rustls::Error),
    /// No `BEGIN PRIVATE KEY`, `EC PRIVATE KEY` or `RSA PRIVATE KEY` block; one with a passphrase is none.
    #[error("there is no private key in PEM form; one with a passphrase cannot be read")]
    NoKey,
    /// The block of the private key is damaged.
    #[error("the private key's PEM form is damaged")]
    DamagedKey,
    /// A kind of key that TLS does not use here: RSA below 2048 bits, an unusual curve.
    #[error("the private key cannot be used")]
    Key(#[source] rustls::Error),
    /// The private key belongs to another certificate.
    #[error("the private key is not the certificate's")]
    Mismatch,
}

impl ClientCertificate {
    /// The client's own certificate first, then those that lead to an authority, and the private key in
    /// PKCS #8, SEC 1 or PKCS #1 form; each as PEM text.
    ///
    /// # Errors
    /// When either is not there or damaged, or they do not belong together.
    pub fn from_pem(chain: &str, key: &str) -> Result<Self, CertificateError> {
        let chain = tls::certificates(chain.as_bytes()).ok_or(CertificateError::NoCertificate)?;
        let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).map_err(|error| match error {
            pem::Error::NoItemsFound => CertificateError::NoKey,
            _ => CertificateError::DamagedKey,
        })?;
        let key = rustls::crypto::ring::default_provider()
            .key_provider
            .load_private_key(key)
            .map_err(CertificateError::Key)?;
        let certificates = chain.len();
        let certified = CertifiedKey::new(chain, key);
        match certified.keys_match() {
            // A kind of key that does not tell its public half is taken at its word.
            Ok(()) | Err(rustls::Error::InconsistentKeys(InconsistentKeys::Unknown)) => {}
            Err(rustls::Error::InconsistentKeys(_)) => return Err(CertificateError::Mismatch),
            Err(error) => return Err(CertificateError::Certificate(error)),
        }
        Ok(Self {
            certificates,
            identity: Arc::new(certified.into()),
        })
    }

    pub(crate) fn offer(
        &self,
        builder: ConfigBuilder<ClientConfig, WantsClientCert>,
    ) -> ClientConfig {
        builder.with_client_cert_resolver(Arc::clone(&self.identity) as Arc<_>)
    }
}

impl fmt::Debug for ClientCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "ClientCertificate({} certificates, key redacted)",
            self.certificates
        )
    }
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair};

    use super::*;

    fn pair() -> (String, String) {
        let key = KeyPair::generate().expect("a key");
        let certificate = CertificateParams::default()
            .self_signed(&key)
            .expect("a certificate");
        (certificate.pem(), key.serialize_pem())
    }

    #[test]
    fn shows_nothing_of_the_key() {
        let (chain, key) = pair();
        let certificate = ClientCertificate::from_pem(&chain, &key).expect("they belong together");
        assert_eq!(
            format!("{certificate:?}"),
            "ClientCertificate(1 certificates, key redacted)"
        );
    }

    #[test]
    fn takes_a_chain_and_a_key_from_one_text() {
        let (chain, key) = pair();
        let both = format!("{key}{chain}{}", pair().0);
        let certificate = ClientCertificate::from_pem(&both, &both).expect("they belong together");
        assert_eq!(certificate.certificates, 2);
    }

    #[test]
    fn says_what_is_wrong() {
        let (chain, key) = pair();
        let (_, other) = pair();
        let locked = key.replace("PRIVATE", "ENCRYPTED PRIVATE");
        let damaged = key.replace("-----END", "?-----END");
        let garbage = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        let refuse = |chain: &str, key: &str| {
            ClientCertificate::from_pem(chain, key).expect_err("cannot be used")
        };
        assert_eq!(refuse("", &key), CertificateError::NoCertificate);
        assert_eq!(refuse(&chain, ""), CertificateError::NoKey);
        assert_eq!(refuse(&chain, &locked), CertificateError::NoKey);
        assert_eq!(refuse(&chain, &damaged), CertificateError::DamagedKey);
        assert_eq!(refuse(&chain, &other), CertificateError::Mismatch);
        assert!(matches!(
            refuse(garbage, &key),
            CertificateError::Certificate(_)
        ));
        let hollow = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
        assert!(matches!(refuse(&chain, hollow), CertificateError::Key(_)));
    }
}
