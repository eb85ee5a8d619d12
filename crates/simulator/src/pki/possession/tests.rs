//! Handshakes in memory, between the simulator's TLS settings and a client's.

use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair};
use rustls::client::ResolvesClientCert;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use rustls::version::{TLS12, TLS13};
use rustls::{
    ClientConfig, ClientConnection, Connection, RootCertStore, ServerConnection,
    SupportedProtocolVersion,
};

use super::*;
use crate::pki::{Authority, server_config};

/// Presents a certificate with whatever key, as no honest client's library would.
#[derive(Debug)]
struct Presents(Arc<CertifiedKey>);

impl ResolvesClientCert for Presents {
    fn resolve(&self, _: &[&[u8]], _: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        Some(self.0.clone())
    }

    fn has_certs(&self) -> bool {
        true
    }
}

/// As `openssl req -x509` makes them, which calls each an authority.
fn self_signed() -> (CertificateDer<'static>, PrivateKeyDer<'static>) {
    let key = KeyPair::generate().expect("a key");
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let made = params.self_signed(&key);
    let der = made.expect("a certificate").der().clone();
    let key = PrivateKeyDer::try_from(key.serialize_der()).expect("PKCS #8");
    (der, key)
}

fn of_version_1() -> (CertificateDer<'static>, PrivateKeyDer<'static>) {
    let pem = include_bytes!("version1.pem");
    let certificate = CertificateDer::from_pem_slice(pem).expect("a certificate");
    (
        certificate,
        PrivateKeyDer::from_pem_slice(pem).expect("a key"),
    )
}

/// What the server knows of the client after a handshake.
fn presented(
    version: &'static SupportedProtocolVersion,
    credential: Option<(CertificateDer<'static>, &PrivateKeyDer<'static>)>,
) -> Result<Option<Vec<CertificateDer<'static>>>, Error> {
    let dir = tempfile::tempdir().expect("a temporary directory");
    let authority = Authority::load_or_create(dir.path()).expect("made");
    let issued = authority
        .issue_server("localhost", &["localhost".to_owned()])
        .expect("issued");
    let server = server_config(&issued, &[]).expect("TLS takes it");
    let mut roots = RootCertStore::empty();
    let root = CertificateDer::from_pem_slice(authority.certificate_pem().as_bytes());
    roots.add(root.expect("PEM")).expect("a root");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let client = ClientConfig::builder_with_provider(provider.clone())
        .with_protocol_versions(&[version])
        .expect("known")
        .with_root_certificates(roots);
    let client = match credential {
        None => client.with_no_client_auth(),
        Some((certificate, key)) => {
            let key = provider.key_provider.load_private_key(key.clone_key());
            let key = key.expect("a key");
            let presents = CertifiedKey::new(vec![certificate], key);
            client.with_client_cert_resolver(Arc::new(Presents(Arc::new(presents))))
        }
    };
    let name = "localhost".try_into().expect("a name");
    let client = ClientConnection::new(Arc::new(client), name).expect("a client");
    let (mut client, mut server) = (
        Connection::from(client),
        Connection::from(ServerConnection::new(server).expect("a server")),
    );
    for _ in 0..10 {
        carry(&mut client, &mut server)?;
        carry(&mut server, &mut client)?;
    }
    assert!(!server.is_handshaking() && !client.is_handshaking());
    Ok(server.peer_certificates().map(<[_]>::to_vec))
}

fn carry(from: &mut Connection, to: &mut Connection) -> Result<(), Error> {
    while from.wants_write() {
        let mut bytes = Vec::new();
        from.write_tls(&mut bytes).expect("into memory");
        let mut bytes = bytes.as_slice();
        while !bytes.is_empty() {
            to.read_tls(&mut bytes).expect("out of memory");
            to.process_new_packets()?;
        }
    }
    Ok(())
}

#[test]
fn a_client_may_have_no_certificate() {
    for version in [&TLS12, &TLS13] {
        assert_eq!(presented(version, None), Ok(None), "{version:?}");
    }
}

#[test]
fn whoever_issued_it_a_certificate_is_taken_from_who_holds_its_key() {
    for (certificate, key) in [self_signed(), of_version_1()] {
        for version in [&TLS12, &TLS13] {
            let seen = presented(version, Some((certificate.clone(), &key)));
            assert_eq!(seen, Ok(Some(vec![certificate.clone()])), "{version:?}");
        }
    }
}

#[test]
fn a_certificate_without_its_key_ends_the_handshake() {
    let (certificate, _) = self_signed();
    let (_, another) = self_signed();
    for version in [&TLS12, &TLS13] {
        let seen = presented(version, Some((certificate.clone(), &another)));
        assert!(seen.is_err(), "{version:?}: {seen:?}");
    }
}
