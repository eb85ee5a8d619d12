//! How an identity proves itself to the hub, and whether a certificate does. Pure, and told the time.

use hub_proto::identity::Identity;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::certificates::{Certificate, ChainFault, PeerCertificates, Thumbprint, verify_chain};

/// How an identity signs in: `authentication.type` of the service's API.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "camelCase")]
pub(crate) enum Authentication {
    /// With a token that one of its keys signed.
    #[default]
    Sas,
    /// With a certificate that has one of these thumbprints, whoever issued it.
    SelfSigned {
        primary: Thumbprint,
        #[serde(default)]
        secondary: Option<Thumbprint>,
    },
    /// With a certificate below an authority of the hub, whose common name is the device's id or `{device}/{module}`.
    CertificateAuthority,
    /// Not at all.
    None,
}

impl Authentication {
    /// As the service's API calls it.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Sas => "sas",
            Self::SelfSigned { .. } => "selfSigned",
            Self::CertificateAuthority => "certificateAuthority",
            Self::None => "none",
        }
    }
}

/// What a client presented, looked at as far as its identity asks for.
#[derive(Debug)]
pub(crate) struct Presented {
    leaf: Certificate,
    /// Where the chain leads; nothing where that was not asked.
    chain: Option<Result<(), ChainFault>>,
}

/// Why a certificate does not open an identity.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(crate) enum CertificateRefusal {
    #[error("{0} signs in with a token, and presented only a certificate")]
    TokenWanted(Identity),
    #[error("{0} signs in with a certificate, and presented none")]
    NothingPresented(Identity),
    #[error("the presented chain proves nothing")]
    Chain(#[from] ChainFault),
    #[error(
        "the certificate of {subject} has thumbprint {sha1} (SHA-256 {sha256}), which is none of {identity}"
    )]
    Thumbprint {
        identity: Identity,
        subject: String,
        sha1: Thumbprint,
        sha256: Thumbprint,
    },
    #[error("{0} has nothing to sign in with: its authentication is none")]
    NoWayIn(Identity),
    #[error("what {0} signs in with was just changed")]
    Changed(Identity),
    #[error("the certificate's common name is {found:?}, not {identity}")]
    CommonName { identity: Identity, found: String },
}

impl Presented {
    /// Reads the leaf, and with `authorities` follows its chain. Signatures take their time, so this is for outside locks.
    ///
    /// # Errors
    /// When the leaf cannot be read.
    pub(crate) fn examine(
        peer: &PeerCertificates,
        authorities: Option<&[Certificate]>,
        now: Timestamp,
    ) -> Result<Self, CertificateRefusal> {
        let leaf = Certificate::from_der(peer.leaf().clone()).map_err(ChainFault::Unreadable)?;
        let chain = authorities.map(|authorities| {
            let authorities: Vec<&Certificate> = authorities.iter().collect();
            verify_chain(peer, &authorities, now).map(|_| ())
        });
        Ok(Self { leaf, chain })
    }

    /// Whether this opens `identity`, which signs in as `authentication` says.
    ///
    /// # Errors
    /// What it lacks.
    pub(crate) fn opens(
        &self,
        identity: &Identity,
        authentication: &Authentication,
        now: Timestamp,
    ) -> Result<(), CertificateRefusal> {
        self.leaf.check_time(now)?;
        match authentication {
            Authentication::Sas => Err(CertificateRefusal::TokenWanted(identity.clone())),
            Authentication::None => Err(CertificateRefusal::NoWayIn(identity.clone())),
            Authentication::SelfSigned { primary, secondary } => {
                let mut known = std::iter::once(primary).chain(secondary);
                if known.any(|thumbprint| thumbprint.is_of(&self.leaf)) {
                    return Ok(());
                }
                Err(CertificateRefusal::Thumbprint {
                    identity: identity.clone(),
                    subject: self.leaf.subject.clone(),
                    sha1: self.leaf.sha1(),
                    sha256: self.leaf.sha256(),
                })
            }
            Authentication::CertificateAuthority => {
                match &self.chain {
                    Some(led) => led.clone()?,
                    // The registry has changed since the chain was looked at; the client will try again.
                    None => return Err(CertificateRefusal::Changed(identity.clone())),
                }
                let found = self.leaf.common_name.clone().unwrap_or_default();
                if found == identity.to_string() {
                    Ok(())
                } else {
                    let identity = identity.clone();
                    Err(CertificateRefusal::CommonName { identity, found })
                }
            }
        }
    }
}
