//! What pages are made with: the frame around each, moments, and the page for a problem.

use std::fmt;

use askama::Template;
use askama::filters::HtmlSafe;
use axum::extract::{Request, State};
use axum::http::header::{ACCEPT, ACCEPT_LANGUAGE, CONTENT_TYPE, LOCATION};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::{Html, IntoResponse, Response};
use jiff::Timestamp;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

use crate::app::App;
use crate::moment::Moment;
use crate::people::{Caller, Role, sessions};
use crate::problem::Problem;
use crate::words::{Amount, Text, Words};

/// What is around every page: who looks, in which language, and which entry of the head is lit. A template holds it as
/// `page` and extends `base.html`.
#[derive(Debug, Clone)]
pub(crate) struct Frame {
    words: Words,
    caller: Option<Caller>,
    section: &'static str,
}

impl Frame {
    /// For somebody who is signed in.
    pub(crate) fn of(caller: &Caller, section: &'static str) -> Self {
        Self {
            words: Words::of(&caller.language),
            caller: Some(caller.clone()),
            section,
        }
    }

    /// For nobody known, in the language of the browser.
    pub(crate) fn outside(headers: &HeaderMap) -> Self {
        let accept = headers.get(ACCEPT_LANGUAGE).map(HeaderValue::to_str);
        Self {
            words: Words::wanted(accept.and_then(Result::ok).unwrap_or_default()),
            caller: None,
            section: "",
        }
    }

    /// See [`Words::text`].
    pub(crate) fn text(&self, name: &str) -> Text {
        self.words.text(name)
    }

    /// See [`Words::count`].
    pub(crate) fn count(&self, name: &str, count: impl Amount) -> Text {
        self.words.count(name, count)
    }

    /// The word for one of the values of something: a state, a kind.
    pub(crate) fn word(&self, table: &str, value: &str) -> Text {
        self.words.text(&format!("{table}.{value}"))
    }

    /// What a problem says: in English all of its detail, in other languages what its code means.
    pub(crate) fn problem(&self, problem: &Problem) -> String {
        if self.language() == "en" {
            return problem.detail.clone();
        }
        let of_field = problem.field.is_some() && problem.code == "invalid";
        let known = self.words.find(&format!("script.refused.{}", problem.code));
        known.map_or_else(
            || {
                let kind = if of_field { "field" } else { "other" };
                let text = self.word("script.refused", kind);
                format!("{text} ({})", problem.detail)
            },
            |text| text.to_string(),
        )
    }

    /// What a role is called.
    pub(crate) fn role(&self, role: &Role) -> Text {
        self.words.text(&format!("role.{}", role.as_str()))
    }

    /// The code of the language.
    pub(crate) const fn language(&self) -> &'static str {
        self.words.language()
    }

    /// Who looks.
    pub(crate) const fn caller(&self) -> Option<&Caller> {
        self.caller.as_ref()
    }

    /// Whether this entry of the head is lit.
    pub(crate) fn is_at(&self, section: &str) -> bool {
        self.section == section
    }

    /// Whether whoever looks has this role or one above it.
    pub(crate) fn at_least(&self, role: &str) -> bool {
        let caller = self.caller.as_ref();
        caller.is_some_and(|caller| Role::read(role).is_some_and(|role| caller.role >= role))
    }
}

/// Makes a page of a template.
pub(crate) fn show(page: &impl Template) -> Response {
    show_as(StatusCode::OK, page)
}

/// The same, with another status.
pub(crate) fn show_as(status: StatusCode, page: &impl Template) -> Response {
    match page.render() {
        Ok(html) => (status, Html(html)).into_response(),
        Err(error) => {
            tracing::error!(%error, "a page could not be made");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

impl Moment {
    /// As a page shows it, for the reader's clock.
    pub(crate) const fn when(&self) -> When {
        When(self.0)
    }
}

/// A moment on a page: in UTC until a script writes it in the reader's own time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct When(i64);

impl fmt::Display for When {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let time = Timestamp::from_millisecond(self.0).unwrap_or_default();
        let plain = time.strftime("%Y-%m-%d %H:%M UTC");
        write!(f, "<time datetime=\"{time}\">{plain}</time>")
    }
}

// Digits, and what is written here.
impl HtmlSafe for When {}

#[derive(Template)]
#[template(path = "problem.html")]
struct ProblemPage {
    page: Frame,
    problem: Problem,
}

/// Makes a page of a problem for somebody who opened a page, and brings to the way in whoever has to sign in first.
pub(super) async fn show_problems(
    State(app): State<App>,
    request: Request,
    next: Next,
) -> Response {
    let headers = request.headers();
    let is_for_person = headers
        .get(ACCEPT)
        .and_then(|accept| accept.to_str().ok())
        .is_some_and(|accept| accept.contains("text/html"));
    if !is_for_person {
        return next.run(request).await;
    }
    let headers = headers.clone();
    let back = request
        .method()
        .is_safe()
        .then(|| request.uri().to_string());
    let response = next.run(request).await;
    let Some(problem) = response.extensions().get::<Problem>().cloned() else {
        return response;
    };
    if problem.status == StatusCode::UNAUTHORIZED.as_u16() {
        return to_sign_in(back.as_deref());
    }
    let caller = sessions::caller(&headers, &app).await.ok().flatten();
    let page = match &caller {
        Some(caller) => Frame::of(caller, ""),
        None => Frame::outside(&headers),
    };
    let mut shown = show_as(response.status(), &ProblemPage { page, problem });
    for (name, value) in response.headers() {
        if name != CONTENT_TYPE {
            shown.headers_mut().insert(name, value.clone());
        }
    }
    // The length of the document is not the page's.
    shown
        .headers_mut()
        .remove(axum::http::header::CONTENT_LENGTH);
    shown
}

fn to_sign_in(back: Option<&str>) -> Response {
    let back = back.filter(|back| *back != "/").map(|back| {
        let back = utf8_percent_encode(back, NON_ALPHANUMERIC);
        format!("?next={back}")
    });
    let location = format!("/sign-in{}", back.unwrap_or_default());
    (StatusCode::SEE_OTHER, [(LOCATION, location)]).into_response()
}

/// The address behind `next=`, if it is one of ours: `//evil.example` and `https:…` are not.
pub(crate) fn own_address(next: &str) -> &str {
    let is_own = next.starts_with('/')
        && !next.starts_with("//")
        && !next.contains(['\\', '\r', '\n', '\t'])
        && !next.contains(char::is_control);
    if is_own { next } else { "/" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_signing_in_nobody_is_sent_elsewhere() {
        for (next, to) in [
            ("/orders?state=open", "/orders?state=open"),
            ("//evil.example", "/"),
            ("/\\evil.example", "/"),
            ("/\t/evil.example", "/"),
            ("https://evil.example", "/"),
            ("javascript:alert(1)", "/"),
            ("", "/"),
        ] {
            assert_eq!(own_address(next), to, "{next}");
        }
    }

    #[test]
    fn a_moment_is_marked_for_scripts_and_readable_without() {
        let text = When(1_790_000_000_123).to_string();
        assert_eq!(
            text,
            "<time datetime=\"2026-09-21T14:13:20.123Z\">2026-09-21 14:13 UTC</time>"
        );
    }
}
