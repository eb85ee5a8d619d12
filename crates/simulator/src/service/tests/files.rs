use super::*;

const NOTIFICATIONS: &str = "/messages/serviceBound/filenotifications";

/// Asks as a device, at the name by which it reached the hub.
async fn asks(bench: &Bench, id: &str, path: &str, body: Value) -> Answer {
    let device = Identity::device(id).expect("an id");
    let key = bench.hub().module_key(&device).expect("registered");
    let expiry = Timestamp::now().as_second() + 60;
    let token = Unsigned::new(&device.audience("localhost"), expiry).sign(&key);
    let headers = [
        ("authorization", token.as_str()),
        ("host", "localhost:8443"),
    ];
    let path = format!("/devices/{id}/files{path}");
    bench.send("POST", &path, &headers, body).await
}

async fn begun(bench: &Bench, id: &str, name: &str) -> Value {
    let answer = asks(bench, id, "", json!({"blobName": name})).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.body
}

/// Puts the file where the hub said, as SDKs put the URL together.
async fn upload(bench: &Bench, begun: &Value, body: &str) -> u16 {
    let text = |name: &str| begun[name].as_str().expect("a text");
    let host = text("hostName")
        .strip_prefix("localhost:8443")
        .expect("as it was asked");
    let (container, blob, token) = (text("containerName"), text("blobName"), text("sasToken"));
    let path = format!("{host}/{container}/{blob}{token}");
    let kind = [("x-ms-blob-type", "BlockBlob")];
    bench
        .send_bytes("PUT", &path, &kind, body.into())
        .await
        .status
}

async fn bench() -> Bench {
    let bench = Bench::new();
    for id in ["pump7", "pump8"] {
        bench.made(&format!("/devices/{id}"), json!({})).await;
    }
    bench
}

#[tokio::test]
async fn a_file_comes_in_and_back_ends_hear_of_it() {
    let bench = bench().await;
    assert_eq!(
        bench.ask("GET", NOTIFICATIONS, Value::Null).await.status,
        204
    );
    let begun = begun(&bench, "pump7", "log/today.txt").await;
    assert_eq!(begun["blobName"], "pump7/log/today.txt");
    assert_eq!(upload(&bench, &begun, "hello").await, 201);
    let done = json!({"correlationId": begun["correlationId"], "isSuccess": true, "statusCode": 200, "statusDescription": "OK"});
    assert_eq!(
        asks(&bench, "pump7", "/notifications", done.clone())
            .await
            .status,
        204
    );
    assert_eq!(
        asks(&bench, "pump7", "/notifications", done)
            .await
            .refused(),
        400_004
    );
    let heard = bench.ask("GET", NOTIFICATIONS, Value::Null).await;
    assert_eq!(heard.status, 200);
    assert_eq!(heard.body["deviceId"], "pump7");
    assert_eq!(heard.body["blobName"], "pump7/log/today.txt");
    assert_eq!(
        heard.body["blobUri"],
        "https://localhost:8443/blob/uploads/pump7/log/today.txt"
    );
    assert_eq!(heard.body["blobSizeInBytes"], 5);
    for name in ["lastUpdatedTime", "enqueuedTimeUtc"] {
        let time = heard.body[name].as_str().expect("a time");
        assert!(time.parse::<Timestamp>().is_ok(), "{time}");
    }
    let tag = heard.headers["etag"]
        .to_str()
        .expect("a tag")
        .trim_matches('"');
    let path = format!("{NOTIFICATIONS}/{tag}");
    assert_eq!(bench.ask("DELETE", &path, Value::Null).await.status, 204);
    assert_eq!(
        bench.ask("GET", NOTIFICATIONS, Value::Null).await.status,
        204
    );
}

#[tokio::test]
async fn an_upload_that_failed_is_nobodys_news() {
    let bench = bench().await;
    let begun = begun(&bench, "pump7", "a").await;
    let id = begun["correlationId"].as_str().expect("an id");
    // In the path, as the SDK for Node has it.
    let path = format!("/notifications/{id}");
    let early = json!({"isSuccess": true, "statusCode": 200});
    let early = asks(&bench, "pump7", &path, early).await;
    assert_eq!(early.refused(), 400_004, "the blob is not there");
    let failed = json!({"isSuccess": false, "statusCode": -1, "statusDescription": "no network"});
    assert_eq!(asks(&bench, "pump7", &path, failed).await.status, 204);
    assert_eq!(
        bench.ask("GET", NOTIFICATIONS, Value::Null).await.status,
        204
    );
}

#[tokio::test]
async fn ten_uploads_of_a_device_go_on_at_a_time() {
    let bench = bench().await;
    let mut last = Value::Null;
    for number in 0..10 {
        last = begun(&bench, "pump7", &number.to_string()).await;
    }
    let refused = asks(&bench, "pump7", "", json!({"blobName": "more"})).await;
    assert_eq!(refused.refused(), 403_006);
    begun(&bench, "pump8", "another's").await;
    let done = json!({"correlationId": last["correlationId"], "isSuccess": false});
    // It is pump7's to end.
    assert_eq!(
        asks(&bench, "pump8", "/notifications", done.clone())
            .await
            .refused(),
        400_004
    );
    assert_eq!(
        asks(&bench, "pump7", "/notifications", done).await.status,
        204
    );
    begun(&bench, "pump7", "more").await;
}

#[tokio::test]
async fn a_wrong_field_is_named() {
    let bench = bench().await;
    let long = "x".repeat(1024);
    for (path, body, field) in [
        ("", json!({}), "blobName"),
        ("", json!({"blobName": 7}), "blobName"),
        ("", json!({"blobName": ""}), "blobName"),
        ("", json!({"blobName": long}), "blobName"),
        ("", json!([]), "The body"),
        (
            "/notifications",
            json!({"isSuccess": true}),
            "correlationId",
        ),
        ("/notifications", json!({"correlationId": "x"}), "isSuccess"),
        (
            "/notifications",
            json!({"correlationId": "x", "isSuccess": "yes"}),
            "isSuccess",
        ),
        (
            "/notifications",
            json!({"correlationId": "x", "isSuccess": true}),
            "correlationId",
        ),
        (
            "/notifications/x",
            json!({"isSuccess": true, "statusCode": "200"}),
            "statusCode",
        ),
    ] {
        let refused = asks(&bench, "pump7", path, body.clone()).await;
        assert_eq!(refused.refused(), 400_004, "{body}");
        let message = refused.body["Message"].as_str().expect("a message");
        assert!(message.contains(field), "{message}");
    }
    let nobody = bench
        .send(
            "POST",
            "/devices/pump7/files",
            &[],
            json!({"blobName": "a"}),
        )
        .await;
    assert_eq!(nobody.refused(), 401_002);
}

#[tokio::test]
async fn a_notification_survives_a_restart() {
    let directory = tempfile::tempdir().expect("a directory");
    let before = Bench::with(Some(directory.path()));
    before.made("/devices/pump7", json!({})).await;
    let first = begun(&before, "pump7", "a").await;
    let second = begun(&before, "pump7", "b").await;
    for begun in [&first, &second] {
        assert_eq!(upload(&before, begun, "hello").await, 201);
    }
    let done = |begun: &Value| json!({"correlationId": begun["correlationId"], "isSuccess": true});
    assert_eq!(
        asks(&before, "pump7", "/notifications", done(&first))
            .await
            .status,
        204
    );
    drop(before);
    let after = Bench::with(Some(directory.path()));
    assert_eq!(
        asks(&after, "pump7", "/notifications", done(&second))
            .await
            .status,
        204
    );
    for name in ["pump7/a", "pump7/b"] {
        let heard = after.ask("GET", NOTIFICATIONS, Value::Null).await;
        assert_eq!(heard.body["blobName"], name);
    }
}
