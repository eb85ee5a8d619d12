use jiff::Timestamp;
use serde_json::{Value, json};

use super::*;

fn at(seconds: u64) -> Moment {
    let elapsed = Duration::from_secs(seconds);
    Moment {
        elapsed,
        wall: Timestamp::UNIX_EPOCH + elapsed,
    }
}

fn body(value: &Value) -> Vec<u8> {
    value.to_string().into_bytes()
}

fn code() -> Vec<u8> {
    body(&json!({
        "device_code": "d-secret", "user_code": "WDJB-MJHT",
        "verification_uri": "https://fleet.example/device",
        "verification_uri_complete": "https://fleet.example/device?user_code=WDJB-MJHT",
        "expires_in": 60, "interval": 5
    }))
}

/// A flow whose code is shown, with its first question due five seconds later.
fn shown() -> Flow {
    let mut flow = Flow::new(at(0));
    assert!(matches!(
        flow.poll_output(),
        Some(Output::Ask(Call::Authorize))
    ));
    flow.handle_answer(200, &code(), at(0));
    let Some(Output::Show(sign_in)) = flow.poll_output() else {
        panic!("a code to show");
    };
    assert_eq!(sign_in.user_code, "WDJB-MJHT");
    assert_eq!(sign_in.expires_at, at(60).wall);
    flow
}

fn asks(flow: &mut Flow, seconds: u64) -> Call {
    assert_eq!(flow.poll_timeout(), Some(Duration::from_secs(seconds)));
    flow.handle_timeout(at(seconds));
    match flow.poll_output() {
        Some(Output::Ask(call)) => call,
        other => panic!("{other:?}"),
    }
}

fn ending(flow: &mut Flow) -> Result<SetupRequest, String> {
    assert_eq!(flow.poll_timeout(), None);
    match flow.poll_output() {
        Some(Output::Ended(result)) => result,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_claim_that_is_approved() {
    let mut flow = shown();
    let Call::Token { device_code } = asks(&mut flow, 5) else {
        panic!("whether it is approved");
    };
    assert_eq!(device_code.expose(), "d-secret");
    flow.handle_answer(
        400,
        &body(&json!({"error": "authorization_pending"})),
        at(5),
    );
    asks(&mut flow, 10);
    flow.handle_answer(400, &body(&json!({"error": "slow_down"})), at(10));
    asks(&mut flow, 20);
    let token = json!({"access_token": "t-secret", "token_type": "Bearer"});
    flow.handle_answer(200, &body(&token), at(20));
    let Some(Output::Ask(Call::Registration { token })) = flow.poll_output() else {
        panic!("the registration");
    };
    assert_eq!(token.expose(), "t-secret");
    let given = json!({"idScope": "0ne1", "registrationId": "r", "symmetricKey": "c2VjcmV0", "note": "new"});
    flow.handle_answer(200, &body(&given), at(21));

    let request = ending(&mut flow).expect("a registration");
    assert_eq!(
        (request.id_scope.as_str(), request.registration_id.as_str()),
        ("0ne1", "r")
    );
    assert_eq!(request.symmetric_key.expose(), "c2VjcmV0");
}

#[test]
fn a_claim_that_comes_to_nothing() {
    for (answer, words) in [
        (json!({"error": "access_denied"}), "turned down"),
        (json!({"error": "expired_token"}), "in time"),
        (json!({"error": "invalid_client"}), "(invalid_client)"),
        (json!({"error": "<b>\n"}), "the service refused the claim"),
        (json!("?"), "the service refused the claim"),
    ] {
        let mut flow = shown();
        asks(&mut flow, 5);
        flow.handle_answer(400, &body(&answer), at(5));
        let why = ending(&mut flow).expect_err("nothing came of it");
        assert!(why.contains(words) && !why.contains('<'), "{why}");
    }
}

#[test]
fn answers_that_make_no_sense() {
    let mut flow = Flow::new(at(0));
    flow.poll_output();
    flow.handle_answer(200, b"{}", at(0));
    ending(&mut flow).expect_err("no code");

    let mut flow = shown();
    asks(&mut flow, 5);
    let token = json!({"access_token": "t-secret", "token_type": "mac"});
    flow.handle_answer(200, &body(&token), at(5));
    let why = ending(&mut flow).expect_err("no token of ours");
    assert!(!why.contains("secret"));

    let mut flow = Flow::new(at(0));
    flow.poll_output();
    flow.handle_answer(404, b"", at(0));
    assert_eq!(
        ending(&mut flow).expect_err("no service"),
        "the service gives no code: it answered with status 404"
    );
}

#[test]
fn a_code_ends_when_its_time_is_over() {
    let mut flow = shown();
    let mut now = 5;
    while now < 60 {
        asks(&mut flow, now);
        flow.handle_answer(
            400,
            &body(&json!({"error": "authorization_pending"})),
            at(now),
        );
        now += 5;
    }
    flow.handle_timeout(at(60));
    assert!(ending(&mut flow).expect_err("too late").contains("in time"));
}

#[test]
fn a_service_out_of_reach_is_asked_less_and_less() {
    let mut flow = Flow::new(at(0));
    flow.poll_output();
    for (now, next) in [(0, 10), (10, 30), (30, 70), (70, 130)] {
        flow.handle_silence("no route", at(now));
        asks(&mut flow, next);
    }
    flow.handle_silence("no route", at(130));
    assert_eq!(
        ending(&mut flow).expect_err("it gives up"),
        "the claim service cannot be reached: no route"
    );

    // With a code out, it goes on for as long as that is good.
    let mut flow = shown();
    asks(&mut flow, 5);
    flow.handle_answer(503, b"", at(5));
    asks(&mut flow, 15);
    flow.handle_silence("no route", at(15));
    asks(&mut flow, 35);
    flow.handle_silence("no route", at(35));
    flow.handle_timeout(at(60));
    assert!(ending(&mut flow).expect_err("too late").contains("in time"));
}

#[test]
fn nothing_shows_what_is_secret() {
    let mut flow = shown();
    let call = asks(&mut flow, 5);
    assert!(!format!("{flow:?} {call:?}").contains("d-secret"));
}
