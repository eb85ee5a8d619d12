//! Which enrolment a device registers by, and whether what it presents proves it. Pure, and told the time.
//!
//! An individual enrolment of the registration id decides alone, also when it is disabled: that is how one device of a
//! group is shut out. Without one, the groups are tried. Only a credential that holds is told of a disabled enrolment;
//! everybody else hears no more than that they are not authorised.

mod certificate;

use hub_proto::dps::enrollment::{
    Attestation, EnrollmentGroup, IndividualEnrollment, ProvisioningStatus, Terms,
};
use hub_proto::dps::error::DpsErrorCode;
use hub_proto::dps::registration::{RegistrationId, audience};
use hub_proto::sas::{CLOCK_SKEW, SasError, SymmetricKey, Token};
use jiff::Timestamp;

pub(crate) use certificate::{check as check_certificates, describe as describe_certificates};

use super::registry::{Registry, Source, keys};
use crate::certificates::{Certificate, PeerCertificates, Thumbprint};

/// The certificate of an authority by its name, for enrolments that refer to one.
pub(crate) type Authorities<'a> = &'a dyn Fn(&str) -> Option<Certificate>;

/// What a device presents.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Proof<'a> {
    Nothing,
    /// A shared access signature.
    Token(&'a str),
    /// The certificates of the TLS handshake.
    Certificates(&'a PeerCertificates),
}

impl<'a> Proof<'a> {
    /// What counts of both. Who sends a token means it, whatever certificate TLS was given beside it.
    pub(crate) fn of(token: Option<&'a str>, certificates: Option<&'a PeerCertificates>) -> Self {
        match (token, certificates) {
            (Some(token), _) => Self::Token(token),
            (None, Some(certificates)) => Self::Certificates(certificates),
            (None, None) => Self::Nothing,
        }
    }
}

/// A device that proved itself by an enabled enrolment.
#[derive(Debug, Clone)]
pub(crate) struct Admitted {
    pub(crate) source: Source,
    pub(crate) terms: Terms,
    pub(crate) device_id: String,
    pub(crate) credential: Credential,
}

/// What the device will prove itself to its hub with: the same as here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Credential {
    Keys {
        primary: SymmetricKey,
        secondary: SymmetricKey,
    },
    Certificates {
        primary: Thumbprint,
        secondary: Option<Thumbprint>,
    },
}

/// Why a device may not register.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Refused {
    pub(crate) code: DpsErrorCode,
    /// For the explain view: the device itself is not told so much.
    pub(crate) reason: String,
    /// The enrolment that decided, if one did.
    pub(crate) matched: Option<Source>,
}

impl Refused {
    fn unauthorized(reason: impl Into<String>, matched: Option<Source>) -> Self {
        Self {
            code: DpsErrorCode::Unauthorized,
            reason: reason.into(),
            matched,
        }
    }
}

/// Finds the enrolment and checks the proof.
///
/// # Errors
/// Why the device may not register.
pub(crate) fn attest(
    registry: &Registry,
    authorities: Authorities<'_>,
    id: &RegistrationId,
    proof: Proof<'_>,
    now: Timestamp,
) -> Result<Admitted, Refused> {
    match registry.enrollment(id.as_str()) {
        Some(enrollment) => by_individual(registry, authorities, enrollment, id, proof, now),
        None => by_group(registry, authorities, id, proof, now),
    }
}

fn by_individual(
    registry: &Registry,
    authorities: Authorities<'_>,
    enrollment: &IndividualEnrollment,
    id: &RegistrationId,
    proof: Proof<'_>,
    now: Timestamp,
) -> Result<Admitted, Refused> {
    let terms = &enrollment.terms;
    let refused = |reason: String| Refused::unauthorized(reason, Some(Source::Individual));
    let credential = match (proof, &terms.attestation) {
        (Proof::Nothing, _) => Err(NO_CREDENTIAL.to_owned()),
        (_, Attestation::Tpm { .. }) => Err(NO_TPM.to_owned()),
        (Proof::Token(token), Attestation::SymmetricKey { symmetric_key }) => {
            let Some(pair) = pair(symmetric_key.iter().cloned()) else {
                return Err(refused("the enrolment has no key".to_owned()));
            };
            check_token(token, &registry.id_scope, id, &pair, now)
                .map(|()| pair.into_credential())
                .map_err(|fault| fault.to_string())
        }
        (Proof::Certificates(presented), Attestation::X509 { x509 }) => {
            certificate::individual(x509, authorities, id, presented, now)
        }
        (Proof::Token(_), Attestation::X509 { .. }) => {
            Err("the enrolment asks for a certificate, and a token was presented".to_owned())
        }
        (Proof::Certificates(_), Attestation::SymmetricKey { .. }) => {
            Err("the enrolment asks for a key, and a certificate was presented".to_owned())
        }
    };
    admit(
        registry,
        id,
        Source::Individual,
        terms,
        credential.map_err(refused)?,
    )
}

fn by_group(
    registry: &Registry,
    authorities: Authorities<'_>,
    id: &RegistrationId,
    proof: Proof<'_>,
    now: Timestamp,
) -> Result<Admitted, Refused> {
    // The reason of the group it came nearest to: one whose key signed, even if the token is of no use any more.
    let mut nearest: Option<Refused> = None;
    let mut asked = false;
    for group in registry.groups.values() {
        let source = || Source::Group(group.enrollment_group_id.clone());
        let tried = match (proof, &group.terms.attestation) {
            (Proof::Token(token), Attestation::SymmetricKey { .. }) => {
                derived(group, id, token, &registry.id_scope, now)
            }
            (Proof::Certificates(presented), Attestation::X509 { x509 }) => {
                certificate::below(x509, authorities, id, presented, now)
            }
            _ => continue,
        };
        asked = true;
        match tried {
            Ok(credential) => return admit(registry, id, source(), &group.terms, credential),
            Err(Near::Own(reason)) => {
                nearest.get_or_insert(Refused::unauthorized(reason, Some(source())));
            }
            Err(Near::Foreign) => {}
        }
    }
    if let Some(nearest) = nearest {
        return Err(nearest);
    }
    Err(match proof {
        Proof::Nothing => Refused::unauthorized(NO_CREDENTIAL, None),
        Proof::Token(_) if asked => Refused::unauthorized(
            format!("{id} has no enrolment of its own, and no group's key made the token"),
            None,
        ),
        Proof::Certificates(_) if asked => Refused::unauthorized(
            format!("{id} has no enrolment of its own, and no group's authority signed for it"),
            None,
        ),
        Proof::Token(_) | Proof::Certificates(_) => Refused {
            code: DpsErrorCode::NotFound,
            reason: format!("{id} has no enrolment, and there is no group it could belong to"),
            matched: None,
        },
    })
}

const NO_CREDENTIAL: &str = "neither a token nor a certificate was presented";
const NO_TPM: &str = "devices with a trusted platform module cannot register here";

/// Why one group's credential does not open it.
enum Near {
    /// It is this group's, and still not good.
    Own(String),
    /// It is none of this group's.
    Foreign,
}

fn derived(
    group: &EnrollmentGroup,
    id: &RegistrationId,
    token: &str,
    id_scope: &str,
    now: Timestamp,
) -> Result<Credential, Near> {
    let of_group: Vec<SymmetricKey> = keys(&group.terms)
        .into_iter()
        .flat_map(|keys| keys.iter().cloned())
        .collect();
    // Tools derive from the id as it is written, or from its lower-case form.
    let mut spellings = vec![id.as_str().to_owned()];
    if id.to_lowercase() != id.as_str() {
        spellings.push(id.to_lowercase());
    }
    for spelling in spellings {
        let Some(pair) = pair(of_group.iter().map(|key| key.derive(&spelling))) else {
            continue;
        };
        match check_token(token, id_scope, id, &pair, now) {
            Ok(()) => return Ok(pair.into_credential()),
            Err(SasError::Signature) => {}
            Err(fault @ (SasError::Audience(_) | SasError::Expired(_))) => {
                return Err(Near::Own(fault.to_string()));
            }
            Err(_) => return Err(Near::Foreign),
        }
    }
    let own = pair(of_group.into_iter());
    let group_key_itself = own.is_some_and(|own| {
        !matches!(
            check_token(token, id_scope, id, &own, now),
            Err(SasError::Signature)
        )
    });
    Err(if group_key_itself {
        Near::Own(
            "the token was signed with the group's own key; a device needs the key derived for it"
                .to_owned(),
        )
    } else {
        Near::Foreign
    })
}

fn admit(
    registry: &Registry,
    id: &RegistrationId,
    source: Source,
    terms: &Terms,
    credential: Credential,
) -> Result<Admitted, Refused> {
    if terms.provisioning_status == ProvisioningStatus::Disabled {
        return Err(Refused {
            code: DpsErrorCode::Disabled,
            reason: "the enrolment is disabled".to_owned(),
            matched: Some(source),
        });
    }
    Ok(Admitted {
        device_id: registry.device_id(id, &source),
        source,
        terms: terms.clone(),
        credential,
    })
}

/// The keys that open an enrolment: one key serves as both.
struct Pair {
    primary: SymmetricKey,
    secondary: SymmetricKey,
}

impl Pair {
    fn into_credential(self) -> Credential {
        Credential::Keys {
            primary: self.primary,
            secondary: self.secondary,
        }
    }
}

fn pair(mut keys: impl Iterator<Item = SymmetricKey>) -> Option<Pair> {
    let primary = keys.next()?;
    let secondary = keys.next().unwrap_or_else(|| primary.clone());
    Some(Pair { primary, secondary })
}

fn check_token(
    token: &str,
    id_scope: &str,
    id: &RegistrationId,
    pair: &Pair,
    now: Timestamp,
) -> Result<(), SasError> {
    // `skn` says `registration`, or nothing in Python's tokens; it is no policy of the service either way.
    Token::parse(token)?
        .verify(
            &audience(id_scope, id.as_str()),
            [&pair.primary, &pair.secondary],
            now.as_second(),
            CLOCK_SKEW,
        )
        .map(|_| ())
}

/// What was presented, in words that hold no secret.
pub(crate) fn describe(proof: Proof<'_>) -> String {
    let token = match proof {
        Proof::Nothing => return "nothing".to_owned(),
        Proof::Certificates(presented) => return describe_certificates(presented),
        Proof::Token(token) => Token::parse(token),
    };
    match token {
        Err(error) => format!("a token that cannot be read: {error}"),
        Ok(token) => {
            let audience = token
                .audience()
                .unwrap_or_else(|_| "an unreadable resource".into());
            let expiry = Timestamp::from_second(token.expiry()).map_or_else(
                |_| "beyond all time".to_owned(),
                |expiry| format!("at {expiry}"),
            );
            if is_of_names(&audience) {
                format!("a token for {audience:?} that ends {expiry}")
            } else {
                format!("a token that ends {expiry}, for what is no name")
            }
        }
    }
}

/// Whether an audience has only what scopes, registration ids and hosts are made of. Who mixes up the fields of a form
/// signs for their key, which must not be shown: in base64 it ends with `=`, or has a `+`.
fn is_of_names(audience: &str) -> bool {
    let mut segments = audience.split('/');
    segments.all(|segment| segment.parse::<RegistrationId>().is_ok())
}

#[cfg(test)]
mod tests;
