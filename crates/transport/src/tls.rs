//! Whom to trust, what to prove oneself with, and what a failed handshake means.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{AlertDescription, CertificateError, ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::certificate::ClientCertificate;
use crate::error::Error;

/// The authorities whose certificates count.
#[derive(Debug, Clone)]
pub enum Trust {
    /// What a PEM file holds, read at each connection, so that a renewed file counts.
    File(PathBuf),
    /// These.
    Only(Vec<CertificateDer<'static>>),
    /// What the system trusts.
    System,
}

impl Trust {
    /// The certificates in a PEM text and no others; `None` when there are none or one cannot be read.
    #[must_use]
    pub fn only(pem: &str) -> Option<Self> {
        certificates(pem.as_bytes()).map(Self::Only)
    }

    async fn load(&self) -> Result<Vec<CertificateDer<'static>>, Error> {
        match self {
            Self::File(path) => tokio::fs::read(path)
                .await
                .ok()
                .and_then(|pem| certificates(&pem))
                .ok_or_else(|| Error::TrustFile { path: path.clone() }),
            Self::Only(certificates) => Ok(certificates.clone()),
            // One bad certificate in a system's store is no reason to trust none of it.
            Self::System => Ok(rustls_native_certs::load_native_certs().certs),
        }
    }
}

/// The certificates in a PEM text; `None` when there are none or one cannot be read.
#[must_use]
pub fn certificates(pem: &[u8]) -> Option<Vec<CertificateDer<'static>>> {
    let certificates: Vec<_> = CertificateDer::pem_slice_iter(pem)
        .collect::<Result<_, _>>()
        .ok()?;
    (!certificates.is_empty()).then_some(certificates)
}

/// A configuration that trusts these authorities and nobody else, and offers a client certificate if there
/// is one. To be made for each connection, since a file may have changed.
///
/// # Errors
/// [`Error::NoTrustAnchors`] or [`Error::TrustFile`] when there is nobody to trust.
pub async fn client_config(
    trust: &Trust,
    certificate: Option<&ClientCertificate>,
) -> Result<Arc<ClientConfig>, Error> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(trust.load().await?);
    if roots.is_empty() {
        return Err(Error::NoTrustAnchors);
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(rustls::DEFAULT_VERSIONS)
        .map_err(|error| Error::Protocol(error.to_string()))?
        .with_root_certificates(roots);
    Ok(Arc::new(match certificate {
        Some(certificate) => certificate.offer(builder),
        None => builder.with_no_client_auth(),
    }))
}

/// TCP and TLS to a host name or address. It has no time limit of its own.
///
/// # Errors
/// When there is nobody, or nobody who can be trusted.
pub async fn connect(
    host: &str,
    port: u16,
    config: Arc<ClientConfig>,
) -> Result<TlsStream<TcpStream>, Error> {
    let name = ServerName::try_from(host.to_owned()).map_err(|_| Error::WrongHostName {
        host: host.to_owned(),
    })?;
    let tcp = TcpStream::connect((host, port))
        .await
        .map_err(|error| classify(error, host, port))?;
    // A request is written in more than one piece, and its last must not wait for the first to be acknowledged. Where
    // this cannot be had, it is only slower.
    let _ = tcp.set_nodelay(true);
    TlsConnector::from(config)
        .connect(name, tcp)
        .await
        .map_err(|error| classify(error, host, port))
}

/// What an error met while connecting means.
pub(crate) fn classify(error: io::Error, host: &str, port: u16) -> Error {
    if let Some(tls) = inside(&error) {
        return meaning(tls, host);
    }
    let host = host.to_owned();
    match error.kind() {
        io::ErrorKind::TimedOut => Error::TimedOut { host, port },
        _ => Error::Unreachable {
            host,
            port,
            source: error,
        },
    }
}

/// rustls hides its own errors inside `io::Error`.
pub(crate) fn inside(error: &io::Error) -> Option<&rustls::Error> {
    error.get_ref()?.downcast_ref::<rustls::Error>()
}

/// What a TLS error means that ended a connection before anything came over it. In TLS 1.3 the server judges
/// the client's certificate only after the client has done with the handshake.
pub(crate) fn meaning(error: &rustls::Error, host: &str) -> Error {
    let host = host.to_owned();
    match error {
        rustls::Error::InvalidCertificate(
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
        ) => Error::WrongHostName { host },
        rustls::Error::InvalidCertificate(
            CertificateError::UnknownIssuer | CertificateError::BadSignature,
        ) => Error::UntrustedCertificate { host },
        rustls::Error::InvalidCertificate(
            CertificateError::Expired
            | CertificateError::ExpiredContext { .. }
            | CertificateError::NotValidYet
            | CertificateError::NotValidYetContext { .. },
        ) => Error::ExpiredCertificate { host },
        rustls::Error::AlertReceived(
            AlertDescription::BadCertificate
            | AlertDescription::UnsupportedCertificate
            | AlertDescription::CertificateRevoked
            | AlertDescription::CertificateExpired
            | AlertDescription::CertificateUnknown
            | AlertDescription::UnknownCA
            | AlertDescription::AccessDenied
            // An authority of the trusted one's name with another key.
            | AlertDescription::DecryptError
            | AlertDescription::CertificateRequired,
        ) => Error::ClientCertificateRefused {
            host,
            source: error.clone(),
        },
        other => Error::Tls {
            host,
            source: other.clone(),
        },
    }
}
