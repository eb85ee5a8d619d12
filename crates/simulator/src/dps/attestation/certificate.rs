//! Attestation by certificate: the device's own, or one below a group's authority.

use hub_proto::dps::enrollment::{Certificate as Enrolled, CertificatePair, X509Attestation};
use hub_proto::dps::registration::RegistrationId;
use jiff::Timestamp;

use super::{Authorities, Credential, Near};
use crate::certificates::{Certificate, ChainFault, PeerCertificates, verify_chain};

/// The device's own certificate, by its digest; or one below an authority that the enrolment refers to.
pub(super) fn individual(
    x509: &X509Attestation,
    authorities: Authorities<'_>,
    id: &RegistrationId,
    presented: &PeerCertificates,
    now: Timestamp,
) -> Result<Credential, String> {
    if x509.ca_references.is_some() {
        return below(x509, authorities, id, presented, now).map_err(|near| match near {
            Near::Own(reason) => reason,
            Near::Foreign => "no authority of the enrolment signed for the certificate".to_owned(),
        });
    }
    let leaf = leaf(presented)?;
    let enrolled = certificates(x509.client_certificates.as_ref());
    if !enrolled
        .iter()
        .any(|certificate| certificate.der == leaf.der)
    {
        return Err(format!(
            "the certificate presented, {}, is not the one enrolled",
            leaf.sha256()
        ));
    }
    names(&leaf, id)?;
    leaf.check_time(now).map_err(|fault| fault.to_string())?;
    let mut digests = enrolled.iter().map(Certificate::sha256);
    let primary = digests.next().unwrap_or_else(|| leaf.sha256());
    Ok(Credential::Certificates {
        primary,
        secondary: digests.next(),
    })
}

/// A certificate below an authority of the enrolment. The hub gets to know its digest, so that a device that renews its
/// certificate has to register again, as with the real service.
pub(super) fn below(
    x509: &X509Attestation,
    authorities: Authorities<'_>,
    id: &RegistrationId,
    presented: &PeerCertificates,
    now: Timestamp,
) -> Result<Credential, Near> {
    let leaf = leaf(presented).map_err(|_| Near::Foreign)?;
    let mut trusted = certificates(x509.signing_certificates.as_ref());
    trusted.extend(references(x509).filter_map(authorities));
    let trusted: Vec<&Certificate> = trusted.iter().collect();
    verify_chain(presented, &trusted, now).map_err(|fault| match fault {
        ChainFault::UnknownIssuer { .. } => Near::Foreign,
        fault => Near::Own(fault.to_string()),
    })?;
    names(&leaf, id).map_err(Near::Own)?;
    Ok(Credential::Certificates {
        primary: leaf.sha256(),
        secondary: None,
    })
}

fn leaf(presented: &PeerCertificates) -> Result<Certificate, String> {
    Certificate::from_der(presented.leaf().clone())
        .map_err(|error| format!("the certificate cannot be read: {error}"))
}

fn names(leaf: &Certificate, id: &RegistrationId) -> Result<(), String> {
    match &leaf.common_name {
        Some(name) if name.eq_ignore_ascii_case(id.as_str()) => Ok(()),
        Some(name) => Err(format!(
            "the certificate is {name}'s by its common name, and {id} registers with it"
        )),
        None => Err("the certificate has no common name".to_owned()),
    }
}

/// Those of a pair that can be read; the service took no others.
fn certificates(pair: Option<&CertificatePair>) -> Vec<Certificate> {
    pair.into_iter()
        .flat_map(|pair| [&pair.primary, &pair.secondary])
        .flatten()
        .filter_map(|enrolled| Certificate::from_text(enrolled.certificate.as_deref()?).ok())
        .collect()
}

/// The authorities an enrolment names.
fn references(x509: &X509Attestation) -> impl Iterator<Item = &str> {
    let references = x509.ca_references.iter();
    references
        .flat_map(|references| [&references.primary, &references.secondary])
        .flatten()
        .map(String::as_str)
}

/// Reads the certificates an operator enrols, and writes down what they say.
///
/// # Errors
/// What is wrong with them: unreadable, not there, or for a group not an authority's.
pub(crate) fn check(
    x509: &mut X509Attestation,
    authorities: Authorities<'_>,
    of_group: bool,
) -> Result<(), String> {
    if x509.ca_references.is_some() {
        if x509.client_certificates.is_some() || x509.signing_certificates.is_some() {
            return Err(
                "an enrolment has certificates, or references to them, not both".to_owned(),
            );
        }
        if references(x509).next().is_none() {
            return Err("caReferences.primary is missing".to_owned());
        }
        return match references(x509).find(|name| authorities(name).is_none()) {
            Some(name) => Err(format!("no certificate is registered as {name:?}")),
            None => Ok(()),
        };
    }
    let (wanted, other, name) = if of_group {
        (
            &mut x509.signing_certificates,
            &x509.client_certificates,
            "signingCertificates",
        )
    } else {
        (
            &mut x509.client_certificates,
            &x509.signing_certificates,
            "clientCertificates",
        )
    };
    if other.is_some() {
        return Err(format!("this kind of enrolment has {name} only"));
    }
    let pair = wanted
        .as_mut()
        .filter(|pair| pair.primary.is_some())
        .ok_or_else(|| format!("{name}.primary is missing"))?;
    for enrolled in [&mut pair.primary, &mut pair.secondary]
        .into_iter()
        .flatten()
    {
        read(enrolled, of_group)?;
    }
    Ok(())
}

fn read(enrolled: &mut Enrolled, of_group: bool) -> Result<(), String> {
    let text = enrolled
        .certificate
        .as_deref()
        .ok_or("a certificate without its text")?;
    let certificate = Certificate::from_text(text).map_err(|error| error.to_string())?;
    if of_group && !certificate.is_ca {
        return Err(format!(
            "the certificate of {} may not sign others, so that no group can stand on it",
            certificate.subject
        ));
    }
    enrolled.info = Some(certificate.info());
    Ok(())
}

/// What was presented, for the explain view.
pub(crate) fn describe(presented: &PeerCertificates) -> String {
    match leaf(presented) {
        Err(error) => error,
        Ok(leaf) => format!(
            "the certificate of {}, issued by {}, SHA-256 {}, with {} more",
            leaf.subject,
            leaf.issuer,
            leaf.sha256(),
            presented.intermediates().len()
        ),
    }
}
