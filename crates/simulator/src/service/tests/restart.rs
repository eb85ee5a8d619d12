use super::*;

#[tokio::test]
async fn what_a_service_settled_is_there_after_a_restart() {
    let directory = tempfile::tempdir().expect("a directory");
    let paths = [
        "/devices/edge01",
        "/devices/leaf",
        "/devices/leaf/modules/m",
        "/twins/leaf",
        "/configurations/winter",
    ];
    let mut before = Vec::new();
    {
        let bench = Bench::with(Some(directory.path()));
        let edge = bench
            .made(
                "/devices/edge01",
                json!({"capabilities": {"iotEdge": true}}),
            )
            .await;
        bench.made("/devices/leaf", json!({})).await;
        bench
            .made("/devices/leaf/modules/m", json!({"managedBy": "me"}))
            .await;
        bench
            .made("/configurations/winter", json!({"priority": 3}))
            .await;
        let settled = json!({"status": "disabled", "statusReason": "frost", "parentScopes": [edge["deviceScope"]],
            "authentication": {"type": "certificateAuthority"}});
        assert_eq!(
            bench
                .ask_if("PUT", "/devices/leaf", Some("*"), settled)
                .await
                .status,
            200
        );
        assert_eq!(
            bench
                .ask("PATCH", "/twins/leaf", json!({"tags": {"site": "north"}}))
                .await
                .status,
            200
        );
        for path in paths {
            before.push(bench.ask("GET", path, Value::Null).await.body);
        }
    }
    let bench = Bench::with(Some(directory.path()));
    for (path, before) in paths.iter().zip(before) {
        assert_eq!(
            bench.ask("GET", path, Value::Null).await.body,
            before,
            "{path}"
        );
    }
}
