//! The administration of enrolments: rules, tags, keys.

use hub_proto::dps::enrollment::{AllocationPolicy, Attestation, Keys};

use super::*;

fn keys_of(attestation: &Attestation) -> Keys {
    match attestation {
        Attestation::SymmetricKey { symmetric_key } => symmetric_key.clone(),
        _ => panic!("an enrolment with keys"),
    }
}

fn put(
    bench: &Bench,
    document: Value,
    when: Precondition<'_>,
) -> Result<IndividualEnrollment, EnrollFault> {
    let enrollment = serde_json::from_value(document).expect("an enrolment");
    bench.dps.put_enrollment("r1", enrollment, when)
}

fn bare() -> Value {
    json!({"registrationId": "r1", "attestation": {"type": "symmetricKey"}})
}

#[test]
fn the_service_makes_keys_and_fills_in_what_is_not_said() {
    let bench = bench(&["localhost"], None);
    let first = put(&bench, bare(), Precondition::None).expect("taken");
    let keys = keys_of(&first.terms.attestation);
    for key in [&keys.primary_key, &keys.secondary_key] {
        assert_eq!(key.as_ref().expect("made").len(), 64);
    }
    assert_ne!(keys.primary_key, keys.secondary_key);
    assert_eq!(
        first.terms.allocation_policy,
        Some(AllocationPolicy::Hashed)
    );
    let policy = first.terms.reprovision_policy.expect("a policy");
    assert!(policy.update_hub_assignment && policy.migrate_device_data);
    assert_eq!(
        first.registration_state.expect("a state").status,
        Status::Unassigned
    );
    // What was read without keys and is written back keeps them.
    let second = put(&bench, bare(), Precondition::None).expect("taken");
    assert_eq!(keys_of(&second.terms.attestation), keys);
    assert_ne!(second.terms.etag, first.terms.etag);
    assert_eq!(
        second.terms.created_date_time_utc,
        first.terms.created_date_time_utc
    );
}

#[test]
fn tags_guard_with_quotes_and_without() {
    let bench = bench(&["localhost"], None);
    let absent = Precondition::of_header(Some("*"));
    assert!(matches!(
        put(&bench, bare(), absent),
        Err(EnrollFault::NotFound(_))
    ));
    let kept = put(&bench, bare(), Precondition::Absent).expect("new");
    assert!(matches!(
        put(&bench, bare(), Precondition::Absent),
        Err(EnrollFault::Exists(_))
    ));
    let tag = kept.terms.etag.expect("a tag");
    assert!(tag.starts_with('"') && tag.ends_with('"'), "{tag}");
    let wrong = Precondition::of_header(Some("\"other\""));
    assert!(matches!(
        put(&bench, bare(), wrong),
        Err(EnrollFault::Precondition(_))
    ));
    let kept = put(&bench, bare(), Precondition::of_header(Some(&tag))).expect("the same");
    let tag = kept.terms.etag.expect("a tag");
    assert!(matches!(
        bench.dps.remove_enrollment("r1", wrong),
        Err(EnrollFault::Precondition(_))
    ));
    let unquoted = tag.trim_matches('"');
    bench
        .dps
        .remove_enrollment("R1", Precondition::of_header(Some(unquoted)))
        .expect("the same");
    assert!(matches!(
        bench.dps.enrollment("r1"),
        Err(EnrollFault::NotFound(_))
    ));
}

#[test]
fn what_breaks_a_rule_is_not_taken() {
    let bench = bench(&["localhost"], None);
    for (change, why) in [
        (
            json!({"attestation": {"type": "symmetricKey", "symmetricKey": {"primaryKey": "c2hvcnQ="}}}),
            "16 to 64 bytes",
        ),
        (
            json!({"attestation": {"type": "x509", "x509": {}}}),
            "clientCertificates",
        ),
        (
            json!({"attestation": {"type": "x509", "x509": {"caReferences": {"primary": "root"}}}}),
            "no certificate is registered as",
        ),
        (json!({"deviceId": "a b"}), "device id"),
        (
            json!({"iotHubs": ["other.azure-devices.net"]}),
            "not linked",
        ),
        (
            json!({"allocationPolicy": "custom"}),
            "CustomAllocationDefinition is required",
        ),
        (
            json!({"allocationPolicy": "custom", "customAllocationDefinition": {"webhookUrl": "ftp://x/?code=s3cret", "apiVersion": "2021-10-01"}}),
            "webhook",
        ),
        (
            json!({"initialTwin": {"tags": {"a.b": 1}}}),
            "must not contain",
        ),
    ] {
        let fault = put(&bench, but(bare(), &change), Precondition::None).expect_err("a rule");
        let text = fault.to_string();
        assert!(text.contains(why), "{text}");
        assert!(!text.contains("s3cret"), "{text}");
    }
    let other = json!({"registrationId": "r2", "attestation": {"type": "symmetricKey"}});
    assert!(matches!(
        put(&bench, other, Precondition::None),
        Err(EnrollFault::Document(_))
    ));
    assert!(bench.dps.enrollments().expect("all").is_empty());
}

#[test]
fn what_is_removed_takes_its_registrations_along_and_leaves_the_devices() {
    let bench = bench(&["localhost"], None);
    bench.enrol_group("stock", &json!({}));
    bench.enrol("r1", &json!({}));
    bench.assigned("r1", &key("r1"));
    bench.assigned("bay1", &key("stock").derive("bay1"));
    bench
        .dps
        .remove_group("STOCK", Precondition::None)
        .expect("there");
    assert!(bench.dps.registration("bay1").is_err());
    assert!(bench.dps.registration("r1").is_ok());
    bench
        .dps
        .remove_enrollment("r1", Precondition::None)
        .expect("there");
    assert!(bench.dps.registration("r1").is_err());
    assert!(bench.twin(0, "r1").is_some() && bench.twin(0, "bay1").is_some());
}
