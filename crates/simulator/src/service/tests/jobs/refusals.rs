//! Requests about jobs that are refused, and what they are told.

use super::*;

#[tokio::test]
async fn what_is_wrong_with_a_job_is_named() {
    let bench = Bench::new();
    bench.scheduled("taken", patch("*")).await;
    let refused = bench.ask("PUT", "/jobs/v2/taken", patch("*")).await;
    assert_eq!(refused.refused(), 409_003);
    for path in ["/jobs/v2/nobody", "/jobs/nobody"] {
        assert_eq!(bench.ask("GET", path, Value::Null).await.refused(), 404_002);
    }
    let nobody = bench
        .ask("POST", "/jobs/v2/nobody/cancel", Value::Null)
        .await;
    assert_eq!(nobody.refused(), 404_002);
    let with = |name: &str, value: Value| {
        let mut job = patch("*");
        job[name] = value;
        job
    };
    let calling = |name: &str, value: Value| {
        let mut job = restart("*");
        job["cloudToDeviceMethod"][name] = value;
        job
    };
    for (job, named) in [
        (with("jobId", json!("other")), "jobId"),
        (with("type", json!(null)), "type"),
        (with("type", json!("scheduleTwinUpdate")), "type"),
        (with("queryCondition", json!(null)), "queryCondition"),
        (with("queryCondition", json!(" ")), "queryCondition"),
        (
            with("queryCondition", json!("tags.site =")),
            "queryCondition",
        ),
        (with("queryCondition", json!(["a"])), "queryCondition"),
        (with("startTime", json!("tomorrow")), "startTime"),
        (with("startTime", json!(17)), "startTime"),
        (with("startTime", json!(later(31 * 24 * HOUR))), "startTime"),
        (
            with("maxExecutionTimeInSeconds", json!(0)),
            "maxExecutionTimeInSeconds",
        ),
        (
            with("maxExecutionTimeInSeconds", json!(-1)),
            "maxExecutionTimeInSeconds",
        ),
        (
            with("maxExecutionTimeInSeconds", json!(u64::MAX)),
            "maxExecutionTimeInSeconds",
        ),
        (with("updateTwin", json!(null)), "updateTwin"),
        (with("updateTwin", json!("x")), "updateTwin"),
        (with("updateTwin", json!({"etag": 1})), "updateTwin.etag"),
        (
            with("updateTwin", json!({"etag": "*", "tags": 1})),
            "updateTwin.tags",
        ),
        (
            with("updateTwin", json!({"etag": "*", "tags": {"a.b": 1}})),
            "updateTwin",
        ),
        (
            with(
                "updateTwin",
                json!({"etag": "*", "properties": {"desired": 1}}),
            ),
            "updateTwin.properties.desired",
        ),
        (
            with("type", json!("scheduleDeviceMethod")),
            "cloudToDeviceMethod",
        ),
        (
            calling("methodName", json!(null)),
            "cloudToDeviceMethod.methodName",
        ),
        (
            calling("methodName", json!("")),
            "cloudToDeviceMethod.methodName",
        ),
        (
            calling("responseTimeoutInSeconds", json!(1)),
            "cloudToDeviceMethod.responseTimeoutInSeconds",
        ),
        (
            calling("connectTimeoutInSeconds", json!("x")),
            "cloudToDeviceMethod.connectTimeoutInSeconds",
        ),
    ] {
        let refused = bench.ask("PUT", "/jobs/v2/a", job).await;
        assert_eq!(refused.refused(), 400_004);
        let message = refused.body["Message"].as_str().expect("text");
        assert!(message.contains(&format!(": {named} ")), "{message}");
    }
    for id in ["a_b".to_owned(), "x".repeat(65)] {
        let refused = bench
            .ask("PUT", &format!("/jobs/v2/{id}"), patch("*"))
            .await;
        assert_eq!(refused.refused(), 400_004);
    }
    let stale = with("updateTwin", json!({"etag": "AAAA", "tags": {"a": 1}}));
    assert_eq!(
        bench.ask("PUT", "/jobs/v2/a", stale).await.refused(),
        412_001
    );
    assert_eq!(
        bench.ask("GET", "/jobs/v2/a", Value::Null).await.refused(),
        404_002
    );
}

#[tokio::test]
async fn policies_may_do_with_jobs_what_they_may_with_the_registry() {
    let bench = Bench::new();
    bench.scheduled("j1", patch("*")).await;
    for (policy, read, write) in [
        ("iothubowner", true, true),
        ("registryReadWrite", true, true),
        ("registryRead", true, false),
        ("service", false, false),
        ("device", false, false),
    ] {
        let token = bench.token(policy, "localhost", 60);
        for (method, path, allowed) in [
            ("GET", "/jobs/v2/j1", read),
            ("GET", "/jobs/v2/query", read),
            ("GET", "/jobs", read),
            ("GET", "/jobs/nobody", read),
            ("PUT", "/jobs/v2/j1", write),
            ("POST", "/jobs/v2/j1/cancel", write),
            ("POST", "/jobs/create", write),
            ("DELETE", "/jobs/nobody", write),
        ] {
            let path = format!("{path}?api-version=2021-04-12");
            let headers = [("authorization", token.as_str())];
            let answer = bench.send(method, &path, &headers, Value::Null).await;
            assert_eq!(answer.status != 401, allowed, "{policy} {method} {path}");
        }
    }
}
