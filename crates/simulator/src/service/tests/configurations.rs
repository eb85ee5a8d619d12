use super::*;

#[tokio::test]
async fn a_configuration_is_made_read_changed_and_removed() {
    let bench = Bench::new();
    let path = "/configurations/winter";
    let document = json!({
        "id": "winter", "schemaVersion": "1.0", "labels": {"season": "winter"}, "priority": 10,
        "content": {"deviceContent": {"properties.desired.heating": true}, "modulesContent": null},
        "targetCondition": "tags.site='north'",
        "metrics": {"queries": {"warm": "SELECT deviceId FROM devices WHERE properties.reported.warm = true"}},
    });
    let made = bench.made(path, document).await;
    assert_eq!(
        made["content"],
        json!({"deviceContent": {"properties.desired.heating": true}})
    );
    assert_eq!(
        made["systemMetrics"]["results"],
        json!({"targetedCount": 0, "appliedCount": 0})
    );
    assert_eq!(made["metrics"]["results"], json!({"warm": 0}));
    assert_eq!(made["createdTimeUtc"], made["lastUpdatedTimeUtc"]);
    assert_eq!(bench.ask("GET", path, Value::Null).await.body, made);
    assert_eq!(bench.ask("PUT", path, json!({})).await.refused(), 409_401);

    let mut change = made.clone();
    change["priority"] = 11.into();
    let tag = made["etag"].as_str();
    let changed = bench.ask_if("PUT", path, tag, change.clone()).await;
    assert_eq!(
        (changed.status, &changed.body["priority"]),
        (200, &json!(11))
    );
    assert_eq!(changed.body["createdTimeUtc"], made["createdTimeUtc"]);
    assert_eq!(
        bench
            .ask_if("PUT", path, tag, change.clone())
            .await
            .refused(),
        412_001
    );
    change["content"] = json!({"deviceContent": {"properties.desired.heating": false}});
    assert_eq!(
        bench.ask_if("PUT", path, Some("*"), change).await.refused(),
        400_403
    );
    bench.made("/configurations/autumn", json!({})).await;
    let listed = bench
        .ask("GET", "/configurations?top=1", Value::Null)
        .await
        .body;
    assert_eq!(
        (&listed[0]["id"], &listed[1]),
        (&json!("autumn"), &Value::Null)
    );
    assert_eq!(
        bench
            .ask_if("DELETE", path, tag, Value::Null)
            .await
            .refused(),
        412_001
    );
    assert_eq!(
        bench
            .ask_if("DELETE", path, Some("\"*\""), Value::Null)
            .await
            .status,
        204
    );
    for method in ["GET", "DELETE"] {
        assert_eq!(
            bench.ask(method, path, Value::Null).await.refused(),
            404_301
        );
    }
    assert_eq!(
        bench
            .ask("PUT", "/configurations/Winter", json!({}))
            .await
            .refused(),
        400_004
    );
}

#[tokio::test]
async fn what_no_configuration_can_be_is_refused_with_the_hubs_own_numbers() {
    let bench = Bench::new();
    let deep = (0..12).fold(json!(1), |inner, _| json!({"a": inner}));
    for (wrong, number) in [
        (json!({"priority": -1}), 400_004),
        (json!({"priority": 1.5}), 400_004),
        (json!({"priority": 2_147_483_648_u64}), 400_004),
        (json!({"labels": {"a": 1}}), 400_004),
        (json!({"labels": []}), 400_004),
        (json!({"targetCondition": "tags.a ="}), 400_401),
        (
            json!({"targetCondition": "FROM devices.modules WHERE a ="}),
            400_401,
        ),
        (
            json!({"targetCondition": "*", "content": {"moduleContent": {}}}),
            400_401,
        ),
        (
            json!({"targetCondition": "FROM devices.modules WHERE moduleId = 'a'", "content": {"deviceContent": {}}}),
            400_401,
        ),
        (
            json!({"content": {"deviceContent": {}, "modulesContent": {}}}),
            400_402,
        ),
        (
            json!({"content": {"deviceContent": {"properties.reported.a": 1}}}),
            400_402,
        ),
        (
            json!({"content": {"deviceContent": {"properties.desired..a": 1}}}),
            400_402,
        ),
        (
            json!({"content": {"deviceContent": {"properties.desired": 1}}}),
            400_402,
        ),
        (
            json!({"content": {"deviceContent": {"properties.desired": deep}}}),
            400_402,
        ),
        (json!({"content": {"modulesContent": {"a b": {}}}}), 400_402),
        (json!({"content": {"modulesContent": {"a": []}}}), 400_402),
        (
            json!({"content": {"modulesContent": {"a": {"properties.desired": "x"}}}}),
            400_402,
        ),
        (json!({"content": {"deviceContent": []}}), 400_004),
        (json!({"metrics": {"queries": {"a": "SELECT"}}}), 400_404),
        (json!({"metrics": {"queries": {"a": 1}}}), 400_004),
    ] {
        let answer = bench.ask("PUT", "/configurations/a", wrong.clone()).await;
        assert_eq!(answer.refused(), number, "{wrong}");
    }
    assert_eq!(
        bench.ask("GET", "/configurations", Value::Null).await.body,
        json!([])
    );
}

#[tokio::test]
async fn a_hub_has_a_hundred_configurations_and_a_hundred_deployments() {
    let bench = Bench::new();
    let contents = [
        json!({"deviceContent": {}}),
        json!({"modulesContent": {"$edgeAgent": {"properties.desired": {}}}}),
    ];
    for (kind, content) in contents.into_iter().enumerate() {
        let document = json!({"content": content});
        for number in 0..100 {
            let path = format!("/configurations/k{kind}n{number}");
            bench.made(&path, document.clone()).await;
        }
        let one_more = bench.ask("PUT", "/configurations/one-more", document).await;
        assert_eq!(one_more.refused(), 413_101);
    }
}

#[tokio::test]
async fn conditions_and_metrics_are_tested() {
    let bench = Bench::new();
    let path = "/configurations/testQueries";
    let good = json!({
        "targetCondition": "tags.site='north' AND NOT status = 'disabled'",
        "customMetricQueries": {"all": "SELECT deviceId FROM devices"},
    });
    let tested = bench.ask("POST", path, good).await;
    let nothing = json!({"targetConditionError": "", "customMetricQueryErrors": {}});
    assert_eq!((tested.status, tested.body), (200, nothing.clone()));
    for condition in ["", "*", "FROM devices.modules WHERE moduleId = 'a'"] {
        let tested = bench
            .ask("POST", path, json!({"targetCondition": condition}))
            .await;
        assert_eq!(tested.body, nothing, "{condition}");
    }
    let bad = json!({"targetCondition": "tags.site=", "customMetricQueries": {"all": "SELECT"}});
    let tested = bench.ask("POST", path, bad).await.body;
    assert_ne!(tested["targetConditionError"], "");
    assert_ne!(tested["customMetricQueryErrors"]["all"], Value::Null);
    let wrong = bench
        .ask("POST", path, json!({"customMetricQueries": {"all": 1}}))
        .await;
    assert_eq!(wrong.refused(), 400_004);
}

#[tokio::test]
async fn a_deployment_is_put_on_one_edge_device() {
    let bench = Bench::new();
    bench.made("/devices/pump7", json!({})).await;
    bench
        .made(
            "/devices/edge01",
            json!({"capabilities": {"iotEdge": true}}),
        )
        .await;
    let content = json!({"modulesContent": {
        "$edgeAgent": {"properties.desired": {"modules": {"sensor": {}}}},
        "$edgeHub": {"properties.desired": {"routes": {}}},
        "sensor": {"properties.desired": {"interval": 5}},
    }});
    let path = "/devices/edge01/applyConfigurationContent";
    let applied = bench.ask("POST", path, content.clone()).await;
    assert_eq!((applied.status, applied.body), (204, Value::Null));
    let twin = bench
        .ask("GET", "/twins/edge01/modules/sensor", Value::Null)
        .await
        .body;
    assert_eq!(twin["properties"]["desired"]["interval"], 5);
    let module = bench
        .ask("GET", "/devices/edge01/modules/sensor", Value::Null)
        .await
        .body;
    assert_eq!(module["managedBy"], "IotEdge");
    let without = json!({"modulesContent": {"$edgeAgent": {}, "$edgeHub": {}}});
    assert_eq!(bench.ask("POST", path, without).await.status, 204);
    assert_eq!(
        bench
            .ask("GET", "/devices/edge01/modules/sensor", Value::Null)
            .await
            .refused(),
        404_010
    );

    for wrong in [
        json!({}),
        json!({"modulesContent": []}),
        json!([]),
        json!({"modulesContent": {"a b": {}}}),
    ] {
        assert_eq!(bench.ask("POST", path, wrong).await.refused(), 400_004);
    }
    let elsewhere = "/devices/pump7/applyConfigurationContent";
    assert_eq!(
        bench
            .ask("POST", elsewhere, content.clone())
            .await
            .refused(),
        400_004
    );
    let nowhere = "/devices/pump8/applyConfigurationContent";
    assert_eq!(bench.ask("POST", nowhere, content).await.refused(), 404_001);
}

#[tokio::test]
async fn an_entity_tag_never_stands_for_another_configuration() {
    let bench = Bench::new();
    let path = "/configurations/winter";
    let change = async |priority: u64| {
        let document = json!({"id": "winter", "priority": priority});
        let answer = bench.ask_if("PUT", path, Some("*"), document).await;
        answer.body["etag"].clone()
    };
    bench.made(path, json!({"priority": 1})).await;
    let mut state = bench.hub().lock().state().expect("in memory");
    let seen = change(2).await;
    {
        let hub = bench.hub();
        let mut core = hub.lock();
        core.prepare(&mut state, "r");
        hub.put(&mut core, state).expect("a state");
        hub.commit_restored(&mut core).expect("in memory");
    }
    let back = bench.ask("GET", path, Value::Null).await.body;
    assert_eq!(back["priority"], 1);
    assert_ne!(change(3).await, seen);
}
