//! Configurations taking effect.

use super::*;

fn device_configuration(condition: &str, priority: u64, content: Value) -> Value {
    json!({"targetCondition": condition, "priority": priority, "content": {"deviceContent": content}})
}

fn deployment(condition: &str, priority: u64, content: Value) -> Value {
    json!({"targetCondition": condition, "priority": priority, "content": {"modulesContent": content}})
}

fn base(modules: Value) -> Value {
    json!({
        "$edgeAgent": {"properties.desired": {"schemaVersion": "1.1", "modules": modules}},
        "$edgeHub": {"properties.desired": {"schemaVersion": "1.1", "routes": {"up": "FROM /* INTO $upstream"}}},
    })
}

impl Bench {
    async fn desired(&self, twin: &str) -> Value {
        let twin = self
            .ask("GET", &format!("/twins/{twin}"), Value::Null)
            .await;
        let mut desired = twin.body["properties"]["desired"].clone();
        let object = desired.as_object_mut().expect("desired properties");
        object.shift_remove("$metadata");
        object.shift_remove("$version");
        desired
    }

    async fn statuses(&self, twin: &str) -> Value {
        let twin = self
            .ask("GET", &format!("/twins/{twin}"), Value::Null)
            .await;
        twin.body["configurations"].clone()
    }

    async fn tag(&self, device: &str, tags: Value) {
        let document = json!({"tags": tags});
        let patched = self
            .ask("PATCH", &format!("/twins/{device}"), document)
            .await;
        assert_eq!(patched.status, 200, "{patched:?}");
    }

    async fn remove(&self, path: &str) {
        let removed = self.ask_if("DELETE", path, Some("*"), Value::Null).await;
        assert_eq!(removed.status, 204, "{removed:?}");
    }

    async fn count(&self, configuration: &str, metric: &str) -> Value {
        let path = format!("/configurations/{configuration}");
        let found = self.ask("GET", &path, Value::Null).await.body;
        found["systemMetrics"]["results"][metric].clone()
    }

    async fn ids(&self, query: &str) -> Vec<String> {
        let found = self
            .ask("POST", "/devices/query", json!({"query": query}))
            .await;
        let rows = found.body.as_array().expect("rows").iter();
        rows.map(|row| row["deviceId"].as_str().expect("an id").to_owned())
            .collect()
    }

    async fn edge(&self, id: &str) {
        let document = json!({"capabilities": {"iotEdge": true}});
        self.made(&format!("/devices/{id}"), document).await;
    }
}

#[tokio::test]
async fn the_strongest_configuration_sets_its_part_of_a_twin_until_it_no_longer_counts() {
    let bench = Bench::new();
    bench.made("/devices/pump7", json!({})).await;
    let own = json!({"properties": {"desired": {"own": 1}}});
    bench.ask("PATCH", "/twins/pump7", own).await;
    let weak = device_configuration(
        "tags.site = 'north'",
        1,
        json!({"properties.desired.a": {"x": 1}}),
    );
    let strong = device_configuration(
        "tags.cold = true",
        9,
        json!({
        "properties.desired.b": 2, "properties.desired.c.d": 3}),
    );
    bench.made("/configurations/weak", weak).await;
    bench.made("/configurations/strong", strong).await;
    assert_eq!(bench.statuses("pump7").await, Value::Null);

    bench.tag("pump7", json!({"site": "north"})).await;
    assert_eq!(
        bench.desired("pump7").await,
        json!({"own": 1, "a": {"x": 1}})
    );
    assert_eq!(
        bench.statuses("pump7").await,
        json!({"weak": {"status": "Applied"}})
    );

    let phone = bench.connect("pump7", &["$iothub/twin/PATCH/properties/desired/#"]);
    bench.tag("pump7", json!({"cold": true})).await;
    assert_eq!(
        bench.desired("pump7").await,
        json!({"own": 1, "b": 2, "c": {"d": 3}})
    );
    assert_eq!(
        bench.statuses("pump7").await,
        json!({"strong": {"status": "Applied"}, "weak": {"status": "Targeted"}})
    );
    let told = deliveries(&phone);
    let patch: Value = serde_json::from_slice(&told[0].payload).expect("JSON");
    assert_eq!(
        patch,
        json!({"a": null, "b": 2, "c": {"d": 3}, "$version": 4})
    );
    assert_eq!(told.len(), 1);

    let applied = "SELECT deviceId FROM devices WHERE configurations.[[strong]].status = 'Applied'";
    assert_eq!(bench.ids(applied).await, ["pump7"]);
    assert_eq!(bench.count("strong", "appliedCount").await, 1);
    assert_eq!(bench.count("weak", "targetedCount").await, 1);
    assert_eq!(bench.count("weak", "appliedCount").await, 0);

    bench.remove("/configurations/strong").await;
    assert_eq!(
        bench.desired("pump7").await,
        json!({"own": 1, "c": {}, "a": {"x": 1}})
    );
    bench.tag("pump7", json!({"site": null})).await;
    assert_eq!(bench.desired("pump7").await, json!({"own": 1, "c": {}}));
    assert_eq!(bench.statuses("pump7").await, Value::Null);
}

#[tokio::test]
async fn a_configuration_follows_what_a_device_reports() {
    let bench = Bench::new();
    bench.made("/devices/pump7", json!({})).await;
    let document = device_configuration(
        "properties.reported.fw < 3",
        1,
        json!({"properties.desired.firmware": {"version": 3}}),
    );
    bench.made("/configurations/firmware", document).await;
    let pump = bench.connect("pump7", &["$iothub/twin/res/#"]);
    for (fw, wanted) in [(2, json!({"firmware": {"version": 3}})), (3, json!({}))] {
        let mut batch = bench.hub().batch(&pump);
        let body = json!({"fw": fw}).to_string();
        let topic = "$iothub/twin/PATCH/properties/reported/?$rid=1";
        batch.publish(topic, &body.into(), false).expect("taken");
        batch.commit().expect("in memory");
        assert_eq!(bench.desired("pump7").await, wanted);
    }
}

#[tokio::test]
async fn changing_condition_or_priority_takes_effect() {
    let bench = Bench::new();
    bench.made("/devices/pump7", json!({})).await;
    let one = device_configuration("*", 1, json!({"properties.desired.by": "one"}));
    bench.made("/configurations/one", one.clone()).await;
    let two = device_configuration("*", 1, json!({"properties.desired.by": "two"}));
    bench.made("/configurations/two", two).await;
    // Of one priority the newest counts.
    assert_eq!(bench.desired("pump7").await, json!({"by": "two"}));
    for (change, by) in [
        (
            json!({"priority": 2, "targetCondition": "*"}),
            json!({"by": "one"}),
        ),
        (
            json!({"priority": 2, "targetCondition": ""}),
            json!({"by": "two"}),
        ),
        (
            json!({"priority": 0, "targetCondition": "*"}),
            json!({"by": "two"}),
        ),
    ] {
        let put = bench
            .ask_if("PUT", "/configurations/one", Some("*"), change)
            .await;
        assert_eq!(put.status, 200, "{put:?}");
        assert_eq!(bench.desired("pump7").await, by);
    }
    // A new one under an old id is another.
    bench.remove("/configurations/two").await;
    bench.remove("/configurations/one").await;
    assert_eq!(bench.desired("pump7").await, json!({}));
    let other = device_configuration("*", 1, json!({"properties.desired.other": true}));
    bench.made("/configurations/one", other).await;
    assert_eq!(bench.desired("pump7").await, json!({"other": true}));
}

#[tokio::test]
async fn modules_have_configurations_of_their_own() {
    let bench = Bench::new();
    bench.edge("edge01").await;
    for module in ["a", "b"] {
        bench
            .made(&format!("/devices/edge01/modules/{module}"), json!({}))
            .await;
    }
    let document = json!({
        "targetCondition": "FROM devices.modules WHERE moduleId != 'b'",
        "content": {"moduleContent": {"properties.desired.level": 3}},
    });
    bench.made("/configurations/level", document).await;
    assert_eq!(bench.desired("edge01/modules/a").await, json!({"level": 3}));
    assert_eq!(bench.desired("edge01/modules/b").await, json!({}));
    // What the runtime's own modules have is for deployments to say.
    assert_eq!(bench.desired("edge01/modules/$edgeAgent").await, json!({}));
    bench.made("/devices/edge01/modules/c", json!({})).await;
    assert_eq!(bench.desired("edge01/modules/c").await, json!({"level": 3}));
    assert_eq!(bench.count("level", "appliedCount").await, 2);
    let query =
        "SELECT deviceId FROM devices.modules WHERE configurations.[[level]].status = 'Applied'";
    assert_eq!(bench.ids(query).await, ["edge01", "edge01"]);
}

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
