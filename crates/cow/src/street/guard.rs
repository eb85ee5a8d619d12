//! Who may use what is served over plain HTTP: it shows keys and moves levers, and the only lock is where it listens.
//!
//! A browser is let in from nowhere but the pages served here: a request that names an origin must name the address it
//! is sent to, and on a loopback address that must be a loopback name, or any site whose name is made to resolve to
//! 127.0.0.1 would be the same origin.

use std::net::IpAddr;

use axum::Router;
use axum::extract::Request;
use axum::http::{HeaderName, StatusCode, header, uri::Authority};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};

/// Guards everything `app` serves at `address`.
pub(super) fn protect(app: Router, address: IpAddr) -> Router {
    app.layer(middleware::from_fn(move |request: Request, next: Next| {
        guard(address, request, next)
    }))
}

async fn guard(address: IpAddr, request: Request, next: Next) -> Response {
    let allowed = {
        let header = |name: HeaderName| request.headers().get(name)?.to_str().ok();
        is_allowed(address, header(header::HOST), header(header::ORIGIN))
    };
    if allowed {
        next.run(request).await
    } else {
        let refusal = "this is only for pages and programs of this machine\n";
        (StatusCode::FORBIDDEN, refusal).into_response()
    }
}

fn is_allowed(address: IpAddr, host: Option<&str>, origin: Option<&str>) -> bool {
    let Some(host) = host else {
        return false;
    };
    if origin.is_some_and(|origin| origin.strip_prefix("http://") != Some(host)) {
        return false;
    }
    !address.is_loopback() || is_loopback(host)
}

fn is_loopback(host: &str) -> bool {
    let Ok(authority) = host.parse::<Authority>() else {
        return false;
    };
    let name = authority
        .host()
        .trim_start_matches('[')
        .trim_end_matches(']');
    name.eq_ignore_ascii_case("localhost")
        || name.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_and_its_own_pages_are_let_in() {
        let loopback: IpAddr = [127, 0, 0, 1].into();
        let network: IpAddr = [0, 0, 0, 0].into();
        for (address, host, origin, expected) in [
            (loopback, Some("127.0.0.1:8080"), None, true),
            (
                loopback,
                Some("localhost:8080"),
                Some("http://localhost:8080"),
                true,
            ),
            (loopback, Some("[::1]:8080"), None, true),
            (
                loopback,
                Some("evil.example:8080"),
                Some("http://evil.example:8080"),
                false,
            ),
            (loopback, Some("evil.example:8080"), None, false),
            (
                loopback,
                Some("127.0.0.1:8080"),
                Some("http://evil.example"),
                false,
            ),
            (loopback, Some("127.0.0.1:8080"), Some("null"), false),
            (loopback, None, None, false),
            (network, Some("desk.example:8080"), None, true),
            (
                network,
                Some("desk.example:8080"),
                Some("http://evil.example"),
                false,
            ),
        ] {
            assert_eq!(
                is_allowed(address, host, origin),
                expected,
                "{host:?} {origin:?}"
            );
        }
    }
}
