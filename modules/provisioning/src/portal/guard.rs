//! Which requests come from the portal's own pages.
//!
//! A site whose name is made to resolve to the device's address (DNS rebinding) would be of the portal's origin to a
//! browser; its name still stands in `Host`. An address there cannot be rebound, so any will do; a name must be one by
//! which a device is found on a local link, none that somebody could register.

use std::net::IpAddr;

use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header, uri::Authority};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

/// Suffixes under which routers and mDNS name the devices of a local link, and which nobody can register: RFC 6762,
/// RFC 8375, ICANN's reservation of `internal`, and `lan`, which many routers use.
const LOCAL: [&str; 4] = ["local", "home.arpa", "internal", "lan"];

/// The names a device answers to.
#[derive(Debug, Clone)]
pub(super) struct Names(Vec<String>);

impl Names {
    /// `names` are host names; those without a dot are also known under the suffixes of a local link.
    pub(super) fn new(names: &[String]) -> Self {
        let mut all = vec!["localhost".to_owned()];
        for name in names {
            let name = name.trim().trim_end_matches('.').to_ascii_lowercase();
            if !name.is_empty() && !name.contains('.') {
                all.extend(LOCAL.iter().map(|suffix| format!("{name}.{suffix}")));
            }
            all.push(name);
        }
        Self(all)
    }

    fn know(&self, host: &str) -> bool {
        let Ok(authority) = host.parse::<Authority>() else {
            return false;
        };
        if host.contains('@') {
            return false;
        }
        let name = authority.host();
        let address = name.trim_start_matches('[').trim_end_matches(']');
        let name = name.trim_end_matches('.').to_ascii_lowercase();
        address.parse::<IpAddr>().is_ok() || self.0.contains(&name)
    }
}

/// Lets in what names the device and, where a browser says where it comes from, comes from the device.
pub(super) async fn guard(State(names): State<Names>, request: Request, next: Next) -> Response {
    match refusal(&names, request.headers()) {
        None => next.run(request).await,
        Some(refusal) => refusal.into_response(),
    }
}

fn refusal(names: &Names, headers: &HeaderMap) -> Option<(StatusCode, &'static str)> {
    let host = headers
        .get(header::HOST)
        .and_then(|host| host.to_str().ok());
    let Some(host) = host.filter(|host| names.know(host)) else {
        let why = "this is not a name of the device: use its address\n";
        return Some((StatusCode::MISDIRECTED_REQUEST, why));
    };
    let origin = headers.get(header::ORIGIN)?;
    let why = "this is only for the device's own pages\n";
    (!is_own(origin.to_str().ok(), host)).then_some((StatusCode::FORBIDDEN, why))
}

/// Whether an origin is this host's, served here or through something that adds TLS.
fn is_own(origin: Option<&str>, host: &str) -> bool {
    let authority = origin.and_then(|origin| {
        origin
            .strip_prefix("http://")
            .or_else(|| origin.strip_prefix("https://"))
    });
    authority.is_some_and(|authority| authority.eq_ignore_ascii_case(host))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_nobody_else_can_have_are_known() {
        let names = Names::new(&["Bay-07".into(), "bay.car-park.example".into()]);
        for (host, known) in [
            ("192.168.1.20", true),
            ("192.168.1.20:8088", true),
            ("[fe80::1]:8088", true),
            ("localhost:8088", true),
            ("bay-07:8088", true),
            ("BAY-07.local:8088", true),
            ("bay-07.local.", true),
            ("bay-07.home.arpa", true),
            ("bay.car-park.example:8088", true),
            ("bay-07.evil.example:8088", false),
            ("evil.example", false),
            ("192.168.1.20.evil.example", false),
            ("bay-07@evil.example", false),
            ("192.168.1.20@evil.example", false),
            ("evil@192.168.1.20", false),
            ("", false),
            (" ", false),
        ] {
            assert_eq!(names.know(host), known, "{host:?}");
        }
    }

    #[test]
    fn an_origin_is_the_host_it_is_sent_to() {
        let host = "192.168.1.20:8088";
        for (origin, own) in [
            (Some("http://192.168.1.20:8088"), true),
            (Some("https://192.168.1.20:8088"), true),
            (Some("http://192.168.1.20"), false),
            (Some("http://192.168.1.21:8088"), false),
            (Some("http://evil.example"), false),
            (Some("null"), false),
            (Some(""), false),
            (None, false),
        ] {
            assert_eq!(is_own(origin, host), own, "{origin:?}");
        }
    }
}
