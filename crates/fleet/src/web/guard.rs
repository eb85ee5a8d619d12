//! What every request is put through before its handler, and every answer after it.

use std::convert::Infallible;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use axum::extract::{ConnectInfo, FromRequestParts, Request, State};
use axum::http::header::{
    AUTHORIZATION, CACHE_CONTROL, CONTENT_SECURITY_POLICY, HOST, ORIGIN, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use axum::http::request::Parts;
use axum::http::{Extensions, HeaderMap, HeaderValue, Method, StatusCode};
use axum::middleware::Next;
use axum::response::Response;

use super::Limits;
use crate::app::App;
use crate::people::sessions;
use crate::problem::Problem;
use crate::tiles::Tiles;

/// What a page may load: scripts and styles from here, as files; pictures from here and from the tile server, where there
/// is one.
pub(super) fn policy(tiles: Option<&Tiles>) -> HeaderValue {
    let tiles = tiles.and_then(Tiles::origin).unwrap_or_default();
    let policy = format!(
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: {tiles}; connect-src 'self'; \
         media-src 'self' blob:; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    );
    // An origin is made of what a header may hold.
    HeaderValue::from_str(&policy).unwrap_or(HeaderValue::from_static("default-src 'none'"))
}

pub(super) async fn check(
    State(app): State<App>,
    request: Request,
    next: Next,
) -> Result<Response, Problem> {
    let (uri, headers) = (request.uri(), request.headers());
    let address = address(request.extensions(), headers, app.settings.behind_proxy);
    if let Some(limits) = request.extensions().get::<Arc<Limits>>() {
        limits.request(address, app.now())?;
    }
    let rest = uri.path_and_query().map_or("", |rest| rest.as_str());
    if rest.contains("%00") {
        let detail = "An address may not hold the character U+0000.";
        return Err(Problem::new(StatusCode::BAD_REQUEST, "invalid", detail));
    }
    let has_session = sessions::has_cookie(headers, &app.settings);
    if !is_ours(
        request.method(),
        headers,
        &app.settings.public_url,
        has_session,
    ) {
        let detail = "This request was made by a page of somebody else.";
        return Err(Problem::new(StatusCode::FORBIDDEN, "cross-site", detail));
    }
    Ok(next.run(request).await)
}

/// Who asks, as far as can be told.
fn address(extensions: &Extensions, headers: &HeaderMap, behind_proxy: bool) -> IpAddr {
    // Only what the last proxy wrote is believed: whatever stands before it, anybody may have sent.
    let forwarded = || {
        let last = headers.get_all("x-forwarded-for").iter().next_back()?;
        let last = last.to_str().ok()?.rsplit(',').next()?.trim();
        last.parse().ok()
    };
    let peer = || {
        let peer = extensions.get::<ConnectInfo<SocketAddr>>();
        peer.map(|ConnectInfo(peer)| peer.ip())
    };
    let forwarded = if behind_proxy { forwarded() } else { None };
    forwarded
        .or_else(peer)
        .unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED))
}

/// As an argument of a handler: the address a request came from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sender(pub(crate) IpAddr);

impl FromRequestParts<App> for Sender {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Infallible> {
        let behind_proxy = app.settings.behind_proxy;
        Ok(Self(address(
            &parts.extensions,
            &parts.headers,
            behind_proxy,
        )))
    }
}

/// Whether a request that changes something can only have been made on purpose: by one of our own pages, or by a
/// program. Browsers say where a request comes from; a page of somebody else cannot lie about it.
fn is_ours(method: &Method, headers: &HeaderMap, public_url: &str, has_session: bool) -> bool {
    // A browser adds no token of its own, and a foreign page may not add one.
    if method.is_safe() || headers.contains_key(AUTHORIZATION) {
        return true;
    }
    // What cannot be read as text is nobody's site and nobody's origin.
    let text = |name: &str| {
        let value = headers.get(name)?;
        Some(value.to_str().unwrap_or_default())
    };
    match (text("sec-fetch-site"), text(ORIGIN.as_str())) {
        (Some(site), _) => matches!(site, "same-origin" | "none"),
        (None, Some(origin)) => {
            let host = origin.split_once("://").map(|(_, host)| host);
            origin == public_url || host.is_some() && host == text(HOST.as_str())
        }
        // Neither: no browser of this decade. A program that kept a cookie should use a token.
        (None, None) => !has_session,
    }
}

pub(super) async fn secure(State(policy): State<HeaderValue>, mut response: Response) -> Response {
    let headers = response.headers_mut();
    let fixed = [
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (X_FRAME_OPTIONS, "DENY"),
        (REFERRER_POLICY, "no-referrer"),
    ];
    for (name, value) in fixed {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.insert(CONTENT_SECURITY_POLICY, policy);
    // What one person is shown is no other's, and nobody's after signing out.
    headers
        .entry(CACHE_CONTROL)
        .or_insert(HeaderValue::from_static("no-store"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    const OWN: &str = "https://parking.example";

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let pair = |(name, value): &(&'static str, &'static str)| {
            let name = name.parse().expect("a header's name");
            (name, HeaderValue::from_static(value))
        };
        pairs.iter().map(pair).collect()
    }

    #[test]
    fn a_foreign_page_changes_nothing() {
        let post = |pairs| is_ours(&Method::POST, &headers(pairs), OWN, true);
        assert!(post(&[("sec-fetch-site", "same-origin")]));
        assert!(!post(&[("sec-fetch-site", "cross-site")]));
        assert!(!post(&[("sec-fetch-site", "same-site")]));
        // What the browser says of itself counts more than the origin.
        assert!(!post(&[("sec-fetch-site", "cross-site"), ("origin", OWN)]));
        assert!(post(&[("origin", OWN)]));
        assert!(post(&[
            ("origin", "http://127.0.0.1:8090"),
            ("host", "127.0.0.1:8090")
        ]));
        assert!(!post(&[
            ("origin", "https://evil.example"),
            ("host", "parking.example")
        ]));
        assert!(!post(&[("origin", "null"), ("host", "parking.example")]));
        assert!(!post(&[("origin", "null")]));
        assert!(!post(&[]));
        assert!(is_ours(&Method::POST, &headers(&[]), OWN, false));
        assert!(is_ours(&Method::GET, &headers(&[]), OWN, true));
        let token = [
            ("authorization", "Bearer x"),
            ("sec-fetch-site", "cross-site"),
        ];
        assert!(post(&token));
    }

    #[test]
    fn pictures_come_from_the_tile_server_and_from_nowhere_else() {
        let pictures = |tiles: Option<&Tiles>| {
            let policy = policy(tiles);
            let policy = policy.to_str().expect("text");
            let part = policy.split(';').find(|part| part.contains("img-src"));
            part.expect("a rule for pictures").trim().to_owned()
        };
        assert_eq!(pictures(None), "img-src 'self' data:");
        let tiles = |template| Tiles::new(template, "©", 19).expect("a template");
        let elsewhere = tiles("https://tiles.example:8443/{z}/{x}/{y}.png");
        let rule = "img-src 'self' data: https://tiles.example:8443";
        assert_eq!(pictures(Some(&elsewhere)), rule);
        let own = tiles("/tiles/{z}/{x}/{y}.png");
        assert_eq!(pictures(Some(&own)), "img-src 'self' data:");
    }

    #[test]
    fn only_a_proxy_is_believed_and_only_its_own_word() {
        let spoofed = headers(&[("x-forwarded-for", "1.1.1.1, 2.2.2.2")]);
        let mut extensions = Extensions::new();
        let peer: SocketAddr = "9.9.9.9:1234".parse().expect("an address");
        extensions.insert(ConnectInfo(peer));
        assert_eq!(address(&extensions, &spoofed, false).to_string(), "9.9.9.9");
        assert_eq!(address(&extensions, &spoofed, true).to_string(), "2.2.2.2");
        let empty = HeaderMap::new();
        assert_eq!(address(&extensions, &empty, true).to_string(), "9.9.9.9");
    }
}
