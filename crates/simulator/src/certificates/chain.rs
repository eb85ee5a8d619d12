//! Whether a presented chain leads to a trusted authority.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use rustls::pki_types::UnixTime;
use rustls::server::WebPkiClientVerifier;
use rustls::{CertificateError as TlsFault, Error, RootCertStore};
use thiserror::Error;

use super::{Certificate, CertificateError, PeerCertificates};

/// Why a chain proves nothing.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(crate) enum ChainFault {
    /// A presented certificate cannot be read.
    #[error("the certificate cannot be read")]
    Unreadable(#[source] CertificateError),
    #[error("the certificate of {subject} expired at {not_after}")]
    Expired {
        subject: String,
        not_after: Timestamp,
    },
    #[error("the certificate of {subject} is not valid before {not_before}")]
    NotYetValid {
        subject: String,
        not_before: Timestamp,
    },
    /// No way from the leaf to an authority: one is not trusted, or one in between was not sent along.
    #[error(
        "no trusted authority is found from the certificate of {subject}, issued by {issuer}; {sent} further certificates were presented with it"
    )]
    UnknownIssuer {
        subject: String,
        issuer: String,
        sent: usize,
    },
    /// Names fit together, but a signature does not: somebody made up a certificate.
    #[error(
        "a signature in the chain of {subject} is not one of the issuer it names, which has another key"
    )]
    BadSignature { subject: String },
    #[error(
        "the certificate of {subject} is of X.509 version {version}; below an authority, it has to be of version 3"
    )]
    Version { subject: String, version: u32 },
    #[error("the certificate of {subject} is not for signing in as a client")]
    Purpose { subject: String },
    /// Anything else path validation minds, such as a chain that is longer than an issuer allows.
    #[error("the chain of {subject} is not valid: {reason}")]
    Invalid { subject: String, reason: String },
}

/// Verifies the path from the presented leaf to one of `authorities`, which may be roots or intermediates; returns which.
/// Every certificate on the way, the authority included, has to be within its time at `now`.
///
/// # Errors
/// What is wrong with the chain, by the authority it came nearest to.
pub(crate) fn verify_chain(
    presented: &PeerCertificates,
    authorities: &[&Certificate],
    now: Timestamp,
) -> Result<usize, ChainFault> {
    let leaf = Certificate::from_der(presented.leaf().clone()).map_err(ChainFault::Unreadable)?;
    leaf.check_time(now)?;
    let mut nearest = ChainFault::UnknownIssuer {
        subject: leaf.subject.clone(),
        issuer: leaf.issuer.clone(),
        sent: presented.intermediates().len(),
    };
    // Path validation knows no other, since only version 3 says who may issue what.
    if leaf.version != 3 {
        let is_issued = authorities.iter().any(|by| by.subject == leaf.issuer);
        return Err(if is_issued || !presented.intermediates().is_empty() {
            let (subject, version) = (leaf.subject, leaf.version);
            ChainFault::Version { subject, version }
        } else {
            nearest
        });
    }
    for (index, authority) in authorities.iter().enumerate() {
        match verify_up_to(presented, &leaf, authority, now) {
            Ok(()) => return Ok(index),
            Err(ChainFault::UnknownIssuer { .. }) => {}
            Err(fault) => nearest = fault,
        }
    }
    Err(nearest)
}

fn verify_up_to(
    presented: &PeerCertificates,
    leaf: &Certificate,
    authority: &Certificate,
    now: Timestamp,
) -> Result<(), ChainFault> {
    let invalid = |reason: String| ChainFault::Invalid {
        subject: leaf.subject.clone(),
        reason,
    };
    let mut roots = RootCertStore::empty();
    roots
        .add(authority.der.clone())
        .map_err(|error| invalid(error.to_string()))?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
        .build()
        .map_err(|error| invalid(error.to_string()))?;
    let at = UnixTime::since_unix_epoch(Duration::from_secs(
        now.as_second().try_into().unwrap_or_default(),
    ));
    match verifier.verify_client_cert(presented.leaf(), presented.intermediates(), at) {
        // Path validation takes the authority as it is, out of time or not.
        Ok(_) => authority.check_time(now),
        Err(Error::InvalidCertificate(fault)) => Err(match fault {
            TlsFault::UnknownIssuer => ChainFault::UnknownIssuer {
                subject: leaf.subject.clone(),
                issuer: leaf.issuer.clone(),
                sent: presented.intermediates().len(),
            },
            TlsFault::BadSignature => ChainFault::BadSignature {
                subject: leaf.subject.clone(),
            },
            TlsFault::InvalidPurpose | TlsFault::InvalidPurposeContext { .. } => {
                ChainFault::Purpose {
                    subject: leaf.subject.clone(),
                }
            }
            // The leaf was within its time, so that one between it and the authority is not.
            fault => out_of_time(presented, now).unwrap_or_else(|| invalid(fault.to_string())),
        }),
        Err(error) => Err(invalid(error.to_string())),
    }
}

fn out_of_time(presented: &PeerCertificates, now: Timestamp) -> Option<ChainFault> {
    presented.intermediates().iter().find_map(|der| {
        let certificate = Certificate::from_der(der.clone()).ok()?;
        certificate.check_time(now).err()
    })
}
