//! Chains as device makers have them: a root, an intermediate, a device.

use rcgen::{ExtendedKeyUsagePurpose, Issuer, KeyPair};

use super::issuing::{Signer, authority, device, params};
use super::*;

fn sent(chain: &[&CertificateDer<'static>]) -> PeerCertificates {
    let chain: Vec<_> = chain.iter().map(|der| (*der).clone()).collect();
    PeerCertificates::new(&chain).expect("not empty")
}

fn in_year(year: i16) -> Timestamp {
    let date = jiff::civil::date(year, 6, 1).at(0, 0, 0, 0);
    date.to_zoned(jiff::tz::TimeZone::UTC)
        .expect("a plain date")
        .timestamp()
}

/// A root, an intermediate of it, and `press7`, all good from 2020 to 2040.
struct Chain {
    root: Certificate,
    intermediate: Certificate,
    signer: Signer,
    leaf: CertificateDer<'static>,
}

fn chain() -> Chain {
    let (root, root_signer) = authority("root", None, 2020, 2040);
    let (intermediate, signer) = authority("customer", Some(&root_signer), 2020, 2040);
    let leaf = device("press7", &signer, 2020, 2040).der;
    Chain {
        root,
        intermediate,
        signer,
        leaf,
    }
}

#[test]
fn a_chain_leads_to_its_root_and_to_its_intermediate() {
    let chain = chain();
    let (other, _) = authority("other", None, 2020, 2040);
    let whole = sent(&[&chain.leaf, &chain.intermediate.der]);
    let now = in_year(2030);
    assert_eq!(verify_chain(&whole, &[&other, &chain.root], now), Ok(1));
    assert_eq!(verify_chain(&whole, &[&chain.intermediate], now), Ok(0));
    // To the intermediate, the leaf alone is enough; to the root it is not.
    let alone = sent(&[&chain.leaf]);
    assert_eq!(verify_chain(&alone, &[&chain.intermediate], now), Ok(0));
    let fault = verify_chain(&alone, &[&chain.root], now).expect_err("a link is missing");
    assert!(
        matches!(fault, ChainFault::UnknownIssuer { sent: 0, .. }),
        "{fault}"
    );
}

#[test]
fn nobody_else_s_authority_will_do() {
    let chain = chain();
    let whole = sent(&[&chain.leaf, &chain.intermediate.der]);
    let (other, _) = authority("other", None, 2020, 2040);
    for authorities in [&[&other][..], &[]] {
        let fault = verify_chain(&whole, authorities, in_year(2030)).expect_err("not trusted");
        assert!(
            matches!(fault, ChainFault::UnknownIssuer { sent: 1, .. }),
            "{fault}"
        );
    }
}

#[test]
fn a_namesake_of_the_authority_cannot_sign_for_it() {
    let (real, _) = authority("customer", None, 2020, 2040);
    let (_, false_signer) = authority("customer", None, 2020, 2040);
    let forged = device("press7", &false_signer, 2020, 2040).der;
    let fault = verify_chain(&sent(&[&forged]), &[&real], in_year(2030)).expect_err("forged");
    assert_eq!(
        fault,
        ChainFault::BadSignature {
            subject: "CN=press7".to_owned()
        }
    );
}

#[test]
fn every_certificate_on_the_way_has_its_time() {
    let (root, root_signer) = authority("root", None, 2020, 2040);
    let (late, late_signer) = authority("customer", Some(&root_signer), 2020, 2025);
    let leaf = device("press7", &late_signer, 2022, 2035).der;
    let expired_is = |fault: ChainFault, who: &str| match fault {
        ChainFault::Expired { subject, .. } => assert_eq!(subject, who),
        other => panic!("{other}"),
    };
    let verify = |authorities: &[&Certificate], year| {
        verify_chain(&sent(&[&leaf, &late.der]), authorities, in_year(year))
    };
    assert_eq!(verify(&[&root], 2024), Ok(0));
    expired_is(verify(&[&root], 2030).expect_err("late"), "CN=customer");
    expired_is(verify(&[&late], 2030).expect_err("late"), "CN=customer");
    expired_is(verify(&[&root], 2036).expect_err("late"), "CN=press7");
    let fault = verify(&[&root], 2021).expect_err("early");
    assert!(matches!(fault, ChainFault::NotYetValid { .. }), "{fault}");
}

#[test]
fn a_certificate_for_servers_signs_nobody_in() {
    let chain = chain();
    let mut params = params("press7", 2020, 2040);
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let key = KeyPair::generate().expect("a key");
    let made = params.signed_by(&key, &chain.signer).expect("made");
    let fault = verify_chain(&sent(&[made.der()]), &[&chain.intermediate], in_year(2030))
        .expect_err("for servers");
    assert!(matches!(fault, ChainFault::Purpose { .. }), "{fault}");
}

#[test]
fn a_device_issues_no_certificates() {
    let chain = chain();
    let key = KeyPair::generate().expect("a key");
    let device = params("press7", 2020, 2040);
    let between = device.signed_by(&key, &chain.signer).expect("made");
    let signer = Issuer::new(device, key);
    let forged = issuing::device("press8", &signer, 2020, 2040).der;
    let presented = sent(&[&forged, between.der()]);
    let fault = verify_chain(&presented, &[&chain.intermediate], in_year(2030));
    assert!(fault.is_err(), "{fault:?}");
}

#[test]
fn a_certificate_of_version_1_is_below_no_authority() {
    let pem = include_str!("../pki/possession/version1.pem");
    let old = Certificate::from_text(pem).expect("a certificate");
    let presented = sent(&[&old.der]);
    let fault = |authority: &Certificate| {
        verify_chain(&presented, &[authority], in_year(2030)).expect_err("too old")
    };
    let (namesake, _) = authority("press7", None, 2020, 2040);
    let own = fault(&namesake);
    assert!(
        matches!(own, ChainFault::Version { version: 1, .. }),
        "{own}"
    );
    let foreign = fault(&chain().root);
    assert!(
        matches!(foreign, ChainFault::UnknownIssuer { .. }),
        "{foreign}"
    );
}

#[test]
fn both_texts_give_the_same_certificate() {
    let (root, _) = authority("root", None, 2020, 2040);
    let pem = root.to_pem();
    assert_eq!(Certificate::from_text(&pem).as_ref(), Ok(&root));
    let engine = &base64::engine::general_purpose::STANDARD;
    let base64 = base64::Engine::encode(engine, &root.der);
    assert_eq!(Certificate::from_text(&base64).as_ref(), Ok(&root));
    assert_eq!(
        (root.common_name.as_deref(), root.is_ca, root.version),
        (Some("root"), true, 3)
    );
    let short = Certificate::from_text(&base64[..base64.len() / 8 * 4]);
    assert!(
        matches!(short, Err(CertificateError::Content(_))),
        "{short:?}"
    );
    assert_eq!(
        Certificate::from_text("nonsense!"),
        Err(CertificateError::Text)
    );
}

#[test]
fn thumbprints_are_digests_of_either_length_and_case() {
    let (root, _) = authority("root", None, 2020, 2040);
    for thumbprint in [root.sha1(), root.sha256()] {
        let lower = Thumbprint::parse(&thumbprint.to_string().to_ascii_lowercase());
        assert!(lower.expect("hexadecimal digits").is_of(&root));
    }
    assert_eq!(root.sha1().to_string().len(), 40);
    let (other, _) = authority("root", None, 2020, 2040);
    assert!(!other.sha256().is_of(&root));
    for wrong in ["", "AB:CD", &"g".repeat(40), &"a".repeat(41)] {
        assert!(Thumbprint::parse(wrong).is_err(), "{wrong}");
    }
    // FIPS 180-2, appendix A.1: the digests of "abc".
    let digest = Thumbprint::digest(&ring::digest::SHA1_FOR_LEGACY_USE_ONLY, b"abc");
    assert_eq!(
        digest.to_string(),
        "A9993E364706816ABA3E25717850C26C9CD0D89D"
    );
}

#[test]
fn arbitrary_bytes_are_no_certificate() {
    use proptest::prelude::*;
    let (root, _) = authority("root", None, 2020, 2040);
    let whole = root.der.to_vec();
    proptest!(|(bytes: Vec<u8>, at in 0..whole.len(), with: u8)| {
        let _ = Certificate::from_der(bytes.into());
        let mut changed = whole.clone();
        changed[at] = with;
        if let Ok(certificate) = Certificate::from_der(changed.into()) {
            let presented = PeerCertificates::new(std::slice::from_ref(&certificate.der)).expect("one");
            let _ = verify_chain(&presented, &[&root], in_year(2030));
        }
    });
}
