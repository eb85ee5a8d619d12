//! Who is let in by which enrolment, as a table and in invented time.

use hub_proto::dps::enrollment::X509Attestation;
use hub_proto::dps::registration::audience;
use hub_proto::sas::Unsigned;
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::certificates::Certificate;
use crate::certificates::issuing::{authority, device, self_signed};
use crate::dps::change::Change;

const SCOPE: &str = "0ne0000AAAA";

/// No authority is known by name.
fn nobody(_: &str) -> Option<Certificate> {
    None
}

fn noon() -> Timestamp {
    "2026-06-01T12:00:00Z".parse().expect("a moment")
}

fn key(text: &str) -> SymmetricKey {
    SymmetricKey::from_bytes(format!("{text:-<32}").into_bytes())
}

fn registry(documents: &[Value]) -> Registry {
    let mut registry = Registry {
        id_scope: SCOPE.to_owned(),
        ..Registry::default()
    };
    for document in documents {
        let document = document.clone();
        registry.apply(if document.get("registrationId").is_some() {
            Change::EnrollmentPut {
                enrollment: serde_json::from_value(document).expect("an enrolment"),
            }
        } else {
            Change::GroupPut {
                group: serde_json::from_value(document).expect("a group"),
            }
        });
    }
    registry
}

fn keyed(id: &str, status: &str) -> Value {
    json!({"registrationId": id, "provisioningStatus": status, "attestation": {
        "type": "symmetricKey", "symmetricKey": {"primaryKey": key(id).to_base64()}}})
}

fn keyed_group(id: &str, status: &str) -> Value {
    json!({"enrollmentGroupId": id, "provisioningStatus": status, "attestation": {
        "type": "symmetricKey", "symmetricKey": {"primaryKey": key(id).to_base64()}}})
}

fn certified(id: &str, certificates: &[&Certificate]) -> Value {
    let pem = |at: usize| {
        certificates
            .get(at)
            .map(|c: &&Certificate| json!({"certificate": c.to_pem()}))
    };
    json!({"registrationId": id, "attestation": {"type": "x509", "x509": {
        "clientCertificates": {"primary": pem(0), "secondary": pem(1)}}}})
}

fn certified_group(id: &str, by: &Certificate) -> Value {
    json!({"enrollmentGroupId": id, "attestation": {"type": "x509", "x509": {
        "signingCertificates": {"primary": {"certificate": by.to_pem()}}}}})
}

fn token(id: &str, key: &SymmetricKey) -> String {
    Unsigned::new(&audience(SCOPE, id), noon().as_second() + 60).sign(key)
}

fn id(text: &str) -> RegistrationId {
    text.parse().expect("an id")
}

/// What is decided, in a word, and by which enrolment.
fn verdict(registry: &Registry, of: &str, proof: Proof<'_>) -> (String, Option<Source>) {
    match attest(registry, &nobody, &id(of), proof, noon()) {
        Ok(admitted) => ("admitted".to_owned(), Some(admitted.source)),
        Err(refused) => (format!("{:?}", refused.code), refused.matched),
    }
}

#[test]
fn the_enrolment_of_the_id_decides_alone_and_groups_only_without_it() {
    let (on, off) = ("enabled", "disabled");
    let (own, derived) = (key("r1"), key("g").derive("r1"));
    let of_group = || Some(Source::Group("g".to_owned()));
    let individual = Some(Source::Individual);
    type Case<'a> = (Vec<Value>, &'a SymmetricKey, &'a str, Option<Source>);
    let table: Vec<Case<'_>> = vec![
        (vec![keyed("r1", on)], &own, "admitted", individual.clone()),
        (
            vec![keyed("r1", on), keyed_group("g", on)],
            &own,
            "admitted",
            individual.clone(),
        ),
        (
            vec![keyed("r1", on), keyed_group("g", on)],
            &derived,
            "Unauthorized",
            individual.clone(),
        ),
        (
            vec![keyed("r1", off), keyed_group("g", on)],
            &derived,
            "Unauthorized",
            individual.clone(),
        ),
        (
            vec![keyed("r1", off), keyed_group("g", on)],
            &own,
            "Disabled",
            individual.clone(),
        ),
        (
            vec![keyed_group("a", on), keyed_group("g", on)],
            &derived,
            "admitted",
            of_group(),
        ),
        (
            vec![keyed_group("g", off)],
            &derived,
            "Disabled",
            of_group(),
        ),
        (vec![keyed_group("g", on)], &own, "Unauthorized", None),
        (vec![keyed("r2", on)], &own, "NotFound", None),
        (vec![], &own, "NotFound", None),
    ];
    for (documents, with, expected, by) in table {
        let registry = registry(&documents);
        let token = token("r1", with);
        let got = verdict(&registry, "r1", Proof::Token(&token));
        assert_eq!(got, (expected.to_owned(), by), "{documents:?}");
    }
}

#[test]
fn tokens_as_the_sdks_write_them_are_taken() {
    let registry = registry(&[keyed("r1", "enabled")]);
    let raw = format!("{SCOPE}/registrations/r1");
    let expiry = noon().as_second() + 60;
    let sign = |audience: &str| {
        let signed = key("r1").sign(format!("{audience}\n{expiry}").as_bytes());
        let engine = &base64::engine::general_purpose::STANDARD;
        let signature = base64::Engine::encode(engine, signed);
        let mut escaped = String::new();
        hub_proto::percent::encode_into(&signature, &mut escaped);
        escaped
    };
    let escaped = hub_proto::percent::encode(&raw).into_owned();
    let node = format!(
        "SharedAccessSignature sr={raw}&sig={}&skn=registration&se={expiry}",
        sign(&raw)
    );
    let python = format!(
        "SharedAccessSignature sr={escaped}&sig={}&se={expiry}",
        sign(&escaped)
    );
    let c = format!(
        "SharedAccessSignature sr={escaped}&sig={}&se={expiry}&skn=registration",
        sign(&escaped)
    );
    for token in [node, python, c] {
        let got = verdict(&registry, "r1", Proof::Token(&token));
        assert_eq!(got.0, "admitted", "{token}");
    }
}

#[test]
fn a_clock_may_be_five_minutes_behind_and_no_more() {
    let registry = registry(&[keyed("r1", "enabled")]);
    for (late, expected) in [(0, "admitted"), (299, "admitted"), (300, "Unauthorized")] {
        let token =
            Unsigned::new(&audience(SCOPE, "r1"), noon().as_second() - late).sign(&key("r1"));
        assert_eq!(
            verdict(&registry, "r1", Proof::Token(&token)).0,
            expected,
            "{late}"
        );
    }
}

#[test]
fn an_enrolled_certificate_opens_by_its_digest_within_its_time_and_for_its_name() {
    let own = self_signed("r1", 2026, 2027);
    let next = self_signed("r1", 2026, 2027);
    let old = self_signed("r1", 2024, 2025);
    let other = self_signed("r2", 2026, 2027);
    let enrolled = [own.certificate(), next.certificate()];
    let registry = registry(&[
        certified("r1", &[&enrolled[0], &enrolled[1]]),
        certified("r2", &[&own.certificate()]),
        certified("r3", &[&old.certificate()]),
    ]);
    let of = |id: &str, holder: &crate::certificates::issuing::Holder| {
        verdict(&registry, id, Proof::Certificates(&holder.with(&[]))).0
    };
    assert_eq!(of("r1", &own), "admitted");
    assert_eq!(of("R1", &next), "admitted");
    assert_eq!(of("r1", &other), "Unauthorized");
    assert_eq!(
        of("r2", &own),
        "Unauthorized",
        "the name in it is another's"
    );
    assert_eq!(of("r3", &old), "Unauthorized", "it has expired");
    let admitted = attest(
        &registry,
        &nobody,
        &id("r1"),
        Proof::Certificates(&next.with(&[])),
        noon(),
    );
    let expected = Credential::Certificates {
        primary: enrolled[0].sha256(),
        secondary: Some(enrolled[1].sha256()),
    };
    assert_eq!(admitted.expect("admitted").credential, expected);
}

#[test]
fn a_group_opens_to_a_chain_that_really_leads_to_its_authority() {
    let (root, root_signer) = authority("root", None, 2026, 2030);
    let (between, between_signer) = authority("between", Some(&root_signer), 2026, 2030);
    let (_, impostor) = authority("root", None, 2026, 2030);
    let registry = registry(&[certified_group("g", &root)]);
    let straight = device("r1", &root_signer, 2026, 2027);
    let below = device("r1", &between_signer, 2026, 2027);
    let forged = device("r1", &impostor, 2026, 2027);
    let late = device("r1", &root_signer, 2024, 2025);
    let of =
        |presented: PeerCertificates| verdict(&registry, "r1", Proof::Certificates(&presented)).0;
    assert_eq!(of(straight.with(&[])), "admitted");
    assert_eq!(of(below.with(&[&between])), "admitted");
    assert_eq!(
        of(below.with(&[])),
        "Unauthorized",
        "the link between is not there"
    );
    assert_eq!(of(forged.with(&[])), "Unauthorized");
    assert_eq!(of(late.with(&[])), "Unauthorized");
    let foreign = verdict(&registry, "r2", Proof::Certificates(&straight.with(&[])));
    assert_eq!(
        foreign,
        (
            "Unauthorized".to_owned(),
            Some(Source::Group("g".to_owned()))
        )
    );
    let token = token("r1", &key("g"));
    assert_eq!(verdict(&registry, "r1", Proof::Token(&token)).0, "NotFound");
}

#[test]
fn an_authority_by_name_is_as_good_as_its_certificate_while_it_is_known() {
    let (root, signer) = authority("root", None, 2026, 2030);
    let (_, other) = authority("other", None, 2026, 2030);
    let by_name = json!({"type": "x509", "x509": {"caReferences": {"primary": "corporate"}}});
    let registry = registry(&[
        json!({"enrollmentGroupId": "g", "attestation": by_name}),
        json!({"registrationId": "own", "attestation": by_name}),
    ]);
    let known = |name: &str| (name == "corporate").then(|| root.clone());
    let nobody = |_: &str| None;
    for (of, by, authorities, expected) in [
        ("r1", &signer, &known as Authorities<'_>, true),
        ("own", &signer, &known, true),
        ("r1", &other, &known, false),
        ("own", &other, &known, false),
        ("r1", &signer, &nobody, false),
        ("own", &signer, &nobody, false),
    ] {
        let presented = device(of, by, 2026, 2027).with(&[]);
        let proof = Proof::Certificates(&presented);
        let admitted = attest(&registry, authorities, &id(of), proof, noon());
        assert_eq!(admitted.is_ok(), expected, "{of} {admitted:?}");
    }
    let mut x509 = X509Attestation::default();
    assert!(check_certificates(&mut x509, &known, true).is_err());
    for (name, expected) in [("corporate", true), ("forgotten", false)] {
        x509 =
            serde_json::from_value(json!({"caReferences": {"primary": name}})).expect("references");
        assert_eq!(
            check_certificates(&mut x509, &known, true).is_ok(),
            expected
        );
    }
}

#[test]
fn certificates_are_read_when_they_are_enrolled() {
    let (root, signer) = authority("root", None, 2026, 2030);
    let leaf = device("r1", &signer, 2026, 2027).certificate();
    let read = |document: Value, of_group| {
        let Attestation::X509 { mut x509 } =
            serde_json::from_value(document["attestation"].clone()).expect("an attestation")
        else {
            panic!("a certificate");
        };
        check_certificates(&mut x509, &nobody, of_group).map(|()| x509)
    };
    let x509 = read(certified_group("g", &root), true).expect("an authority");
    let info = x509
        .signing_certificates
        .expect("kept")
        .primary
        .expect("kept")
        .info;
    let info = info.expect("it was read");
    assert_eq!(info.subject_name, "CN=root");
    assert_eq!(info.sha256_thumbprint, root.sha256().to_string());
    assert!(
        read(certified_group("g", &leaf), true).is_err(),
        "it may not sign"
    );
    assert!(
        read(certified_group("g", &root), false).is_err(),
        "the wrong kind"
    );
    let garbage = json!({"attestation": {"type": "x509", "x509": {"clientCertificates": {"primary": {"certificate": "bm9uZQ=="}}}}});
    assert!(read(garbage, false).is_err());
}

proptest! {
    #[test]
    fn any_text_for_a_token_is_refused_and_never_a_panic(text in "\\PC{0,80}", of in "[a-z0-9]{1,8}") {
        let registry = registry(&[keyed("r1", "enabled"), keyed_group("g", "enabled")]);
        for token in [text.clone(), format!("SharedAccessSignature {text}"), format!("SharedAccessSignature sr={text}&sig={text}&se=9")] {
            let refused = attest(&registry, &nobody, &id(&of), Proof::Token(&token), noon());
            prop_assert!(refused.is_err());
            describe(Proof::Token(&token));
        }
    }

    #[test]
    fn any_bytes_for_a_certificate_are_refused_and_never_a_panic(bytes in prop::collection::vec(any::<u8>(), 1..80)) {
        let (root, _) = authority("root", None, 2026, 2030);
        let registry = registry(&[certified_group("g", &root)]);
        let presented = PeerCertificates::new(&[bytes.into()]).expect("not empty");
        let proof = Proof::Certificates(&presented);
        prop_assert!(attest(&registry, &nobody, &id("r1"), proof, noon()).is_err());
        describe(proof);
    }
}
