//! The certificate authority of this simulator, and the server certificate it signs at each start.
//!
//! The authority is made once and kept, so that people trust one file; the server certificate is short-lived
//! and names whatever this start listens on.

mod possession;

use std::fs;
use std::io::{self, Write};
use std::net::IpAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, SanType,
};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use thiserror::Error;

use self::possession::Possession;

/// What can go wrong with certificates on disk or in memory.
#[derive(Debug, Error)]
pub enum PkiError {
    /// A file of the authority could not be read or written.
    #[error(
        "cannot use the certificate file {path}; make the directory writable, or name another with --state"
    )]
    File {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The stored authority is damaged.
    #[error(
        "the certificate authority in {path} is damaged; delete {path} and a new one is made at the next start"
    )]
    Damaged {
        /// Directory of the authority.
        path: PathBuf,
        /// Why.
        source: rcgen::Error,
    },
    /// A certificate could not be made.
    #[error("cannot make a certificate for {names:?}")]
    Make {
        /// The names it was for.
        names: Vec<String>,
        /// Why.
        source: rcgen::Error,
    },
    /// TLS refused the certificate.
    #[error("cannot set up TLS with the certificate just made")]
    Tls(#[source] rustls::Error),
}

/// The authority: its certificate in PEM, and the means to sign with it.
pub(crate) struct Authority {
    certificate_pem: String,
    file: PathBuf,
    issuer: Issuer<'static, KeyPair>,
}

/// A certificate with its chain and private key, as PEM.
pub(crate) struct Issued {
    /// Leaf followed by the authority.
    pub(crate) chain_pem: String,
    /// PKCS #8.
    pub(crate) key_pem: String,
}

impl std::fmt::Debug for Authority {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Authority")
            .field("file", &self.file)
            .finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Issued {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Issued").finish_non_exhaustive()
    }
}

impl Authority {
    /// Loads the authority kept in `dir`, or makes one there: `ca.pem`, and `ca.key` which only its owner can read.
    ///
    /// # Errors
    /// When the directory cannot be used, or holds something that is no authority.
    pub(crate) fn load_or_create(dir: &Path) -> Result<Self, PkiError> {
        let (certificate, key) = (dir.join("ca.pem"), dir.join("ca.key"));
        let file_error = |path: &Path| {
            let path = path.to_owned();
            move |source| PkiError::File { path, source }
        };
        fs::create_dir_all(dir).map_err(file_error(dir))?;
        if !certificate.exists() || !key.exists() {
            let (certificate_pem, key_pem) = new_authority().map_err(|source| PkiError::Make {
                names: vec!["the authority".to_owned()],
                source,
            })?;
            // The key first: a certificate without its key would look complete after a crash in between.
            write_private(&key, &key_pem).map_err(file_error(&key))?;
            fs::write(&certificate, certificate_pem).map_err(file_error(&certificate))?;
        }
        let certificate_pem = fs::read_to_string(&certificate).map_err(file_error(&certificate))?;
        let key_pem = fs::read_to_string(&key).map_err(file_error(&key))?;
        let damaged = |source| PkiError::Damaged {
            path: dir.to_owned(),
            source,
        };
        let key = KeyPair::from_pem(&key_pem).map_err(damaged)?;
        let issuer = Issuer::from_ca_cert_pem(&certificate_pem, key).map_err(damaged)?;
        Ok(Self {
            certificate_pem,
            file: certificate,
            issuer,
        })
    }

    /// The file to trust.
    #[must_use]
    pub(crate) fn file(&self) -> &Path {
        &self.file
    }

    /// The certificate to trust.
    #[must_use]
    pub(crate) fn certificate_pem(&self) -> &str {
        &self.certificate_pem
    }

    /// Signs a server certificate for these host names and addresses, good for 90 days.
    ///
    /// # Errors
    /// When a name cannot be put into a certificate.
    pub(crate) fn issue_server(
        &self,
        common_name: &str,
        names: &[String],
    ) -> Result<Issued, PkiError> {
        let make = |source| PkiError::Make {
            names: names.to_vec(),
            source,
        };
        let mut params = CertificateParams::default();
        params.distinguished_name = named(common_name);
        for name in names {
            params.subject_alt_names.push(match name.parse::<IpAddr>() {
                Ok(address) => SanType::IpAddress(address),
                Err(_) => SanType::DnsName(name.clone().try_into().map_err(make)?),
            });
        }
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        (params.not_before, params.not_after) = valid_for_days(90);
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).map_err(make)?;
        let leaf = params.signed_by(&key, &self.issuer).map_err(make)?;
        Ok(Issued {
            chain_pem: format!("{}{}", leaf.pem(), self.certificate_pem),
            key_pem: key.serialize_pem(),
        })
    }
}

/// The TLS side of a server with this certificate: TLS 1.2 stays on because the Python device SDK speaks nothing else.
/// Clients are asked for a certificate and may have none; those who present one prove that they hold its key.
///
/// # Errors
/// When the pair does not fit together, which would be a bug of the issuer.
pub(crate) fn server_config(
    issued: &Issued,
    alpn: &[&[u8]],
) -> Result<Arc<rustls::ServerConfig>, PkiError> {
    let general = |error: rustls::pki_types::pem::Error| {
        PkiError::Tls(rustls::Error::General(error.to_string()))
    };
    let chain = CertificateDer::pem_slice_iter(issued.chain_pem.as_bytes())
        .collect::<Result<Vec<_>, _>>()
        .map_err(general)?;
    let key = PrivateKeyDer::from_pem_slice(issued.key_pem.as_bytes()).map_err(general)?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let possession = Possession::new(&provider);
    let mut config = rustls::ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
        .map_err(PkiError::Tls)?
        .with_client_cert_verifier(possession)
        .with_single_cert(chain, key)
        .map_err(PkiError::Tls)?;
    config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
    // Device SDKs make one long connection each; resumption tickets would only cost memory and a round of packets.
    config.send_tls13_tickets = 0;
    Ok(Arc::new(config))
}

fn new_authority() -> Result<(String, String), rcgen::Error> {
    let mut params = CertificateParams::default();
    params.distinguished_name = named("cow-parking simulator CA");
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    (params.not_before, params.not_after) = valid_for_days(3650);
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
    Ok((params.self_signed(&key)?.pem(), key.serialize_pem()))
}

fn named(common_name: &str) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::CommonName, common_name);
    name
}

/// From yesterday on, so that a machine whose clock is a little behind still accepts it.
fn valid_for_days(days: i64) -> (time::OffsetDateTime, time::OffsetDateTime) {
    let now = time::OffsetDateTime::now_utc();
    (
        now - time::Duration::days(1),
        now + time::Duration::days(days),
    )
}

fn write_private(path: &Path, text: &str) -> io::Result<()> {
    let mut file = fs::OpenOptions::new()
        .create(true)
        .write(true)
        .truncate(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_authority_is_made_once_and_signs_names_and_addresses() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let first = Authority::load_or_create(dir.path()).expect("made");
        let again = Authority::load_or_create(dir.path()).expect("loaded");
        assert_eq!(first.certificate_pem(), again.certificate_pem());
        let issued = again
            .issue_server("edge01", &["localhost".to_owned(), "127.0.0.1".to_owned()])
            .expect("a certificate for a name and an address");
        server_config(&issued, &[]).expect("TLS takes it");
    }

    #[test]
    fn a_damaged_authority_says_which_directory_to_delete() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        Authority::load_or_create(dir.path()).expect("made");
        fs::write(dir.path().join("ca.key"), "nonsense").expect("overwritten");
        let error = Authority::load_or_create(dir.path())
            .expect_err("damage is noticed")
            .to_string();
        assert!(error.contains(&dir.path().display().to_string()), "{error}");
    }
}
