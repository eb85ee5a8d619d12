//! The certificate authorities of the hub: devices may sign in with certificates below them.

use hub_proto::dps::enrollment::CertificateInfo;
use serde::Serialize;
use thiserror::Error;

use super::Hub;
use crate::certificates::{Certificate, CertificateError};
use crate::change::Change;

/// An authority as it is shown.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Authority {
    name: String,
    #[serde(flatten)]
    info: CertificateInfo,
}

/// Why an authority was not taken, or not found.
#[derive(Debug, Error)]
pub(crate) enum AuthorityFault {
    #[error("the certificate cannot be used")]
    Certificate(#[from] CertificateError),
    #[error(
        "the certificate of {0} may not issue others: an authority's says CA:TRUE in its basic constraints"
    )]
    NotAnAuthority(String),
    #[error(
        "{0:?} is no name for a certificate: up to 64 letters, digits, and any of - . _ are one"
    )]
    Name(String),
    #[error("no certificate is registered as {0:?}")]
    NotFound(String),
    #[error("the journal cannot be written")]
    Journal(#[source] std::io::Error),
}

impl Hub {
    /// Registers an authority, in the place of one of that name. The real hub asks for proof that whoever registers it
    /// holds its key; here there is nobody to deceive.
    ///
    /// # Errors
    /// When the certificate is none of an authority's, or the name is no name.
    pub(crate) fn put_authority(
        &self,
        name: &str,
        text: &str,
    ) -> Result<Authority, AuthorityFault> {
        let certificate = check(name, text)?;
        let shown = Authority {
            name: name.to_owned(),
            info: certificate.info(),
        };
        let mut core = self.lock();
        core.record(Change::AuthorityPut {
            name: name.to_owned(),
            certificate: Box::new(certificate),
        });
        self.commit(&mut core).map_err(AuthorityFault::Journal)?;
        Ok(shown)
    }

    /// One authority's certificate.
    pub(crate) fn authority(&self, name: &str) -> Option<Certificate> {
        self.lock().registry.authorities.get(name).cloned()
    }

    /// Every authority, by name.
    pub(crate) fn authorities(&self) -> Vec<Authority> {
        let core = self.lock();
        let shown = core.registry.authorities.iter();
        shown
            .map(|(name, certificate)| Authority {
                name: name.clone(),
                info: certificate.info(),
            })
            .collect()
    }

    /// Forgets an authority. Who is connected stays so; who connects next is refused.
    ///
    /// # Errors
    /// When there is none of that name.
    pub(crate) fn remove_authority(&self, name: &str) -> Result<(), AuthorityFault> {
        let mut core = self.lock();
        if !core.registry.authorities.contains_key(name) {
            return Err(AuthorityFault::NotFound(name.to_owned()));
        }
        core.record(Change::AuthorityRemoved {
            name: name.to_owned(),
        });
        self.commit(&mut core).map_err(AuthorityFault::Journal)
    }
}

/// The certificate of an authority that may be called so.
pub(super) fn check(name: &str, text: &str) -> Result<Certificate, AuthorityFault> {
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    if name.is_empty() || name.len() > 64 || !name.bytes().all(is_name) {
        return Err(AuthorityFault::Name(name.to_owned()));
    }
    let certificate = Certificate::from_text(text)?;
    if certificate.is_ca {
        Ok(certificate)
    } else {
        Err(AuthorityFault::NotAnAuthority(certificate.subject))
    }
}
