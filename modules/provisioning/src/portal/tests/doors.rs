//! Who gets in, and who does not.

use super::*;

const PAGES: [&str; 2] = ["/", "/live"];
const FORMS: [&str; 9] = [
    "/setup",
    "/code",
    "/picture?width=100",
    "/forget",
    "/test",
    "/reset",
    "/claim/start",
    "/claim/cancel",
    "/sign-out",
];

#[tokio::test]
async fn nothing_is_shown_or_done_without_the_pin() {
    let mut device = Device::new(Mode::Stock);
    let mut browser = device.browser();
    for page in PAGES {
        let answer = browser.get(page).await;
        assert!(
            answer.location() == "/sign-in" || answer.status == StatusCode::UNAUTHORIZED,
            "{page}: {}",
            answer.status
        );
        assert!(answer.body.is_empty(), "{page} says {}", answer.body);
    }
    browser.get("/sign-in").await;
    for form in FORMS {
        let answer = browser.post(form, &SETUP).await;
        assert_eq!(answer.location(), "/sign-in", "{form}");
    }
    assert!(
        device.clerk.requests.try_recv().is_err(),
        "nothing was asked"
    );
}

#[tokio::test]
async fn the_pin_opens_and_a_wrong_one_does_not() {
    let device = Device::new(Mode::Stock);
    let mut browser = device.browser();
    let wrong = browser.sign_in("271828").await;
    assert_eq!(wrong.status, StatusCode::FORBIDDEN);
    assert!(wrong.body.contains("That is not the PIN"));
    assert!(!wrong.body.contains("271828") && !wrong.body.contains(PIN));
    assert_eq!(browser.get("/").await.location(), "/sign-in");

    let before = browser.cookie.clone();
    let right = browser.sign_in(" 314159 ").await;
    assert_eq!(right.location(), "/");
    assert_ne!(browser.cookie, before, "a cookie from before is no session");
    assert_eq!(browser.get("/").await.status, StatusCode::OK);
    assert_eq!(browser.get("/sign-in").await.location(), "/");
}

#[tokio::test(start_paused = true)]
async fn guessing_locks_the_door_for_everybody_outside_and_longer_each_time() {
    let device = Device::new(Mode::Stock);
    let mut inside = device.signed_in().await;
    let mut browser = device.browser();
    for _ in 0..4 {
        let answer = browser.sign_in("000000").await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN);
    }
    for lock in [30, 60, 120] {
        let answer = browser.sign_in("000000").await;
        assert_eq!(answer.status, StatusCode::TOO_MANY_REQUESTS);
        let told = answer.headers[header::RETRY_AFTER]
            .to_str()
            .expect("a text");
        assert!(told.parse::<u64>().is_ok_and(|told| told >= lock), "{told}");

        tokio::time::advance(Duration::from_secs(lock - 1)).await;
        let mut other = device.browser();
        let answer = other.sign_in(PIN).await;
        assert_eq!(
            answer.status,
            StatusCode::TOO_MANY_REQUESTS,
            "not even the right one"
        );
        assert!(answer.body.contains("Too many wrong PINs. Try again in"));
        tokio::time::advance(Duration::from_secs(2)).await;
    }
    assert_eq!(browser.sign_in(PIN).await.location(), "/");
    assert_eq!(
        inside.get("/").await.status,
        StatusCode::OK,
        "who is inside stays"
    );
}

#[tokio::test(start_paused = true)]
async fn a_session_ends_by_idle_time_and_by_signing_out() {
    let device = Device::new(Mode::Stock);
    let mut browser = device.signed_in().await;
    let nearly = Duration::from_secs(15 * 60 - 1);
    tokio::time::advance(nearly).await;
    assert_eq!(browser.get("/").await.status, StatusCode::OK);
    tokio::time::advance(nearly).await;
    // A page that asks for itself is not a person.
    assert_eq!(browser.get("/?refresh=1").await.status, StatusCode::OK);
    tokio::time::advance(Duration::from_secs(1)).await;
    assert_eq!(browser.get("/").await.location(), "/sign-in");

    let mut browser = device.signed_in().await;
    assert_eq!(browser.post("/sign-out", &[]).await.location(), "/sign-in");
    assert_eq!(browser.get("/").await.location(), "/sign-in");
}

#[tokio::test]
async fn a_form_is_taken_only_from_the_visitors_own_page() {
    let mut device = Device::new(Mode::Stock);
    let mut victim = device.signed_in().await;
    let mut attacker = device.signed_in().await;
    assert_ne!(victim.token, attacker.token);
    std::mem::swap(&mut victim.token, &mut attacker.token);
    for form in FORMS.iter().filter(|form| !form.starts_with("/picture")) {
        for token in [victim.token.clone(), String::new(), "00".into()] {
            let form_body = format!("token={token}&confirm=yes");
            let answer = victim.post_raw(form, form_body).await;
            assert_eq!(
                answer.status,
                StatusCode::FORBIDDEN,
                "{form} with {token:?}"
            );
        }
    }
    let picture = victim.request("POST", "/picture?width=100");
    let picture = picture
        .header("x-form-token", &attacker.token[1..])
        .body(Body::from(vec![0; 10_000]))
        .expect("a request");
    assert_eq!(victim.send(picture).await.status, StatusCode::FORBIDDEN);
    assert!(
        device.clerk.requests.try_recv().is_err(),
        "nothing was asked"
    );

    // The sign-in, too: else somebody could sign a victim in where they watch.
    let mut outside = device.browser();
    let answer = outside.post("/sign-in", &[("pin", PIN)]).await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN);
    assert_eq!(outside.get("/").await.location(), "/sign-in");
}

#[tokio::test]
async fn other_sites_are_refused_before_anything_else() {
    let mut device = Device::new(Mode::Stock);
    let browser = device.signed_in().await;
    for (host, origin, status) in [
        ("bay-07.local:8088", None, StatusCode::OK),
        (HOST, None, StatusCode::OK),
        (HOST, Some("http://192.168.4.1:8088"), StatusCode::OK),
        ("evil.example:8088", None, StatusCode::MISDIRECTED_REQUEST),
        (
            "evil.example:8088",
            Some("http://evil.example:8088"),
            StatusCode::MISDIRECTED_REQUEST,
        ),
        (HOST, Some("http://evil.example"), StatusCode::FORBIDDEN),
        (HOST, Some("null"), StatusCode::FORBIDDEN),
        (HOST, Some("http://192.168.4.1:80"), StatusCode::FORBIDDEN),
    ] {
        let mut request = Request::builder()
            .uri("/")
            .header(header::HOST, host)
            .header(
                header::COOKIE,
                browser.cookie.as_deref().unwrap_or_default(),
            );
        if let Some(origin) = origin {
            request = request.header(header::ORIGIN, origin);
        }
        let answer = ask(
            &device.router,
            request.body(Body::empty()).expect("a request"),
        )
        .await;
        assert_eq!(answer.status, status, "{host} {origin:?}");
        assert!(status == StatusCode::OK || !answer.body.contains(SERIAL));
    }
    let nameless = Request::builder().uri("/").body(Body::empty());
    let answer = ask(&device.router, nameless.expect("a request")).await;
    assert_eq!(answer.status, StatusCode::MISDIRECTED_REQUEST);

    let foreign = Request::builder()
        .method("POST")
        .uri("/reset")
        .header(header::HOST, HOST)
        .header(header::ORIGIN, "http://evil.example")
        .header(
            header::COOKIE,
            browser.cookie.as_deref().unwrap_or_default(),
        )
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .body(Body::from(format!("token={}&confirm=yes", browser.token)));
    let answer = ask(&device.router, foreign.expect("a request")).await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN);
    assert!(
        device.clerk.requests.try_recv().is_err(),
        "nothing was asked"
    );
}

#[tokio::test]
async fn devices_on_one_address_do_not_sign_each_other_out() {
    let device = Device::new(Mode::Stock);
    let browser = device.signed_in().await;
    let cookie = browser.cookie.clone().unwrap_or_default();
    assert!(cookie.starts_with("cow-portal-8088="), "{cookie}");
    let both = format!("cow-portal-8089=1.00; {cookie}");
    let request = Request::builder()
        .uri("/")
        .header(header::HOST, HOST)
        .header(header::COOKIE, both);
    let answer = ask(
        &device.router,
        request.body(Body::empty()).expect("a request"),
    )
    .await;
    assert_eq!(answer.status, StatusCode::OK);
}

#[tokio::test]
async fn every_answer_keeps_to_the_policy_and_every_file_a_page_names_is_there() {
    let device = Device::new(Mode::Project);
    let mut browser = device.browser();
    let mut pages = vec![browser.get("/sign-in").await];
    browser.sign_in(PIN).await;
    pages.push(browser.get("/").await);
    pages.push(browser.get("/nowhere").await);
    let mut wanted = Vec::new();
    for page in &pages {
        for (name, value) in [
            ("x-content-type-options", "nosniff"),
            ("x-frame-options", "DENY"),
            ("cache-control", "no-store"),
            ("referrer-policy", "same-origin"),
        ] {
            assert_eq!(page.headers[name], value);
        }
        let policy = page.headers["content-security-policy"]
            .to_str()
            .expect("a text");
        assert!(policy.starts_with("default-src 'none'") && !policy.contains("unsafe"));
        assert!(policy.contains("frame-ancestors 'none'"));
        for forbidden in [
            " style=\"",
            " onclick",
            "<style",
            "javascript:",
            "http://",
            "https://",
        ] {
            let outside = page.body.replace("(https:\\/\\/)", "");
            assert!(!outside.contains(forbidden), "{forbidden} in a page");
        }
        for script in page.body.split("<script").skip(1) {
            assert!(script.contains("src=\"/assets/"), "an inline script");
        }
        wanted.extend(quoted(&page.body, "\"/assets/"));
    }
    let mut seen = 0;
    while let Some(file) = wanted.pop() {
        let answer = browser.get(&format!("/assets/{file}")).await;
        assert_eq!(answer.status, StatusCode::OK, "{file}");
        wanted.extend(quoted(&answer.body, "import \"./"));
        seen += 1;
        assert!(seen < 100, "the scripts import each other in a circle");
    }
    assert!(seen > 6);
    assert_eq!(
        browser.get("/assets/../portal.rs").await.status,
        StatusCode::NOT_FOUND
    );
}

fn quoted(text: &str, before: &str) -> Vec<String> {
    let after = text.split(before).skip(1);
    after
        .filter_map(|rest| Some(rest.split('"').next()?.to_owned()))
        .collect()
}
