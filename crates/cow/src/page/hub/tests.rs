//! The hub's pages over a real socket, made from a real simulator: what is rendered, what is escaped, what is streamed.

use std::net::SocketAddr;
use std::time::Duration;

use axum::http::HeaderMap;
use http_body_util::{BodyExt, Empty};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use serde_json::{Value, json};
use simulator::Options;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::time::timeout;

use super::*;

const BOUND: Duration = Duration::from_secs(20);

struct Served {
    simulator: Arc<Simulator>,
    address: SocketAddr,
    _directory: TempDir,
}

async fn serve() -> Served {
    let directory = tempfile::tempdir().expect("a directory");
    let options = Options::on_free_ports(directory.path());
    let simulator = Simulator::start(options).await.expect("it starts");
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("its address");
    let app = alone(simulator.clone());
    tokio::spawn(async move { axum::serve(listener, app).await });
    Served {
        simulator,
        address,
        _directory: directory,
    }
}

impl Served {
    async fn ask(&self, path: &str) -> (StatusCode, HeaderMap, hyper::body::Incoming) {
        let client: Client<_, Empty<axum::body::Bytes>> =
            Client::builder(TokioExecutor::new()).build_http();
        let uri = format!("http://{}{path}", self.address);
        let answer = client.get(uri.parse().expect("an address")).await;
        let (head, body) = answer.expect("an answer").into_parts();
        (head.status, head.headers, body)
    }

    async fn get(&self, path: &str) -> (StatusCode, String) {
        let (status, _, body) = self.ask(path).await;
        let bytes = body.collect().await.expect("a body").to_bytes();
        (status, String::from_utf8(bytes.to_vec()).expect("UTF-8"))
    }

    async fn page(&self, path: &str) -> String {
        let (status, page) = self.get(path).await;
        assert_eq!(status, StatusCode::OK, "{path}");
        page
    }

    fn add(&self, id: &str) {
        self.simulator
            .add_device(id, false, &[])
            .expect("the id is free");
    }

    fn patch(&self, id: &str, document: Value) {
        let target = id.parse().expect("an id");
        self.simulator
            .patch_twin(&target, document)
            .expect("a patch");
    }
}

/// Reads a stream until an event of `name` holds `part`.
async fn await_event(body: &mut hyper::body::Incoming, name: &str, part: &str) -> String {
    let mut read = String::new();
    let found = async {
        loop {
            let frame = body.frame().await.expect("it goes on").expect("a frame");
            read.push_str(&String::from_utf8_lossy(&frame.into_data().expect("data")));
            let wanted = format!("event: {name}\n");
            let mut events = read.split("\n\n");
            if let Some(event) =
                events.find(|event| event.contains(&wanted) && event.contains(part))
            {
                return event.to_owned();
            }
        }
    };
    timeout(BOUND, found)
        .await
        .unwrap_or_else(|_| panic!("no {name} with {part}"))
}

#[tokio::test]
async fn a_hub_alone_begins_with_its_devices() {
    let served = serve().await;
    let (status, headers, _) = served.ask("/").await;
    assert_eq!(status, StatusCode::TEMPORARY_REDIRECT);
    assert_eq!(headers["location"], "/devices");
    let page = served.page("/devices").await;
    assert!(page.contains("Nobody is registered yet"));
    assert!(!page.contains(">Bays</a>"), "there are none");
}

#[tokio::test]
async fn devices_are_paged_and_found() {
    let served = serve().await;
    for n in 0..120 {
        served.add(&format!("d{n:03}"));
    }
    served.patch("d077", json!({"tags": {"site": "north"}}));
    let first = served.page("/devices").await;
    assert!(first.contains("<b>120</b> registered"));
    assert!(first.contains(r#"data-device="d049""#) && !first.contains(r#"data-device="d050""#));
    assert!(
        first.contains(r#"href="/devices?search=&#38;after=d049""#),
        "{first}"
    );
    let second = served.page("/devices?search=&after=d049").await;
    assert!(second.contains(r#"data-device="d050""#) && second.contains("before=d050"));
    for search in ["north", "tags.site%20%3D%20%27north%27"] {
        let found = served.page(&format!("/devices?search={search}")).await;
        assert!(found.contains("<b>1</b> found"), "{search}");
        assert!(
            found.contains("site north") && !found.contains("d001"),
            "{search}"
        );
    }
    let fault = served.page("/devices?search=tags.site%20%3D").await;
    assert!(fault.contains("That is no condition: 1:"));
    assert!(
        !fault.contains(r#"data-device="#),
        "no device is what was asked for"
    );
}

#[tokio::test]
async fn no_page_holds_a_key() {
    let served = serve().await;
    let credentials = served
        .simulator
        .add_device("pump7", true, &["camera".to_owned()])
        .expect("the id is free");
    let key = credentials
        .connection_string
        .split("SharedAccessKey=")
        .nth(1)
        .expect("it has one");
    for path in [
        "/devices",
        "/devices/pump7",
        "/devices/pump7/modules/camera",
        "/enrollments",
    ] {
        let page = served.page(path).await;
        assert!(
            !page.contains("SharedAccessKey") && !page.contains(key),
            "{path}"
        );
    }
}

#[tokio::test]
async fn nothing_that_was_sent_is_markup() {
    let served = serve().await;
    let evil = "<script>alert(1)</script>'\"";
    served.add("d'=(1)");
    served.patch(
        "d'=(1)",
        json!({"tags": {"evil": evil}, "properties": {"desired": {"evil": evil, "<b>": evil}}}),
    );
    let mut properties = hub_proto::message::Properties::new();
    properties.application.insert(evil, evil);
    let target = "d'=(1)".parse().expect("an id");
    let sent = served
        .simulator
        .send(&target, properties, evil.as_bytes().to_vec());
    sent.expect("room");
    for path in [
        "/devices",
        "/devices?search=%3Cscript%3Ealert(1)%3C/script%3E",
        "/devices/d%27%3D%281%29",
        "/devices/d%27%3D%281%29/compare?section=desired&from=1&to=2",
        "/events?device=%22%3E%3Cscript%3Ealert(1)%3C/script%3E",
    ] {
        let page = served.page(path).await;
        assert!(page.contains("alert(1)"), "{path} shows it");
        assert!(!page.contains("<script>alert"), "{path} runs it");
    }
}

#[tokio::test]
async fn what_is_not_there_is_said_not_to_be() {
    let served = serve().await;
    served.add("pump7");
    for path in ["/devices/other", "/devices/pump7/modules/m", "/devices/%20"] {
        let (status, page) = served.get(path).await;
        assert_eq!(status, StatusCode::NOT_FOUND, "{path}");
        assert!(page.contains("There is no such device or module"), "{path}");
    }
    let (status, _) = served
        .get("/devices/pump7/compare?section=none&from=1&to=2")
        .await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn versions_are_shown_and_compared() {
    let served = serve().await;
    served.add("pump7");
    for interval in [5, 7, 9] {
        served.patch(
            "pump7",
            json!({"properties": {"desired": {"interval": interval}}}),
        );
    }
    let page = served.page("/devices/pump7").await;
    assert!(page.contains("desired 4") && page.contains("interval 7 → 9"));
    let compare = "/devices/pump7/compare?section=desired";
    let between = served.page(&format!("{compare}&from=2&to=4")).await;
    assert!(
        between.contains("<del>5</del>") && between.contains("<ins>9</ins>"),
        "{between}"
    );
    let unknown = served.page(&format!("{compare}&from=2&to=40")).await;
    assert!(unknown.contains("not remembered"));
    let same = served.page(&format!("{compare}&from=3&to=3")).await;
    assert!(same.contains("They are the same."));
}

#[tokio::test]
async fn a_watched_page_hears_of_what_changes_and_of_the_end() {
    let served = serve().await;
    served.add("pump7");
    let (.., mut devices) = served.ask("/streams/devices?search=").await;
    let (.., mut detail) = served.ask("/devices/pump7/stream").await;
    await_event(&mut devices, "part", "pump7").await;
    await_event(&mut detail, "part", r#""id":"facts""#).await;
    served.patch("pump7", json!({"tags": {"site": "south"}}));
    await_event(&mut devices, "part", "site south").await;
    await_event(&mut detail, "part", "south").await;
    served
        .simulator
        .remove_device("pump7")
        .expect("it is there");
    await_event(&mut detail, "gone", "{}").await;
    await_event(&mut devices, "part", "Nobody is registered yet").await;
}

#[tokio::test]
async fn pages_keep_to_their_policy_and_every_file_they_name_is_there() {
    let served = serve().await;
    served
        .simulator
        .add_device("edge01", true, &["m".to_owned()])
        .expect("the id is free");
    let mut wanted = Vec::new();
    for path in [
        "/devices",
        "/devices/edge01",
        "/devices/edge01/modules/m",
        "/enrollments",
        "/events",
    ] {
        let (_, headers, _) = served.ask(path).await;
        let policy = headers["content-security-policy"].to_str().expect("a text");
        assert!(policy.contains("script-src 'self'") && !policy.contains("unsafe"));
        let page = served.page(path).await;
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
        wanted.extend(quoted(&page, "\"/assets/"));
    }
    let mut seen = std::collections::BTreeSet::new();
    while let Some(file) = wanted.pop() {
        if seen.insert(file.clone()) {
            let text = served.page(&format!("/assets/{file}")).await;
            wanted.extend(quoted(&text, "from \"./"));
            wanted.extend(quoted(&text, "import \"./"));
        }
    }
    assert!(
        seen.contains("words.js") && seen.contains("hub.css"),
        "{seen:?}"
    );
}

fn quoted(text: &str, before: &str) -> Vec<String> {
    let after = text.split(before).skip(1);
    after
        .filter_map(|rest| Some(rest.split('"').next()?.to_owned()))
        .collect()
}
