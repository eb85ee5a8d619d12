//! What devices are let in with, and what they are told.

use super::*;

#[test]
fn an_individual_enrolment_opens_with_either_key_and_the_device_exists_by_then() {
    let bench = bench(&["localhost"], None);
    bench.enrol("Pump7", &json!({"deviceId": "pump-seven"}));
    for own in [key("Pump7"), key("Pump7 2")] {
        let begun = bench.register("pump7", &own);
        assert_eq!((begun.status, begun.retry_after), (202, Some(1)));
        assert!(bench.twin(0, "pump-seven").is_some());
        let state = bench.assigned("pump7", &own);
        assert_eq!(state.assigned_hub.as_deref(), Some("localhost"));
        assert_eq!(state.device_id.as_deref(), Some("pump-seven"));
    }
    let credentials = bench.hubs[0].credentials("pump-seven").expect("there");
    let shared = format!("SharedAccessKey={}", key("Pump7").to_base64());
    assert!(credentials.connection_string.ends_with(&shared));
}

#[test]
fn a_group_opens_with_keys_derived_from_both_and_never_with_its_own() {
    let bench = bench(&["localhost"], None);
    bench.enrol_group("stock", &json!({}));
    for of_group in [key("stock"), key("stock 2")] {
        let state = bench.assigned("bay1", &of_group.derive("bay1"));
        let note = Some(json!({"enrollmentGroupId": "stock"}));
        assert_eq!(state.symmetric_key, note);
        assert_eq!(refused(&bench.register("bay1", &of_group)), 401_002);
        assert_eq!(
            refused(&bench.register("bay1", &of_group.derive("bay2"))),
            401_002
        );
    }
    let attempts = bench.dps.attempts(Some("BAY1"));
    assert!(
        attempts
            .iter()
            .any(|attempt| attempt.reason.contains("the group's own key"))
    );
    let shown = serde_json::to_string(&attempts).expect("JSON");
    for secret in [
        "sig=",
        &key("stock").to_base64(),
        &key("stock").derive("bay1").to_base64(),
    ] {
        assert!(!shown.contains(secret), "{shown}");
    }
}

#[test]
fn a_device_that_spells_its_id_in_capitals_is_the_same_device() {
    let bench = bench(&["localhost"], None);
    bench.enrol_group("stock", &json!({}));
    let upper = bench.assigned("BAY1", &key("stock").derive("bay1"));
    assert_eq!(upper.substatus, Some(Substatus::InitialAssignment));
    let lower = bench.assigned("bay1", &key("stock").derive("bay1"));
    let again = Some(Substatus::ReprovisionedToInitialAssignment);
    assert_eq!(lower.substatus, again);
    assert_eq!(bench.dps.registrations(None).expect("all").len(), 1);
}

#[test]
fn refusals_have_azures_numbers_and_say_no_more_than_they_must() {
    let bench = bench(&["localhost"], None);
    assert_eq!(refused(&bench.register("nobody", &key("any"))), 404_201);
    bench.enrol("pump7", &json!({}));
    assert_eq!(refused(&bench.register("pump7", &key("wrong"))), 401_002);
    bench.enrol_group("stock", &json!({}));
    // A group might be the one that is meant, so that this is a wrong key and not a missing enrolment.
    assert_eq!(refused(&bench.register("nobody", &key("any"))), 401_002);
    let foreign = bench.dps.register(
        &Caller {
            id_scope: "0neFFFFFFFF",
            registration_id: "pump7",
            proof: Proof::Token(&bench.token("pump7", &key("pump7"))),
            transport: Transport::Https,
        },
        b"{}",
    );
    assert_eq!(refused(&foreign), 404_201);
    let late = Unsigned::new(&audience(&bench.dps.id_scope(), "pump7"), 1_000).sign(&key("pump7"));
    let late = bench.ask("pump7", &late, |caller| bench.dps.register(caller, b""));
    assert_eq!(refused(&late), 401_002);
    let elsewhere = bench.token("pump8", &key("pump7"));
    let elsewhere = bench.ask("pump7", &elsewhere, |caller| {
        bench.dps.register(caller, b"")
    });
    assert_eq!(refused(&elsewhere), 401_002);
    let nothing = bench.dps.register(
        &Caller {
            id_scope: &bench.dps.id_scope(),
            registration_id: "pump7",
            proof: Proof::Nothing,
            transport: Transport::Https,
        },
        b"{}",
    );
    assert_eq!(refused(&nothing), 401_002);
    assert_eq!(bench.twin(0, "pump7"), None);
    let reasons = bench.dps.attempts(Some("pump7"));
    assert_eq!(reasons.len(), 5);
    assert!(reasons.iter().all(|attempt| !attempt.reason.is_empty()));
}

#[test]
fn a_disabled_enrolment_of_its_own_shuts_one_device_out_of_its_group() {
    let bench = bench(&["localhost"], None);
    bench.enrol_group("stock", &json!({}));
    let of_group = key("stock").derive("bay1");
    bench.assigned("bay1", &of_group);
    bench.enrol(
        "bay1",
        &json!({"provisioningStatus": "disabled",
            "attestation": {"type": "symmetricKey", "symmetricKey": {"primaryKey": of_group.to_base64()}}}),
    );
    assert_eq!(bench.settle("bay1", &of_group).status, Status::Disabled);
    // It is no secret between the service and who holds the key, and one to everybody else.
    assert_eq!(refused(&bench.register("bay1", &key("wrong"))), 401_002);
    bench.assigned("bay2", &key("stock").derive("bay2"));
    bench.enrol_group("stock", &json!({"provisioningStatus": "disabled"}));
    assert_eq!(
        bench.settle("bay2", &key("stock").derive("bay2")).status,
        Status::Disabled
    );
    assert!(bench.twin(0, "bay2").is_some(), "what was assigned stays");
}

#[test]
fn bodies_that_are_no_registration_are_bad_requests() {
    let bench = bench(&["localhost"], None);
    bench.enrol("pump7", &json!({}));
    let token = bench.token("pump7", &key("pump7"));
    for body in [
        "{",
        "[]",
        r#"{"registrationId":"pump8"}"#,
        r#"{"registrationId":7}"#,
        r#""s3cret""#,
        r#"{"registrationId":"s3cret!"}"#,
    ] {
        let answer = bench.ask("pump7", &token, |caller| {
            bench.dps.register(caller, body.as_bytes())
        });
        assert_eq!(refused(&answer), 400_004, "{body}");
    }
    let attempts = bench.dps.attempts(None);
    assert!(
        attempts
            .iter()
            .all(|attempt| !attempt.reason.contains("s3cret"))
    );
    for body in [
        "",
        " ",
        "{}",
        r#"{"payload":{"modelId":"dtmi:acme:Pump;1"},"tpm":null}"#,
    ] {
        let answer = bench.ask("pump7", &token, |caller| {
            bench.dps.register(caller, body.as_bytes())
        });
        assert_eq!(answer.status, 202, "{body}");
    }
    let newest = &bench.dps.attempts(Some("pump7"))[0];
    assert_eq!(newest.model_id.as_deref(), Some("dtmi:acme:Pump;1"));
    let bad_id = bench.token("bad id", &key("pump7"));
    let bad_id = bench.ask("bad id", &bad_id, |caller| bench.dps.register(caller, b""));
    assert_eq!(refused(&bad_id), 400_004);
}

#[test]
fn a_key_in_the_wrong_field_is_not_shown() {
    let bench = bench(&["localhost"], None);
    bench.enrol("pump7", &json!({}));
    let scope = bench.dps.id_scope();
    let secret = key("pump7").to_base64();
    for (id_scope, registration_id) in [(scope.as_str(), secret.as_str()), (&secret, "pump7")] {
        let token = Unsigned::new(&audience(id_scope, registration_id), 4_000_000_000);
        let token = token.sign(&key("pump7"));
        let caller = Caller {
            id_scope,
            registration_id,
            proof: Proof::Token(&token),
            transport: Transport::Https,
        };
        assert!(bench.dps.register(&caller, b"{}").status >= 400);
        let newest = serde_json::to_string(&bench.dps.attempts(None)[0]).expect("JSON");
        assert!(!newest.contains(&secret), "{newest}");
    }
}

#[test]
fn only_its_own_operation_can_be_asked_about() {
    let bench = bench(&["localhost"], None);
    bench.enrol_group("stock", &json!({}));
    let (one, two) = (key("stock").derive("bay1"), key("stock").derive("bay2"));
    let begun: Operation = parsed(&bench.register("bay1", &one));
    assert_eq!(begun.registration_state, None);
    assert_eq!(
        refused(&bench.poll("bay2", &two, &begun.operation_id)),
        404_201
    );
    assert_eq!(
        refused(&bench.poll("bay1", &two, &begun.operation_id)),
        401_002
    );
    assert_eq!(refused(&bench.poll("bay1", &one, "4.0.0")), 404_201);
    let token = bench.token("bay2", &two);
    let looked_up = bench.ask("bay2", &token, |caller| bench.dps.look_up(caller));
    assert_eq!(refused(&looked_up), 404_201);
    let token = bench.token("bay1", &one);
    let looked_up = bench.ask("bay1", &token, |caller| bench.dps.look_up(caller));
    assert_eq!(
        parsed::<RegistrationState>(&looked_up).status,
        Status::Assigned
    );
}

#[test]
fn levers_refuse_throttle_and_hold() {
    let bench = bench(&["localhost"], None);
    bench.enrol("pump7", &json!({}));
    let own = key("pump7");
    bench.dps.pull(DpsLever::Refuse(true));
    assert_eq!(refused(&bench.register("pump7", &own)), 401_002);
    bench.dps.pull(DpsLever::Refuse(false));
    bench
        .dps
        .pull(DpsLever::Throttle(Some(Duration::from_millis(6500))));
    let throttled = bench.register("pump7", &own);
    assert_eq!(
        (refused(&throttled), throttled.retry_after),
        (429_001, Some(7))
    );
    bench.dps.pull(DpsLever::Throttle(None));
    bench.dps.pull(DpsLever::Hold(true));
    let begun: Operation = parsed(&bench.register("pump7", &own));
    for _ in 0..2 {
        let waiting = bench.poll("pump7", &own, &begun.operation_id);
        assert_eq!((waiting.status, waiting.retry_after), (202, Some(1)));
        let waiting: Operation = parsed(&waiting);
        let state = waiting.registration_state.expect("a record");
        assert_eq!(state.status, Status::Assigning);
        assert!(state.registration_id.is_some());
    }
    assert_eq!(bench.twin(0, "pump7"), None);
    bench.dps.pull(DpsLever::Hold(false));
    let done: Operation = parsed(&bench.poll("pump7", &own, &begun.operation_id));
    assert_eq!(done.status, Status::Assigned);
    let outcomes: Vec<_> = bench
        .dps
        .attempts(None)
        .iter()
        .map(|a| a.outcome.name())
        .collect();
    assert_eq!(outcomes, ["assigned", "throttled", "refused"]);
}
