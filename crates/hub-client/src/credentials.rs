//! What proves an identity: a token made with the key at hand, by the runtime that keeps the key or given
//! ready-made; or a client certificate, which needs no token.

use std::time::Duration;

use hub_proto::sas::{SymmetricKey, Token, Unsigned};
use transport::ClientCertificate;

use crate::certificate::Certificate;
use crate::error::LinkError;
use crate::place::Place;
use crate::workload::Workload;

/// What proves an identity. Its `Debug` shows no secret.
#[derive(Clone)]
pub(crate) enum Credential {
    Key {
        policy: Option<String>,
        key: SymmetricKey,
    },
    Token(String),
    X509(Certificate),
    Workload(Workload),
}

/// A token and how long it lives; `None` when it is given ready-made and cannot be renewed.
pub(crate) struct Signed {
    pub(crate) token: String,
    pub(crate) life: Option<Duration>,
}

impl Credential {
    /// A token for this place that ends `life` after the Unix second `now`; `None` where a certificate is
    /// what counts.
    pub(crate) async fn token(
        &self,
        place: &Place,
        life: Duration,
        now: i64,
    ) -> Result<Option<Signed>, LinkError> {
        let expiry = now.saturating_add_unsigned(life.as_secs());
        let unsigned = Unsigned::new(&place.identity.audience(&place.hub), expiry);
        let token = match self {
            Self::Token(token) => {
                return Ok(Some(Signed {
                    token: token.clone(),
                    life: None,
                }));
            }
            Self::X509(_) => return Ok(None),
            Self::Key {
                policy: Some(policy),
                key,
            } => unsigned.with_policy(policy).sign(key),
            Self::Key { policy: None, key } => unsigned.sign(key),
            Self::Workload(workload) => {
                let signature = workload.sign(unsigned.string_to_sign().as_bytes()).await?;
                unsigned.with_signature(&signature)
            }
        };
        Ok(Some(Signed {
            token,
            life: Some(life),
        }))
    }

    /// What to offer in the TLS handshake.
    pub(crate) async fn certificate(&self) -> Result<Option<ClientCertificate>, LinkError> {
        match self {
            Self::X509(certificate) => certificate.load().await.map(Some),
            Self::Key { .. } | Self::Token(_) | Self::Workload(_) => Ok(None),
        }
    }
}

impl std::fmt::Debug for Credential {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Key { policy, .. } => write!(f, "Key(redacted, policy {policy:?})"),
            Self::Token(token) => write!(
                f,
                "Token({:?})",
                Token::parse(token).map(|token| token.expiry())
            ),
            Self::X509(certificate) => certificate.fmt(f),
            Self::Workload(workload) => workload.fmt(f),
        }
    }
}
