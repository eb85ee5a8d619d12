//! The portal through its router, as a browser and as an attacker sees it.

mod doors;
mod forms;
mod served;
mod shown;

use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Request, StatusCode, header};
use bay::message::{IdentityReport, Mode, SetupRequest};
use http_body_util::BodyExt;
use tokio::time::timeout;
use tower::ServiceExt;

use super::{Pin, PortalOptions, router};
use crate::desk::{Clerk, Desk};
use crate::view::View;

const PIN: &str = "314159";
const HOST: &str = "192.168.4.1:8088";
const SERIAL: &str = "10000000abcdef01";
const KEY: &str = "c2VjcmV0LWtleS1zZWNyZXQta2V5LXNlY3JldA==";

/// A portal, and the back of its desk.
struct Device {
    router: Router,
    clerk: Clerk,
}

struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: String,
}

/// A browser: keeps cookies, and reads form tokens off the pages.
#[derive(Clone)]
struct Browser {
    router: Router,
    cookie: Option<String>,
    token: String,
}

fn view(mode: Mode) -> View {
    View {
        identity: IdentityReport {
            serial: Some(SERIAL.into()),
            mode,
            id_scope: (mode != Mode::None).then(|| "0ne00112233".into()),
            registration_id: (mode != Mode::None).then(|| SERIAL.into()),
            ..IdentityReport::default()
        },
        ..View::default()
    }
}

impl Device {
    fn new(mode: Mode) -> Self {
        Self::showing(view(mode))
    }

    fn showing(view: View) -> Self {
        let (desk, clerk) = Desk::open(view);
        let pin = PIN.parse::<Pin>().expect("a PIN");
        let options = PortalOptions {
            names: vec!["bay-07".into()],
            ..PortalOptions::new(pin).expect("a random source")
        };
        let router = router(desk, &options);
        Self { router, clerk }
    }

    fn browser(&self) -> Browser {
        Browser {
            router: self.router.clone(),
            cookie: None,
            token: String::new(),
        }
    }

    async fn signed_in(&self) -> Browser {
        let mut browser = self.browser();
        browser.sign_in(PIN).await;
        let home = browser.get("/").await;
        assert_eq!(home.status, StatusCode::OK, "{}", home.body);
        browser
    }
}

async fn ask(router: &Router, request: Request<Body>) -> Answer {
    let response = router.clone().oneshot(request).await.expect("an answer");
    let (head, body) = response.into_parts();
    let body = body.collect().await.expect("a body").to_bytes();
    Answer {
        status: head.status,
        headers: head.headers,
        body: String::from_utf8_lossy(&body).into_owned(),
    }
}

impl Browser {
    fn request(&self, method: &str, path: &str) -> axum::http::request::Builder {
        let request = Request::builder().method(method).uri(path);
        let request = request.header(header::HOST, HOST);
        match &self.cookie {
            Some(cookie) => request.header(header::COOKIE, cookie),
            None => request,
        }
    }

    async fn send(&mut self, request: Request<Body>) -> Answer {
        let answer = ask(&self.router, request).await;
        if let Some(cookie) = answer.headers.get(header::SET_COOKIE) {
            let cookie = cookie.to_str().expect("a text");
            assert!(
                cookie.contains("; HttpOnly; SameSite=Strict"),
                "{cookie} is open to scripts or other sites"
            );
            self.cookie = cookie.split(';').next().map(str::to_owned);
        }
        if let Some(token) = between(&answer.body, r#"name="token" value=""#, "\"") {
            self.token = token.to_owned();
        }
        answer
    }

    async fn get(&mut self, path: &str) -> Answer {
        let request = self.request("GET", path);
        self.send(request.body(Body::empty()).expect("a request"))
            .await
    }

    async fn post_raw(&mut self, path: &str, form: String) -> Answer {
        let request = self
            .request("POST", path)
            .header(header::ORIGIN, format!("http://{HOST}"))
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        self.send(request.body(Body::from(form)).expect("a request"))
            .await
    }

    /// A form of the page this browser has open.
    async fn post(&mut self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let mut form = format!("token={}", self.token);
        for (name, value) in fields {
            form.push_str(&format!("&{name}={}", hub_proto::percent::encode(value)));
        }
        self.post_raw(path, form).await
    }

    async fn sign_in(&mut self, pin: &str) -> Answer {
        let page = self.get("/sign-in").await;
        assert_eq!(page.status, StatusCode::OK);
        self.post("/sign-in", &[("pin", pin)]).await
    }
}

impl Answer {
    fn location(&self) -> &str {
        let location = self.headers.get(header::LOCATION);
        location.map_or("", |location| location.to_str().expect("a text"))
    }
}

fn between<'a>(text: &'a str, before: &str, after: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(before)?;
    Some(rest.split_once(after)?.0)
}

const SETUP: [(&str, &str); 4] = [
    ("idScope", "0ne00445566"),
    ("registrationId", SERIAL),
    ("symmetricKey", KEY),
    ("globalEndpoint", ""),
];

fn is_as_asked(request: &SetupRequest) -> bool {
    request.id_scope == "0ne00445566"
        && request.registration_id == SERIAL
        && request.symmetric_key.expose() == KEY
        && request.global_endpoint.is_none()
}

async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    let answer = timeout(Duration::from_secs(20), future).await;
    answer.unwrap_or_else(|_| panic!("not within 20 s: {what}"))
}
