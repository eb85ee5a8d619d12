use hub_proto::message::{Properties, SystemProperty};

use super::*;

const FEEDBACK: &str = "/messages/serviceBound/feedback";
const DEVICEBOUND: &str = "devices/pump7/messages/devicebound/#";

async fn bench() -> Bench {
    let bench = Bench::new();
    bench.made("/devices/pump7", json!({})).await;
    bench
}

/// Sends `pump7` a message with an id; `expires_in` seconds count from now.
fn send(bench: &Bench, id: &str, ack: &str, expires_in: i64) {
    let mut properties = Properties::new();
    properties.set(SystemProperty::MessageId, id);
    properties.set(SystemProperty::Ack, ack);
    let expires = Timestamp::from_second(Timestamp::now().as_second() + expires_in);
    let expires = expires.expect("a moment of our time");
    properties.set(SystemProperty::ExpiryTime, expires.to_string());
    let device = Identity::device("pump7").expect("an id");
    bench
        .hub()
        .send(&device, properties, "{}".into())
        .expect("there is room");
}

/// Asks as the device.
async fn device_asks(bench: &Bench, method: &str, path: &str) -> Answer {
    let device = Identity::device("pump7").expect("an id");
    let key = bench.hub().module_key(&device).expect("registered");
    let expiry = Timestamp::now().as_second() + 60;
    let token = Unsigned::new(&device.audience("localhost"), expiry).sign(&key);
    let path = format!("/devices/pump7/messages/deviceBound{path}");
    bench
        .send(method, &path, &[("authorization", &token)], Value::Null)
        .await
}

fn lock_token(answer: &Answer) -> String {
    let tag = answer.headers["etag"].to_str().expect("a tag");
    tag.trim_matches('"').to_owned()
}

/// Takes all feedback there is: message id and status of each record.
async fn collected(bench: &Bench) -> Vec<(String, String)> {
    let mut all = Vec::new();
    loop {
        let answer = bench.ask("GET", FEEDBACK, Value::Null).await;
        if answer.status == 204 {
            return all;
        }
        assert_eq!(answer.status, 200);
        for record in answer.body.as_array().expect("records") {
            assert_eq!(record["deviceId"], "pump7");
            assert_eq!(record["description"], record["statusCode"]);
            assert!(record["deviceGenerationId"].is_string());
            let time = record["enqueuedTimeUtc"].as_str().expect("a time");
            assert!(time.parse::<Timestamp>().is_ok());
            let text = |name: &str| record[name].as_str().expect("a text").to_owned();
            all.push((text("originalMessageId"), text("statusCode")));
        }
        let path = format!("{FEEDBACK}/{}", lock_token(&answer));
        assert_eq!(bench.ask("DELETE", &path, Value::Null).await.status, 204);
    }
}

fn records(expected: &[(&str, &str)]) -> Vec<(String, String)> {
    let owned = |(id, status): &(&str, &str)| ((*id).to_owned(), (*status).to_owned());
    expected.iter().map(owned).collect()
}

#[tokio::test]
async fn a_sender_hears_of_the_ends_it_asked_for() {
    let bench = bench().await;
    for (ack, told) in [
        ("none", (false, false)),
        ("positive", (true, false)),
        ("negative", (false, true)),
        ("full", (true, true)),
    ] {
        send(&bench, "taken", ack, 60);
        let device = bench.connect("pump7", &[DEVICEBOUND]);
        assert_eq!(deliveries(&device).len(), 1);
        bench
            .hub()
            .detach(&device, &crate::connection::End::Disconnect, None);
        send(&bench, "purged", ack, 60);
        bench
            .ask("DELETE", "/devices/pump7/commands", Value::Null)
            .await;
        let mut expected = Vec::new();
        expected.extend(told.0.then_some(("taken", "Success")));
        expected.extend(told.1.then_some(("purged", "Purged")));
        assert_eq!(collected(&bench).await, records(&expected), "{ack}");
    }
}

#[tokio::test]
async fn a_message_that_nobody_takes_expires() {
    let bench = bench().await;
    send(&bench, "late", "full", 0);
    bench.hub().tick().expect("in memory");
    assert_eq!(collected(&bench).await, records(&[("late", "Expired")]));
    assert_eq!(device_asks(&bench, "GET", "").await.status, 204);
}

#[tokio::test]
async fn a_device_completes_and_refuses_over_https() {
    let bench = bench().await;
    for id in ["good", "bad"] {
        send(&bench, id, "full", 60);
    }
    for (id, query) in [("good", ""), ("bad", "?reject&api-version=2020-03-13")] {
        let answer = device_asks(&bench, "GET", "").await;
        assert_eq!(answer.status, 200);
        assert_eq!(answer.headers["iothub-messageid"], id);
        assert_eq!(
            answer.headers["iothub-to"],
            "/devices/pump7/messages/deviceBound"
        );
        assert_eq!(answer.headers["iothub-deliverycount"], "1");
        let token = lock_token(&answer);
        let settle = format!("/{token}{query}");
        assert_eq!(device_asks(&bench, "DELETE", &settle).await.status, 204);
        assert_eq!(
            device_asks(&bench, "DELETE", &settle).await.refused(),
            412_002
        );
    }
    let expected = records(&[("good", "Success"), ("bad", "Rejected")]);
    assert_eq!(collected(&bench).await, expected);
}

#[tokio::test]
async fn a_message_given_back_too_often_is_given_up() {
    let bench = bench().await;
    send(&bench, "unwanted", "negative", 60);
    for count in 1..=crate::hold::MAX_DELIVERIES {
        let answer = device_asks(&bench, "GET", "").await;
        assert_eq!(
            answer.headers["iothub-deliverycount"],
            count.to_string().as_str()
        );
        assert_eq!(
            device_asks(&bench, "GET", "").await.status,
            204,
            "it is held"
        );
        let path = format!("/{}/abandon", lock_token(&answer));
        assert_eq!(device_asks(&bench, "POST", &path).await.status, 204);
    }
    assert_eq!(device_asks(&bench, "GET", "").await.status, 204);
    let expected = records(&[("unwanted", "DeliveryCountExceeded")]);
    assert_eq!(collected(&bench).await, expected);
}

#[tokio::test]
async fn what_a_device_holds_does_not_go_to_its_connection_too() {
    let bench = bench().await;
    send(&bench, "held", "none", 60);
    let held = device_asks(&bench, "GET", "").await;
    let device = bench.connect("pump7", &[DEVICEBOUND]);
    assert!(deliveries(&device).is_empty());
    let path = format!("/{}/abandon", lock_token(&held));
    assert_eq!(device_asks(&bench, "POST", &path).await.status, 204);
    assert_eq!(deliveries(&device).len(), 1);
}

#[tokio::test]
async fn feedback_is_handed_out_under_a_lock() {
    let bench = bench().await;
    assert_eq!(bench.ask("GET", FEEDBACK, Value::Null).await.status, 204);
    send(&bench, "a", "full", 60);
    bench
        .ask("DELETE", "/devices/pump7/commands", Value::Null)
        .await;
    let first = bench.ask("GET", FEEDBACK, Value::Null).await;
    assert_eq!(first.headers["iothub-deliverycount"], "1");
    assert_eq!(bench.ask("GET", FEEDBACK, Value::Null).await.status, 204);
    let path = format!("{FEEDBACK}/{}/abandon", lock_token(&first));
    assert_eq!(bench.ask("POST", &path, Value::Null).await.status, 204);
    assert_eq!(
        bench.ask("POST", &path, Value::Null).await.refused(),
        412_002
    );
    let again = bench.ask("GET", FEEDBACK, Value::Null).await;
    assert_eq!(again.headers["iothub-deliverycount"], "2");
    assert_eq!(again.body, first.body);
    // With the quotes of the entity tag, as a client may copy them.
    let path = format!("{FEEDBACK}/%22{}%22", lock_token(&again));
    assert_eq!(bench.ask("DELETE", &path, Value::Null).await.status, 204);
    assert_eq!(bench.ask("GET", FEEDBACK, Value::Null).await.status, 204);
}

#[tokio::test]
async fn what_is_wrong_is_named() {
    let bench = bench().await;
    let wrong = bench
        .ask("DELETE", &format!("{FEEDBACK}/x"), Value::Null)
        .await;
    assert_eq!(wrong.refused(), 400_004);
    assert!(
        wrong.body["Message"]
            .as_str()
            .is_some_and(|m| m.contains("lockToken"))
    );
    let wrong = device_asks(&bench, "DELETE", "/x").await;
    assert_eq!(wrong.refused(), 400_004);
    let elsewhere = "/messages/serviceBound/elsewhere";
    assert_eq!(bench.ask("GET", elsewhere, Value::Null).await.status, 404);
    assert_eq!(bench.ask("PUT", FEEDBACK, Value::Null).await.status, 405);
    let bare = |path: &'static str| bench.send("GET", path, &[], Value::Null);
    assert_eq!(bare(FEEDBACK).await.refused(), 401_002);
    let bound = "/devices/pump7/messages/deviceBound";
    assert_eq!(bare(bound).await.refused(), 401_002);
    let registry = bench.token("registryReadWrite", "localhost", 60);
    let path = format!("{FEEDBACK}?api-version=2021-04-12");
    let refused = bench
        .send("GET", &path, &[("authorization", &registry)], Value::Null)
        .await;
    assert_eq!(refused.refused(), 401_002);
    let device = Identity::device("pump7").expect("an id");
    for (property, value) in [
        (SystemProperty::Ack, "perhaps"),
        (SystemProperty::ExpiryTime, "tomorrow"),
    ] {
        let mut properties = Properties::new();
        properties.set(property, value);
        let refused = bench.hub().send(&device, properties, "{}".into());
        let refused = refused.expect_err("it is wrong");
        assert!(refused.to_string().contains(value));
    }
}
