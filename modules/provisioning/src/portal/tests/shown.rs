//! What is shown of a device, at once and as it changes.

use bay::message::{ChangeKind, ChangeOutcome, ChangeReport, PartReport, Step, TestReport};
use http_body_util::BodyExt;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::*;
use crate::view::{ChangeProgress, LinkState, SignIn, StepProgress, StepState, Trouble, WaitsFor};

const EVIL: &str = r#"'"><script>alert(1)</script>"#;

/// Everything the view can say, each text of it hostile.
fn hostile() -> View {
    let now = Timestamp::now();
    let evil = || Some(EVIL.to_owned());
    let report = ChangeReport {
        kind: ChangeKind::Setup,
        outcome: ChangeOutcome::Failed,
        step: Some(Step::Register),
        message: EVIL.into(),
        started_at: now,
        ended_at: Some(now),
        interrupted: true,
    };
    View {
        identity: IdentityReport {
            serial: evil(),
            mode: Mode::Project,
            id_scope: evil(),
            registration_id: evil(),
            hub: evil(),
            device_id: evil(),
        },
        global_endpoint: evil(),
        no_serial: evil(),
        link: LinkState::Down {
            why: EVIL.into(),
            since: now,
        },
        change: None,
        last_change: Some(report),
        errors: vec![Trouble {
            at: now,
            step: Some(Step::Write),
            message: format!("{EVIL}\r\nand more"),
        }],
        testing: true,
        test: Some(TestReport {
            passed: false,
            started_at: now,
            took_ms: 1200,
            parts: vec![PartReport {
                part: EVIL.into(),
                method: EVIL.into(),
                passed: false,
                value: Some(json!({EVIL: EVIL})),
                message: evil(),
                took_ms: 7,
            }],
        }),
        waits_for: Some(WaitsFor::Claim),
        sign_in: Some(SignIn {
            user_code: EVIL.into(),
            verification_uri: EVIL.into(),
            verification_uri_complete: Some(format!("javascript:{EVIL}")),
            expires_at: now,
        }),
        can_sign_in: true,
    }
}

fn running() -> ChangeProgress {
    let steps = Step::ALL.map(|step| StepProgress {
        step,
        state: match step {
            Step::Check => StepState::Done,
            Step::Register => StepState::Running,
            _ => StepState::Waiting,
        },
        took_ms: (step == Step::Check).then_some(3),
        message: (step == Step::Register).then(|| EVIL.to_owned()),
    });
    ChangeProgress {
        kind: ChangeKind::Setup,
        registration_id: EVIL.into(),
        id_scope: EVIL.into(),
        started_at: Timestamp::now(),
        steps: steps.into(),
    }
}

#[tokio::test]
async fn nothing_anybody_said_is_markup() {
    let changing = View {
        change: Some(running()),
        ..hostile()
    };
    for view in [hostile(), changing] {
        let device = Device::showing(view);
        let mut browser = device.browser();
        let door = browser.get("/sign-in").await;
        browser.sign_in(PIN).await;
        let home = browser.get("/").await;
        for page in [door, home] {
            assert!(page.body.contains("alert(1)"), "shows what was said");
            assert!(!page.body.contains("<script>alert"), "runs what was said");
            assert!(!page.body.contains("'\">"), "lets it out of an attribute");
            assert!(!page.body.contains("href=\"javascript"), "links to it");
        }
    }
}

#[tokio::test]
async fn a_page_without_scripts_asks_for_itself_only_while_something_goes_on() {
    for (change, refreshes) in [(None, false), (Some(running()), true)] {
        let device = Device::showing(View {
            change,
            ..view(Mode::Stock)
        });
        let home = device.signed_in().await.get("/").await;
        assert_eq!(home.body.contains("http-equiv=\"refresh\""), refreshes);
        let button = "id=\"run-test\" data-busy-off disabled";
        assert_eq!(home.body.contains(button), refreshes);
    }
}

/// A page's stream, read event by event.
struct Stream {
    body: Body,
    text: String,
}

impl Stream {
    async fn open(browser: &Browser) -> Self {
        let request = browser.request("GET", "/live").body(Body::empty());
        let request = request.expect("a request");
        let answer = browser.router.clone().oneshot(request).await;
        let answer = answer.expect("an answer");
        assert_eq!(answer.headers()[header::CONTENT_TYPE], "text/event-stream");
        Self {
            body: answer.into_body(),
            text: String::new(),
        }
    }

    /// The next event; `None` at the end.
    async fn next(&mut self) -> Option<(String, Value)> {
        loop {
            if let Some((event, rest)) = self.text.split_once("\n\n") {
                let name = between(event, "event: ", "\n").map(str::to_owned);
                let data = event.split("data: ").nth(1).map(str::to_owned);
                self.text = rest.to_owned();
                if let (Some(name), Some(data)) = (name, data) {
                    return Some((name, serde_json::from_str(&data).expect("JSON")));
                }
                continue;
            }
            let frame = self.body.frame().await?.expect("a frame");
            let data = frame.into_data().expect("data");
            self.text.push_str(&String::from_utf8_lossy(&data));
        }
    }

    async fn until(&mut self, name: &str, part: &str) {
        let found = async {
            while let Some((event, data)) = self.next().await {
                let text = data
                    .as_str()
                    .map_or_else(|| data.to_string(), str::to_owned);
                if event == name && text.contains(part) {
                    return;
                }
            }
            panic!("the stream ended without {name} with {part}");
        };
        soon(&format!("{name} with {part}"), found).await;
    }
}

#[tokio::test]
async fn the_stream_tells_every_step_as_it_comes() {
    let device = Device::new(Mode::Stock);
    let browser = device.signed_in().await;
    let mut stream = Stream::open(&browser).await;
    stream.until("who", SERIAL).await;
    stream.until("state", r#""busy":false"#).await;

    device
        .clerk
        .view
        .send_modify(|view| view.change = Some(running()));
    stream
        .until("change", "Register with the provisioning service")
        .await;
    stream
        .until("state", "Joining a project: Register with")
        .await;

    device.clerk.view.send_modify(|view| {
        view.change = None;
        view.last_change = hostile().last_change;
        view.errors = hostile().errors;
    });
    stream
        .until("change", "It could not join the project")
        .await;
    // A carriage return would end an event's line.
    stream
        .until(
            "errors",
            "&#60;script&#62;alert(1)&#60;/script&#62;\r\nand more",
        )
        .await;

    device.clerk.view.send_modify(|view| view.testing = true);
    stream.until("test", "Asking each part").await;
    device
        .clerk
        .view
        .send_modify(|view| view.identity.mode = Mode::Project);
    stream
        .until("state", r#""shape":"project 0ne00112233""#)
        .await;
}

#[tokio::test]
async fn only_what_changed_is_told_again() {
    let device = Device::new(Mode::Stock);
    let browser = device.signed_in().await;
    let mut stream = Stream::open(&browser).await;
    stream.until("state", "false").await;
    device.clerk.view.send_modify(|view| view.testing = true);
    let mut names = Vec::new();
    while !names.contains(&"state".to_owned()) {
        let (name, _) = soon("an event", stream.next()).await.expect("more");
        names.push(name);
    }
    assert_eq!(names, ["test", "state"]);
}

#[tokio::test]
async fn signing_out_ends_the_stream_at_once() {
    let device = Device::new(Mode::Stock);
    let mut browser = device.signed_in().await;
    let mut stream = Stream::open(&browser).await;
    stream.until("state", "false").await;
    browser.post("/sign-out", &[]).await;
    stream.until("signed-out", "null").await;
    assert!(soon("the end", stream.next()).await.is_none());
}

#[tokio::test(start_paused = true)]
async fn a_stream_does_not_keep_its_session() {
    let device = Device::new(Mode::Stock);
    let browser = device.signed_in().await;
    let mut stream = Stream::open(&browser).await;
    let opened = tokio::time::Instant::now();
    let told = async {
        while let Some((name, _)) = stream.next().await {
            if name == "signed-out" {
                return;
            }
        }
        panic!("the stream ended without a word");
    };
    told.await;
    let lasted = opened.elapsed().as_secs();
    assert!((890..930).contains(&lasted), "{lasted} s");
}

#[tokio::test]
async fn a_claim_from_elsewhere_shows_its_code_and_where_to_enter_it() {
    let device = Device::new(Mode::None);
    let browser = device.signed_in().await;
    let mut stream = Stream::open(&browser).await;
    device
        .clerk
        .view
        .send_modify(|view| view.can_sign_in = true);
    stream.until("claim", "Get a code").await;
    device.clerk.view.send_modify(|view| {
        view.sign_in = Some(SignIn {
            user_code: "WDJB-MJHT".into(),
            verification_uri: "https://claim.example/device".into(),
            verification_uri_complete: None,
            expires_at: Timestamp::now() + jiff::SignedDuration::from_secs(590),
        });
    });
    let link = r#"<a href="https://claim.example/device" rel="noreferrer">"#;
    stream.until("claim", link).await;
    let home = browser.clone().get("/").await;
    for part in [
        "WDJB-MJHT",
        link,
        "good for 9 min",
        "action=\"/claim/cancel\"",
    ] {
        assert!(home.body.contains(part), "no {part}");
    }
}

#[tokio::test]
async fn only_a_failure_has_a_cure() {
    let cure = "neither full nor write-protected";
    for (outcome, is_to_blame) in [
        (ChangeOutcome::Failed, true),
        (ChangeOutcome::RolledBack, false),
    ] {
        let mut shown = view(Mode::Stock);
        shown.last_change = hostile().last_change.map(|last| ChangeReport {
            outcome,
            step: Some(Step::Backup),
            ..last
        });
        let home = Device::showing(shown).signed_in().await.get("/").await;
        assert!(home.body.contains("It stopped at: Keep the old"));
        assert_eq!(home.body.contains(cure), is_to_blame, "{outcome:?}");
    }
}

#[tokio::test]
async fn a_failure_is_told_once_and_older_ones_are_folded_away() {
    let trouble = |message: &str| Trouble {
        at: Timestamp::now(),
        step: None,
        message: message.into(),
    };
    let mut shown = view(Mode::Stock);
    shown.last_change = hostile().last_change.map(|last| ChangeReport {
        message: "newest".into(),
        ..last
    });
    shown.errors = ["newest", "second", "third", "fourth"].map(trouble).into();
    let home = Device::showing(shown).signed_in().await.get("/").await;
    assert_eq!(home.body.matches("<p>Newest.</p>").count(), 1);
    let (above, folded) = home.body.split_once("1 older").expect("a fold");
    assert!(above.contains("Second.") && above.contains("Third."));
    assert!(folded.contains("Fourth."));
}
