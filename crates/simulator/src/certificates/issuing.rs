//! Certificates for tests, good from the first day of one year to that of another.

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::{Certificate, PeerCertificates};

pub(crate) type Signer = Issuer<'static, KeyPair>;

/// What a device holds.
pub(crate) struct Holder {
    pub(crate) der: CertificateDer<'static>,
    pub(crate) key: PrivateKeyDer<'static>,
}

impl Holder {
    pub(crate) fn certificate(&self) -> Certificate {
        Certificate::from_der(self.der.clone()).expect("just made")
    }

    /// Presented with these issuers.
    pub(crate) fn with(&self, issuers: &[&Certificate]) -> PeerCertificates {
        let issuers = issuers.iter().map(|issuer| issuer.der.clone());
        let chain: Vec<_> = std::iter::once(self.der.clone()).chain(issuers).collect();
        PeerCertificates::new(&chain).expect("not empty")
    }

    fn new(params: &CertificateParams, by: Option<&Signer>) -> Self {
        let key = KeyPair::generate().expect("a key");
        let made = match by {
            Some(signer) => params.signed_by(&key, signer),
            None => params.self_signed(&key),
        };
        Self {
            der: made.expect("a certificate").der().clone(),
            key: PrivateKeyDer::try_from(key.serialize_der()).expect("PKCS #8"),
        }
    }
}

pub(crate) fn params(name: &str, from: i32, to: i32) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.not_before = rcgen::date_time_ymd(from, 1, 1);
    params.not_after = rcgen::date_time_ymd(to, 1, 1);
    params
}

pub(crate) fn authority(
    name: &str,
    by: Option<&Signer>,
    from: i32,
    to: i32,
) -> (Certificate, Signer) {
    let mut params = params(name, from, to);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
    let key = KeyPair::generate().expect("a key");
    let made = match by {
        Some(signer) => params.signed_by(&key, signer),
        None => params.self_signed(&key),
    };
    let der = made.expect("a certificate").der().clone();
    let certificate = Certificate::from_der(der).expect("just made");
    (certificate, Issuer::new(params, key))
}

pub(crate) fn device(name: &str, by: &Signer, from: i32, to: i32) -> Holder {
    Holder::new(&params(name, from, to), Some(by))
}

pub(crate) fn self_signed(name: &str, from: i32, to: i32) -> Holder {
    Holder::new(&params(name, from, to), None)
}
