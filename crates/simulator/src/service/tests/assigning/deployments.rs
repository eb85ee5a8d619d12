//! Automatic deployments of Edge devices, and their layers.

use super::*;

#[tokio::test]
async fn deployments_are_laid_on_one_another_on_an_edge_device() {
    let bench = Bench::new();
    bench.edge("edge01").await;
    bench.made("/devices/pump7", json!({})).await;
    bench.tag("edge01", json!({"site": "north"})).await;
    let mut content = base(json!({"sensor": {"settings": {"image": "sensor:1"}}}));
    content["sensor"] = json!({"properties.desired": {"interval": 5}});
    bench
        .made("/configurations/base", deployment("*", 1, content))
        .await;
    let layer = json!({
        "$edgeAgent": {"properties.desired.modules.camera": {"settings": {"image": "camera:1"}}},
        "$edgeHub": {"properties.desired.routes.camera": "FROM /messages/modules/camera/* INTO $upstream"},
        "sensor": {"properties.desired.unit": "mm"},
        "camera": {"properties.desired": {"fps": 10}},
    });
    let north = deployment("tags.site = 'north'", 5, layer);
    bench.made("/configurations/camera", north).await;
    let agent = bench.desired("edge01/modules/$edgeAgent").await;
    assert_eq!(
        agent["modules"],
        json!({"sensor": {"settings": {"image": "sensor:1"}}, "camera": {"settings": {"image": "camera:1"}}})
    );
    let hub = bench.desired("edge01/modules/$edgeHub").await;
    assert_eq!(hub["routes"].as_object().map(serde_json::Map::len), Some(2));
    assert_eq!(
        bench.desired("edge01/modules/sensor").await,
        json!({"interval": 5, "unit": "mm"})
    );
    assert_eq!(
        bench.desired("edge01/modules/camera").await,
        json!({"fps": 10})
    );
    assert_eq!(
        bench.statuses("edge01/modules/$edgeAgent").await,
        json!({"base": {"status": "Applied"}, "camera": {"status": "Applied"}})
    );
    assert_eq!(bench.statuses("pump7").await, Value::Null);
    assert_eq!(bench.count("base", "targetedCount").await, 1);
    assert_eq!(bench.count("camera", "appliedCount").await, 1);
    let queries = bench
        .ask("GET", "/configurations/camera", Value::Null)
        .await
        .body;
    for name in ["targetedCount", "appliedCount"] {
        let query = queries["systemMetrics"]["queries"][name]
            .as_str()
            .expect("a query");
        assert_eq!(bench.ids(query).await, ["edge01"], "{query}");
    }

    // Without its layer a device has what the base says.
    bench.tag("edge01", json!({"site": "south"})).await;
    assert_eq!(
        bench.desired("edge01/modules/sensor").await,
        json!({"interval": 5})
    );
    let gone = bench
        .ask("GET", "/devices/edge01/modules/camera", Value::Null)
        .await;
    assert_eq!(gone.refused(), 404_010);
    // Without a deployment it keeps what it runs.
    bench.remove("/configurations/base").await;
    assert_eq!(
        bench.desired("edge01/modules/sensor").await,
        json!({"interval": 5})
    );
    assert_eq!(
        bench.statuses("edge01/modules/$edgeAgent").await,
        Value::Null
    );
    // A layer alone is nothing to run.
    bench.tag("edge01", json!({"site": "north"})).await;
    assert_eq!(
        bench.statuses("edge01/modules/$edgeAgent").await,
        json!({"camera": {"status": "Targeted"}})
    );
    assert_eq!(bench.count("camera", "appliedCount").await, 0);
}

#[tokio::test]
async fn an_automatic_deployment_wins_over_one_by_hand() {
    let bench = Bench::new();
    bench.edge("edge01").await;
    let automatic = base(json!({"sensor": {"settings": {"image": "sensor:1"}}}));
    bench
        .made("/configurations/base", deployment("*", 0, automatic))
        .await;
    let by_hand = json!({"modulesContent": base(json!({"other": {}}))});
    let path = "/devices/edge01/applyConfigurationContent";
    assert_eq!(bench.ask("POST", path, by_hand.clone()).await.status, 204);
    let modules = bench.desired("edge01/modules/$edgeAgent").await["modules"].clone();
    assert_eq!(
        modules,
        json!({"sensor": {"settings": {"image": "sensor:1"}}})
    );
    let gone = bench
        .ask("GET", "/devices/edge01/modules/other", Value::Null)
        .await;
    assert_eq!(gone.refused(), 404_010);

    bench.remove("/configurations/base").await;
    assert_eq!(bench.ask("POST", path, by_hand).await.status, 204);
    let modules = bench.desired("edge01/modules/$edgeAgent").await["modules"].clone();
    assert_eq!(modules, json!({"other": {}}));
}

#[tokio::test]
async fn what_the_agent_reports_is_counted() {
    let bench = Bench::new();
    for id in ["edge01", "edge02", "edge03"] {
        bench.edge(id).await;
    }
    let document = json!({
        "targetCondition": "*", "content": {"modulesContent": base(json!({}))},
        "metrics": {"queries": {
            "all": "SELECT deviceId FROM devices",
            "agents": "SELECT deviceId FROM devices.modules WHERE moduleId = '$edgeAgent'",
        }},
    });
    bench.made("/configurations/base", document).await;
    for (id, code, behind) in [("edge01", 200, 0), ("edge02", 400, 0), ("edge03", 200, 1)] {
        let agent = bench.connect(&format!("{id}/$edgeAgent"), &["$iothub/twin/res/#"]);
        let twin = bench
            .ask(
                "GET",
                &format!("/twins/{id}/modules/$edgeAgent"),
                Value::Null,
            )
            .await;
        let version = twin.body["properties"]["desired"]["$version"].as_u64();
        let report = json!({
            "lastDesiredVersion": version.expect("a version") - behind,
            "lastDesiredStatus": {"code": code},
        });
        let mut batch = bench.hub().batch(&agent);
        let topic = "$iothub/twin/PATCH/properties/reported/?$rid=1";
        batch
            .publish(topic, &report.to_string().into(), false)
            .expect("taken");
        batch.commit().expect("in memory");
    }
    let found = bench.ask("GET", "/configurations", Value::Null).await.body;
    assert_eq!(
        found[0]["systemMetrics"]["results"],
        json!({"targetedCount": 3, "appliedCount": 3, "reportedSuccessfulCount": 1, "reportedFailedCount": 1})
    );
    assert_eq!(
        found[0]["metrics"]["results"],
        json!({"agents": 3, "all": 3})
    );
    for (name, ids) in [
        ("reportedSuccessfulCount", "edge01"),
        ("reportedFailedCount", "edge02"),
    ] {
        let query = found[0]["systemMetrics"]["queries"][name]
            .as_str()
            .expect("a query");
        assert_eq!(bench.ids(query).await, [ids]);
    }
}

#[tokio::test]
async fn a_layer_by_hand_adds_to_what_a_device_runs() {
    let bench = Bench::new();
    bench.edge("edge01").await;
    let path = "/devices/edge01/applyConfigurationContent";
    let whole = json!({"modulesContent": base(json!({"sensor": {"version": "1"}}))});
    assert_eq!(bench.ask("POST", path, whole).await.status, 204);
    let layer = json!({"modulesContent": {
        "$edgeAgent": {"properties.desired.modules.camera": {"version": "2"}},
        "camera": {"properties.desired.fps": 10},
    }});
    assert_eq!(bench.ask("POST", path, layer).await.status, 204);
    let modules = bench.desired("edge01/modules/$edgeAgent").await["modules"].clone();
    assert_eq!(
        modules,
        json!({"sensor": {"version": "1"}, "camera": {"version": "2"}})
    );
    assert_eq!(
        bench.desired("edge01/modules/camera").await,
        json!({"fps": 10})
    );
    assert_eq!(bench.desired("edge01/modules/sensor").await, json!({}));
}
