use super::methods::reply;
use super::*;

const METHODS: &str = "$iothub/methods/POST/#";
const PATH: &str = "/digitaltwins/thermostat";

/// A device that has reported, and been asked for something.
async fn bench() -> Bench {
    let bench = Bench::new();
    bench.made("/devices/thermostat", json!({})).await;
    let device = bench.connect("thermostat", &[]);
    let reported = json!({
        "serialNumber": "t7",
        "upper": {"__t": "c", "highest": 25.5, "target": {"value": 20, "ac": 200, "av": 2, "ad": "done"}},
    });
    let mut batch = bench.hub().batch(&device);
    batch
        .publish(
            "$iothub/twin/PATCH/properties/reported/?$rid=1",
            &Bytes::from(reported.to_string()),
            false,
        )
        .expect("a patch");
    batch.commit().expect("in memory");
    bench
}

#[tokio::test]
async fn a_property_has_the_devices_value_and_says_what_was_wanted() {
    let bench = bench().await;
    let patch = json!([
        {"op": "add", "path": "/upper/target", "value": 20},
        {"op": "replace", "path": "/interval", "value": 8},
    ]);
    let patched = bench.ask("PATCH", PATH, patch).await;
    assert_eq!((patched.status, patched.body), (202, Value::Null));
    let read = bench.ask("GET", PATH, Value::Null).await;
    assert_eq!(read.status, 200);
    assert_eq!(read.headers["etag"], patched.headers["etag"]);
    let twin = read.body;
    assert_eq!(
        (&twin["$dtId"], &twin["$metadata"]["$model"]),
        (&json!("thermostat"), &json!(""))
    );
    assert_eq!(twin["serialNumber"], "t7");
    assert_eq!(twin.get("interval"), None, "the device has not said");
    assert_eq!(twin["$metadata"]["interval"]["desiredValue"], 8);
    assert_eq!(twin["$metadata"]["interval"]["desiredVersion"], 2);
    let component = &twin["upper"];
    assert_eq!(
        (&component["highest"], &component["target"]),
        (&json!(25.5), &json!(20))
    );
    let about = &component["$metadata"]["target"];
    assert_eq!(
        (
            &about["desiredValue"],
            &about["ackCode"],
            &about["ackVersion"]
        ),
        (&json!(20), &json!(200), &json!(2))
    );
    assert_eq!(about["ackDescription"], "done");
    assert_eq!(component.get("__t"), None);
}

#[tokio::test]
async fn a_patch_writes_desired_properties() {
    let bench = bench().await;
    let patch = json!([
        {"op": "add", "path": "/upper", "value": {"$metadata": {}, "target": 21}},
        {"op": "add", "path": "/upper/offset", "value": 1},
        {"op": "add", "path": "/plain", "value": {"a": 1}},
    ]);
    let patched = bench.ask("PATCH", PATH, patch).await;
    let desired = bench
        .ask("GET", "/twins/thermostat", Value::Null)
        .await
        .body["properties"]["desired"]
        .clone();
    assert_eq!(
        desired["upper"],
        json!({"target": 21, "__t": "c", "offset": 1})
    );
    assert_eq!(desired["plain"], json!({"a": 1}));
    let removed = json!([{"op": "remove", "path": "/plain"}]);
    let tag = patched.headers["etag"].to_str().expect("a tag");
    assert_eq!(
        bench
            .ask_if("PATCH", PATH, Some(tag), removed.clone())
            .await
            .status,
        202
    );
    assert_eq!(
        bench
            .ask_if("PATCH", PATH, Some(tag), removed)
            .await
            .refused(),
        412_001
    );
    for (wrong, named) in [
        (json!({}), "array"),
        (json!([1]), "[0]"),
        (json!([{"path": "/a", "value": 1}]), "[0].op"),
        (json!([{"op": "move", "path": "/a"}]), "[0].op"),
        (json!([{"op": "add", "value": 1}]), "[0].path"),
        (json!([{"op": "add", "path": "a", "value": 1}]), "[0].path"),
        (json!([{"op": "add", "path": "/", "value": 1}]), "[0].path"),
        (
            json!([{"op": "add", "path": "/a/b/c", "value": 1}]),
            "[0].path",
        ),
        (json!([{"op": "add", "path": "/a"}]), "[0].value"),
    ] {
        let refused = bench.ask("PATCH", PATH, wrong).await;
        assert_eq!(refused.refused(), 400_004);
        assert!(
            refused.body["Message"]
                .as_str()
                .expect("text")
                .contains(named),
            "{refused:?}"
        );
    }
    assert_eq!(
        bench
            .ask("GET", "/digitaltwins/nobody", Value::Null)
            .await
            .refused(),
        404_001
    );
    assert_eq!(
        bench
            .ask("PATCH", "/digitaltwins/nobody", json!([]))
            .await
            .refused(),
        404_001
    );
}

#[tokio::test]
async fn a_command_is_a_method() {
    let bench = Bench::new();
    bench.made("/devices/thermostat", json!({})).await;
    let device = bench.connect("thermostat", &[METHODS]);
    for (path, name) in [
        ("/digitaltwins/thermostat/commands/reboot", "reboot"),
        (
            "/digitaltwins/thermostat/components/upper/commands/getMaxMinReport",
            "upper*getMaxMinReport",
        ),
    ] {
        let path = format!("{path}?connectTimeoutInSeconds=0&responseTimeoutInSeconds=5");
        let (answer, (method, asked)) = tokio::join!(
            bench.ask("POST", &path, json!("2026-01-01")),
            reply(&bench, &device, 201, "{\"max\":25}")
        );
        assert_eq!((method.as_str(), asked), (name, json!("2026-01-01")));
        assert_eq!((answer.status, answer.body), (200, json!({"max": 25})));
        assert_eq!(answer.headers["x-ms-command-statuscode"], "201");
    }
    for query in ["connectTimeoutInSeconds=x", "responseTimeoutInSeconds=4"] {
        let path = format!("/digitaltwins/thermostat/commands/reboot?{query}");
        assert_eq!(
            bench.ask("POST", &path, Value::Null).await.refused(),
            400_004
        );
    }
    let nobody = bench
        .ask("POST", "/digitaltwins/nobody/commands/reboot", Value::Null)
        .await;
    assert_eq!(nobody.refused(), 404_001);
}
