use std::time::Duration;

use axum::body::Body;
use axum::http::{Request, header};
use serde_json::Value;

use crate::people::Role;
use crate::testing::street::Street;
use crate::testing::{Answer, Site, Somebody};

const GRANT: &str = "urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Adevice_code";

async fn form(site: &Site, path: &str, body: String, who: Option<&Somebody>) -> Answer {
    let mut request =
        Request::post(path).header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
    if let Some(who) = who {
        request = request.header(header::AUTHORIZATION, format!("Bearer {}", who.token));
    }
    site.send(request.body(Body::from(body)).expect("a request"))
        .await
}

async fn begin(site: &Site, device: &str) -> Value {
    let body = format!("client_id=portal&device_id={device}");
    let answer = form(site, "/oauth/device_authorization", body, None).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.header("cache-control"), "no-store");
    answer.json()
}

async fn poll(site: &Site, codes: &Value) -> Answer {
    let code = codes["device_code"].as_str().expect("a code");
    let body = format!("grant_type={GRANT}&device_code={code}&client_id=portal");
    form(site, "/oauth/token", body, None).await
}

async fn decide(site: &Site, codes: &Value, decision: &str, who: &Somebody) -> Answer {
    let code = codes["user_code"].as_str().expect("a code");
    let body = format!("code={code}&decision={decision}");
    form(site, "/approve", body, Some(who)).await
}

#[tokio::test]
async fn an_approved_device_becomes_what_is_in_stock_and_nobody_else_does() {
    let (street, site) = Street::with_stock(0).await;
    let installer = site.somebody(Role::Installer, None).await;
    let codes = begin(&site, "board07").await;
    let error = |answer: Answer| answer.json()["error"].as_str().map(str::to_owned);
    assert_eq!(
        error(poll(&site, &codes).await).as_deref(),
        Some("authorization_pending")
    );
    assert_eq!(
        error(poll(&site, &codes).await).as_deref(),
        Some("slow_down")
    );
    // From now on it is ten seconds.
    site.pass(Duration::from_secs(6));
    assert_eq!(
        error(poll(&site, &codes).await).as_deref(),
        Some("slow_down")
    );
    let uri = codes["verification_uri_complete"]
        .as_str()
        .expect("an address");
    let path = uri.strip_prefix("http://parking.example").expect("our own");
    let asks = site.get(&installer, path).await;
    assert!(asks.text.contains("board07"), "{}", asks.text);
    let answer = decide(&site, &codes, "approve", &installer).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let granted = poll(&site, &codes).await;
    assert_eq!(granted.status, 200, "{granted:?}");
    let token = granted.json()["access_token"]
        .as_str()
        .expect("a token")
        .to_owned();
    assert_eq!(granted.json()["scope"], "device:board07");
    // One approval, one token.
    assert_eq!(
        error(poll(&site, &codes).await).as_deref(),
        Some("invalid_grant")
    );
    let device = Somebody {
        id: String::new(),
        token,
    };
    let identity = site.get(&device, "/oauth/identity").await;
    assert_eq!(identity.status, 200, "{identity:?}");
    let key = identity.json()["symmetricKey"]
        .as_str()
        .expect("a key")
        .to_owned();
    let stock = &site.app.settings.stock_group;
    let groups = site.app.provisioning.groups();
    let derived = groups
        .derive_key(stock, &"board07".parse().expect("an id"))
        .await;
    assert_eq!(key, derived.expect("a key").to_base64());
    assert_eq!(identity.json()["idScope"], street.simulator.info().id_scope);
    // The token opens nothing else, and not for long.
    assert_eq!(site.get(&device, "/api/me").await.status, 401);
    site.pass(Duration::from_secs(600));
    assert_eq!(site.get(&device, "/oauth/identity").await.status, 401);
    let devices = site.get(&installer, "/api/devices").await;
    assert!(devices.text.contains("board07"), "{}", devices.text);
}

#[tokio::test]
async fn no_is_no_and_too_late_is_too_late() {
    let site = Site::new().await;
    let installer = site.somebody(Role::Installer, None).await;
    let denied = begin(&site, "board01").await;
    decide(&site, &denied, "deny", &installer).await;
    assert_eq!(poll(&site, &denied).await.json()["error"], "access_denied");
    assert_eq!(
        decide(&site, &denied, "approve", &installer).await.status,
        404
    );
    let late = begin(&site, "board02").await;
    site.pass(Duration::from_secs(900));
    assert_eq!(poll(&site, &late).await.json()["error"], "expired_token");
    assert_eq!(
        decide(&site, &late, "approve", &installer).await.status,
        404
    );
}

#[tokio::test]
async fn only_those_who_put_devices_up_for_everybody_let_them_in() {
    let site = Site::new().await;
    let town = site.customer("Town").await;
    let codes = begin(&site, "board01").await;
    for (role, customer) in [
        (Role::Driver, None),
        (Role::Installer, Some(&*town)),
        (Role::Administrator, Some(&*town)),
    ] {
        let who = site.somebody(role, customer).await;
        assert_eq!(site.get(&who, "/approve").await.status, 403);
        assert_eq!(decide(&site, &codes, "approve", &who).await.status, 403);
    }
    let nobody = form(&site, "/approve", "code=x&decision=approve".into(), None).await;
    assert_eq!(nobody.status, 401);
    assert_eq!(
        poll(&site, &codes).await.json()["error"],
        "authorization_pending"
    );
    // Guessing codes is slowed down, for those who may ask as well.
    let installer = site.somebody(Role::Installer, None).await;
    let mut refused = 0;
    for _ in 0..8 {
        let answer = site.get(&installer, "/approve?code=BCDF-GHJK").await;
        refused += usize::from(answer.status == 429);
    }
    assert_eq!(refused, 3);
}

#[tokio::test]
async fn a_device_that_asks_wrongly_is_told_in_the_words_of_the_rfc() {
    let site = Site::new().await;
    for (path, body, error) in [
        (
            "/oauth/device_authorization",
            "device_id=board01",
            "invalid_request",
        ),
        (
            "/oauth/device_authorization",
            "client_id=portal",
            "invalid_request",
        ),
        (
            "/oauth/device_authorization",
            "client_id=portal&device_id=a+b",
            "invalid_request",
        ),
        (
            "/oauth/token",
            "grant_type=password",
            "unsupported_grant_type",
        ),
        (
            "/oauth/token",
            &format!("grant_type={GRANT}&device_code=guess"),
            "invalid_grant",
        ),
    ] {
        let answer = form(&site, path, body.to_owned(), None).await;
        assert_eq!(answer.status, 400, "{body}");
        assert_eq!(answer.json()["error"], error, "{body}");
    }
    let answer = form(&site, "/oauth/token", "grant_type=%00".into(), None).await;
    assert_eq!(answer.status, 400);
}
