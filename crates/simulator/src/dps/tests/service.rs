//! The service API over HTTPS, as the official service clients use it.

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{Request, StatusCode, header};
use hub_proto::connection_string::{ConnectionString, Credential};

use super::*;

/// An operator with a connection string.
struct Operator<'a> {
    bench: &'a Bench,
    token: String,
}

impl<'a> Operator<'a> {
    fn of(bench: &'a Bench) -> Self {
        let string: ConnectionString = bench
            .dps
            .service_connection_string()
            .parse()
            .expect("a connection string");
        let Credential::Key { policy, key } = string.credential else {
            panic!("a key");
        };
        let expiry = Timestamp::now().as_second() + 60;
        let token = Unsigned::new(&string.host_name, expiry)
            .with_policy(policy.expect("a policy"))
            .sign(&key);
        Self { bench, token }
    }

    async fn ask(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Value,
    ) -> (StatusCode, header::HeaderMap, Value) {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{path}?api-version=2021-10-01"));
        for (name, value) in [("authorization", self.token.as_str())]
            .iter()
            .chain(headers)
        {
            request = request.header(*name, *value);
        }
        let body = if body.is_null() {
            String::new()
        } else {
            body.to_string()
        };
        let request = request.body(body.into()).expect("a request");
        let response = crate::dps::serve_request(State(self.bench.dps.clone()), request).await;
        let (parts, body) = response.into_parts();
        let body: Bytes = axum::body::to_bytes(body, usize::MAX)
            .await
            .expect("a body");
        let body = if body.is_empty() {
            Value::Null
        } else {
            serde_json::from_slice(&body).expect("JSON")
        };
        (parts.status, parts.headers, body)
    }
}

fn bare(id: &str) -> Value {
    json!({"registrationId": id, "attestation": {"type": "symmetricKey"}, "optionalDeviceInformation": {"line": 3}})
}

#[tokio::test]
async fn an_enrolment_is_made_read_changed_and_removed() {
    let bench = bench(&["localhost"], None);
    let operator = Operator::of(&bench);
    let (status, _, made) = operator
        .ask("PUT", "/enrollments/r1", &[], bare("r1"))
        .await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(
        made["attestation"],
        json!({"type": "symmetricKey"}),
        "no key is shown"
    );
    assert_eq!(
        made["registrationState"],
        json!({"registrationId": "r1", "status": "unassigned"})
    );
    assert_eq!(made["optionalDeviceInformation"]["line"], 3);
    assert_eq!(made["provisioningStatus"], "enabled");
    let etag = made["etag"].as_str().expect("a tag");
    let (_, _, mechanism) = operator
        .ask(
            "POST",
            "/Enrollments/R1/AttestationMechanism",
            &[],
            Value::Null,
        )
        .await;
    let primary = mechanism["symmetricKey"]["primaryKey"]
        .as_str()
        .expect("a key");
    let primary = SymmetricKey::from_base64(primary).expect("a key");
    bench.assigned("r1", &primary);
    let (status, _, read) = operator
        .ask("GET", "/enrollments/r1", &[], Value::Null)
        .await;
    assert_eq!(
        (status, read["registrationState"]["status"].as_str()),
        (StatusCode::OK, Some("assigned"))
    );
    let disabled = but(made.clone(), &json!({"provisioningStatus": "disabled"}));
    let (status, _, changed) = operator
        .ask(
            "PUT",
            "/enrollments/r1",
            &[("if-match", etag)],
            disabled.clone(),
        )
        .await;
    assert_eq!(
        (status, changed["provisioningStatus"].as_str()),
        (StatusCode::OK, Some("disabled"))
    );
    let (status, _, refusal) = operator
        .ask("PUT", "/enrollments/r1", &[("if-match", etag)], disabled)
        .await;
    assert_eq!(
        (status, refusal["errorCode"].as_u64()),
        (StatusCode::PRECONDITION_FAILED, Some(412_001))
    );
    let (status, _, _) = operator
        .ask(
            "DELETE",
            "/enrollments/r1",
            &[("if-match", "\"*\"")],
            Value::Null,
        )
        .await;
    assert_eq!(status, StatusCode::NO_CONTENT);
    let (status, headers, refusal) = operator
        .ask("GET", "/enrollments/r1", &[], Value::Null)
        .await;
    assert_eq!(
        (status, refusal["errorCode"].as_u64()),
        (StatusCode::NOT_FOUND, Some(404_201))
    );
    assert_eq!(refusal["message"], "Enrollment not found.");
    assert_eq!(
        refusal["trackingId"].as_str(),
        headers["x-ms-request-id"].to_str().ok()
    );
}

#[tokio::test]
async fn a_group_and_its_registrations_are_read_and_forgotten() {
    let bench = bench(&["localhost"], None);
    let operator = Operator::of(&bench);
    let group = json!({"enrollmentGroupId": "stock", "attestation": with_keys("stock")});
    let (status, _, made) = operator
        .ask("PUT", "/enrollmentgroups/stock", &[], group)
        .await;
    assert_eq!(
        (status, &made["attestation"]),
        (StatusCode::OK, &json!({"type": "symmetricKey"}))
    );
    assert!(made.get("registrationState").is_none());
    let (_, _, mechanism) = operator
        .ask(
            "POST",
            "/enrollmentGroups/stock/attestationmechanism",
            &[],
            Value::Null,
        )
        .await;
    assert_eq!(mechanism, with_keys("stock"));
    bench.assigned("bay1", &key("stock").derive("bay1"));
    let query = json!({"query": "SELECT * FROM enrollments"});
    let (_, headers, found) = operator
        .ask("POST", "/registrations/stock/query", &[], query)
        .await;
    assert_eq!(
        (
            found[0]["registrationId"].as_str(),
            &headers["x-ms-item-type"]
        ),
        (
            Some("bay1"),
            &"DeviceRegistration".parse().expect("a header")
        )
    );
    let (status, _, _) = operator
        .ask(
            "DELETE",
            "/registrations/BAY1",
            &[("if-match", "\"other\"")],
            Value::Null,
        )
        .await;
    assert_eq!(status, StatusCode::PRECONDITION_FAILED);
    let etag = found[0]["etag"].as_str().expect("a tag");
    let (status, _, _) = operator
        .ask(
            "DELETE",
            "/registrations/BAY1",
            &[("if-match", etag)],
            Value::Null,
        )
        .await;
    assert_eq!(status, StatusCode::NO_CONTENT);
    let (status, _, _) = operator
        .ask("GET", "/registrations/bay1", &[], Value::Null)
        .await;
    assert_eq!(status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn pages_lead_on_until_the_last_which_says_nothing() {
    let bench = bench(&["localhost"], None);
    let operator = Operator::of(&bench);
    for number in 0..5 {
        bench.enrol(&format!("r{number}"), &json!({}));
    }
    let (mut listed, mut continuation, mut pages) = (Vec::new(), String::new(), 0);
    loop {
        let mut headers = vec![("x-ms-max-item-count", "2")];
        if !continuation.is_empty() {
            headers.push(("x-ms-continuation", &continuation));
        }
        let query = json!({"query": "select * from enrollments"});
        let (status, headers, page) = operator
            .ask("POST", "/enrollments/query", &headers, query)
            .await;
        assert_eq!(
            (status, &headers["x-ms-item-type"]),
            (StatusCode::OK, &"Enrollment".parse().expect("a header"))
        );
        let page = page.as_array().expect("a page").clone();
        listed.extend(
            page.iter()
                .map(|e| e["registrationId"].as_str().expect("an id").to_owned()),
        );
        pages += 1;
        match headers.get("x-ms-continuation") {
            Some(next) => continuation = next.to_str().expect("a text").to_owned(),
            None => break,
        }
    }
    assert_eq!((pages, listed.join(" ").as_str()), (3, "r0 r1 r2 r3 r4"));
    for (headers, query) in [
        ([("x-ms-max-item-count", "0")], "SELECT * FROM enrollments"),
        ([("x-ms-continuation", "junk")], "SELECT * FROM enrollments"),
        ([("x-ms-continuation", "")], "DROP TABLE enrollments"),
    ] {
        let query = json!({"query": query});
        let (status, _, _) = operator
            .ask("POST", "/enrollments/query", &headers, query)
            .await;
        assert_eq!(status, StatusCode::BAD_REQUEST);
    }
}

#[tokio::test]
async fn bulk_requests_do_what_they_can_and_name_what_they_cannot() {
    let bench = bench(&["localhost"], None);
    let operator = Operator::of(&bench);
    let bulk = |mode: &str, documents: &[Value]| json!({"mode": mode, "enrollments": documents});
    let (_, _, all) = operator
        .ask(
            "POST",
            "/enrollments",
            &[],
            bulk("create", &[bare("r1"), bare("r2")]),
        )
        .await;
    assert_eq!(all, json!({"isSuccessful": true, "errors": []}));
    let (status, _, some) = operator
        .ask(
            "POST",
            "/enrollments",
            &[],
            bulk("create", &[bare("r2"), bare("r3")]),
        )
        .await;
    assert_eq!(
        (status, &some["isSuccessful"]),
        (StatusCode::OK, &json!(false))
    );
    let errors = some["errors"].as_array().expect("a list");
    assert_eq!(
        (
            errors.len(),
            &errors[0]["registrationId"],
            &errors[0]["errorCode"]
        ),
        (1, &json!("r2"), &json!(409_201))
    );
    assert!(bench.dps.enrollment("r3").is_ok());
    let (_, _, absent) = operator
        .ask("POST", "/enrollments", &[], bulk("update", &[bare("r4")]))
        .await;
    assert_eq!(absent["errors"][0]["errorCode"], 404_201);
    let stale = but(bare("r1"), &json!({"etag": "\"stale\""}));
    let (_, _, stale) = operator
        .ask(
            "POST",
            "/enrollments",
            &[],
            bulk("updateIfMatchETag", &[stale]),
        )
        .await;
    assert_eq!(stale["errors"][0]["errorCode"], 412_001);
    let (_, _, gone) = operator
        .ask(
            "POST",
            "/enrollments",
            &[],
            bulk("delete", &[bare("r1"), bare("r2"), bare("r3")]),
        )
        .await;
    assert_eq!(
        (
            gone["isSuccessful"].as_bool(),
            bench.dps.enrollments().expect("all").len()
        ),
        (Some(true), 0)
    );
    let many: Vec<Value> = (0..11).map(|number| bare(&format!("r{number}"))).collect();
    let (status, _, _) = operator
        .ask("POST", "/enrollments", &[], bulk("create", &many))
        .await;
    assert_eq!(
        (status, bench.dps.enrollments().expect("all").len()),
        (StatusCode::BAD_REQUEST, 0)
    );
}

#[tokio::test]
async fn only_the_owner_is_answered() {
    let bench = bench(&["localhost"], None);
    let mut operator = Operator::of(&bench);
    let own = std::mem::take(&mut operator.token);
    for (token, expected) in [
        (own.clone(), StatusCode::OK),
        (
            own.replace("provisioningserviceowner", "iothubowner"),
            StatusCode::UNAUTHORIZED,
        ),
        (
            own.replace("&skn=provisioningserviceowner", ""),
            StatusCode::UNAUTHORIZED,
        ),
        (
            own.replace("sr=localhost", "sr=other"),
            StatusCode::UNAUTHORIZED,
        ),
        ("nonsense".to_owned(), StatusCode::UNAUTHORIZED),
    ] {
        operator.token = token;
        let query = json!({"query": "SELECT * FROM enrollments"});
        let (status, _, _) = operator.ask("POST", "/enrollments/query", &[], query).await;
        assert_eq!(status, expected);
    }
}
