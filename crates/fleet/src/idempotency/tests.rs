use axum::body::Body;
use axum::http::{Request, header};
use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::people::Role;
use crate::testing::{Answer, Site, Somebody};

async fn create(site: &Site, who: &Somebody, key: &str, path: &str, body: Value) -> Answer {
    let request = Request::post(path)
        .header(header::AUTHORIZATION, format!("Bearer {}", who.token))
        .header(header::CONTENT_TYPE, "application/json")
        .header("idempotency-key", key)
        .body(Body::from(body.to_string()))
        .expect("a request");
    site.send(request).await
}

async fn customers(site: &Site, who: &Somebody) -> usize {
    let list = site.get(who, "/api/customers").await.json();
    list["items"].as_array().expect("customers").len()
}

#[tokio::test]
async fn a_request_that_is_sent_again_happens_once() {
    let site = Site::new().await;
    let who = site.somebody(Role::Administrator, None).await;
    let path = "/api/customers";
    let first = create(&site, &who, "k1", path, json!({"name": "Town"})).await;
    assert_eq!(first.status, 201, "{first:?}");
    let again = create(&site, &who, "k1", path, json!({"name": "Town"})).await;
    assert_eq!((again.status.as_u16(), again.json()), (201, first.json()));
    assert_eq!(again.header("idempotent-replayed"), "true");
    assert_eq!(customers(&site, &who).await, 1);
    let other = create(&site, &who, "k1", path, json!({"name": "City"})).await;
    assert_eq!(
        (other.status.as_u16(), &other.json()["code"]),
        (422, &json!("key-used"))
    );
    // Somebody else's key is another one.
    let somebody = site.somebody(Role::Administrator, None).await;
    assert_eq!(
        create(&site, &somebody, "k1", path, json!({"name": "Town"}))
            .await
            .status,
        201
    );
    // What did nothing may be mended.
    assert_eq!(
        create(&site, &who, "k2", path, json!({"name": ""}))
            .await
            .status,
        400
    );
    assert_eq!(
        create(&site, &who, "k2", path, json!({"name": "Village"}))
            .await
            .status,
        201
    );
    assert_eq!(
        create(&site, &who, "", path, json!({"name": "X"}))
            .await
            .status,
        400
    );
    // A day later it is a new request.
    site.pass(std::time::Duration::from_hours(25));
    assert_eq!(
        create(&site, &who, "k1", path, json!({"name": "City"}))
            .await
            .status,
        201
    );
}

#[tokio::test]
async fn of_many_at_once_one_is_done() {
    let site = Site::new().await;
    let who = site.somebody(Role::Administrator, None).await;
    let requests =
        (0..8).map(|_| create(&site, &who, "k", "/api/customers", json!({"name": "Town"})));
    for answer in join_all(requests).await {
        let code = answer.json()["code"].clone();
        assert!(
            answer.status == 201 || (answer.status == 409 && code == "under-way"),
            "{answer:?}"
        );
    }
    assert_eq!(customers(&site, &who).await, 1);
}

#[tokio::test]
async fn a_secret_is_not_kept_for_a_repetition() {
    let site = Site::new().await;
    let who = site.somebody(Role::Administrator, None).await;
    let new = json!({"url": "https://receiver.example/"});
    let made = create(&site, &who, "k", "/api/webhooks", new.clone()).await;
    assert_eq!(made.status, 201, "{made:?}");
    let again = create(&site, &who, "k", "/api/webhooks", new).await;
    assert_eq!(
        (again.status.as_u16(), &again.json()["code"]),
        (409, &json!("answer-not-kept"))
    );
    let kept: Vec<(String,)> = sqlx::query_as("SELECT body FROM idempotency")
        .fetch_all(site.app.store.reader())
        .await
        .expect("rows");
    assert_eq!(kept, [(String::new(),)]);
}
