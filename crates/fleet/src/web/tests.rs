mod access;
mod documentation;
mod hostile;

use axum::body::Body;
use axum::http::{Method, Request};
use serde_json::Value;

use crate::people::Role;
use crate::testing::Site;

#[tokio::test]
async fn nobody_is_told_to_sign_in_and_a_person_is_brought_there() {
    let site = Site::new().await;
    let program = Request::get("/api/me").body(Body::empty());
    let answer = site.send(program.expect("a request")).await;
    assert_eq!(answer.status, 401);
    assert_eq!(answer.header("content-type"), "application/problem+json");
    assert_eq!(answer.header("www-authenticate"), "Bearer");
    assert_eq!(answer.json()["code"], "unauthenticated");
    let person = Request::get("/api/me?x=1")
        .header("accept", "text/html,*/*")
        .body(Body::empty());
    let answer = site.send(person.expect("a request")).await;
    assert_eq!(answer.status, 303);
    assert_eq!(
        answer.header("location"),
        "/sign-in?next=%2Fapi%2Fme%3Fx%3D1"
    );
}

#[tokio::test]
async fn a_token_says_who_somebody_is() {
    let site = Site::new().await;
    let town = site.customer("Town").await;
    let who = site.somebody(Role::Operator, Some(&town)).await;
    let answer = site.get(&who, "/api/me").await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let account = answer.json();
    assert_eq!(account["role"], "operator");
    assert_eq!(account["customerId"], town);
    assert_eq!(answer.header("etag"), "\"1\"");
    assert_eq!(answer.header("cache-control"), "no-store");
}

#[tokio::test]
async fn what_is_not_there_is_said_to_programs_and_to_people() {
    let site = Site::new().await;
    let who = site.somebody(Role::Driver, None).await;
    let answer = site.get(&who, "/no/such/thing").await;
    assert_eq!(
        (answer.status.as_u16(), &*answer.json()["code"].to_string()),
        (404, "\"not-found\"")
    );
    let answer = site.ask(&who, Method::DELETE, "/api/me", Value::Null).await;
    assert_eq!(answer.status, 405);
    let person = Request::get("/%3Cscript%3Ealert(1)%3C/script%3E")
        .header("accept", "text/html")
        .header("accept-language", "de")
        .body(Body::empty());
    let answer = site.send(person.expect("a request")).await;
    assert_eq!(answer.status, 404);
    assert!(
        answer.text.contains("Das hat nicht geklappt"),
        "{}",
        answer.text
    );
    assert!(answer.text.contains("Das gibt es nicht"), "{}", answer.text);
    assert!(!answer.text.contains("<script>alert"), "{}", answer.text);
    let policy = answer.header("content-security-policy");
    assert!(
        policy.contains("frame-ancestors 'none'") && !policy.contains("unsafe"),
        "{policy}"
    );
}
