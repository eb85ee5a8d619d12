use super::*;

/// Ten devices with a module each; one connected, one disabled, one an edge device.
async fn fleet() -> (Bench, crate::hub::Attached) {
    let bench = Bench::new();
    for number in 0..10 {
        let id = format!("bay-{number}");
        let path = format!("/devices/{id}");
        let status = if number == 3 { "disabled" } else { "enabled" };
        let identity = json!({"status": status, "capabilities": {"iotEdge": number == 4}});
        bench.made(&path, identity).await;
        let module = json!({"deviceId": id, "moduleId": "light"});
        bench.made(&format!("{path}/modules/light"), module).await;
        let twin = json!({
            "tags": {"site": if number % 2 == 0 { "north" } else { "south" }, "number": number},
            "properties": {"desired": {"interval": 10, "lamp": {"shown": "green", "list": [1, {"a": null}]}}}
        });
        let patched = bench.ask("PATCH", &format!("/twins/{id}"), twin).await;
        assert_eq!(patched.status, 200, "{patched:?}");
    }
    let connected = bench.connect("bay-5", &[]);
    (bench, connected)
}

impl Bench {
    async fn query(&self, text: &str, size: Option<&str>, continuation: Option<&str>) -> Answer {
        let token = self.token("service", "localhost", 60);
        let mut headers = vec![("authorization", token.as_str())];
        headers.extend(size.map(|size| ("x-ms-max-item-count", size)));
        headers.extend(continuation.map(|token| ("x-ms-continuation", token)));
        let path = "/devices/query?api-version=2021-04-12";
        self.send("POST", path, &headers, json!({"query": text}))
            .await
    }

    /// Every page's results.
    async fn pages(&self, text: &str, size: &str) -> Vec<Vec<Value>> {
        let mut pages = Vec::new();
        let mut token: Option<String> = None;
        loop {
            let answer = self.query(text, Some(size), token.as_deref()).await;
            assert_eq!(answer.status, 200, "{answer:?}");
            pages.push(answer.body.as_array().expect("an array").clone());
            match answer.headers.get("x-ms-continuation") {
                Some(next) => token = Some(next.to_str().expect("a token").to_owned()),
                None => return pages,
            }
        }
    }
}

fn lengths(pages: &[Vec<Value>]) -> Vec<usize> {
    pages.iter().map(Vec::len).collect()
}

#[tokio::test]
async fn results_come_in_pages() {
    let (bench, _connected) = fleet().await;
    let whole = bench.pages("SELECT * FROM devices", "1000").await;
    assert_eq!(lengths(&whole), [10]);
    for (text, size, expected) in [
        ("SELECT * FROM devices", "4", vec![4, 4, 2]),
        ("SELECT * FROM devices", "5", vec![5, 5]),
        ("SELECT TOP 6 * FROM devices", "4", vec![4, 2]),
        (
            "SELECT * FROM devices WHERE tags.site = 'north'",
            "3",
            vec![3, 2],
        ),
        (
            "SELECT * FROM devices WHERE deviceId IN ['bay-7', 'bay-1', 'x']",
            "1",
            vec![1, 1],
        ),
        (
            "SELECT * FROM devices.modules WHERE moduleId = 'light'",
            "6",
            vec![6, 4],
        ),
        (
            "SELECT * FROM devices.modules WHERE deviceId = 'bay-4'",
            "2",
            vec![2, 1],
        ),
        (
            "SELECT tags.number, COUNT() FROM devices GROUP BY tags.number",
            "7",
            vec![7, 3],
        ),
        (
            "SELECT deviceId FROM devices ORDER BY tags.number DESC",
            "9",
            vec![9, 1],
        ),
        ("SELECT * FROM devices WHERE false", "9", vec![0]),
    ] {
        let pages = bench.pages(text, size).await;
        assert_eq!(lengths(&pages), expected, "{text}");
        assert_eq!(
            pages.concat(),
            bench.pages(text, "1000").await.concat(),
            "{text}"
        );
    }
}

#[tokio::test]
async fn a_condition_sees_the_identity_and_the_connection() {
    let (bench, _connected) = fleet().await;
    for (condition, numbers) in [
        ("connectionState = 'Connected'", vec![5]),
        ("status = 'disabled'", vec![3]),
        ("capabilities.iotEdge = true", vec![4]),
        ("deviceId = 'bay-2' AND tags.site = 'north'", vec![2]),
        (
            "properties.desired.lamp.list[0] = 1 AND tags.number >= 8",
            vec![8, 9],
        ),
        ("lastActivityTime > '2001-01-01'", vec![5]),
        ("IS_DEFINED(moduleId) OR version < 2", vec![]),
    ] {
        let text = format!("SELECT tags.number AS n FROM devices WHERE {condition}");
        let found = bench.pages(&text, "100").await.concat();
        let expected: Vec<Value> = numbers.iter().map(|n| json!({"n": n})).collect();
        assert_eq!(found, expected, "{condition}");
    }
}

/// Twins are looked into where they lie. Nothing may be found there that the twin does not show, or otherwise.
#[tokio::test]
async fn what_is_found_is_what_the_twin_shows() {
    let (bench, _connected) = fleet().await;
    for (collection, condition) in [
        ("devices", "deviceId IN ['bay-3', 'bay-4', 'bay-5']"),
        ("devices.modules", "deviceId IN ['bay-4']"),
    ] {
        let all = format!("SELECT * FROM {collection} WHERE {condition}");
        let twins = bench.pages(&all, "100").await.concat();
        let mut paths = Vec::new();
        for twin in &twins {
            walk(twin, String::new(), &mut paths);
        }
        assert!(paths.len() > 60, "{paths:?}");
        paths.push((
            "[[properties]].[[nowhere]].[[x]]".to_owned(),
            "/properties/nowhere/x".to_owned(),
        ));
        for (path, pointer) in paths {
            let text = format!("SELECT {path} AS v FROM {collection} WHERE {condition}");
            let found = bench.pages(&text, "100").await.concat();
            let shown: Vec<Value> = twins
                .iter()
                .map(|twin| {
                    twin.pointer(&pointer)
                        .map_or_else(|| json!({}), |v| json!({"v": v}))
                })
                .collect();
            assert_eq!(found, shown, "{path}");
        }
    }
}

/// Every way into a document, as the language and as a JSON pointer write it.
fn walk(value: &Value, path: String, paths: &mut Vec<(String, String)>) {
    let into = |name: &str| match path.as_str() {
        "" => format!("[[{name}]]"),
        path => format!("{path}.[[{name}]]"),
    };
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                let path = into(name);
                paths.push((path.clone(), pointer(&path)));
                walk(value, path, paths);
            }
        }
        Value::Array(items) => {
            for (index, value) in items.iter().enumerate() {
                let path = format!("{path}[{index}]");
                paths.push((path.clone(), pointer(&path)));
                walk(value, path, paths);
            }
        }
        _ => {}
    }
}

fn pointer(path: &str) -> String {
    let path = path.replace("[[", "/").replace("]].", "").replace("]]", "");
    path.replace('[', "/").replace([']', '.'], "")
}

#[tokio::test]
async fn the_kind_of_results_is_told() {
    let (bench, _connected) = fleet().await;
    for (text, kind) in [
        ("SELECT * FROM devices", "twin"),
        ("SELECT * FROM devices.modules", "twin"),
        ("SELECT deviceId FROM devices", "raw"),
        ("SELECT COUNT() AS n FROM devices", "raw"),
    ] {
        let answer = bench.query(text, None, None).await;
        assert_eq!(answer.headers["x-ms-item-type"], kind, "{text}");
    }
}

#[tokio::test]
async fn a_mistake_is_the_clients() {
    let (bench, _connected) = fleet().await;
    for (text, size, token, told) in [
        ("SELECT", None, None, "1:7: the query ends too early"),
        (
            "SELECT * FROM devices WHERE a LIKE 'b'",
            None,
            None,
            "STARTS_WITH",
        ),
        (
            "SELECT jobId FROM devices.jobs",
            None,
            None,
            "`devices.jobs` gives whole documents only",
        ),
        (
            "SELECT * FROM devices",
            Some("0"),
            None,
            "x-ms-max-item-count",
        ),
        (
            "SELECT * FROM devices",
            Some("-1"),
            None,
            "x-ms-max-item-count",
        ),
        (
            "SELECT * FROM devices",
            None,
            Some("abc"),
            "x-ms-continuation",
        ),
        (
            "SELECT * FROM devices",
            None,
            Some("e30"),
            "x-ms-continuation",
        ),
    ] {
        let answer = bench.query(text, size, token).await;
        assert_eq!(answer.refused(), 400_004, "{text}");
        let message = answer.body["Message"].as_str().expect("a message");
        assert!(message.contains(told), "{message}, not {told}");
    }
    for body in [json!({}), json!({"query": 1}), json!([]), Value::Null] {
        assert_eq!(
            bench.ask("POST", "/devices/query", body).await.refused(),
            400_004
        );
    }
    let token = bench.token("registryRead", "localhost", 60);
    let headers = [("authorization", token.as_str())];
    let path = "/devices/query?api-version=2021-04-12";
    let query = json!({"query": "SELECT * FROM devices"});
    let refused = bench.send("POST", path, &headers, query).await;
    assert_eq!(refused.status, 401);
}

#[tokio::test]
async fn a_device_may_be_called_query() {
    let bench = Bench::new();
    bench.made("/devices/query", json!({})).await;
    assert_eq!(
        bench.ask("GET", "/devices/query", Value::Null).await.status,
        200
    );
    assert_eq!(
        bench
            .pages("SELECT * FROM devices", "1")
            .await
            .concat()
            .len(),
        1
    );
    assert_eq!(
        bench
            .ask("DELETE", "/devices/query", Value::Null)
            .await
            .status,
        204
    );
}
