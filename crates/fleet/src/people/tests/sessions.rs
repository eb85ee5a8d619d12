//! Signing in, guessing, and how a session ends.

use super::*;

#[tokio::test]
async fn signing_in_gives_a_new_session_each_time_and_signing_out_ends_it() {
    let (site, first) = begun().await;
    let answer = sign_in(&site, " ANN@town.example", PASSWORD, "/people?x=1").await;
    assert_eq!(
        (answer.status, answer.header("location")),
        (StatusCode::SEE_OTHER, "/people?x=1")
    );
    let given = answer.header("set-cookie");
    for attribute in ["HttpOnly", "SameSite=Lax", "Path=/"] {
        assert!(given.contains(attribute), "{given}");
    }
    let second = cookie(&answer);
    assert_ne!(first, second);
    let elsewhere = sign_in(&site, "ann@town.example", PASSWORD, "//evil.example").await;
    assert_eq!(elsewhere.header("location"), "/");
    // A session that came with the form is over.
    let fields = [("email", "ann@town.example"), ("password", PASSWORD)];
    let third = cookie(&post(&site, "/sign-in", &second, &fields).await);
    assert_eq!(open(&site, "/account", &second).await.status, 303);
    assert_eq!(open(&site, "/account", &third).await.status, 200);
    let out = post(&site, "/sign-out", &third, &[]).await;
    assert!(out.header("set-cookie").contains("Max-Age=0"));
    assert_eq!(
        open(&site, "/account", &third).await.header("location"),
        "/sign-in?next=%2Faccount"
    );
    assert_eq!(open(&site, "/account", &first).await.status, 200);
}

#[tokio::test]
async fn guesses_are_slowed_down_and_say_nothing_of_who_is_here() {
    let (site, _) = begun().await;
    let wrong = sign_in(&site, "ann@town.example", "a wrong password", "").await;
    let nobody = sign_in(&site, "bob@town.example", "a wrong password", "").await;
    assert_eq!(
        (wrong.status, nobody.status),
        (StatusCode::UNAUTHORIZED, StatusCode::UNAUTHORIZED)
    );
    let shown = |answer: &Answer| answer.text.replace("ann@", "bob@");
    assert_eq!(shown(&wrong), shown(&nobody));
    for _ in 0..4 {
        sign_in(&site, "ann@town.example", "a wrong password", "").await;
    }
    let refused = sign_in(&site, "ann@town.example", PASSWORD, "").await;
    assert_eq!(refused.status, 429);
    assert_eq!(refused.header("retry-after"), "3");
    site.pass(Duration::from_secs(3));
    let answer = sign_in(&site, "ann@town.example", PASSWORD, "").await;
    assert_eq!(answer.status, 303);
}

#[tokio::test]
async fn sessions_end_by_themselves() {
    let (site, cookie) = begun().await;
    for _ in 0..4 {
        site.pass(Duration::from_hours(11));
        assert_eq!(open(&site, "/account", &cookie).await.status, 200);
    }
    site.pass(Duration::from_hours(13));
    assert_eq!(open(&site, "/account", &cookie).await.status, 303, "idle");
    let answer = sign_in(&site, "ann@town.example", PASSWORD, "").await;
    let cookie = self::cookie(&answer);
    for _ in 0..(30 * 24 / 10 - 1) {
        site.pass(Duration::from_hours(10));
        assert_eq!(open(&site, "/account", &cookie).await.status, 200);
    }
    site.pass(Duration::from_hours(10));
    assert_eq!(open(&site, "/account", &cookie).await.status, 303, "old");
}

#[tokio::test]
async fn a_page_of_somebody_else_changes_nothing() {
    let (site, cookie) = begun().await;
    for (name, value) in [
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-site", "same-site"),
        ("origin", "https://evil.example"),
        ("origin", "null"),
        ("x-nothing", "at all"),
    ] {
        let request = Request::patch("/api/me")
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::COOKIE, &cookie)
            .header(header::HOST, "parking.example")
            .header(name, value)
            .body(Body::from(r#"{"name": "Eve"}"#));
        let answer = site.send(request.expect("a request")).await;
        assert_eq!(answer.status, 403, "{name}: {value}");
        assert_eq!(answer.json()["code"], "cross-site");
    }
    let me = call(&site, Method::GET, "/api/me", &cookie, Value::Null).await;
    assert_eq!(me.json()["name"], "Ann");
    let own = json!({"name": "Ann <b>Bold</b>"});
    let answer = call(&site, Method::PATCH, "/api/me", &cookie, own).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let page = open(&site, "/account", &cookie).await;
    assert!(page.text.contains("Ann &#60;b&#62;Bold"), "{}", page.text);
}

#[tokio::test]
async fn a_new_password_ends_every_session_but_the_one_that_asked() {
    let (site, cookie) = begun().await;
    let other = self::cookie(&sign_in(&site, "ann@town.example", PASSWORD, "").await);
    let wanted =
        |current: &str| json!({"currentPassword": current, "password": "other words are fine"});
    let answer = call(
        &site,
        Method::PUT,
        "/api/me/password",
        &cookie,
        wanted("no"),
    )
    .await;
    assert_eq!(
        (answer.status.as_u16(), answer.json()["field"].as_str()),
        (400, Some("currentPassword"))
    );
    let answer = call(
        &site,
        Method::PUT,
        "/api/me/password",
        &cookie,
        wanted(PASSWORD),
    )
    .await;
    assert_eq!(answer.status, 204, "{answer:?}");
    let new = self::cookie(&answer);
    for (old, status) in [(&cookie, 303), (&other, 303), (&new, 200)] {
        assert_eq!(open(&site, "/account", old).await.status, status);
    }
    assert_eq!(
        sign_in(&site, "ann@town.example", PASSWORD, "")
            .await
            .status,
        401
    );
}

#[tokio::test]
async fn signing_out_everywhere_leaves_no_session_and_every_token() {
    let (site, cookie) = begun().await;
    let other = self::cookie(&sign_in(&site, "ann@town.example", PASSWORD, "").await);
    let made = json!({"name": "backup"});
    let made = call(&site, Method::POST, "/api/tokens", &cookie, made).await;
    let path = "/api/me/sessions";
    let answer = call(&site, Method::DELETE, path, &cookie, Value::Null).await;
    assert_eq!(answer.status, 204, "{answer:?}");
    for session in [&cookie, &other] {
        assert_eq!(open(&site, "/account", session).await.status, 303);
    }
    let program = crate::testing::Somebody {
        id: String::new(),
        token: made.json()["token"].as_str().expect("a token").to_owned(),
    };
    assert_eq!(site.get(&program, "/api/me").await.status, 200);
}

#[tokio::test]
async fn another_role_holds_for_the_next_request_and_ends_sessions() {
    let (site, admin) = begun().await;
    let url = call(
        &site,
        Method::POST,
        "/api/invitations",
        &admin,
        json!({"role": "operator"}),
    );
    let url = url.await.json()["url"].as_str().expect("a link").to_owned();
    let path = url.replace("http://parking.example", "");
    let fields = [
        ("email", "ben@town.example"),
        ("name", "Ben"),
        ("password", PASSWORD),
    ];
    let ben = cookie(&post(&site, &path, "", &fields).await);
    let token = call(
        &site,
        Method::POST,
        "/api/tokens",
        &ben,
        json!({"name": "x"}),
    );
    let program = crate::testing::Somebody {
        id: String::new(),
        token: token.await.json()["token"]
            .as_str()
            .expect("a token")
            .to_owned(),
    };
    assert_eq!(site.get(&program, "/api/customers").await.status, 200);
    let me = site.get(&program, "/api/me").await.json();
    let user = format!("/api/users/{}", me["id"].as_str().expect("an id"));
    let answer = call(
        &site,
        Method::PATCH,
        &user,
        &admin,
        json!({"role": "driver"}),
    )
    .await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(open(&site, "/account", &ben).await.status, 303);
    assert_eq!(site.get(&program, "/api/customers").await.status, 403);
}
