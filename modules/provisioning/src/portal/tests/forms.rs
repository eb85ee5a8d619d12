//! What is asked for, and how that is answered.

use bay::message::{ChangeAnswer, ChangeKind, ChangeOutcome, Step};

use super::*;
use crate::desk::{FieldProblem, Refusal, Request as Asked};
use crate::portal::code;

fn change_answer(kind: ChangeKind) -> ChangeAnswer {
    ChangeAnswer {
        kind,
        outcome: ChangeOutcome::Running,
        registration_id: SERIAL.into(),
        hub: Some("hub.example".into()),
        device_id: Some(SERIAL.into()),
        message: "the device restarts now".into(),
    }
}

/// Answers the one request that comes.
async fn serve(mut clerk: Clerk, answer: impl FnOnce(Asked)) -> Clerk {
    let asked = soon("a request", clerk.requests.recv()).await;
    answer(asked.expect("somebody asks"));
    clerk
}

#[tokio::test]
async fn a_setup_is_handed_in_and_answered_without_its_key() {
    let device = Device::new(Mode::Stock);
    let mut browser = device.signed_in().await;
    let clerk = serve(device.clerk, |asked| match asked {
        Asked::Setup {
            registration,
            answer,
        } => {
            assert!(is_as_asked(&registration));
            let _ = answer.send(Ok(change_answer(ChangeKind::Setup)));
        }
        other => panic!("{other:?}"),
    });
    let (answer, _clerk) = tokio::join!(browser.post("/setup", &SETUP), clerk);
    assert_eq!(
        (answer.status, answer.location()),
        (StatusCode::SEE_OTHER, "/")
    );
    let home = browser.get("/").await;
    assert!(
        home.body.contains("The device restarts now."),
        "{}",
        home.body
    );
    assert!(!home.body.contains(KEY) && !home.body.contains("A key was read"));
    let again = browser.get("/").await;
    assert!(
        !again.body.contains("The device restarts now."),
        "said once"
    );
}

#[tokio::test]
async fn a_device_without_identity_is_claimed() {
    let device = Device::new(Mode::None);
    let mut browser = device.signed_in().await;
    let clerk = serve(device.clerk, |asked| match asked {
        Asked::Claim {
            registration,
            answer,
        } => {
            assert!(is_as_asked(&registration));
            let _ = answer.send(Ok(change_answer(ChangeKind::Claim)));
        }
        other => panic!("{other:?}"),
    });
    let (answer, _clerk) = tokio::join!(browser.post("/setup", &SETUP), clerk);
    assert_eq!(answer.location(), "/");
}

#[tokio::test(start_paused = true)]
async fn what_takes_long_goes_on_while_the_page_is_shown() {
    let mut device = Device::new(Mode::Stock);
    let mut browser = device.signed_in().await;
    let answer = browser.post("/setup", &SETUP).await;
    assert_eq!(
        (answer.status, answer.location()),
        (StatusCode::SEE_OTHER, "/")
    );
    assert!(matches!(
        device.clerk.requests.try_recv(),
        Ok(Asked::Setup { .. })
    ));
    let home = browser.get("/").await;
    assert!(
        home.body.contains("A key was read and is kept"),
        "for another try"
    );
    assert!(!home.body.contains(KEY));
}

#[tokio::test]
async fn mistakes_are_shown_where_they_were_made_and_nothing_is_sent() {
    let mut device = Device::new(Mode::Stock);
    let mut browser = device.signed_in().await;
    let wrong = [
        ("idScope", "0ne/\"><i>"),
        ("registrationId", "not an id"),
        ("symmetricKey", "c2hvcnQ="),
        ("globalEndpoint", "ftp://x"),
    ];
    let answer = browser.post("/setup", &wrong).await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    for words in [
        "Nothing was sent",
        "The ID scope must be letters and digits",
        "The registration id contains ",
        "The key has 5 bytes",
        "The endpoint must be a host",
        "value=\"not an id\"",
    ] {
        assert!(answer.body.contains(words), "no {words} in {}", answer.body);
    }
    assert!(!answer.body.contains("c2hvcnQ=") && !answer.body.contains("<i>"));
    assert!(
        device.clerk.requests.try_recv().is_err(),
        "nothing was asked"
    );

    // A good key need not be typed again for another field's sake.
    let answer = browser
        .post(
            "/setup",
            &[
                ("idScope", ""),
                ("registrationId", "r"),
                ("symmetricKey", KEY),
            ],
        )
        .await;
    assert!(answer.body.contains("A key was read and is kept") && !answer.body.contains(KEY));
    let next = browser.post("/setup", &[("idScope", "0ne1"), ("registrationId", "r")]);
    let clerk = serve(device.clerk, |asked| match asked {
        Asked::Setup {
            registration,
            answer,
        } => {
            assert_eq!(registration.symmetric_key.expose(), KEY);
            let _ = answer.send(Ok(change_answer(ChangeKind::Setup)));
        }
        other => panic!("{other:?}"),
    });
    let (answer, _clerk) = tokio::join!(next, clerk);
    assert_eq!(answer.location(), "/");
}

#[tokio::test]
async fn a_refusal_says_why_beside_the_field_and_keeps_the_form() {
    let device = Device::new(Mode::Stock);
    let mut browser = device.signed_in().await;
    let clerk = serve(device.clerk, |asked| match asked {
        Asked::Setup { answer, .. } => {
            let refusal = Refusal {
                fields: vec![FieldProblem {
                    field: "symmetricKey".into(),
                    message: "is not the one of this registration".into(),
                }],
                ..Refusal::new(502, "unauthorised", "the service <refused> the key")
            };
            let _ = answer.send(Err(refusal.at(Step::Register)));
        }
        other => panic!("{other:?}"),
    });
    let (answer, _clerk) = tokio::join!(browser.post("/setup", &SETUP), clerk);
    assert_eq!(answer.status, StatusCode::BAD_GATEWAY);
    assert!(
        answer
            .body
            .contains("The service &#60;refused&#62; the key."),
        "{}",
        answer.body
    );
    assert!(
        answer
            .body
            .contains("The key is not the one of this registration.")
    );
    assert!(answer.body.contains("value=\"0ne00445566\"") && !answer.body.contains(KEY));
}

#[tokio::test]
async fn a_reset_needs_a_second_thought() {
    let mut device = Device::new(Mode::Project);
    let mut browser = device.signed_in().await;
    let answer = browser.post("/reset", &[]).await;
    assert_eq!(answer.status, StatusCode::BAD_REQUEST);
    assert!(answer.body.contains("Tick the box"));
    assert!(device.clerk.requests.try_recv().is_err());
    let clerk = serve(device.clerk, |asked| match asked {
        Asked::Reset { answer } => {
            let _ = answer.send(Ok(change_answer(ChangeKind::Reset)));
        }
        other => panic!("{other:?}"),
    });
    let (answer, _clerk) = tokio::join!(browser.post("/reset", &[("confirm", "yes")]), clerk);
    assert_eq!(answer.location(), "/");
}

#[tokio::test]
async fn only_a_device_with_something_to_leave_offers_a_reset() {
    for (mode, offered) in [
        (Mode::None, false),
        (Mode::Stock, false),
        (Mode::Project, true),
        (Mode::Other, true),
    ] {
        let home = Device::new(mode).signed_in().await.get("/").await;
        assert_eq!(home.body.contains("action=\"/reset\""), offered, "{mode:?}");
    }
}

#[tokio::test]
async fn claims_and_tests_are_asked_for() {
    let mut device = Device::new(Mode::None);
    let mut browser = device.signed_in().await;
    for (path, is_asked) in [
        (
            "/test",
            (|asked| matches!(asked, Asked::Test { .. })) as fn(Asked) -> bool,
        ),
        ("/claim/start", |asked| {
            matches!(asked, Asked::StartSignIn { .. })
        }),
        ("/claim/cancel", |asked| {
            matches!(asked, Asked::CancelSignIn { .. })
        }),
    ] {
        // The request is dropped, as by a device that stops.
        let asked = async {
            soon("a request", device.clerk.requests.recv())
                .await
                .is_some_and(is_asked)
        };
        let (answer, asked) = tokio::join!(browser.post(path, &[]), asked);
        assert!(asked, "{path}");
        assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE);
        assert!(answer.body.contains("The device is stopping"));
    }
}

#[tokio::test]
async fn a_code_fills_the_form_and_its_key_stays_on_the_device() {
    let device = Device::new(Mode::Stock);
    let mut browser = device.signed_in().await;
    let text =
        format!("cow:setup?idScope=0ne00445566&symmetricKey={KEY}&globalEndpoint=dps.example");
    let answer = browser.post("/code", &[("code", &text)]).await;
    assert_eq!(answer.location(), "/");
    let home = browser.get("/").await;
    for part in [
        "The code was read.",
        "value=\"0ne00445566\"",
        &format!("value=\"{SERIAL}\""),
        "value=\"dps.example\"",
        "A key was read and is kept",
    ] {
        assert!(home.body.contains(part), "no {part}");
    }
    assert!(!home.body.contains(KEY));

    // Nobody else's form is filled, and what was read can be forgotten.
    let other = device.signed_in().await.get("/").await;
    assert!(!other.body.contains("A key was read"));
    browser.post("/forget", &[]).await;
    let home = browser.get("/").await;
    assert!(!home.body.contains("A key was read") && !home.body.contains("0ne00445566"));

    let answer = browser
        .post("/code", &[("code", "https://example.org/<b>")])
        .await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(answer.body.contains("That is no set-up code") && !answer.body.contains("example.org"));

    let short = "cow:setup?idScope=0ne1&symmetricKey=c2hvcnQ=";
    browser.post("/code", &[("code", short)]).await;
    let home = browser.get("/").await;
    assert!(
        home.body
            .contains("The code was read, but: symmetricKey has 5 bytes"),
        "{}",
        home.body
    );
}

#[tokio::test]
async fn a_picture_of_a_code_fills_the_form_too() {
    let device = Device::new(Mode::Stock);
    let mut browser = device.signed_in().await;
    let rows: Vec<&str> = include_str!("../fixtures/code.txt").lines().collect();
    let (pixels, quiet) = (4, 16);
    let width = rows.len() * pixels + 2 * quiet;
    let mut grey = vec![255; width * width];
    for (y, row) in rows.iter().enumerate() {
        for (x, _) in row.match_indices('#') {
            for line in 0..pixels {
                let at = (quiet + y * pixels + line) * width + quiet + x * pixels;
                grey[at..at + pixels].fill(0);
            }
        }
    }
    let picture = |browser: &Browser, grey: Vec<u8>| {
        browser
            .request("POST", &format!("/picture?width={width}"))
            .header("x-form-token", &browser.token)
            .body(Body::from(grey))
            .expect("a request")
    };
    let request = picture(&browser, grey.clone());
    let answer = browser.send(request).await;
    assert_eq!(
        (answer.status, answer.body.as_str()),
        (StatusCode::NO_CONTENT, "")
    );
    let home = browser.get("/").await;
    assert!(home.body.contains("value=\"0ne00112233\"") && home.body.contains("A key was read"));

    let request = picture(&browser, vec![255; width * width]);
    let answer = browser.send(request).await;
    assert_eq!(answer.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(answer.body.contains("No code could be read"));
    let request = picture(&browser, vec![0; 1_500_001]);
    assert_eq!(
        browser.send(request).await.status,
        StatusCode::PAYLOAD_TOO_LARGE
    );
}

#[tokio::test]
async fn a_form_longer_than_any_of_the_portals_is_not_read() {
    let device = Device::new(Mode::Stock);
    let mut browser = device.signed_in().await;
    let answer = browser
        .post("/setup", &[("idScope", &"0".repeat(20_000))])
        .await;
    assert_eq!(answer.status, StatusCode::PAYLOAD_TOO_LARGE);
}

#[tokio::test]
async fn a_code_is_what_the_method_takes() {
    let request = code::read(&format!(
        "cow:setup?idScope=0ne00445566&registrationId={SERIAL}&symmetricKey={KEY}"
    ));
    assert!(is_as_asked(&request.expect("a code")));
}
