//! Whom to trust, and what a failed handshake means.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{CertificateError, ClientConfig, RootCertStore};

use crate::credentials::Credential;
use crate::error::LinkError;
use crate::source::Source;

/// The authorities whose certificates count.
#[derive(Debug, Clone)]
pub(crate) enum Trust {
    /// What the Edge runtime says, asked at each connection.
    Workload,
    /// What a file holds, read at each connection.
    File(PathBuf),
    /// These.
    Only(Vec<CertificateDer<'static>>),
    /// What the system trusts.
    System,
}

/// The certificates in a PEM text; `None` when there are none or one cannot be read.
pub(crate) fn certificates(pem: &[u8]) -> Option<Vec<CertificateDer<'static>>> {
    let certificates: Vec<_> = CertificateDer::pem_slice_iter(pem)
        .collect::<Result<_, _>>()
        .ok()?;
    (!certificates.is_empty()).then_some(certificates)
}

/// A configuration that trusts whom the source says and nobody else.
pub(crate) async fn client_config(source: &Source) -> Result<Arc<ClientConfig>, LinkError> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(source.trust.load(&source.credential).await?);
    if roots.is_empty() {
        return Err(LinkError::NoTrustAnchors);
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(rustls::DEFAULT_VERSIONS)
        .map_err(|error| LinkError::Tls {
            host: source.host.clone(),
            source: error,
        })?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(Arc::new(config))
}

impl Trust {
    async fn load(
        &self,
        credential: &Credential,
    ) -> Result<Vec<CertificateDer<'static>>, LinkError> {
        match (self, credential) {
            (Self::Workload, Credential::Workload(workload)) => {
                let bundle = workload.trust_bundle().await?;
                certificates(bundle.as_bytes()).ok_or(LinkError::WorkloadMalformed("trust bundle"))
            }
            (Self::File(path), _) => tokio::fs::read(path)
                .await
                .ok()
                .and_then(|pem| certificates(&pem))
                .ok_or_else(|| LinkError::TrustFile { path: path.clone() }),
            (Self::Only(certificates), _) => Ok(certificates.clone()),
            // One bad certificate in a system's store is no reason to trust none of it.
            (Self::System | Self::Workload, _) => {
                Ok(rustls_native_certs::load_native_certs().certs)
            }
        }
    }
}

/// What an error met while connecting means; rustls hides its own inside `io::Error`.
pub(crate) fn classify(error: io::Error, host: &str, port: u16) -> LinkError {
    let host = host.to_owned();
    let Some(tls) = error
        .get_ref()
        .and_then(|inner| inner.downcast_ref::<rustls::Error>())
    else {
        return match error.kind() {
            io::ErrorKind::TimedOut => LinkError::TimedOut { host, port },
            _ => LinkError::Unreachable {
                host,
                port,
                source: error,
            },
        };
    };
    match tls {
        rustls::Error::InvalidCertificate(
            CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. },
        ) => LinkError::WrongHostName { host },
        rustls::Error::InvalidCertificate(
            CertificateError::UnknownIssuer | CertificateError::BadSignature,
        ) => LinkError::UntrustedCertificate { host },
        rustls::Error::InvalidCertificate(
            CertificateError::Expired
            | CertificateError::ExpiredContext { .. }
            | CertificateError::NotValidYet
            | CertificateError::NotValidYetContext { .. },
        ) => LinkError::ExpiredCertificate { host },
        other => LinkError::Tls {
            host,
            source: other.clone(),
        },
    }
}
