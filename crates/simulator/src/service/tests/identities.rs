use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::*;

const PRIMARY: &str = "MDEyMzQ1Njc4OWFiY2RlZg==";
const SECONDARY: &str = "ZmVkY2JhOTg3NjU0MzIxMA==";
const THUMBPRINT: &str = "0123456789ABCDEF0123456789ABCDEF01234567";

#[tokio::test]
async fn a_device_is_made_read_changed_and_removed() {
    let bench = Bench::new();
    let made = bench
        .made(
            "/devices/pump7",
            json!({"deviceId": "pump7", "statusReason": "new"}),
        )
        .await;
    assert_eq!(made["deviceId"], "pump7");
    assert_eq!(made["status"], "enabled");
    assert_eq!(made["statusReason"], "new");
    assert_eq!(made["connectionState"], "Disconnected");
    assert_eq!(made["lastActivityTime"], "0001-01-01T00:00:00Z");
    assert_eq!(made["capabilities"], json!({"iotEdge": false}));
    assert_eq!(made["authentication"]["type"], "sas");
    assert_eq!(made.get("deviceScope"), None);
    let key = made["authentication"]["symmetricKey"]["primaryKey"]
        .as_str()
        .expect("a key");
    assert_eq!(STANDARD.decode(key).expect("base64").len(), 32);

    let read = bench.ask("GET", "/devices/pump7", Value::Null).await;
    assert_eq!((read.status, &read.body), (200, &made));
    let quoted = format!("\"{}\"", made["etag"].as_str().expect("a tag"));
    assert_eq!(read.headers["etag"], quoted.as_str());

    let mut change = made.clone();
    change["status"] = "disabled".into();
    let changed = bench
        .ask_if("PUT", "/devices/pump7", Some(&quoted), change)
        .await;
    assert_eq!(changed.status, 200);
    assert_ne!(changed.body["etag"], made["etag"]);
    assert_eq!(changed.body["authentication"], made["authentication"]);
    assert_eq!(changed.body["status"], "disabled");
    assert_ne!(changed.body["statusUpdatedTime"], "0001-01-01T00:00:00Z");

    let stale = bench
        .ask_if("PUT", "/devices/pump7", Some(&quoted), json!({}))
        .await;
    assert_eq!(stale.refused(), 412_001);
    assert_eq!(
        bench
            .ask("PUT", "/devices/pump7", json!({}))
            .await
            .refused(),
        409_001
    );
    let stale = bench
        .ask_if("DELETE", "/devices/pump7", Some(&quoted), Value::Null)
        .await;
    assert_eq!(stale.refused(), 412_001);
    let removed = bench
        .ask_if("DELETE", "/devices/pump7", Some("\"*\""), Value::Null)
        .await;
    assert_eq!((removed.status, removed.body), (204, Value::Null));
    for method in ["GET", "DELETE"] {
        let gone = bench
            .ask_if(method, "/devices/pump7", Some("*"), Value::Null)
            .await;
        assert_eq!(gone.refused(), 404_001);
    }
    let gone = bench
        .ask_if("PUT", "/devices/pump7", Some("*"), json!({}))
        .await;
    assert_eq!(gone.refused(), 404_001);
}

#[tokio::test]
async fn tags_never_repeat() {
    let bench = Bench::new();
    let mut seen = std::collections::HashSet::new();
    for _ in 0..20 {
        let made = bench.made("/devices/pump7", json!({})).await;
        assert!(seen.insert(made["etag"].to_string()));
        let changed = bench
            .ask_if("PUT", "/devices/pump7", Some("*"), json!({}))
            .await;
        assert!(seen.insert(changed.body["etag"].to_string()));
        bench.ask("DELETE", "/devices/pump7", Value::Null).await;
    }
}

#[tokio::test]
async fn a_device_signs_in_as_it_is_told() {
    let bench = Bench::new();
    let keys = json!({"symmetricKey": {"primaryKey": PRIMARY, "secondaryKey": SECONDARY}});
    let made = bench
        .made("/devices/a", json!({"authentication": keys}))
        .await;
    assert_eq!(made["authentication"]["symmetricKey"], keys["symmetricKey"]);
    // As Node creates a device.
    let empty = json!({"type": "sas", "symmetricKey": {"primaryKey": "", "secondaryKey": ""}});
    let made = bench
        .made("/devices/b", json!({"authentication": empty}))
        .await;
    assert_ne!(made["authentication"]["symmetricKey"]["primaryKey"], "");

    let x509 = json!({"x509Thumbprint": {"primaryThumbprint": THUMBPRINT.to_lowercase()}});
    let made = bench
        .made("/devices/c", json!({"authentication": x509}))
        .await;
    let shown = json!({
        "type": "selfSigned",
        "symmetricKey": {"primaryKey": null, "secondaryKey": null},
        "x509Thumbprint": {"primaryThumbprint": THUMBPRINT, "secondaryThumbprint": null},
    });
    assert_eq!(made["authentication"], shown);
    for kind in ["certificateAuthority", "none"] {
        let path = format!("/devices/{kind}");
        let made = bench
            .made(&path, json!({"authentication": {"type": kind}}))
            .await;
        assert_eq!(made["authentication"]["type"], kind);
        assert_eq!(
            made["authentication"]["symmetricKey"]["primaryKey"],
            Value::Null
        );
    }
}

#[tokio::test]
async fn a_change_takes_effect_on_live_connections() {
    let bench = Bench::new();
    bench.made("/devices/pump7", json!({})).await;
    bench.made("/devices/pump7/modules/m", json!({})).await;
    let put = async |body: Value| {
        let answer = bench.ask_if("PUT", "/devices/pump7", Some("*"), body).await;
        assert_eq!(answer.status, 200);
    };
    let (device, module) = (bench.connect("pump7", &[]), bench.connect("pump7/m", &[]));
    let state = bench.ask("GET", "/devices/pump7", Value::Null).await.body;
    assert_eq!(state["connectionState"], "Connected");
    assert_ne!(state["lastActivityTime"], "0001-01-01T00:00:00Z");
    // Nothing that it would have to sign in for anew.
    put(json!({"statusReason": "seen"})).await;
    assert_eq!(ended(&device), None);
    put(json!({"authentication": {"symmetricKey": {"primaryKey": PRIMARY}}})).await;
    assert_eq!(ended(&device), Some(EndReason::ProofChanged));
    assert_eq!(ended(&module), None);
    put(json!({"status": "disabled"})).await;
    assert_eq!(ended(&module), Some(EndReason::Disabled));
}

#[tokio::test]
async fn a_module_is_made_read_changed_and_removed() {
    let bench = Bench::new();
    let path = "/devices/pump7/modules/m";
    assert_eq!(bench.ask("PUT", path, json!({})).await.refused(), 404_001);
    assert_eq!(
        bench
            .ask("GET", "/devices/pump7/modules", Value::Null)
            .await
            .refused(),
        404_001
    );
    bench.made("/devices/pump7", json!({})).await;
    assert_eq!(bench.ask("GET", path, Value::Null).await.refused(), 404_010);
    let made = bench
        .made(
            path,
            json!({"deviceId": "pump7", "moduleId": "m", "managedBy": "me"}),
        )
        .await;
    assert_eq!(
        (&made["moduleId"], &made["managedBy"]),
        (&json!("m"), &json!("me"))
    );
    assert_eq!((made.get("status"), made.get("capabilities")), (None, None));
    assert_eq!(bench.ask("PUT", path, json!({})).await.refused(), 409_301);
    let tag = made["etag"].as_str();
    let changed = bench
        .ask_if("PUT", path, tag, json!({"managedBy": "you"}))
        .await;
    assert_eq!(changed.body["managedBy"], "you");
    assert_eq!(
        bench
            .ask_if("DELETE", path, tag, Value::Null)
            .await
            .refused(),
        412_001
    );
    assert_eq!(
        bench
            .ask_if("DELETE", path, Some("*"), Value::Null)
            .await
            .status,
        204
    );
    assert_eq!(
        bench
            .ask_if("DELETE", path, Some("*"), Value::Null)
            .await
            .refused(),
        404_010
    );
    for at in 0..50 {
        bench
            .made(&format!("/devices/pump7/modules/m{at}"), json!({}))
            .await;
    }
    let full = bench
        .ask("PUT", "/devices/pump7/modules/m50", json!({}))
        .await;
    assert_eq!(full.refused(), 413_003);
}

#[tokio::test]
async fn devices_are_listed_and_counted() {
    let bench = Bench::new();
    for id in ["a", "b", "c"] {
        bench
            .made(
                &format!("/devices/{id}"),
                json!({"status": if id == "b" { "disabled" } else { "enabled" }}),
            )
            .await;
    }
    let _connected = bench.connect("a", &[]);
    let listed = bench.ask("GET", "/devices?top=2", Value::Null).await.body;
    assert_eq!(
        (&listed[0]["deviceId"], &listed[1]["deviceId"], &listed[2]),
        (&json!("a"), &json!("b"), &Value::Null)
    );
    assert_eq!(
        bench.ask("GET", "/devices", Value::Null).await.body[2]["deviceId"],
        "c"
    );
    for top in ["0", "1001", "-1", "x", ""] {
        let refused = bench
            .ask("GET", &format!("/devices?top={top}"), Value::Null)
            .await;
        assert_eq!(refused.refused(), 400_004, "{top}");
    }
    let counted = bench
        .ask("GET", "/statistics/devices", Value::Null)
        .await
        .body;
    let expected =
        json!({"totalDeviceCount": 3, "enabledDeviceCount": 2, "disabledDeviceCount": 1});
    assert_eq!(counted, expected);
    let counted = bench
        .ask("GET", "/statistics/service", Value::Null)
        .await
        .body;
    assert_eq!(counted, json!({"connectedDeviceCount": 1}));
}

#[tokio::test]
async fn a_queue_is_purged() {
    let bench = Bench::new();
    assert_eq!(
        bench
            .ask("DELETE", "/devices/pump7/commands", Value::Null)
            .await
            .refused(),
        404_001
    );
    bench.made("/devices/pump7", json!({})).await;
    let device = Identity::device("pump7").expect("an id");
    for _ in 0..3 {
        bench
            .hub()
            .send(&device, Default::default(), "go".into())
            .expect("there is room");
    }
    let state = bench.ask("GET", "/devices/pump7", Value::Null).await.body;
    assert_eq!(state["cloudToDeviceMessageCount"], 3);
    let purged = bench
        .ask("DELETE", "/devices/pump7/commands", Value::Null)
        .await;
    let expected = json!({"totalMessagesPurged": 3, "deviceId": "pump7", "moduleId": null});
    assert_eq!((purged.status, purged.body), (200, expected));
    let state = bench.ask("GET", "/devices/pump7", Value::Null).await.body;
    assert_eq!(state["cloudToDeviceMessageCount"], 0);
}

#[tokio::test]
async fn ids_keep_their_case_and_their_characters() {
    let bench = Bench::new();
    let made = bench
        .made("/Devices/Pump%237", json!({"deviceId": "Pump#7"}))
        .await;
    assert_eq!(made["deviceId"], "Pump#7");
    assert_eq!(
        bench
            .ask("GET", "/devices/pump%237", Value::Null)
            .await
            .refused(),
        404_001
    );
    assert_eq!(
        bench
            .ask("PUT", "/devices/a%20b", json!({}))
            .await
            .refused(),
        400_004
    );
    assert_eq!(
        bench.ask("PUT", "/devices/%FF", json!({})).await.refused(),
        400_004
    );
}
