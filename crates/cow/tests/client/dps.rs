//! `cow dps`: what it asks of the simulated provisioning service, and how it reads.

use serde_json::{Value, json};

use super::{cow, done, exchange, failed};
use crate::fake_control::{Answer, FakeControl};

fn stock() -> Value {
    json!({
        "enrollmentGroupId": "stock", "attestation": {"type": "symmetricKey"},
        "capabilities": {"iotEdge": true}, "provisioningStatus": "enabled",
    })
}

#[tokio::test]
async fn a_group_is_added_with_keys_of_the_services_making() {
    let args = ["dps", "group", "add", "stock", "--edge"];
    let answer = Answer::Json(200, stock());
    let (asked, outcome) = exchange("PUT /control/dps/groups/stock", answer, &args).await;
    let expected = json!({
        "enrollmentGroupId": "stock",
        "attestation": {"type": "symmetricKey"},
        "capabilities": {"iotEdge": true},
        "provisioningStatus": "enabled",
        "reprovisionPolicy": {"updateHubAssignment": true, "migrateDeviceData": true},
    });
    assert_eq!(asked[0].1, expected);
    assert_eq!(outcome, done("group stock  symmetric key, edge devices\n"));
}

#[tokio::test]
async fn everything_an_enrolment_can_say_is_said() {
    let args = [
        "dps",
        "enrollment",
        "add",
        "pump7",
        "--key",
        "cHJpbWFyeSBrZXkgb2YgMTY=",
        "--secondary-key",
        "c2Vjb25kYXJ5IGtleSBvZg==",
        "--device-id",
        "Pump-7",
        "--disabled",
        "--tags",
        r#"{"site":"north"}"#,
        "--desired",
        r#"{"interval":10}"#,
        "--json",
    ];
    let kept = json!({"registrationId": "pump7"});
    let answer = Answer::Json(200, kept.clone());
    let (asked, outcome) = exchange("PUT /control/dps/enrollments/pump7", answer, &args).await;
    let document = &asked[0].1;
    assert_eq!(
        document["attestation"]["symmetricKey"],
        json!({"primaryKey": "cHJpbWFyeSBrZXkgb2YgMTY=", "secondaryKey": "c2Vjb25kYXJ5IGtleSBvZg=="})
    );
    assert_eq!(document["deviceId"], "Pump-7");
    assert_eq!(document["provisioningStatus"], "disabled");
    assert_eq!(
        document["initialTwin"],
        json!({"tags": {"site": "north"}, "properties": {"desired": {"interval": 10}}})
    );
    assert_eq!(outcome, done(&format!("{kept}\n")));
}

#[tokio::test]
async fn certificates_are_read_from_their_files() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("pump8.pem");
    std::fs::write(&file, "-----BEGIN CERTIFICATE-----\n").expect("writable");
    let file = file.to_str().expect("UTF-8");
    let kept = json!({
        "registrationId": "pump8", "deviceId": "p8", "attestation": {"type": "x509"},
        "provisioningStatus": "disabled",
    });
    let args = ["dps", "enrollment", "add", "pump8", "--x509", file];
    let request = "PUT /control/dps/enrollments/pump8";
    let (asked, outcome) = exchange(request, Answer::Json(200, kept), &args).await;
    let own = &asked[0].1["attestation"]["x509"]["clientCertificates"]["primary"];
    assert_eq!(own["certificate"], "-----BEGIN CERTIFICATE-----\n");
    assert_eq!(
        outcome,
        done("enrollment pump8  X.509, device p8  disabled\n")
    );

    let args = ["dps", "group", "add", "factory", "--x509-ca", file];
    let request = "PUT /control/dps/groups/factory";
    let (asked, _) = exchange(request, Answer::Json(200, Value::Null), &args).await;
    let authority = &asked[0].1["attestation"]["x509"]["signingCertificates"]["primary"];
    assert_eq!(authority["certificate"], "-----BEGIN CERTIFICATE-----\n");
}

#[tokio::test]
async fn a_key_is_derived() {
    let derived = json!({"registrationId": "r1", "key": "a2V5"});
    let request = "GET /control/dps/groups/stock/keys/r1";
    for (args, printed) in [
        (&["dps", "derive-key", "stock", "r1"][..], "a2V5".to_owned()),
        (
            &["dps", "derive-key", "stock", "r1", "--json"],
            derived.to_string(),
        ),
    ] {
        let (_, outcome) = exchange(request, Answer::Json(200, derived.clone()), args).await;
        assert_eq!(outcome, done(&format!("{printed}\n")));
    }
    let none = json!({"error": {"code": 404_201, "message": "There is no group stock."}});
    let args = ["dps", "derive-key", "stock", "r1"];
    let (_, outcome) = exchange(request, Answer::Json(404, none), &args).await;
    assert_eq!(
        outcome,
        failed(
            "There is no group stock: `cow dps list` and `cow dps registrations` show what there is (error 404201)"
        )
    );
}

#[tokio::test]
async fn a_setup_code_is_for_the_devices_own_page() {
    let control = FakeControl::start([
        (
            "GET /control/info",
            Answer::Json(
                200,
                json!({"idScope": "0ne1", "provisioningHost": "localhost", "https": "127.0.0.1:443"}),
            ),
        ),
        (
            "GET /control/dps/groups/stock/keys/r1",
            Answer::Json(200, json!({"registrationId": "r1", "key": "a+/b="})),
        ),
    ])
    .await;
    let code = "cow:setup?idScope=0ne1&registrationId=r1&symmetricKey=a%2B%2Fb%3D&globalEndpoint=localhost";
    let args = ["dps", "setup-code", "stock", "r1"];
    assert_eq!(cow(&control.url(), &args).await, done(&format!("{code}\n")));
    let (_, json, _) = cow(&control.url(), &[&args[..], &["--json"]].concat()).await;
    assert_eq!(
        json,
        format!("{}\n", json!({"registrationId": "r1", "setupCode": code}))
    );
}

#[tokio::test]
async fn what_there_is_is_listed_and_removed() {
    let overview = json!({
        "idScope": "0ne00AA", "provisioningHost": "localhost", "hubs": ["localhost"],
        "enrollments": [{"registrationId": "pump7", "attestation": {"type": "symmetricKey"}}],
        "groups": [stock()], "registrations": [{"registrationId": "r1"}],
    });
    let control = FakeControl::start([
        ("GET /control/dps", Answer::Json(200, overview)),
        ("DELETE /control/dps/groups/stock", Answer::Empty(204)),
        ("DELETE /control/dps/enrollments/pump7", Answer::Empty(204)),
    ])
    .await;
    assert_eq!(
        cow(&control.url(), &["dps", "list"]).await,
        done(
            "id scope 0ne00AA  at localhost, hubs: localhost\n\
             group stock  symmetric key, edge devices\n\
             enrollment pump7  symmetric key\n"
        )
    );
    let (_, json, _) = cow(&control.url(), &["dps", "list", "--json"]).await;
    let listed: Value = serde_json::from_str(&json).expect("one document");
    assert_eq!(listed["groups"][0]["enrollmentGroupId"], "stock");
    assert_eq!(listed.get("registrations"), None);
    for args in [
        ["dps", "group", "remove", "stock"],
        ["dps", "enrollment", "remove", "pump7"],
    ] {
        assert_eq!(cow(&control.url(), &args).await, done(""));
    }
}

#[tokio::test]
async fn registrations_of_a_group() {
    let records = json!([
        {"registrationId": "r1", "status": "assigned", "assignedHub": "localhost", "deviceId": "pump7",
         "symmetricKey": {"enrollmentGroupId": "stock"}},
        {"registrationId": "r2", "status": "failed", "errorMessage": "no hub took it"},
        {"registrationId": "r3", "status": "disabled"},
    ]);
    let request = "GET /control/dps/registrations";
    let args = ["dps", "registrations", "--group", "stock"];
    let (asked, outcome) = exchange(request, Answer::Json(200, records.clone()), &args).await;
    assert_eq!(asked[0].0, "GET /control/dps/registrations?group=stock");
    assert_eq!(
        outcome,
        done(
            "r1  assigned to localhost/pump7  group stock\n\
             r2  failed: no hub took it\n\
             r3  disabled\n"
        )
    );
    let args = ["dps", "registrations", "--json"];
    let (asked, outcome) = exchange(request, Answer::Json(200, records.clone()), &args).await;
    assert_eq!(asked[0].0, "GET /control/dps/registrations");
    assert_eq!(
        outcome,
        done(&format!("{}\n{}\n{}\n", records[0], records[1], records[2]))
    );
}

#[tokio::test]
async fn an_attempt_is_explained() {
    let attempts = json!([
        {"at": "2030-01-01T00:00:02Z", "registrationId": "r1", "transport": "mqtt",
         "presented": "a token", "matched": "group stock", "outcome": "assigned", "reason": null,
         "hub": "localhost", "deviceId": "r1"},
        {"at": "2030-01-01T00:00:01Z", "registrationId": "r1", "transport": "https",
         "presented": {"kind": "a token", "policy": null}, "matched": null, "outcome": "refused",
         "reason": "no enrolment has this registration id"},
    ]);
    let request = "GET /control/dps/attempts";
    let args = ["dps", "explain", "r1"];
    let (asked, outcome) = exchange(request, Answer::Json(200, attempts.clone()), &args).await;
    assert_eq!(asked[0].0, "GET /control/dps/attempts?registrationId=r1");
    assert_eq!(
        outcome,
        done(
            "2030-01-01T00:00:02Z r1 assigned  over mqtt\n\
             \u{20} presented a token\n\
             \u{20} matched   group stock\n\
             \u{20} given     localhost/r1\n\
             2030-01-01T00:00:01Z r1 refused  over https\n\
             \u{20} presented kind a token\n\
             \u{20} matched   no enrolment\n\
             \u{20} because   no enrolment has this registration id\n"
        )
    );
    let args = ["dps", "explain", "r1", "--last", "1", "--json"];
    let (_, outcome) = exchange(request, Answer::Json(200, attempts.clone()), &args).await;
    assert_eq!(outcome, done(&format!("{}\n", attempts[0])));

    let args = ["dps", "explain", "r9"];
    let (_, outcome) = exchange(request, Answer::Json(200, json!([])), &args).await;
    assert_eq!(
        outcome,
        done("r9 has not tried to register since the simulator was started\n")
    );
}
