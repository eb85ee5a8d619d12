//! The commands that talk to a running simulator: what they ask, what they print, how they exit.

mod dps;
mod fake_control;
mod image;

use std::process::{Output, Stdio};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::process::Command;

use crate::fake_control::{Answer, FakeControl};

/// Far more than any command here takes.
const PATIENCE: Duration = Duration::from_secs(20);

async fn cow(control: &str, args: &[&str]) -> (i32, String, String) {
    let run = Command::new(env!("CARGO_BIN_EXE_cow"))
        .args(args)
        .env("COW_CONTROL", control)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output();
    let Output {
        status,
        stdout,
        stderr,
    } = tokio::time::timeout(PATIENCE, run)
        .await
        .expect("cow ends")
        .expect("cow starts");
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    (
        status.code().expect("cow exits"),
        text(stdout),
        text(stderr),
    )
}

/// Runs against a fake that gives one answer, and returns what it was asked beside the outcome.
async fn exchange(
    request: &'static str,
    answer: Answer,
    args: &[&str],
) -> (Vec<(String, Value)>, (i32, String, String)) {
    let control = FakeControl::start([(request, answer)]).await;
    let outcome = cow(&control.url(), args).await;
    (control.requests(), outcome)
}

fn done(stdout: &str) -> (i32, String, String) {
    (0, stdout.into(), String::new())
}

fn failed(stderr: &str) -> (i32, String, String) {
    (1, String::new(), format!("error: {stderr}\n"))
}

#[tokio::test]
async fn nothing_running_says_what_to_do() {
    // A port that was just free and that nobody listens on.
    let url = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("loopback");
        format!("http://{}", listener.local_addr().expect("bound"))
    };
    let expected = failed(&format!(
        "nothing runs at {url}: start it with `cow up`, or say where it is with --control URL or COW_CONTROL"
    ));
    assert_eq!(cow(&url, &["device", "list"]).await, expected);
    assert_eq!(cow(&url, &["monitor"]).await, expected);
    assert_eq!(
        cow(
            "http://elsewhere.invalid",
            &["device", "list", "--control", &url]
        )
        .await,
        expected
    );
}

#[tokio::test]
async fn something_else_running_is_told_apart() {
    let control = FakeControl::start([("GET /control/devices", Answer::Html)]).await;
    let url = control.url();
    assert_eq!(
        cow(&url, &["device", "list"]).await,
        failed(&format!(
            "what runs at {url} is no simulator: it answered 200 OK"
        ))
    );
    assert_eq!(
        cow(&url, &["twin", "get", "d"]).await,
        failed(&format!(
            "what runs at {url} is no simulator: it answered 404 Not Found"
        ))
    );
}

#[tokio::test]
async fn a_refusal_is_one_sentence_with_its_number() {
    let refusal =
        json!({"error": {"code": 404_001, "message": "Device bay-09 is not registered."}});
    let (_, outcome) = exchange(
        "GET /control/twins/bay-09",
        Answer::Json(404, refusal),
        &["twin", "get", "bay-09"],
    )
    .await;
    assert_eq!(
        outcome,
        failed("Device bay-09 is not registered (error 404001)")
    );
}

#[tokio::test]
async fn device_add() {
    let added = json!({
        "deviceId": "bay-02",
        "connectionString": "HostName=h;DeviceId=bay-02;SharedAccessKey=a",
        "modules": [{"moduleId": "m", "connectionString": "HostName=h;DeviceId=bay-02;ModuleId=m;SharedAccessKey=b"}],
    });
    let args = ["device", "add", "bay-02", "--edge", "--module", "m"];
    let (asked, outcome) = exchange(
        "POST /control/devices",
        Answer::Json(201, added.clone()),
        &args,
    )
    .await;
    assert_eq!(
        asked,
        [(
            "POST /control/devices".to_owned(),
            json!({"deviceId": "bay-02", "edge": true, "modules": ["m"]})
        )]
    );
    assert_eq!(
        outcome,
        done(
            "HostName=h;DeviceId=bay-02;SharedAccessKey=a\n\
             HostName=h;DeviceId=bay-02;ModuleId=m;SharedAccessKey=b\n"
        )
    );

    let (_, outcome) = exchange(
        "POST /control/devices",
        Answer::Json(201, added.clone()),
        &[&args[..], &["--json"]].concat(),
    )
    .await;
    assert_eq!(outcome, done(&format!("{added}\n")));
}

#[tokio::test]
async fn a_device_signs_in_with_its_certificate() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = |name: &str, text: &str| {
        let path = directory.path().join(name);
        std::fs::write(&path, text).expect("writable");
        path.to_str().expect("UTF-8").to_owned()
    };
    let certificate = "-----BEGIN CERTIFICATE-----\nAA\n-----END CERTIFICATE-----\n";
    let (own, key) = (
        file("own.pem", certificate),
        file(
            "key.pem",
            &format!("{certificate}-----BEGIN PRIVATE KEY-----\n"),
        ),
    );
    let string = "HostName=h;DeviceId=press7;x509=true";
    let added = json!({"deviceId": "press7", "connectionString": string, "modules": []});
    let (asked, outcome) = exchange(
        "POST /control/devices",
        Answer::Json(201, added),
        &["device", "add", "press7", "--x509", &own],
    )
    .await;
    assert_eq!(asked[0].1["x509"], json!({"certificates": [certificate]}));
    assert_eq!(outcome, done(&format!("{string}\n")));

    let nobody = "http://127.0.0.1:1";
    let args = ["device", "add", "press7", "--x509", &key];
    let wrong = "holds a private key, which belongs to the device: give its certificate alone";
    assert_eq!(cow(nobody, &args).await, failed(&format!("{key} {wrong}")));
}

#[tokio::test]
async fn device_list_and_remove() {
    let devices = json!([
        {"deviceId": "bay-01", "edge": true, "connected": true,
         "modules": [{"moduleId": "$edgeHub", "connected": false}, {"moduleId": "light", "connected": false}]},
        {"deviceId": "leaf", "edge": false, "connected": false, "modules": []},
    ]);
    let control = FakeControl::start([
        ("GET /control/devices", Answer::Json(200, devices.clone())),
        ("DELETE /control/devices/a%20b", Answer::Empty(204)),
    ])
    .await;
    assert_eq!(
        cow(&control.url(), &["device", "list"]).await,
        done("● bay-01  edge device\n  ○ light\n○ leaf  device\n")
    );
    assert_eq!(
        cow(&control.url(), &["device", "list", "--json"]).await,
        done(&format!("{}\n{}\n", devices[0], devices[1]))
    );
    assert_eq!(
        cow(&control.url(), &["device", "remove", "a b"]).await,
        done("")
    );
}

#[tokio::test]
async fn twin_get_and_patch() {
    let twin = json!({"deviceId": "bay-01", "moduleId": "light"});
    let (_, outcome) = exchange(
        "GET /control/twins/bay-01/modules/light",
        Answer::Json(200, twin.clone()),
        &["twin", "get", "bay-01/light"],
    )
    .await;
    assert_eq!(
        outcome,
        done("{\n  \"deviceId\": \"bay-01\",\n  \"moduleId\": \"light\"\n}\n")
    );

    for (section, flag) in [("desired", None), ("tags", Some("--tags"))] {
        let mut args = vec!["twin", "patch", "bay-01/light", r#"{"a":null}"#, "--json"];
        args.extend(flag);
        let (asked, outcome) = exchange(
            "PATCH /control/twins/bay-01/modules/light",
            Answer::Json(200, twin.clone()),
            &args,
        )
        .await;
        assert_eq!(asked[0].1, json!({ section: {"a": null} }));
        assert_eq!(outcome, done(&format!("{twin}\n")));
    }
}

#[tokio::test]
async fn method() {
    let answer = json!({"status": 409, "payload": {"bookedBy": "b-1"}});
    let request = "POST /control/methods/bay-01/modules/light";
    let args = ["method", "bay-01/light", "book", r#"{"bookingId":"b-2"}"#];
    let (asked, outcome) = exchange(request, Answer::Json(200, answer.clone()), &args).await;
    assert_eq!(
        asked[0].1,
        json!({
            "methodName": "book",
            "payload": {"bookingId": "b-2"},
            "responseTimeoutInSeconds": 30,
            "connectTimeoutInSeconds": 0,
        })
    );
    assert_eq!(outcome, done("status 409\n{\n  \"bookedBy\": \"b-1\"\n}\n"));

    let args = [
        "method",
        "bay-01/light",
        "release",
        "--response-timeout",
        "5",
        "--json",
    ];
    let (asked, outcome) = exchange(request, Answer::Json(200, answer.clone()), &args).await;
    assert_eq!(asked[0].1["payload"], Value::Null);
    assert_eq!(asked[0].1["responseTimeoutInSeconds"], 5);
    assert_eq!(outcome, done(&format!("{answer}\n")));

    let offline =
        json!({"error": {"code": 404_103, "message": "Timed out waiting for device to connect."}});
    let (_, outcome) = exchange(request, Answer::Json(404, offline), &args).await;
    assert_eq!(
        outcome,
        failed("Timed out waiting for device to connect (error 404103)")
    );
}

#[tokio::test]
async fn send() {
    let request = "POST /control/messages/bay-01";
    let taken = json!({"messageId": "m-1"});
    let args = ["send", "bay-01", "hello", "--property", "a=b=c"];
    let (asked, outcome) = exchange(request, Answer::Json(202, taken.clone()), &args).await;
    assert_eq!(
        asked[0].1,
        json!({"body": "hello", "properties": {"a": "b=c"}})
    );
    assert_eq!(outcome, done("m-1\n"));
}

const EVENTS: &str = r#"{"sequenceNumber":1,"enqueuedTime":"2030-01-01T00:00:00Z","deviceId":"bay-01","moduleId":"hc-sr04","systemProperties":{},"properties":{"kind":"occupancy"},"body":{"occupancy":"free"}}
{"sequenceNumber":2,"enqueuedTime":"2030-01-01T00:00:01Z","deviceId":"leaf","moduleId":null,"systemProperties":{},"properties":{},"body":"hello"}
"#;

#[tokio::test]
async fn monitor_counts() {
    let (asked, outcome) = exchange(
        "GET /control/events",
        Answer::Endless(EVENTS),
        &[
            "monitor", "--count", "2", "--device", "bay 01", "--from", "earliest",
        ],
    )
    .await;
    assert_eq!(
        asked[0].0,
        "GET /control/events?from=earliest&device=bay%2001"
    );
    assert_eq!(
        outcome,
        done(
            "2030-01-01T00:00:00Z bay-01/hc-sr04 {\"occupancy\":\"free\"} kind=occupancy\n\
             2030-01-01T00:00:01Z leaf hello\n"
        )
    );

    let (asked, outcome) = exchange(
        "GET /control/events",
        Answer::Endless(EVENTS),
        &["monitor", "--count", "1", "--json"],
    )
    .await;
    assert_eq!(asked[0].0, "GET /control/events?from=latest");
    assert_eq!(
        outcome,
        done(&EVENTS[..=EVENTS.find('\n').expect("two lines")])
    );
}

#[tokio::test]
async fn monitor_gives_up_in_time() {
    let too_few = exchange(
        "GET /control/events",
        Answer::Endless(EVENTS),
        &["monitor", "--count", "3", "--timeout", "1", "--json"],
    );
    let enough = exchange(
        "GET /control/events",
        Answer::Endless(EVENTS),
        &["monitor", "--timeout", "1", "--json"],
    );
    let ((_, too_few), (_, enough)) = tokio::join!(too_few, enough);
    assert_eq!(
        too_few,
        (
            1,
            EVENTS.into(),
            "error: 2 of 3 messages came in time\n".into()
        )
    );
    assert_eq!(enough, done(EVENTS));
}

#[tokio::test]
async fn monitor_notices_that_the_simulator_has_ended() {
    let (_, outcome) = exchange(
        "GET /control/events",
        Answer::Ending(EVENTS),
        &["monitor", "--json"],
    )
    .await;
    assert_eq!(
        outcome,
        (1, EVENTS.into(), "error: the simulator has ended\n".into())
    );
}
