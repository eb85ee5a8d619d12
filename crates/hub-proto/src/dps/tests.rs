use proptest::prelude::*;
use serde_json::{Value, json};

use super::enrollment::{
    AllocationPolicy, Attestation, BulkMode, EnrollmentGroup, IndividualEnrollment, Keys, Terms,
};
use super::error::{DpsErrorCode, ErrorBody};
use super::registration::{
    Operation, RegisterBody, RegistrationId, RegistrationIdError, Status, Substatus, lookup_path,
    operation_path, register_path,
};
use crate::sas::SymmetricKey;

fn id(text: &str) -> RegistrationId {
    text.parse().expect("an id")
}

#[test]
fn registration_ids_follow_the_services_rule() {
    for good in [
        "r1",
        "10000000A1b2c3d4",
        "a.b_c:d-e",
        "x-",
        &"a".repeat(128),
    ] {
        assert_eq!(good.parse::<RegistrationId>().expect(good).as_str(), good);
    }
    let wrong = |text: &str| text.parse::<RegistrationId>().expect_err(text);
    assert_eq!(wrong(""), RegistrationIdError::Empty);
    assert_eq!(wrong(&"a".repeat(129)), RegistrationIdError::TooLong);
    assert_eq!(wrong("a b"), RegistrationIdError::Character(' '));
    assert_eq!(wrong("é"), RegistrationIdError::Character('é'));
    assert_eq!(wrong("a."), RegistrationIdError::LastCharacter('.'));
    assert_eq!(id("PUMP7"), id("pump7"));
    assert_ne!(id("pump7"), id("pump8"));
}

#[test]
fn paths_are_those_the_sdks_ask_for() {
    let version = "api-version=2021-06-01";
    assert_eq!(
        register_path("0ne00AA", &id("r1")),
        format!("/0ne00AA/registrations/r1/register?{version}")
    );
    assert_eq!(
        operation_path("0ne00AA", &id("r1"), "4.b2f1.77aa"),
        format!("/0ne00AA/registrations/r1/operations/4.b2f1.77aa?{version}")
    );
    assert_eq!(
        lookup_path("0ne00AA", &id("a:b")),
        format!("/0ne00AA/registrations/a%3Ab?{version}")
    );
}

#[test]
fn a_captured_assignment_is_read_and_written_back() {
    let captured = json!({"operationId": "4.b2f1.77aa", "status": "assigned", "registrationState": {
        "registrationId": "r1", "createdDateTimeUtc": "2026-03-01T10:00:00.1234567Z",
        "assignedHub": "myhub.azure-devices.net", "deviceId": "pump7", "status": "assigned",
        "substatus": "initialAssignment", "lastUpdatedDateTimeUtc": "2026-03-01T10:00:01.1234567Z",
        "etag": "ImUxIg==", "payload": {"site": "north"}, "symmetricKey": {"enrollmentGroupId": "pumps"}}});
    let read: Operation = serde_json::from_value(captured.clone()).expect("an answer");
    assert_eq!(read.status, Status::Assigned);
    let state = read.registration_state.as_ref().expect("a record");
    assert_eq!(
        state.assigned_hub.as_deref(),
        Some("myhub.azure-devices.net")
    );
    assert_eq!(state.substatus, Some(Substatus::InitialAssignment));
    assert_eq!(serde_json::to_value(read).expect("JSON"), captured);
}

#[test]
fn answers_with_nulls_and_without_a_record_are_read() {
    let bare: Operation =
        serde_json::from_value(json!({"operationId": "4.b2f1.77aa", "status": "assigning"}))
            .expect("an answer");
    assert_eq!(bare.registration_state, None);
    let nulls = json!({"operationId": "4", "status": "failed", "registrationState": {
        "registrationId": null, "assignedHub": null, "status": "failed", "createdDateTimeUtc": null,
        "errorCode": 400_207, "errorMessage": "the webhook says no"}});
    let nulls: Operation = serde_json::from_value(nulls).expect("an answer");
    assert_eq!(
        nulls.registration_state.expect("a record").error_code,
        Some(400_207)
    );
}

#[test]
fn a_registration_says_its_payload_or_none() {
    let python = json!({"payload": null, "registrationId": "r1"});
    let body: RegisterBody = serde_json::from_value(python).expect("a body");
    assert_eq!((body.registration_id, body.payload), (Some(id("r1")), None));
    let body = RegisterBody {
        registration_id: Some(id("r1")),
        payload: Some(json!({"modelId": "dtmi:acme:Pump;1"})),
    };
    let written = serde_json::to_value(body).expect("JSON");
    assert_eq!(
        written,
        json!({"registrationId": "r1", "payload": {"modelId": "dtmi:acme:Pump;1"}})
    );
}

fn captured_enrollment() -> Value {
    json!({"registrationId": "r1", "deviceId": "pump7",
        "registrationState": {"registrationId": "r1", "status": "unassigned"},
        "optionalDeviceInformation": {"line": 3},
        "attestation": {"type": "symmetricKey", "symmetricKey": {"primaryKey": "cHJpbWFyeQ==", "secondaryKey": "c2Vjb25kYXJ5"}},
        "capabilities": {"iotEdge": true},
        "initialTwin": {"tags": {"site": "north"}, "properties": {"desired": {"interval": 10}}},
        "etag": "\"7a00\"", "provisioningStatus": "enabled",
        "reprovisionPolicy": {"updateHubAssignment": true, "migrateDeviceData": true},
        "createdDateTimeUtc": "2026-03-01T09:00:00.0000000Z", "lastUpdatedDateTimeUtc": "2026-03-01T09:00:00.0000000Z",
        "allocationPolicy": "hashed", "iotHubs": ["myhub.azure-devices.net"]})
}

#[test]
fn an_enrolment_is_read_and_written_back_with_what_is_not_known() {
    let read: IndividualEnrollment =
        serde_json::from_value(captured_enrollment()).expect("an enrolment");
    assert!(read.terms.is_edge());
    assert_eq!(read.terms.allocation_policy, Some(AllocationPolicy::Hashed));
    let twin = read.terms.initial_twin.as_ref().expect("a twin");
    assert_eq!(twin.desired().expect("desired")["interval"], 10);
    assert_eq!(
        serde_json::to_value(read).expect("JSON"),
        captured_enrollment()
    );
}

#[test]
fn what_is_shown_to_others_has_no_key() {
    let mut read: IndividualEnrollment =
        serde_json::from_value(captured_enrollment()).expect("an enrolment");
    read.terms = read.terms.without_keys();
    let shown = serde_json::to_value(&read).expect("JSON");
    assert_eq!(shown["attestation"], json!({"type": "symmetricKey"}));
    assert!(!format!("{read:?}").contains("cHJpbWFyeQ=="));
}

#[test]
fn empty_and_null_keys_are_for_the_service_to_make() {
    for keys in [json!({}), json!({"primaryKey": "", "secondaryKey": null})] {
        let group = json!({"enrollmentGroupId": "pumps", "attestation": {"type": "symmetricKey", "symmetricKey": keys}});
        let group: EnrollmentGroup = serde_json::from_value(group).expect("a group");
        let Attestation::SymmetricKey { symmetric_key } = group.terms.attestation else {
            panic!("a key");
        };
        assert!(symmetric_key.is_empty());
    }
    let bare = json!({"enrollmentGroupId": "pumps", "attestation": {"type": "symmetricKey"}});
    assert!(serde_json::from_value::<EnrollmentGroup>(bare).is_ok());
    let garbage = json!({"enrollmentGroupId": "pumps", "attestation": {"type": "symmetricKey", "symmetricKey": {"primaryKey": "s3cret!"}}});
    let error = serde_json::from_value::<EnrollmentGroup>(garbage).expect_err("not base64");
    assert!(!error.to_string().contains("s3cret"), "{error}");
}

#[test]
fn keys_come_primary_first() {
    let keys = Keys {
        primary_key: Some(SymmetricKey::from_bytes(*b"one")),
        secondary_key: Some(SymmetricKey::from_bytes(*b"two")),
    };
    let given: Vec<_> = keys.iter().map(SymmetricKey::to_base64).collect();
    assert_eq!(given, ["b25l", "dHdv"]);
    assert!(
        Terms::new(Attestation::SymmetricKey {
            symmetric_key: keys
        })
        .iot_hubs
        .is_none()
    );
}

#[test]
fn bulk_modes_have_the_services_names() {
    let names = ["create", "update", "updateIfMatchETag", "delete"];
    let modes = [
        BulkMode::Create,
        BulkMode::Update,
        BulkMode::UpdateIfMatchEtag,
        BulkMode::Delete,
    ];
    for (name, mode) in names.into_iter().zip(modes) {
        assert_eq!(serde_json::to_value(mode).expect("JSON"), json!(name));
    }
}

#[test]
fn refusals_carry_number_and_sentence() {
    let body = ErrorBody::new(
        DpsErrorCode::Unauthorized,
        "Unauthorized",
        "ab12",
        jiff::Timestamp::UNIX_EPOCH,
    );
    assert_eq!(
        serde_json::to_value(body).expect("JSON"),
        json!({"errorCode": 401_002, "trackingId": "ab12", "message": "Unauthorized",
            "timestampUtc": "1970-01-01T00:00:00.0000000Z"})
    );
    assert_eq!(DpsErrorCode::Throttled.status(), 429);
    let terse: ErrorBody = serde_json::from_value(json!({"errorCode": 401_000})).expect("a body");
    assert_eq!(terse.message, "");
}

proptest! {
    #[test]
    fn any_text_is_an_id_or_an_error(text in "\\PC{0,140}") {
        if let Ok(id) = text.parse::<RegistrationId>() {
            prop_assert_eq!(id.as_str(), text);
        }
    }

    #[test]
    fn any_bytes_are_an_answer_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = serde_json::from_slice::<Operation>(&bytes);
        let _ = serde_json::from_slice::<ErrorBody>(&bytes);
        let _ = serde_json::from_slice::<IndividualEnrollment>(&bytes);
    }
}
