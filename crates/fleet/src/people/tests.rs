mod sessions;

use std::time::Duration;

use axum::body::Body;
use axum::http::{Method, Request, StatusCode, header};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};

use super::{Role, first_link};
use crate::testing::{Answer, Site};

const PASSWORD: &str = "four words make one";

/// A form, as a page of ours sends it.
async fn post(site: &Site, path: &str, cookie: &str, fields: &[(&str, &str)]) -> Answer {
    let encode = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
    let pairs: Vec<_> = fields
        .iter()
        .map(|(name, value)| format!("{name}={}", encode(value)))
        .collect();
    let request = Request::post(path)
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .header(header::COOKIE, cookie)
        .header(header::ACCEPT, "text/html")
        .header("sec-fetch-site", "same-origin")
        .body(Body::from(pairs.join("&")));
    site.send(request.expect("a request")).await
}

async fn open(site: &Site, path: &str, cookie: &str) -> Answer {
    let request = Request::get(path)
        .header(header::COOKIE, cookie)
        .header(header::ACCEPT, "text/html")
        .body(Body::empty());
    site.send(request.expect("a request")).await
}

/// What a page of ours asks the API, by its session.
async fn call(site: &Site, method: Method, path: &str, cookie: &str, body: Value) -> Answer {
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header(header::CONTENT_TYPE, "application/json")
        .header(header::COOKIE, cookie)
        .header("sec-fetch-site", "same-origin")
        .body(Body::from(body.to_string()));
    site.send(request.expect("a request")).await
}

/// The cookie an answer gives, as it is sent back.
fn cookie(answer: &Answer) -> String {
    let text = answer.header("set-cookie");
    text.split(';').next().unwrap_or_default().to_owned()
}

async fn sign_in(site: &Site, email: &str, password: &str, next: &str) -> Answer {
    let fields = [("email", email), ("password", password), ("next", next)];
    post(site, "/sign-in", "", &fields).await
}

/// A service whose first administrator came in by the first link; with their cookie.
async fn begun() -> (Site, String) {
    let site = Site::new().await;
    let link = first_link(&site.app).await.expect("the database");
    let link = link.expect("nobody is here yet");
    let path = link
        .strip_prefix("http://parking.example")
        .expect("the service's own address")
        .to_owned();
    assert_eq!(open(&site, &path, "").await.status, 200);
    let fields = [
        ("email", "Ann@Town.example"),
        ("name", "Ann"),
        ("password", PASSWORD),
    ];
    let answer = post(&site, &path, "", &fields).await;
    assert_eq!(answer.status, 303, "{answer:?}");
    (site, cookie(&answer))
}

#[tokio::test]
async fn the_first_link_makes_one_administrator_and_then_there_is_none() {
    let site = Site::new().await;
    let mut links = Vec::new();
    // Two instances start at the same time; each prints one.
    for _ in 0..2 {
        let link = first_link(&site.app).await.expect("the database");
        let link = link.expect("nobody is here yet");
        links.push(link.replace("http://parking.example", ""));
    }
    let easy = [
        ("email", "ann@town.example"),
        ("name", "Ann"),
        ("password", "short"),
    ];
    let answer = post(&site, &links[0], "", &easy).await;
    assert_eq!(answer.status, 400);
    assert!(
        answer.text.contains("10 to 200 characters"),
        "{}",
        answer.text
    );
    let good = [
        ("email", "ann@town.example"),
        ("name", "Ann"),
        ("password", PASSWORD),
    ];
    let answer = post(&site, &links[0], "", &good).await;
    assert_eq!(answer.status, 303);
    let me = call(&site, Method::GET, "/api/me", &cookie(&answer), Value::Null).await;
    assert_eq!(me.json()["role"], "administrator");
    let again = [
        ("email", "eve@town.example"),
        ("name", "Eve"),
        ("password", PASSWORD),
    ];
    for link in &links {
        assert_eq!(open(&site, link, "").await.status, 410);
        assert_eq!(post(&site, link, "", &again).await.status, 410);
    }
    assert_eq!(first_link(&site.app).await.expect("the database"), None);
    assert_eq!(open(&site, "/setup/guessed", "").await.status, 410);
}

#[tokio::test]
async fn whoever_is_invited_becomes_what_the_link_says_and_no_more() {
    let (site, admin) = begun().await;
    let town = site.customer("Town").await;
    let wanted = json!({"role": "operator", "email": "Ben@town.example", "customerId": town});
    let answer = call(&site, Method::POST, "/api/invitations", &admin, wanted).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    let url = answer.json()["url"].as_str().expect("a link").to_owned();
    let path = url.replace("http://parking.example", "");
    let people = open(&site, "/people", &admin).await;
    assert!(people.text.contains("ben@town.example"), "{}", people.text);
    assert!(!people.text.contains(&path), "the link is shown once");
    // The address is the link's, whatever the form says.
    let fields = [
        ("email", "eve@evil.example"),
        ("name", "Ben"),
        ("password", PASSWORD),
        ("role", "administrator"),
    ];
    let answer = post(&site, &path, "", &fields).await;
    assert_eq!(answer.status, 303, "{answer:?}");
    let ben = cookie(&answer);
    let me = call(&site, Method::GET, "/api/me", &ben, Value::Null)
        .await
        .json();
    assert_eq!(
        (&me["email"], &me["role"], &me["customerId"]),
        (&json!("ben@town.example"), &json!("operator"), &json!(town))
    );
    assert_eq!(post(&site, &path, "", &fields).await.status, 410);
    assert_eq!(open(&site, "/people", &ben).await.status, 403);
    let late = json!({"role": "driver"});
    let answer = call(
        &site,
        Method::POST,
        "/api/invitations",
        &admin,
        late.clone(),
    )
    .await;
    let path = answer.json()["url"]
        .as_str()
        .expect("a link")
        .replace("http://parking.example", "");
    site.pass(Duration::from_hours(24 * 7));
    assert_eq!(open(&site, &path, "").await.status, 410);
    // A customer's administrator lets in for that customer only.
    let local = site.somebody(Role::Administrator, Some(&town)).await;
    let other = site.customer("Other").await;
    let elsewhere = json!({"role": "driver", "customerId": other});
    let answer = site
        .ask(&local, Method::POST, "/api/invitations", elsewhere)
        .await;
    assert_eq!(answer.status, 404);
    let answer = site
        .ask(&local, Method::POST, "/api/invitations", late)
        .await;
    assert_eq!(answer.status, 201);
    let open = site.get(&local, "/api/invitations").await.json();
    assert_eq!(open[0]["customerId"], town);
}

#[tokio::test]
async fn somebody_who_is_shut_out_is_out_at_once_and_somebody_is_always_left() {
    let (site, admin) = begun().await;
    let users = call(&site, Method::GET, "/api/users", &admin, Value::Null)
        .await
        .json();
    let ann = format!(
        "/api/users/{}",
        users["items"][0]["id"].as_str().expect("an id")
    );
    for change in [json!({"disabled": true}), json!({"role": "driver"})] {
        let answer = call(&site, Method::PATCH, &ann, &admin, change).await;
        assert_eq!(
            (answer.status.as_u16(), &*answer.json()["code"].to_string()),
            (409, "\"last-administrator\"")
        );
    }
    let ben = site.somebody(Role::Driver, None).await;
    assert_eq!(site.get(&ben, &ann).await.status, 403);
    let path = format!("/api/users/{}", ben.id);
    let answer = call(
        &site,
        Method::PATCH,
        &path,
        &admin,
        json!({"disabled": true}),
    )
    .await;
    assert_eq!(answer.status, 200);
    assert_eq!(site.get(&ben, "/api/me").await.status, 401);
    let answer = call(
        &site,
        Method::PATCH,
        &path,
        &admin,
        json!({"disabled": false}),
    )
    .await;
    assert_eq!(answer.header("etag"), "\"3\"");
    assert_eq!(site.get(&ben, "/api/me").await.status, 200);
    let stale = Request::patch(&path)
        .header(header::CONTENT_TYPE, "application/json")
        .header(header::COOKIE, &admin)
        .header("sec-fetch-site", "same-origin")
        .header("if-match", "\"2\"")
        .body(Body::from(r#"{"role": "operator"}"#));
    assert_eq!(site.send(stale.expect("a request")).await.status, 412);
}

#[tokio::test]
async fn a_token_is_told_once_and_worth_nothing_when_it_is_over() {
    let (site, admin) = begun().await;
    let make = json!({"name": "backup", "days": 1});
    let made = call(&site, Method::POST, "/api/tokens", &admin, make)
        .await
        .json();
    let token = made["token"].as_str().expect("a token").to_owned();
    assert!(token.starts_with("cow_"), "{token}");
    let list = call(&site, Method::GET, "/api/tokens", &admin, Value::Null).await;
    assert!(!list.text.contains(&token));
    let who = crate::testing::Somebody {
        id: String::new(),
        token,
    };
    assert_eq!(site.get(&who, "/api/me").await.json()["name"], "Ann");
    // A token that is wrong is not made good by a cookie beside it.
    let both = Request::get("/api/me")
        .header(header::COOKIE, &admin)
        .header(header::AUTHORIZATION, "Bearer wrong")
        .body(Body::empty());
    assert_eq!(site.send(both.expect("a request")).await.status, 401);
    site.pass(Duration::from_hours(24));
    assert_eq!(site.get(&who, "/api/me").await.status, 401);
    let stranger = site.somebody(Role::Administrator, None).await;
    let path = format!("/api/tokens/{}", made["id"].as_str().expect("an id"));
    assert_eq!(
        site.ask(&stranger, Method::DELETE, &path, Value::Null)
            .await
            .status,
        404
    );
    let forever = json!({"name": "x", "days": 0});
    let answer = site
        .ask(&stranger, Method::POST, "/api/tokens", forever)
        .await;
    assert_eq!(
        (answer.status.as_u16(), answer.json()["field"].as_str()),
        (400, Some("days"))
    );
}
