//! The pages over a real socket, without a simulator: what is rendered, what is escaped, what is streamed.

use std::net::SocketAddr;
use std::time::Duration;

use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, StatusCode};
use bay::Colour;
use bay::model::{HC_SR04, LIGHT, PROVISIONING};
use board::simulated::Command;
use board::{Board, Lamp, Ranger};
use http_body_util::{BodyExt, Empty};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::time::timeout;

use super::*;

fn bay(name: &str) -> Bay {
    let module = |id: &str, model| Module {
        id: id.into(),
        model,
    };
    Bay {
        name: name.into(),
        // The sender may go: nothing changes here.
        device: watch::Sender::new(Some(name.to_owned())).subscribe(),
        vitals: watch::Sender::new(Vitals::default()).subscribe(),
        serial: "10000000b0b00001".into(),
        is_spare: false,
        has_portal: false,
        board: SimulatedBoard::new(1),
        modules: vec![
            module("hc-sr04", Some(HC_SR04)),
            module("lamp", Some(LIGHT)),
            module("other", None),
        ],
    }
}

async fn serve(street: Arc<Street>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("its address");
    tokio::spawn(async move { axum::serve(listener, router(street)).await });
    address
}

async fn ask(address: SocketAddr, path: &str) -> (StatusCode, HeaderMap, hyper::body::Incoming) {
    let client: Client<_, Empty<axum::body::Bytes>> =
        Client::builder(TokioExecutor::new()).build_http();
    let uri = format!("http://{address}{path}")
        .parse()
        .expect("an address");
    let (head, body) = client.get(uri).await.expect("an answer").into_parts();
    (head.status, head.headers, body)
}

async fn get(address: SocketAddr, path: &str) -> (StatusCode, HeaderMap, String) {
    let (status, headers, body) = ask(address, path).await;
    let body = body.collect().await.expect("a body").to_bytes();
    (status, headers, String::from_utf8_lossy(&body).into_owned())
}

#[tokio::test]
async fn a_single_bay_is_the_first_page() {
    let street = Arc::new(Street::new("hub.example", vec![bay("bay-01")]));
    street.bays[0].board.command(Command::CableCut { on: true });
    let address = serve(street).await;
    let (status, headers, page) = get(address, "/").await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(headers[CONTENT_TYPE], "text/html; charset=utf-8");
    for part in [
        "hub.example",
        r#"data-bay="bay-01" data-device="bay-01" data-light="lamp""#,
        r#"data-setting="holdOffMs" data-kind="number""#,
        r#"data-setting="freePattern" data-kind="text""#,
        r#"data-method="book""#,
        r#"data-lever="upstream""#,
        "other announces no interface this page knows",
        r#"aria-checked="true" aria-labelledby="label-cable""#,
        r#""cableCut":true"#,
    ] {
        assert!(page.contains(part), "no {part} in the page");
    }
    assert!(
        !page.contains(r#"<nav class="bays""#),
        "nothing to choose from"
    );
}

#[tokio::test]
async fn a_board_in_stock_is_beside_the_bay_and_not_in_its_place() {
    let mut board = bay("board-01");
    board.is_spare = true;
    let street = Street::new("hub.example", vec![bay("bay-01"), board]);
    let address = serve(Arc::new(street)).await;
    let (_, _, page) = get(address, "/").await;
    for part in [
        r#"<main id="main" data-bay="bay-01""#,
        r#"<a href="/bays/board%2D01""#,
    ] {
        assert!(page.contains(part), "no {part} in the page");
    }
}

#[tokio::test]
async fn a_bay_without_an_identity_shows_how_it_gets_one() {
    let (sender, device) = watch::channel(None);
    let mut unknown = bay("bay-01");
    unknown.device = device;
    unknown.has_portal = true;
    unknown.modules.push(Module {
        id: "who".into(),
        model: Some(PROVISIONING),
    });
    let address = serve(Arc::new(Street::new("hub", vec![unknown]))).await;
    let (status, _, page) = get(address, "/").await;
    assert_eq!(status, StatusCode::OK);
    for part in [
        "bay-01 has no identity",
        "10000000b0b00001",
        r#"id="hand-over""#,
        r#"id="portal-pin""#,
    ] {
        assert!(page.contains(part), "no {part} in the page");
    }
    assert!(!page.contains(r#"id="setup""#) && !page.contains(r#"id="stream""#));

    sender.send_replace(Some("10000000b0b00001".into()));
    let (_, _, page) = get(address, "/bays/bay%2D01").await;
    for part in [
        r#"data-device="10000000b0b00001""#,
        r#"id="setup" data-module="who""#,
        r#"id="stream""#,
    ] {
        assert!(page.contains(part), "no {part} in the page");
    }
    assert!(!page.contains(r#"id="hand-over""#));
}

#[tokio::test]
async fn a_street_shows_its_bays() {
    let street = Street::new("hub", vec![bay("bay-01"), bay("a%b?c")]);
    let address = serve(Arc::new(street)).await;
    let (_, _, page) = get(address, "/").await;
    assert!(page.contains(r#"href="/bays/bay%2D01""#));
    assert!(page.contains(r#"href="/bays/a%25b%3Fc""#));
    assert!(page.contains(r#"data-device="bay-01" data-phase="""#));

    let (status, _, page) = get(address, "/bays/a%25b%3Fc").await;
    assert_eq!(status, StatusCode::OK);
    assert!(page.contains(r#"data-device="a%b?c""#) && page.contains(r#"<nav class="bays""#));
    let (status, ..) = get(address, "/bays/bay-99").await;
    assert_eq!(status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn nothing_a_device_says_is_markup() {
    let evil = r#"'"><script>alert(1)</script>"#;
    let mut evil_bay = bay(evil);
    evil_bay.modules[2].id = evil.into();
    let street = Arc::new(Street::new(evil, vec![evil_bay, bay("b")]));
    let address = serve(street).await;
    for path in ["/", "/bays/%27%22%3E%3Cscript%3Ealert(1)%3C%2Fscript%3E"] {
        let (status, _, page) = get(address, path).await;
        assert_eq!(status, StatusCode::OK, "{path}");
        assert!(page.contains("alert(1)"), "{path} shows the name");
        assert!(!page.contains("<script>alert"), "{path} runs the name");
        assert!(
            !page.contains(r#"'">"#),
            "{path} lets the name out of its attribute"
        );
    }
}

/// What the policy forbids would fail silently in the browser.
#[tokio::test]
async fn pages_keep_to_their_policy_and_every_file_they_name_is_there() {
    let street = Street::new("hub", vec![bay("a"), bay("b")]);
    let address = serve(Arc::new(street)).await;
    let mut wanted = Vec::new();
    for path in ["/", "/bays/a"] {
        let (_, headers, page) = get(address, path).await;
        let policy = headers["content-security-policy"].to_str().expect("a text");
        assert!(policy.contains("script-src 'self'") && !policy.contains("unsafe"));
        for forbidden in [
            " style=\"",
            " onclick",
            "<style",
            "javascript:",
            "http://",
            "https://",
        ] {
            assert!(!page.contains(forbidden), "{path} has {forbidden}");
        }
        for script in page.split("<script").skip(1) {
            let tag = script.split('>').next().unwrap_or_default();
            assert!(
                tag.contains("src=\"/assets/") || tag.contains("application/json"),
                "{tag}"
            );
        }
        wanted.extend(quoted(&page, "\"/assets/"));
    }
    let mut seen = 0;
    while let Some(file) = wanted.pop() {
        let (status, headers, text) = get(address, &format!("/assets/{file}")).await;
        assert_eq!(status, StatusCode::OK, "{file}");
        seen += 1;
        if headers[CONTENT_TYPE]
            .to_str()
            .is_ok_and(|kind| kind.starts_with("text/javascript"))
        {
            wanted.extend(quoted(&text, "from \"./"));
        }
        assert!(seen < 500, "the scripts import each other in a circle");
    }
    assert!(seen > 10);
    assert_eq!(
        get(address, "/assets/../page.rs").await.0,
        StatusCode::NOT_FOUND
    );
}

fn quoted(text: &str, before: &str) -> Vec<String> {
    let after = text.split(before).skip(1);
    after
        .filter_map(|rest| Some(rest.split('"').next()?.to_owned()))
        .collect()
}

#[tokio::test]
async fn what_was_heard_before_is_told_to_a_new_page() {
    let street = Arc::new(Street::new("hub", vec![bay("a")]));
    street.note(
        json!({"kind": "message", "deviceId": "a", "moduleId": "m", "output": "o", "body": 1}),
    );
    let address = serve(street).await;
    let (_, _, recent) = get(address, "/recent/a").await;
    assert_eq!(
        recent,
        r#"[{"kind":"message","deviceId":"a","moduleId":"m","output":"o","body":1}]"#
    );
    assert_eq!(get(address, "/recent/b").await.2, "[]");
}

/// Reads server-sent events until one of `name` holds `part`.
async fn await_event(body: &mut hyper::body::Incoming, name: &str, part: &str) {
    let wanted = format!("event: {name}\n");
    let found = async {
        loop {
            let frame = body
                .frame()
                .await
                .expect("the stream goes on")
                .expect("a frame");
            let data = frame.into_data().expect("data");
            let text = String::from_utf8_lossy(&data);
            if text
                .split("\n\n")
                .any(|event| event.starts_with(&wanted) && event.contains(part))
            {
                return;
            }
        }
    };
    timeout(Duration::from_secs(5), found)
        .await
        .unwrap_or_else(|_| panic!("no {name} with {part}"));
}

#[tokio::test]
async fn a_boards_stream_tells_of_everything() {
    let directory = tempfile::tempdir().expect("a directory");
    let socket = directory.path().join("board.sock");
    let street = Arc::new(Street::new("hub", vec![bay("a"), bay("b")]));
    let board = street.bays[0].board.clone();
    tokio::spawn(board.listen(&socket).expect("a socket").run());
    let ports = Board::open(&format!("sim:{}", socket.display())).expect("a board");
    let address = serve(street).await;

    let (status, headers, mut one) = ask(address, "/board/a/stream").await;
    assert_eq!(
        (status, headers[CONTENT_TYPE].as_bytes()),
        (StatusCode::OK, &b"text/event-stream"[..])
    );
    let (.., mut all) = ask(address, "/boards/stream").await;
    await_event(&mut one, "state", r#""vehicle":null"#).await;
    await_event(&mut all, "bay", r#""deviceId":"b""#).await;

    board.command(Command::car_arrives());
    await_event(&mut one, "state", r#""motion":"arriving""#).await;
    await_event(&mut one, "state", r#""motion":"parked""#).await;
    ports.ranger().measure().await.expect("a measurement");
    await_event(&mut one, "sample", r#""outcome":"returned""#).await;
    ports.lamp().set(Colour::RED).await.expect("a lamp");
    await_event(&mut one, "lamp", r#"{"colour":"red"}"#).await;
    await_event(&mut all, "bay", r#""colour":"red""#).await;

    let (_, _, samples) = get(address, "/board/a/samples").await;
    assert!(
        samples.starts_with(r#"[{"outcome":"returned","distanceMm":10"#),
        "{samples}"
    );
    assert_eq!(
        get(address, "/board/z/stream").await.0,
        StatusCode::NOT_FOUND
    );
}
