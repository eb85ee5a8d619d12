//! Wrong fields: each is named, and nothing that a client sends is a panic or a 500.

use proptest::prelude::*;

use super::*;

#[tokio::test]
async fn a_wrong_field_is_named() {
    let bench = Bench::new();
    let device = [
        (json!({"deviceId": "b"}), "deviceId"),
        (json!({"deviceId": 7}), "deviceId"),
        (json!({"status": "on"}), "status"),
        (json!({"statusReason": []}), "statusReason"),
        (json!({"statusReason": "x".repeat(129)}), "statusReason"),
        (json!({"capabilities": true}), "capabilities"),
        (
            json!({"capabilities": {"iotEdge": "yes"}}),
            "capabilities.iotEdge",
        ),
        (json!({"deviceScope": 1}), "deviceScope"),
        (
            json!({"deviceScope": "ms-azure-iot-edge://a-1"}),
            "deviceScope",
        ),
        (json!({"parentScopes": "x"}), "parentScopes"),
        (json!({"parentScopes": [1]}), "parentScopes"),
        (json!({"parentScopes": ["a", "b"]}), "parentScopes"),
        (json!({"authentication": 1}), "authentication"),
        (
            json!({"authentication": {"type": "magic"}}),
            "authentication.type",
        ),
        (
            json!({"authentication": {"type": "selfSigned"}}),
            "authentication.x509Thumbprint.primaryThumbprint",
        ),
        (
            json!({"authentication": {"x509Thumbprint": {"primaryThumbprint": "xyz"}}}),
            "authentication.x509Thumbprint.primaryThumbprint",
        ),
        (
            json!({"authentication": {"symmetricKey": []}}),
            "authentication.symmetricKey",
        ),
        (
            json!({"authentication": {"symmetricKey": {"primaryKey": "?"}}}),
            "authentication.symmetricKey.primaryKey",
        ),
        (
            json!({"authentication": {"symmetricKey": {"secondaryKey": "c2hvcnQ="}}}),
            "authentication.symmetricKey.secondaryKey",
        ),
        (json!({"managedBy": 1}), "managedBy"),
        (json!("a"), "The body"),
    ];
    let configuration = [
        (json!({"id": "b"}), "id"),
        (json!({"schemaVersion": "2.0"}), "schemaVersion"),
        (json!({"labels": {"x": 1}}), "labels.x"),
        (json!({"priority": -1}), "priority"),
        (json!({"targetCondition": 1}), "targetCondition"),
        (json!({"targetCondition": "tags.site ="}), "targetCondition"),
        (
            json!({"content": {"modulesContent": 1}}),
            "content.modulesContent",
        ),
        (
            json!({"metrics": {"queries": {"x": 1}}}),
            "metrics.queries.x",
        ),
    ];
    let device = device.into_iter().map(|case| ("/devices/a", case));
    let configuration = configuration
        .into_iter()
        .map(|case| ("/configurations/a", case));
    for (path, (body, named)) in device.chain(configuration) {
        // A condition that cannot be read has a number of its own.
        let number = if body["targetCondition"].is_string() {
            400_401
        } else {
            400_004
        };
        let refused = bench.ask("PUT", path, body).await;
        assert_eq!(refused.refused(), number);
        let message = refused.body["Message"].as_str().expect("text");
        assert!(message.contains(&format!(": {named} ")), "{message}");
        assert_eq!(bench.ask("GET", path, Value::Null).await.status, 404);
    }
}

#[tokio::test]
async fn a_body_has_its_limit() {
    let bench = Bench::new();
    let large = json!({"statusReason": "x".repeat(LONGEST_BODY)});
    let refused = bench.ask("PUT", "/devices/a", large).await;
    assert_eq!(refused.refused(), 413_001);
}

fn json_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(|number| json!(number)),
        prop_oneof![
            ".{0,20}",
            Just("enabled".to_owned()),
            Just("create".to_owned()),
            Just("selfSigned".to_owned()),
            Just("edge01".to_owned()),
            Just("scheduleUpdateTwin".to_owned()),
            Just("scheduleDeviceMethod".to_owned()),
            Just("import".to_owned()),
            Just("*".to_owned()),
        ]
        .prop_map(Value::from),
    ];
    let names = prop::sample::select(vec![
        "deviceId",
        "moduleId",
        "id",
        "status",
        "statusReason",
        "capabilities",
        "iotEdge",
        "authentication",
        "type",
        "symmetricKey",
        "primaryKey",
        "x509Thumbprint",
        "primaryThumbprint",
        "deviceScope",
        "parentScopes",
        "managedBy",
        "importMode",
        "eTag",
        "twinETag",
        "tags",
        "properties",
        "desired",
        "methodName",
        "payload",
        "responseTimeoutInSeconds",
        "connectTimeoutInSeconds",
        "modulesContent",
        "$edgeHub",
        "$edgeAgent",
        "properties.desired",
        "properties.desired.routes",
        "routes",
        "content",
        "labels",
        "metrics",
        "queries",
        "priority",
        "targetCondition",
        "jobId",
        "queryCondition",
        "startTime",
        "maxExecutionTimeInSeconds",
        "updateTwin",
        "etag",
        "cloudToDeviceMethod",
        "inputBlobContainerUri",
        "outputBlobContainerUri",
        "excludeKeysInExport",
        "$version",
        "a.b",
        "",
    ]);
    leaf.prop_recursive(5, 40, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((names.clone(), inner), 0..6).prop_map(|fields| fields
                .into_iter()
                .map(|(name, value)| (name.to_owned(), value))
                .collect()),
        ]
    })
}

const ENDPOINTS: [(&str, &str); 17] = [
    ("PUT", "/jobs/v2/j"),
    ("POST", "/jobs/v2/j/cancel"),
    ("POST", "/jobs/create"),
    ("POST", "/configurations/testQueries"),
    ("PATCH", "/digitaltwins/edge01"),
    ("POST", "/digitaltwins/nobody/commands/c"),
    ("PUT", "/devices/a"),
    ("POST", "/devices"),
    ("PUT", "/devices/edge01"),
    ("PUT", "/devices/edge01/modules/m"),
    ("POST", "/devices/edge01/applyConfigurationContent"),
    ("PATCH", "/twins/edge01"),
    ("PUT", "/twins/edge01/modules/m"),
    ("POST", "/twins/nobody/methods"),
    ("PUT", "/configurations/c"),
    ("DELETE", "/devices/a"),
    ("GET", "/devices"),
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// One hub takes everything that is thrown at it, one after the other.
    #[test]
    fn no_body_is_more_than_a_client_s_mistake(
        bodies in prop::collection::vec((0..ENDPOINTS.len(), json_value(), any::<bool>()), 1..30),
        garbage in prop::collection::vec(any::<u8>(), 0..60),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .expect("a runtime");
        runtime.block_on(async {
            let bench = Bench::new();
            bench.made("/devices/edge01", json!({"capabilities": {"iotEdge": true}})).await;
            for (endpoint, body, forced) in bodies {
                let (method, path) = ENDPOINTS[endpoint];
                let answer = bench.ask_if(method, path, forced.then_some("*"), body.clone()).await;
                assert!(answer.status < 500, "{method} {path} {body}: {answer:?}");
            }
            let token = bench.token("iothubowner", "localhost", 60);
            for (method, path) in ENDPOINTS {
                let headers = [("authorization", token.as_str())];
                let path = format!("{path}?api-version=2021-04-12");
                let answer = bench.send_bytes(method, &path, &headers, garbage.clone()).await;
                assert!(answer.status < 500, "{method} {path}: {answer:?}");
            }
        });
    }

    /// What an import reads was written by anybody.
    #[test]
    fn no_line_of_an_import_is_a_panic(line in ".{0,60}", value in json_value()) {
        for line in [line, value.to_string()] {
            let _ = read_device(&line, 1);
            let _ = read_configuration(&line, 1);
        }
    }
}
