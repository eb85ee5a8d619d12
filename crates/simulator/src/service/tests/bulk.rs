use super::*;

async fn bulk(bench: &Bench, items: Value) -> Value {
    let answer = bench.ask("POST", "/devices", items).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.body
}

#[tokio::test]
async fn each_item_is_done_by_itself() {
    let bench = Bench::new();
    bench.made("/devices/there", json!({})).await;
    let done = bulk(
        &bench,
        json!([
            {"id": "new", "importMode": "create", "status": "disabled", "tags": {"site": "north"},
             "properties": {"desired": {"interval": 10}}},
            {"id": "new", "moduleId": "m", "importMode": "create"},
            {"id": "there", "importMode": "create"},
            {"id": "missing", "importMode": "update"},
        ]),
    )
    .await;
    assert_eq!(done["isSuccessful"], false);
    assert_eq!(done["errors"][0]["deviceId"], "there");
    assert_eq!(done["errors"][0]["errorCode"], "DeviceAlreadyExists");
    assert_eq!(done["errors"][1]["errorCode"], "DeviceNotFound");
    assert_eq!(done["errors"][2], Value::Null);
    let twin = bench.ask("GET", "/twins/new", Value::Null).await.body;
    assert_eq!(twin["tags"], json!({"site": "north"}));
    assert_eq!(twin["properties"]["desired"]["interval"], 10);
    assert_eq!(twin["status"], "disabled");
    assert_eq!(
        bench
            .ask("GET", "/devices/new/modules/m", Value::Null)
            .await
            .status,
        200
    );
}

#[tokio::test]
async fn every_mode_does_what_it_says() {
    let bench = Bench::new();
    let made = bench.made("/devices/a", json!({})).await;
    let twin_tag = bench.ask("GET", "/twins/a", Value::Null).await.body["etag"].clone();
    let ok = json!({"isSuccessful": true, "errors": [], "warnings": []});
    let steps = [
        json!({"id": "a", "importMode": "updateTwinIfMatchETag", "twinETag": twin_tag, "tags": {"x": 1}}),
        json!({"id": "a", "importMode": "updateTwin", "tags": {"y": 2}}),
        json!({"id": "a", "importMode": "updateIfMatchETag", "etag": made["etag"], "status": "disabled"}),
        json!({"id": "a", "importMode": "Update", "status": "enabled"}),
    ];
    for step in steps {
        assert_eq!(bulk(&bench, json!([step])).await, ok);
    }
    let twin = bench.ask("GET", "/twins/a", Value::Null).await.body;
    assert_eq!(twin["tags"], json!({"x": 1, "y": 2}));
    let stale = json!({"id": "a", "importMode": "deleteIfMatchETag", "eTag": made["etag"]});
    let refused = bulk(&bench, json!([stale])).await;
    assert_eq!(refused["errors"][0]["errorCode"], "PreconditionFailed");
    assert_eq!(
        bulk(&bench, json!([{"id": "a", "importMode": "delete"}])).await,
        ok
    );
    assert_eq!(
        bench.ask("GET", "/devices/a", Value::Null).await.status,
        404
    );
}

#[tokio::test]
async fn a_request_that_cannot_be_read_does_nothing() {
    let bench = Bench::new();
    let good = json!({"id": "a", "importMode": "create"});
    for wrong in [
        json!({"importMode": "create"}),
        json!({"id": "b"}),
        json!({"id": "b", "importMode": "make"}),
        json!({"id": "b c", "importMode": "create"}),
        json!({"id": "b", "importMode": "updateIfMatchETag"}),
        json!("b"),
    ] {
        let refused = bench.ask("POST", "/devices", json!([good, wrong])).await;
        assert_eq!(refused.refused(), 400_004);
        assert!(
            refused.body["Message"]
                .as_str()
                .expect("text")
                .contains("[1]"),
            "{refused:?}"
        );
    }
    assert_eq!(
        bench.ask("GET", "/devices", Value::Null).await.body,
        json!([])
    );
    let many: Vec<Value> = (0..101)
        .map(|at| json!({"id": format!("d{at}"), "importMode": "create"}))
        .collect();
    assert_eq!(
        bench.ask("POST", "/devices", many.into()).await.refused(),
        413_002
    );
}
