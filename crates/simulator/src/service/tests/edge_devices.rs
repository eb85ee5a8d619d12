use super::*;

#[tokio::test]
async fn an_edge_device_has_its_modules_and_a_scope_for_those_behind_it() {
    let bench = Bench::new();
    let edge = bench
        .made(
            "/devices/edge01",
            json!({"capabilities": {"iotEdge": true}}),
        )
        .await;
    let scope = edge["deviceScope"].clone();
    assert_eq!(
        scope,
        format!(
            "ms-azure-iot-edge://edge01-{}",
            edge["generationId"].as_str().expect("ticks")
        )
    );
    assert_eq!(edge["parentScopes"], json!([]));
    let modules = bench
        .ask("GET", "/devices/edge01/modules", Value::Null)
        .await
        .body;
    let ids: Vec<&str> = modules
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(|module| module["moduleId"].as_str())
        .collect();
    assert_eq!(ids, ["$edgeAgent", "$edgeHub"]);
    assert_eq!(modules[0]["managedBy"], "IotEdge");

    let leaf = bench
        .made("/devices/leaf", json!({"parentScopes": [scope]}))
        .await;
    assert_eq!(
        (&leaf["deviceScope"], &leaf["parentScopes"]),
        (&scope, &json!([scope]))
    );
    let child = json!({"capabilities": {"iotEdge": true}, "parentScopes": [scope]});
    let child = bench.made("/devices/edge02", child).await;
    assert_ne!(child["deviceScope"], scope);
    assert_eq!(child["parentScopes"], json!([scope]));
    // What was read is sent back.
    let again = bench
        .ask_if("PUT", "/devices/edge02", Some("*"), child.clone())
        .await;
    assert_eq!(again.body["parentScopes"], json!([scope]));
    let freed = bench
        .ask_if(
            "PUT",
            "/devices/leaf",
            Some("*"),
            json!({"deviceScope": "", "parentScopes": []}),
        )
        .await;
    assert_eq!(freed.body.get("deviceScope"), None);

    let plain = json!({"capabilities": {"iotEdge": false}});
    let plain = bench
        .ask_if("PUT", "/devices/edge01", Some("*"), plain)
        .await;
    assert_eq!(plain.body["capabilities"]["iotEdge"], false);
    let modules = bench
        .ask("GET", "/devices/edge01/modules", Value::Null)
        .await
        .body;
    assert_eq!(modules, json!([]));
    let orphan = bench
        .ask("PUT", "/devices/leaf2", json!({"parentScopes": [scope]}))
        .await;
    assert_eq!(orphan.refused(), 400_004);
}

#[tokio::test]
async fn modules_connect_anew_when_their_device_changes_sides() {
    let bench = Bench::new();
    bench.made("/devices/pump7", json!({})).await;
    bench.made("/devices/pump7/modules/m", json!({})).await;
    for edge in [true, false] {
        let module = bench.connect("pump7/m", &[]);
        let body = json!({"capabilities": {"iotEdge": edge}});
        let again = bench
            .ask_if("PUT", "/devices/pump7", Some("*"), body.clone())
            .await;
        assert_eq!(again.body["capabilities"], body["capabilities"]);
        assert_eq!(ended(&module), Some(EndReason::CapabilityChanged));
        let module = bench.connect("pump7/m", &[]);
        bench.ask_if("PUT", "/devices/pump7", Some("*"), body).await;
        assert_eq!(ended(&module), None);
    }
}
