//! The device API over HTTPS.

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{Request, Response, StatusCode, header};
use hub_proto::dps::registration::{RegistrationId, lookup_path, operation_path, register_path};

use super::*;

async fn ask(
    bench: &Bench,
    method: &str,
    path: &str,
    token: Option<&str>,
    body: &str,
) -> (StatusCode, header::HeaderMap, Bytes) {
    let mut request = Request::builder()
        .method(method)
        .uri(path)
        .header(header::HOST, "dps.test");
    if let Some(token) = token {
        request = request.header(header::AUTHORIZATION, token);
    }
    let request = request.body(body.to_owned().into()).expect("a request");
    let response: Response<_> = crate::dps::serve_request(State(bench.dps.clone()), request).await;
    let (parts, body) = response.into_parts();
    let body = axum::body::to_bytes(body, usize::MAX)
        .await
        .unwrap_or_default();
    (parts.status, parts.headers, body)
}

fn document(body: &[u8]) -> Value {
    serde_json::from_slice(body).expect("JSON")
}

#[tokio::test]
async fn a_device_registers_asks_and_looks_itself_up() {
    let bench = bench(&["localhost"], None);
    bench.enrol("R1", &json!({}));
    let id: RegistrationId = "R1".parse().expect("an id");
    let scope = bench.dps.id_scope();
    let token = bench.token("R1", &key("R1"));
    let path = register_path(&scope, &id);
    let body =
        json!({"registrationId": "R1", "payload": {"modelId": "dtmi:acme:Pump;1"}}).to_string();
    let (status, headers, begun) = ask(&bench, "PUT", &path, Some(&token), &body).await;
    assert_eq!(status, StatusCode::ACCEPTED);
    assert_eq!(headers[header::RETRY_AFTER], "1");
    let operation = document(&begun)["operationId"]
        .as_str()
        .expect("an operation")
        .to_owned();
    let path = operation_path(&scope, &id, &operation);
    assert_eq!(headers[header::LOCATION], format!("https://dps.test{path}"));
    let (status, headers, done) = ask(&bench, "GET", &path, Some(&token), "").await;
    assert_eq!(
        (status, headers.get(header::RETRY_AFTER)),
        (StatusCode::OK, None)
    );
    assert_eq!(
        headers[header::CONTENT_TYPE],
        "application/json; charset=utf-8"
    );
    assert_eq!(
        document(&done)["registrationState"]["assignedHub"],
        "localhost"
    );
    let path = lookup_path(&scope, &id);
    let (status, _, record) = ask(&bench, "POST", &path, Some(&token), &body).await;
    assert_eq!(
        (status, document(&record)["status"].as_str()),
        (StatusCode::OK, Some("assigned"))
    );
}

#[tokio::test]
async fn paths_match_without_case_and_whatever_is_none_is_not_found() {
    let bench = bench(&["localhost"], None);
    bench.enrol("r1", &json!({}));
    let (scope, token) = (bench.dps.id_scope(), bench.token("r1", &key("r1")));
    for (method, path, expected) in [
        (
            "PUT",
            format!("/{scope}/Registrations/r1/Register?api-version=2021-06-01"),
            202,
        ),
        ("PUT", format!("/{scope}/registrations/r%31/register"), 202),
        ("GET", format!("/{scope}/registrations/r1/register"), 405),
        ("DELETE", format!("/{scope}/registrations/r1"), 405),
        (
            "PUT",
            format!("/{scope}/registrations/r1/register/now/please"),
            404,
        ),
        ("PUT", format!("/{scope}/elsewhere/r1/register"), 404),
        ("GET", "/".to_owned(), 404),
        ("PUT", format!("/{scope}/registrations/%FF/register"), 400),
        (
            "PUT",
            "/0neFFFFFFFF/registrations/r1/register".to_owned(),
            404,
        ),
    ] {
        let (status, _, _) = ask(&bench, method, &path, Some(&token), "{}").await;
        assert_eq!(status, expected, "{method} {path}");
    }
}

#[tokio::test]
async fn refusals_carry_their_number_and_a_reference() {
    let bench = bench(&["localhost"], None);
    bench.enrol("r1", &json!({}));
    let path = format!("/{}/registrations/r1/register", bench.dps.id_scope());
    for token in [
        None,
        Some("nonsense"),
        Some("SharedAccessSignature sr=a&sig=b&se=c"),
    ] {
        let (status, _, body) = ask(&bench, "PUT", &path, token, "{}").await;
        assert_eq!(
            (status, document(&body)["errorCode"].as_u64()),
            (StatusCode::UNAUTHORIZED, Some(401_002))
        );
    }
    bench
        .dps
        .pull(DpsLever::Throttle(Some(Duration::from_secs(9))));
    let (status, headers, _) = ask(&bench, "PUT", &path, None, "{}").await;
    assert_eq!(
        (status, &headers[header::RETRY_AFTER]),
        (
            StatusCode::TOO_MANY_REQUESTS,
            &"9".parse().expect("a header")
        )
    );
}
