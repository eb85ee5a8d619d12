use super::*;

const DESIRED: &str = "$iothub/twin/PATCH/properties/desired/#";

fn told(attached: &crate::hub::Attached) -> Vec<(String, Value)> {
    let json = |payload: &[u8]| serde_json::from_slice(payload).expect("JSON");
    let told = deliveries(attached).into_iter();
    told.map(|told| (told.topic, json(&told.payload))).collect()
}

#[tokio::test]
async fn a_patch_merges_and_the_device_hears_of_it() {
    let bench = Bench::new();
    bench.made("/devices/pump7", json!({})).await;
    let device = bench.connect("pump7", &[DESIRED]);
    let document =
        json!({"tags": {"site": "north"}, "properties": {"desired": {"interval": 10, "old": 1}}});
    let patched = bench.ask("PATCH", "/twins/pump7", document).await;
    assert_eq!(patched.status, 200);
    assert_eq!(patched.body["version"], 2);
    assert_eq!(patched.body["connectionState"], "Connected");
    assert_eq!(patched.body["properties"]["desired"]["$version"], 2);
    let quoted = format!("\"{}\"", patched.body["etag"].as_str().expect("a tag"));
    assert_eq!(patched.headers["etag"], quoted.as_str());
    let removed = json!({"properties": {"desired": {"old": null}}});
    let patched = bench
        .ask_if("PATCH", "/twins/pump7", Some(&quoted), removed.clone())
        .await;
    assert_eq!(patched.body["tags"], json!({"site": "north"}));
    assert_eq!(patched.body["properties"]["desired"].get("old"), None);
    let stale = bench
        .ask_if("PATCH", "/twins/pump7", Some(&quoted), removed)
        .await;
    assert_eq!(stale.refused(), 412_001);
    let anyway = bench
        .ask_if(
            "PATCH",
            "/twins/pump7",
            Some("\"*\""),
            json!({"tags": {"a": 1}}),
        )
        .await;
    assert_eq!(anyway.status, 200);
    assert_eq!(
        told(&device),
        [
            (
                "$iothub/twin/PATCH/properties/desired/?$version=2".to_owned(),
                json!({"interval": 10, "old": 1, "$version": 2})
            ),
            (
                "$iothub/twin/PATCH/properties/desired/?$version=3".to_owned(),
                json!({"old": null, "$version": 3})
            ),
        ]
    );
}

#[tokio::test]
async fn a_put_replaces_the_sections_it_names() {
    let bench = Bench::new();
    bench.made("/devices/pump7", json!({})).await;
    bench.made("/devices/pump7/modules/m", json!({})).await;
    let path = "/twins/pump7/modules/m";
    bench
        .ask(
            "PATCH",
            path,
            json!({"tags": {"a": 1}, "properties": {"desired": {"b": 2}}}),
        )
        .await;
    let read = bench.ask("GET", path, Value::Null).await.body;
    assert_eq!(
        (&read["deviceId"], &read["moduleId"]),
        (&json!("pump7"), &json!("m"))
    );
    let put = bench.ask("PUT", path, json!({"tags": {"c": 3}})).await;
    assert_eq!(put.body["tags"], json!({"c": 3}));
    assert_eq!(put.body["properties"]["desired"]["b"], 2);
    // A twin that was read, changed and sent back.
    let mut document = put.body;
    document["properties"]["desired"] = json!({"d": 4});
    let tag = document["etag"].as_str().expect("a tag").to_owned();
    let put = bench.ask_if("PUT", path, Some(&tag), document).await;
    assert_eq!(put.body["properties"]["desired"].get("b"), None);
    assert_eq!(put.body["properties"]["desired"]["d"], 4);
}

#[tokio::test]
async fn what_is_not_there_and_what_is_no_twin_is_refused() {
    let bench = Bench::new();
    bench.made("/devices/pump7", json!({})).await;
    for method in ["GET", "PATCH", "PUT"] {
        let body = json!({"tags": {}});
        assert_eq!(
            bench
                .ask(method, "/twins/pump8", body.clone())
                .await
                .refused(),
            404_001
        );
        assert_eq!(
            bench
                .ask(method, "/twins/pump8/modules/m", body.clone())
                .await
                .refused(),
            404_001
        );
        assert_eq!(
            bench
                .ask(method, "/twins/pump7/modules/m", body.clone())
                .await
                .refused(),
            404_010
        );
        assert_eq!(
            bench
                .ask_if(method, "/twins/pump7/modules/m", Some("*"), body)
                .await
                .refused(),
            404_010
        );
    }
    let wrong = [
        (json!([]), "The twin"),
        (json!({"tags": 1}), "tags"),
        (json!({"properties": 1}), "properties"),
        (json!({"properties": {"desired": []}}), "desired"),
        (json!({"tags": {"$x": 1}}), "'$'"),
        (json!({"properties": {"desired": {"a.b": 1}}}), "'.'"),
    ];
    for (document, named) in wrong {
        let refused = bench.ask("PATCH", "/twins/pump7", document).await;
        assert_eq!(refused.refused(), 400_004);
        assert!(
            refused.body["Message"]
                .as_str()
                .expect("text")
                .contains(named),
            "{refused:?}"
        );
    }
}
