//! Devices that belong somewhere, and devices that do not.

use dps_client::{RegisterError, register};
use futures_util::future::try_join_all;
use hub_proto::dps::enrollment::{Attestation, Certificate, CertificatePair, X509Attestation};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};

use super::*;

#[tokio::test]
async fn an_enrolled_device_gets_the_hub_in_which_it_then_exists() {
    let bench = Bench::start().await;
    let mut pump = enrollment("pump7", keys("pump7"));
    pump.device_id = Some("pump-seven".to_owned());
    bench
        .service()
        .enrollments()
        .create(&pump)
        .await
        .expect("enrolled");
    for protocol in BOTH {
        for own in [key("pump7"), key("pump7 2")] {
            let device = bench.keyed("pump7", &own, protocol);
            let assignment = register(&device, limits()).await.expect("a hub");
            assert_eq!(assignment.hub, bench.simulator.info().hub_host_name);
            assert_eq!(assignment.device_id, "pump-seven");
            assert!(bench.simulator.credentials("pump-seven").is_some());
        }
    }
}

#[tokio::test]
async fn many_devices_of_a_group_register_at_once() {
    let bench = Bench::start().await;
    let groups = bench.service();
    let groups = groups.groups();
    groups
        .create(&group("stock", keys("stock")))
        .await
        .expect("enrolled");
    let of_group = groups.keys("stock").await.expect("keys").primary;
    let devices: Vec<_> = (0..32)
        .map(|number| {
            let id = format!("bay{number}");
            let own = of_group.derive(&id.parse().expect("an id"));
            bench.keyed(&id, &own, BOTH[number % 2])
        })
        .collect();
    let registered = devices.iter().map(|device| register(device, limits()));
    let assignments = try_join_all(registered).await.expect("each has a hub");
    for (device, assignment) in devices.iter().zip(assignments) {
        assert_eq!(assignment.device_id, device.registration_id.as_str());
    }
    let bench_service = bench.service();
    let records = bench_service.registrations();
    let records = records
        .of_group("stock", Some(10))
        .all()
        .await
        .expect("records");
    assert_eq!(records.len(), 32);
}

fn x509(pem: &str, of_group: bool) -> Attestation {
    let pair = CertificatePair {
        primary: Some(Certificate {
            certificate: Some(pem.to_owned()),
            info: None,
        }),
        secondary: None,
    };
    let mut x509 = X509Attestation::default();
    if of_group {
        x509.signing_certificates = Some(pair);
    } else {
        x509.client_certificates = Some(pair);
    }
    Attestation::X509 {
        x509: Box::new(x509),
    }
}

fn named(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params
}

#[tokio::test]
async fn a_certificate_proves_a_device_alone_or_by_its_authority() {
    let bench = Bench::start().await;
    let service = bench.service();

    let own_key = KeyPair::generate().expect("a key");
    let own = named("pump7").self_signed(&own_key).expect("a certificate");
    let pump = enrollment("pump7", x509(&own.pem(), false));
    service.enrollments().create(&pump).await.expect("enrolled");

    let mut authority = named("plant");
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let authority =
        CertifiedIssuer::self_signed(authority, KeyPair::generate().expect("a key")).expect("a CA");
    let plant = group("plant", x509(&authority.pem(), true));
    service.groups().create(&plant).await.expect("enrolled");
    let bay_key = KeyPair::generate().expect("a key");
    let bay = named("bay1")
        .signed_by(&bay_key, &authority)
        .expect("a certificate");

    let stranger_key = KeyPair::generate().expect("a key");
    let stranger = named("bay2")
        .self_signed(&stranger_key)
        .expect("a certificate");

    for protocol in BOTH {
        let pem = |key: &KeyPair| key.serialize_pem();
        let pump = bench.certified("pump7", &own.pem(), &pem(&own_key), protocol);
        let assignment = register(&pump, limits()).await.expect("a hub");
        assert_eq!(assignment.device_id, "pump7");
        let bay1 = bench.certified("bay1", &bay.pem(), &pem(&bay_key), protocol);
        let assignment = register(&bay1, limits()).await.expect("a hub");
        assert_eq!(assignment.device_id, "bay1");
        // The right authority and another's name; then the right name and no authority.
        for (id, chain, key) in [("bay2", &bay, &bay_key), ("bay2", &stranger, &stranger_key)] {
            let device = bench.certified(id, &chain.pem(), &pem(key), protocol);
            let error = register(&device, limits()).await.expect_err("not its own");
            assert!(matches!(error, RegisterError::Unauthorized(_)), "{error:?}");
        }
    }
}

#[tokio::test]
async fn what_is_wrong_with_a_device_is_told() {
    let bench = Bench::start().await;
    let service = bench.service();
    let enrollments = service.enrollments();
    let pump = enrollment("pump7", keys("pump7"));
    enrollments.create(&pump).await.expect("enrolled");
    for protocol in BOTH {
        let error =
            async |device: Registration| register(&device, limits()).await.expect_err("no hub");
        let wrong_key = error(bench.keyed("pump7", &key("other"), protocol)).await;
        assert!(
            matches!(&wrong_key, RegisterError::Unauthorized(refusal) if refusal.code == Some(401_002)),
            "{wrong_key:?}"
        );
        let unknown = error(bench.keyed("nobody", &key("pump7"), protocol)).await;
        assert!(matches!(unknown, RegisterError::NotFound(_)), "{unknown:?}");
        let mut elsewhere = bench.keyed("pump7", &key("pump7"), protocol);
        elsewhere.id_scope = "0neFFFFFFFF".to_owned();
        let elsewhere = error(elsewhere).await;
        assert!(
            matches!(elsewhere, RegisterError::NotFound(_)),
            "{elsewhere:?}"
        );
        for told in [&wrong_key, &unknown, &elsewhere] {
            assert!(told.is_permanent());
            assert!(!format!("{told} {told:?}").contains(&key("pump7").to_base64()));
        }
    }
    let mut pump = enrollments.get("pump7").await.expect("there");
    disabled(&mut pump.terms);
    enrollments.update(&pump).await.expect("disabled");
    for protocol in BOTH {
        let device = bench.keyed("pump7", &key("pump7"), protocol);
        let error = register(&device, limits()).await.expect_err("disabled");
        assert!(matches!(error, RegisterError::Disabled), "{error:?}");
    }
}
