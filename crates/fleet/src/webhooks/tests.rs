use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode};
use axum::routing::post;
use axum::{Router, serve};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::delivery::deliver;
use super::send::Secret;
use crate::people::Role;
use crate::testing::{Site, Somebody};

/// Somebody who receives reports, and answers as told.
#[derive(Clone, Default)]
struct Receiver {
    heard: Arc<Mutex<Vec<(HeaderMap, String)>>>,
    answers: Arc<Mutex<VecDeque<StatusCode>>>,
}

async fn receive(State(receiver): State<Receiver>, headers: HeaderMap, body: Bytes) -> StatusCode {
    let body = String::from_utf8(body.to_vec()).expect("a text");
    receiver.heard.lock().expect("a lock").push((headers, body));
    let answer = receiver.answers.lock().expect("a lock").pop_front();
    answer.unwrap_or(StatusCode::NO_CONTENT)
}

impl Receiver {
    async fn open(answers: &[StatusCode]) -> (Self, String) {
        let receiver = Self::default();
        receiver.answers.lock().expect("a lock").extend(answers);
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}/in", listener.local_addr().expect("an address"));
        let router = Router::new()
            .route("/in", post(receive))
            .with_state(receiver.clone());
        tokio::spawn(async move { serve(listener, router).await });
        (receiver, url)
    }

    fn heard(&self) -> Vec<(HeaderMap, String)> {
        self.heard.lock().expect("a lock").clone()
    }
}

async fn hook(site: &Site, who: &Somebody, new: Value) -> Value {
    let answer = site.ask(who, Method::POST, "/api/webhooks", new).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    answer.json()
}

fn header<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    headers[name].to_str().expect("a text")
}

#[tokio::test]
async fn a_report_is_signed_and_sent_again_until_it_is_taken() {
    let site = Site::new().await;
    let who = site.somebody(Role::Administrator, None).await;
    let (receiver, url) = Receiver::open(&[StatusCode::INTERNAL_SERVER_ERROR]).await;
    let made = hook(&site, &who, json!({"url": url})).await;
    let secret = Secret::read(made["secret"].as_str().expect("a secret")).expect("a secret");
    let id = made["id"].as_str().expect("an id");
    let read = site.get(&who, &format!("/api/webhooks/{id}")).await;
    assert!(!read.text.contains("whsec_"), "a secret is shown once");

    let ping = site
        .ask(
            &who,
            Method::POST,
            &format!("/api/webhooks/{id}/ping"),
            Value::Null,
        )
        .await;
    assert_eq!(ping.status, 202);
    assert_eq!(deliver(&site.app).await.expect("sent"), 1);
    let path = format!("/api/webhooks/{id}/deliveries");
    let failed = site.get(&who, &path).await.json();
    assert_eq!(failed["items"][0]["attempts"], 1);
    assert!(
        failed["items"][0]["problem"]
            .as_str()
            .expect("a text")
            .contains("500")
    );
    assert_eq!(deliver(&site.app).await.expect("nothing is due"), 0);
    site.pass(Duration::from_secs(6));
    assert_eq!(deliver(&site.app).await.expect("sent again"), 1);
    let taken = site.get(&who, &path).await.json();
    assert_ne!(taken["items"][0]["deliveredAt"], Value::Null);
    site.pass(Duration::from_hours(48));
    assert_eq!(deliver(&site.app).await.expect("it is done"), 0);

    let heard = receiver.heard();
    assert_eq!(heard.len(), 2);
    let mut times = Vec::new();
    for (headers, body) in &heard {
        let (id, time) = (
            header(headers, "webhook-id"),
            header(headers, "webhook-timestamp"),
        );
        let second: i64 = time.parse().expect("a second");
        assert_eq!(
            header(headers, "webhook-signature"),
            secret.sign(id, second, body)
        );
        times.push(second);
    }
    assert_eq!(
        header(&heard[0].0, "webhook-id"),
        header(&heard[1].0, "webhook-id")
    );
    assert_eq!(
        times[1] - times[0],
        6,
        "each is sent with its own time, against replay"
    );
    let body: Value = serde_json::from_str(&heard[0].1).expect("JSON");
    assert_eq!(body["type"], "webhook.ping");
}

#[tokio::test]
async fn reports_go_to_whom_they_concern() {
    let site = Site::new().await;
    let who = site.somebody(Role::Administrator, None).await;
    let (one, other) = (site.customer("One").await, site.customer("Other").await);
    let (receiver, url) = Receiver::open(&[]).await;
    for new in [
        json!({"url": format!("{url}?one"), "customerId": one}),
        json!({"url": format!("{url}?other"), "customerId": other}),
        json!({"url": format!("{url}?all"), "events": ["order.ended"]}),
        json!({"url": format!("{url}?stock"), "events": ["device.stocked"]}),
    ] {
        hook(&site, &who, new).await;
    }
    let mut tx = site.app.store.begin().await.expect("a transaction");
    let data = json!({"orderId": "1"});
    super::announce(
        &mut tx,
        "order.ended",
        Some(&one),
        data.clone(),
        site.app.now(),
    )
    .await
    .expect("it is written");
    drop(tx);
    assert_eq!(
        deliver(&site.app).await.expect("nothing"),
        0,
        "what did not happen is not told"
    );
    let mut tx = site.app.store.begin().await.expect("a transaction");
    super::announce(&mut tx, "order.ended", Some(&one), data, site.app.now())
        .await
        .expect("it is written");
    tx.commit().await.expect("it is committed");
    assert_eq!(deliver(&site.app).await.expect("sent"), 2);
    assert_eq!(receiver.heard().len(), 2);
}

#[tokio::test]
async fn a_receiver_that_is_gone_is_left_alone() {
    let site = Site::new().await;
    let who = site.somebody(Role::Administrator, None).await;
    let (receiver, url) = Receiver::open(&[StatusCode::GONE]).await;
    let made = hook(&site, &who, json!({"url": url})).await;
    let path = format!("/api/webhooks/{}", made["id"].as_str().expect("an id"));
    for _ in 0..2 {
        site.ask(&who, Method::POST, &format!("{path}/ping"), Value::Null)
            .await;
    }
    deliver(&site.app).await.expect("sent");
    site.pass(Duration::from_secs(600));
    let before = receiver.heard().len();
    assert_eq!(deliver(&site.app).await.expect("nothing"), 0);
    assert_eq!(receiver.heard().len(), before);
    assert_ne!(
        site.get(&who, &path).await.json()["disabledAt"],
        Value::Null
    );
}

#[tokio::test]
async fn webhooks_are_the_houses() {
    let site = Site::new().await;
    let who = site.somebody(Role::Administrator, None).await;
    for (new, field) in [
        (json!({"url": "http://internal.example/"}), "url"),
        (json!({"url": "https://a@b/"}), "url"),
        (
            json!({"url": "https://x.example/", "events": ["everything"]}),
            "events",
        ),
        (
            json!({"url": "https://x.example/", "customerId": "nobody"}),
            "customerId",
        ),
        (
            json!({"url": "https://x.example/", "secret": "mine"}),
            "secret",
        ),
    ] {
        let answer = site.ask(&who, Method::POST, "/api/webhooks", new).await;
        assert_eq!(
            (answer.status.as_u16(), &answer.json()["field"]),
            (400, &json!(field)),
            "{answer:?}"
        );
    }
    let town = site.customer("Town").await;
    for who in [
        site.somebody(Role::Administrator, Some(&town)).await,
        site.somebody(Role::Operator, None).await,
    ] {
        let new = json!({"url": "https://x.example/"});
        assert_eq!(
            site.ask(&who, Method::POST, "/api/webhooks", new)
                .await
                .status,
            403
        );
        assert_eq!(site.get(&who, "/api/webhooks").await.status, 403);
    }
}
