//! Where a client certificate comes from.

use std::io;
use std::path::{Path, PathBuf};

use transport::ClientCertificate;

use crate::error::LinkError;

/// A client certificate, or the files it is read from at each connection, so that a renewed one counts.
#[derive(Debug, Clone)]
pub(crate) enum Certificate {
    Given(ClientCertificate),
    Files { chain: PathBuf, key: PathBuf },
}

impl Certificate {
    pub(crate) async fn load(&self) -> Result<ClientCertificate, LinkError> {
        match self {
            Self::Given(certificate) => Ok(certificate.clone()),
            Self::Files { chain, key } => parse(
                text(chain, tokio::fs::read_to_string(chain).await)?,
                text(key, tokio::fs::read_to_string(key).await)?,
            ),
        }
    }

    /// As [`Certificate::load`], where there is no runtime yet: to fail early.
    pub(crate) fn read(&self) -> Result<ClientCertificate, LinkError> {
        match self {
            Self::Given(certificate) => Ok(certificate.clone()),
            Self::Files { chain, key } => parse(
                text(chain, std::fs::read_to_string(chain))?,
                text(key, std::fs::read_to_string(key))?,
            ),
        }
    }
}

fn text(path: &Path, read: io::Result<String>) -> Result<String, LinkError> {
    read.map_err(|source| LinkError::CertificateFile {
        path: path.to_owned(),
        source,
    })
}

fn parse(chain: String, key: String) -> Result<ClientCertificate, LinkError> {
    ClientCertificate::from_pem(&chain, &key).map_err(LinkError::Certificate)
}
