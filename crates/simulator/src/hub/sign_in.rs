//! What opens an identity: a token, or a certificate.

use hub_proto::identity::Identity;
use hub_proto::sas::{CLOCK_SKEW, SasError, Token};
use jiff::Timestamp;
use thiserror::Error;

use super::keys::Right;
use super::{Core, Hub};
use crate::authentication::{Authentication, CertificateRefusal, Presented};
use crate::certificates::{Certificate, PeerCertificates};
use crate::history::{Cause, lasted};
use crate::registry::{Client, Device};
use crate::with_causes;

/// What a client presents. A token counts before a certificate, which may belong to the machine rather than the device.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Proof<'a> {
    Nothing,
    Token(&'a str),
    Certificates(&'a PeerCertificates),
}

/// Why a proof does not open an identity.
#[derive(Debug, Error)]
pub(super) enum SignInFault {
    #[error("{0} is not registered")]
    Unknown(Identity),
    #[error("no token was presented")]
    NoToken,
    #[error(transparent)]
    Token(#[from] SasError),
    #[error(transparent)]
    Certificate(#[from] CertificateRefusal),
}

impl SignInFault {
    /// What kind of fault it is, for the connection log.
    pub(super) const fn cause(&self) -> Cause {
        match self {
            Self::Unknown(_) => Cause::Unknown,
            Self::NoToken => Cause::NoToken,
            Self::Token(SasError::Signature) => Cause::WrongKey,
            Self::Token(SasError::Audience(_)) => Cause::WrongAudience,
            Self::Token(SasError::Expired(_)) => Cause::Expired,
            Self::Token(SasError::Scheme | SasError::Missing(_) | SasError::Malformed(_)) => {
                Cause::Token
            }
            Self::Certificate(CertificateRefusal::NoWayIn(_)) => Cause::NoWayIn,
            Self::Certificate(_) => Cause::Certificate,
        }
    }

    /// For people: of a token that is too late, by how much.
    pub(super) fn explain(&self, now: Timestamp) -> String {
        match self {
            Self::Token(SasError::Expired(at)) => {
                let late = lasted(now.as_second().saturating_sub(*at).max(0));
                match Timestamp::from_second(*at) {
                    Ok(at) => format!("the token expired {late} ago, at {at}"),
                    Err(_) => format!("the token expired {late} ago"),
                }
            }
            fault => with_causes(fault),
        }
    }
}

/// A proof as far as it can be looked at without the hub's lock.
#[derive(Debug)]
pub(super) enum Examined<'a> {
    Nothing,
    Token(&'a str),
    Certificate(Result<Box<Presented>, CertificateRefusal>),
}

impl<'a> Proof<'a> {
    pub(super) fn new(token: Option<&'a str>, peer: Option<&'a PeerCertificates>) -> Self {
        match (token, peer) {
            (Some(token), _) => Self::Token(token),
            (None, Some(peer)) => Self::Certificates(peer),
            (None, None) => Self::Nothing,
        }
    }
}

impl Hub {
    /// Looks at a proof for `identity` as far as that needs no lock: following a chain takes its time.
    pub(super) fn examine<'a>(
        &self,
        identity: &Identity,
        proof: Proof<'a>,
        now: Timestamp,
    ) -> Examined<'a> {
        match proof {
            Proof::Nothing => Examined::Nothing,
            Proof::Token(token) => Examined::Token(token),
            Proof::Certificates(peer) => {
                let authorities = self.lock().authorities_for(identity);
                let presented = Presented::examine(peer, authorities.as_deref(), now);
                Examined::Certificate(presented.map(Box::new))
            }
        }
    }
}

impl Core {
    /// The authorities that count for an identity, if it signs in below one.
    fn authorities_for(&self, identity: &Identity) -> Option<Vec<Certificate>> {
        self.client(identity)
            .filter(|client| client.authentication == Authentication::CertificateAuthority)
            .map(|_| self.registry.authorities.values().cloned().collect())
    }

    /// Checks what a client presents for an identity of this hub; returns when that ends to count.
    ///
    /// # Errors
    /// Why it does not open the identity.
    pub(super) fn open(
        &self,
        identity: &Identity,
        hub_name: &str,
        proof: &Examined<'_>,
        now: Timestamp,
    ) -> Result<Timestamp, SignInFault> {
        let device = self.registry.devices.get(identity.device_id());
        let (Some(device), Some(client)) = (device, self.client(identity)) else {
            return Err(SignInFault::Unknown(identity.clone()));
        };
        match (&client.authentication, proof) {
            (Authentication::Sas, Examined::Token(token)) => {
                let expiry =
                    self.open_with_token(identity, device, client, hub_name, token, now)?;
                Ok(Timestamp::from_second(expiry).unwrap_or(Timestamp::MAX))
            }
            (Authentication::None, _) => Err(CertificateRefusal::NoWayIn(identity.clone()).into()),
            (Authentication::Sas, Examined::Nothing) => Err(SignInFault::NoToken),
            (Authentication::Sas, Examined::Certificate(_)) => {
                Err(CertificateRefusal::TokenWanted(identity.clone()).into())
            }
            (authentication, Examined::Certificate(presented)) => {
                let presented = presented.as_ref().map_err(Clone::clone)?;
                presented.opens(identity, authentication, now)?;
                // A certificate is looked at when a client connects, and not again.
                Ok(Timestamp::MAX)
            }
            (_, Examined::Token(_) | Examined::Nothing) => {
                Err(CertificateRefusal::NothingPresented(identity.clone()).into())
            }
        }
    }

    fn open_with_token(
        &self,
        identity: &Identity,
        device: &Device,
        client: &Client,
        hub_name: &str,
        token: &str,
        now: Timestamp,
    ) -> Result<i64, SasError> {
        let now = now.as_second();
        let own = self.check_token(token, &identity.audience(hub_name), client, now);
        // An edge device's own key opens its modules too.
        let parent_opens = identity.module_id().is_some()
            && device.edge.is_some()
            && device.client.authentication == Authentication::Sas;
        match own {
            Err(error) if parent_opens => {
                let audience = identity.parent().audience(hub_name);
                self.check_token(token, &audience, &device.client, now)
                    .map_err(|_| error)
            }
            own => own,
        }
    }

    /// Verifies a token with the client's keys, or with a policy's when it names one.
    fn check_token(
        &self,
        token: &str,
        audience: &str,
        client: &Client,
        now: i64,
    ) -> Result<i64, SasError> {
        let token = Token::parse(token)?;
        match token
            .policy()
            .filter(|name| Right::DeviceConnect.is_of(name))
            .and_then(|name| self.registry.policies.get(name))
        {
            Some(policy) => token.verify(audience, [&policy.key()], now, CLOCK_SKEW),
            None => {
                let keys = [client.primary.key(), client.secondary.key()];
                token.verify(audience, &keys, now, CLOCK_SKEW)
            }
        }
    }
}
