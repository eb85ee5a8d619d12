//! Configurations taking effect.

mod deployments;

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
