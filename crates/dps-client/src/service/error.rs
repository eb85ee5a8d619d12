//! What can go wrong with the enrolment service, one variant for each thing a caller could do something about.

use std::time::Duration;

use hub_proto::connection_string::ConnectionStringError;
use thiserror::Error;

use crate::error::Refusal;

/// Why the enrolment service did not do what it was asked.
#[derive(Debug, Error)]
pub enum ServiceError {
    /// The connection string cannot be read.
    #[error("the service's connection string cannot be used")]
    ConnectionString(#[source] ConnectionStringError),
    /// The connection string is a device's, or names no policy or no host.
    #[error(
        "the connection string is not a provisioning service's: it needs HostName, SharedAccessKeyName and SharedAccessKey"
    )]
    NotAService,
    /// The service was not reached, not trusted, or broke off. Whether it did what it was asked is not known.
    #[error("the provisioning service could not be asked")]
    Connection(#[source] transport::Error),
    /// Status 401 or 403: wrong key or clock, or a policy that may not do this.
    #[error(
        "the provisioning service refused the policy's key, or what the policy may not do: {0}"
    )]
    Unauthorized(Refusal),
    /// Status 404.
    #[error("the provisioning service has no such entry: {0}")]
    NotFound(Refusal),
    /// Status 409: it is there already.
    #[error("the provisioning service has such an entry already: {0}")]
    Exists(Refusal),
    /// Status 412: somebody changed it since it was read. Read it again, and change that.
    #[error("the entry has changed since it was read: {0}")]
    Changed(Refusal),
    /// Status 429: too many requests.
    #[error("the provisioning service is asked too often: {refusal}")]
    Throttled {
        /// When to ask again, if the service says.
        retry_after: Option<Duration>,
        /// What it says.
        refusal: Refusal,
    },
    /// Any other status.
    #[error("the provisioning service refused: {0}")]
    Refused(Refusal),
    /// An answer makes no sense, or what was to be sent is none.
    #[error("{0} cannot be read or written")]
    Malformed(&'static str),
    /// An update of an entry that was never read.
    #[error("the entry has no entity tag, so it cannot be told whether it changed: read it first")]
    NoEtag,
    /// The entry's attestation is not by symmetric key.
    #[error("the entry has no symmetric keys")]
    NoKeys,
    /// More entries than one request may have.
    #[error("{given} entries in one request, where {limit} are allowed", limit = super::BULK_LIMIT)]
    TooMany {
        /// How many there were.
        given: usize,
    },
}

impl ServiceError {
    pub(super) fn refused(status: u16, retry_after: Option<Duration>, body: &[u8]) -> Self {
        let refusal = Refusal::read(status, body);
        match status {
            401 | 403 => Self::Unauthorized(refusal),
            404 => Self::NotFound(refusal),
            409 => Self::Exists(refusal),
            412 => Self::Changed(refusal),
            429 => Self::Throttled {
                retry_after,
                refusal,
            },
            _ => Self::Refused(refusal),
        }
    }
}
