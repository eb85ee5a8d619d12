use super::*;

const DEVICE: &str = "/devices/pump7?api-version=2021-04-12";
const TWIN: &str = "/twins/pump7?api-version=2021-04-12";

async fn status(bench: &Bench, token: &str, method: &str, path: &str) -> u16 {
    let headers = [("authorization", token), ("if-match", "*")];
    bench
        .send(method, path, &headers, json!({"tags": {}}))
        .await
        .status
}

#[tokio::test]
async fn each_policy_allows_what_it_is_for_and_no_more() {
    let bench = Bench::new();
    bench.made("/devices/pump7", json!({})).await;
    let rights = [
        ("iothubowner", [200, 200, 200]),
        ("registryReadWrite", [200, 200, 401]),
        ("registryRead", [200, 401, 401]),
        ("service", [401, 401, 200]),
        ("device", [401, 401, 401]),
    ];
    for (policy, [read, write, connect]) in rights {
        let token = bench.token(policy, "localhost", 60);
        assert_eq!(
            status(&bench, &token, "GET", DEVICE).await,
            read,
            "{policy}"
        );
        assert_eq!(
            status(&bench, &token, "PUT", DEVICE).await,
            write,
            "{policy}"
        );
        assert_eq!(
            status(&bench, &token, "PATCH", TWIN).await,
            connect,
            "{policy}"
        );
    }
}

#[tokio::test]
async fn a_token_counts_for_its_time_and_its_part_of_the_hub() {
    let bench = Bench::new();
    bench.made("/devices/pump7", json!({})).await;
    let cases = [
        ("localhost", 60, 200),
        ("localhost:8443", 60, 200),
        ("localhost/devices/pump7", 60, 200),
        ("localhost/devices", 60, 200),
        ("localhost/devices/pump8", 60, 401),
        ("elsewhere", 60, 401),
        ("localhost", -600, 401),
    ];
    for (audience, expires_in, expected) in cases {
        let token = bench.token("iothubowner", audience, expires_in);
        let found = status(&bench, &token, "GET", DEVICE).await;
        assert_eq!(found, expected, "{audience} {expires_in}");
    }
}

#[tokio::test]
async fn a_refusal_says_which_it_is() {
    let bench = Bench::new();
    let ask = async |headers: &[(&str, &str)]| {
        bench
            .send("GET", DEVICE, headers, Value::Null)
            .await
            .refused()
    };
    assert_eq!(ask(&[]).await, 401_002);
    assert_eq!(ask(&[("authorization", "Bearer x")]).await, 401_002);
    let expired = bench.token("iothubowner", "localhost", -600);
    assert_eq!(ask(&[("authorization", &expired)]).await, 401_003);
    let mut forged = bench.token("iothubowner", "localhost", 60);
    forged = forged.replace("skn=iothubowner", "skn=service");
    assert_eq!(ask(&[("authorization", &forged)]).await, 401_002);
}

#[tokio::test]
async fn a_request_names_a_version() {
    let bench = Bench::new();
    bench.made("/devices/pump7", json!({})).await;
    let token = bench.token("iothubowner", "localhost", 60);
    for version in [
        "2021-04-12",
        "2020-05-31-preview",
        "2018-06-30",
        "2016-02-03",
    ] {
        let path = format!("/devices/pump7?api-version={version}");
        assert_eq!(status(&bench, &token, "GET", &path).await, 200, "{version}");
    }
    for query in [
        "",
        "?",
        "?api-version=",
        "?api-version=latest",
        "?version=2021-04-12",
    ] {
        let headers = [("authorization", token.as_str())];
        let path = format!("/devices/pump7{query}");
        let answer = bench.send("GET", &path, &headers, Value::Null).await;
        assert_eq!(answer.refused(), 400_004, "{query}");
    }
}

#[tokio::test]
async fn a_device_looks_after_its_own_modules() {
    let bench = Bench::new();
    bench
        .made(
            "/devices/edge01",
            json!({"capabilities": {"iotEdge": true}}),
        )
        .await;
    bench.made("/devices/pump7", json!({})).await;
    let identity = Identity::device("edge01").expect("an id");
    let key = bench.hub().module_key(&identity).expect("registered");
    let expiry = Timestamp::now().as_second() + 60;
    let token = Unsigned::new(&identity.audience("localhost"), expiry).sign(&key);
    let version = "?api-version=2017-11-08-preview";
    let ask = async |method: &str, path: &str| {
        let headers = [("authorization", token.as_str()), ("if-match", "*")];
        let path = format!("{path}{version}");
        bench.send(method, &path, &headers, json!({})).await.status
    };
    assert_eq!(ask("GET", "/devices/edge01/modules").await, 200);
    assert_eq!(ask("PUT", "/devices/edge01/modules/$edgeHub").await, 200);
    assert_eq!(ask("GET", "/devices/edge01").await, 401);
    assert_eq!(ask("GET", "/devices/pump7/modules").await, 401);
    assert_eq!(ask("GET", "/twins/edge01").await, 401);
    // A policy's token that opens the device's connection is not the device.
    let token = bench.token("device", "localhost/devices/edge01", 60);
    let found = status(
        &bench,
        &token,
        "GET",
        &format!("/devices/edge01/modules{version}"),
    )
    .await;
    assert_eq!(found, 401);
    bench
        .hub()
        .enable_device("edge01", false)
        .expect("it is there");
    assert_eq!(ask("GET", "/devices/edge01/modules").await, 401);
}

#[tokio::test]
async fn what_is_not_there_is_not_found_and_what_cannot_be_done_not_allowed() {
    let bench = Bench::new();
    for path in [
        "/devices/a/b",
        "/twins",
        "/twins/a/b/c",
        "/statistics",
        "/elsewhere",
    ] {
        assert_eq!(
            bench.ask("GET", path, Value::Null).await.status,
            404,
            "{path}"
        );
    }
    for path in [
        "/devices",
        "/devices/a",
        "/twins/a",
        "/statistics/devices",
        "/configurations/a",
    ] {
        assert_eq!(
            bench.ask("TRACE", path, Value::Null).await.status,
            405,
            "{path}"
        );
    }
}
