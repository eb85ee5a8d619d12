//! The enrolment service, as its operator asks it.

use std::time::Duration;

use dps_client::service::ServiceError;
use hub_proto::dps::enrollment::{
    Attestation, BulkMode, EnrollmentGroup, IndividualEnrollment, Keys, Terms,
};
use hub_proto::dps::registration::Status;
use hub_proto::sas::{self, SymmetricKey};
use serde_json::{Value, json};

use super::server::{Dps, Exchange, KEY};

mod keys;

const VERSION: &str = "api-version=2021-10-01";

fn group(id: &str) -> EnrollmentGroup {
    EnrollmentGroup {
        enrollment_group_id: id.to_owned(),
        terms: Terms::new(Attestation::SymmetricKey {
            symmetric_key: Keys::default(),
        }),
    }
}

fn enrollment(id: &str) -> IndividualEnrollment {
    IndividualEnrollment {
        registration_id: id.parse().expect("an id"),
        device_id: None,
        registration_state: None,
        terms: group("").terms,
    }
}

/// A group as the service shows it: without keys.
fn shown(id: &str, etag: &str) -> String {
    json!({"enrollmentGroupId": id, "attestation": {"type": "symmetricKey"}, "etag": etag})
        .to_string()
}

fn json(exchange: &Exchange) -> Value {
    serde_json::from_str(&exchange.body).expect("JSON")
}

fn put_line(id: &str) -> String {
    format!("PUT /enrollmentGroups/{id}?{VERSION} HTTP/1.1")
}

#[tokio::test]
async fn creates_with_the_policys_token_and_no_condition() {
    let dps = Dps::start().await;
    let service = dps.service();
    let served = async {
        let request = dps.request().await;
        assert_eq!(request.line, put_line("sto%3Ack"));
        assert_eq!(request.header("if-match"), None);
        let token = request.header("authorization").expect("a token");
        let token = sas::Token::parse(token).expect("a token");
        assert_eq!(token.policy(), Some("owner"));
        let key = SymmetricKey::from_base64(KEY).expect("a key");
        let now = jiff::Timestamp::now().as_second();
        token.verify("127.0.0.1", [&key], now, 0).expect("it opens");
        let body = json(&request);
        assert_eq!(body["attestation"], json!({"type": "symmetricKey"}));
        request.answer(200, &[], &shown("sto:ck", "\"1\"")).await;
    };
    let (groups, entry) = (service.groups(), group("sto:ck"));
    let (created, ()) = tokio::join!(groups.create(&entry), served);
    assert_eq!(created.expect("made").terms.etag.as_deref(), Some("\"1\""));
}

#[tokio::test]
async fn deletes_with_or_without_a_condition() {
    let dps = Dps::start().await;
    let service = dps.service();
    for (etag, status) in [(None, 204), (Some("\"1\""), 204), (Some("\"1\""), 412)] {
        let served = async {
            let request = dps.request().await;
            assert_eq!(
                request.line,
                format!("DELETE /enrollments/r1?{VERSION} HTTP/1.1")
            );
            assert_eq!(request.header("if-match"), etag);
            request.answer(status, &[], "").await;
        };
        let enrollments = service.enrollments();
        let (result, ()) = tokio::join!(enrollments.delete("r1", etag), served);
        match status {
            204 => assert!(result.is_ok()),
            _ => assert!(matches!(result, Err(ServiceError::Changed(_)))),
        }
    }
}

#[tokio::test]
async fn pages_follow_one_another_until_there_is_no_continuation() {
    let dps = Dps::start().await;
    let service = dps.service();
    let page = |ids: &[&str]| {
        let ids: Vec<_> = ids
            .iter()
            .map(|id| serde_json::to_value(group(id)).expect("JSON"))
            .collect();
        Value::from(ids).to_string()
    };
    let served = async {
        let request = dps.request().await;
        assert_eq!(
            request.line,
            format!("POST /enrollmentGroups/query?{VERSION} HTTP/1.1")
        );
        assert_eq!(request.header("x-ms-max-item-count"), Some("2"));
        assert_eq!(request.header("x-ms-continuation"), None);
        assert_eq!(
            json(&request),
            json!({"query": "SELECT * FROM enrollmentGroups"})
        );
        request
            .answer(200, &["x-ms-continuation: next"], &page(&["a", "b"]))
            .await;
        // A page that could not be had is asked for again.
        let request = dps.request().await;
        assert_eq!(request.header("x-ms-continuation"), Some("next"));
        request.answer(429, &["Retry-After: 7"], "").await;
        let request = dps.request().await;
        assert_eq!(request.header("x-ms-continuation"), Some("next"));
        request
            .answer(200, &["x-ms-continuation: last"], "[]")
            .await;
        dps.request().await.answer(200, &[], &page(&["c"])).await;
    };
    let asked = async {
        let mut pages = service.groups().query(Some(2));
        let ids = |page: Option<Vec<EnrollmentGroup>>| -> Vec<String> {
            page.expect("a page")
                .into_iter()
                .map(|group| group.enrollment_group_id)
                .collect()
        };
        assert_eq!(ids(pages.next().await.expect("a page")), ["a", "b"]);
        let error = pages.next().await.expect_err("throttled");
        let seven = Some(Duration::from_secs(7));
        assert!(
            matches!(error, ServiceError::Throttled { retry_after, .. } if retry_after == seven)
        );
        assert_eq!(ids(pages.next().await.expect("a page")), [""; 0]);
        assert_eq!(ids(pages.next().await.expect("a page")), ["c"]);
        assert!(pages.next().await.expect("the end").is_none());
        assert!(pages.next().await.expect("the end").is_none());
    };
    tokio::join!(asked, served);
}

#[tokio::test]
async fn a_continuation_that_leads_nowhere_ends_with_an_error() {
    let dps = Dps::start().await;
    let service = dps.service();
    let served = async {
        for _ in 0..2 {
            dps.request()
                .await
                .answer(200, &["x-ms-continuation: same"], "[]")
                .await;
        }
    };
    let (result, ()) = tokio::join!(
        service.registrations().of_group("stock", None).all(),
        served
    );
    assert!(matches!(
        result,
        Err(ServiceError::Malformed("continuation"))
    ));
}

#[tokio::test]
async fn many_go_in_one_request_and_each_failure_is_told() {
    let dps = Dps::start().await;
    let service = dps.service();
    let entries = [enrollment("r1"), enrollment("r2")];
    let partly = json!({"isSuccessful": false, "errors": [
        {"registrationId": "r2", "errorCode": 409_201, "errorStatus": "is there already"}]});
    for status in [200, 400] {
        let served = async {
            let request = dps.request().await;
            assert_eq!(
                request.line,
                format!("POST /enrollments?{VERSION} HTTP/1.1")
            );
            let body = json(&request);
            assert_eq!(body["mode"], "create");
            assert_eq!(body["enrollments"][1]["registrationId"], "r2");
            request.answer(status, &[], &partly.to_string()).await;
        };
        let enrollments = service.enrollments();
        let (result, ()) = tokio::join!(enrollments.bulk(BulkMode::Create, &entries), served);
        let result = result.expect("an answer");
        assert!(!result.is_successful);
        assert_eq!(result.errors[0].registration_id.as_deref(), Some("r2"));
    }
    let served = async {
        dps.request()
            .await
            .answer(400, &[], r#"{"errorCode":400004}"#)
            .await;
    };
    let enrollments = service.enrollments();
    let (result, ()) = tokio::join!(enrollments.bulk(BulkMode::Delete, &entries), served);
    assert!(matches!(result, Err(ServiceError::Refused(_))));

    let eleven = vec![enrollment("r1"); 11];
    let result = enrollments.bulk(BulkMode::Create, &eleven).await;
    assert!(matches!(result, Err(ServiceError::TooMany { given: 11 })));
}

#[tokio::test]
async fn records_are_read_and_forgotten() {
    let dps = Dps::start().await;
    let service = dps.service();
    let id = "r1".parse().expect("an id");
    let state =
        r#"{"registrationId":"r1","status":"assigned","assignedHub":"myhub","deviceId":"pump7"}"#;
    let served = async {
        let request = dps.request().await;
        assert_eq!(
            request.line,
            format!("GET /registrations/r1?{VERSION} HTTP/1.1")
        );
        request.answer(200, &[], state).await;
        let request = dps.request().await;
        assert_eq!(
            request.line,
            format!("DELETE /registrations/r1?{VERSION} HTTP/1.1")
        );
        request.answer(204, &[], "").await;
        let request = dps.request().await;
        assert_eq!(
            request.line,
            format!("POST /registrations/stock/query?{VERSION} HTTP/1.1")
        );
        request.answer(200, &[], &format!("[{state}]")).await;
    };
    let asked = async {
        let records = service.registrations();
        let record = records.get(&id).await.expect("there");
        assert_eq!(
            (record.status, record.device_id.as_deref()),
            (Status::Assigned, Some("pump7"))
        );
        records.delete(&id, None).await.expect("there");
        assert_eq!(
            records
                .of_group("stock", None)
                .all()
                .await
                .expect("there")
                .len(),
            1
        );
    };
    tokio::join!(asked, served);
}

#[tokio::test]
async fn each_status_has_its_own_error() {
    let dps = Dps::start().await;
    let service = dps.service();
    for status in [400, 401, 403, 404, 409, 412, 500] {
        let served = async { dps.request().await.answer(status, &[], "<html>").await };
        let groups = service.groups();
        let (result, ()) = tokio::join!(groups.get("stock"), served);
        let is_expected = match result.expect_err("refused") {
            ServiceError::Refused(refusal) => {
                refusal.status == status && [400, 500].contains(&status)
            }
            ServiceError::Unauthorized(refusal) => refusal.status == status && status < 404,
            ServiceError::NotFound(_) => status == 404,
            ServiceError::Exists(_) => status == 409,
            ServiceError::Changed(_) => status == 412,
            _ => false,
        };
        assert!(is_expected, "{status}");
    }
    let served = async { dps.request().await.answer(200, &[], "<html>").await };
    let groups = service.groups();
    let (result, ()) = tokio::join!(groups.get("stock"), served);
    assert!(matches!(result, Err(ServiceError::Malformed(_))));
    drop(dps);
    let result = groups.get("stock").await;
    assert!(
        matches!(
            result,
            Err(ServiceError::Connection(
                transport::Error::Unreachable { .. }
            ))
        ),
        "{result:?}"
    );
}
