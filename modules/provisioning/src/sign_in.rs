//! A claim from elsewhere: the device shows a short code, a person approves it on a phone, and the device
//! is given its registration. This is the OAuth 2.0 device authorization grant (RFC 8628), and one request
//! after it.
//!
//! [`flow`] decides what to ask and when, and is told the time; this file sends it. It does *not* take the
//! registration: that is a claim like any other.
//!
//! The README has the whole exchange, for whoever serves it.
//!
//! **Invariant:** the device code and the token, either of which would be enough to take this device's
//! place, are in no text this module writes.

pub mod flow;

use std::path::PathBuf;
use std::time::Duration;

use bay::message::SetupRequest;
use hub_client::error_chain;
use hub_proto::percent;
use jiff::Timestamp;
use module::Clock;
use tokio::sync::mpsc;
use transport::http::{self, Method, Request};
use transport::{Trust, tls};

use crate::view::SignIn;
use flow::{Call, Flow, Output};

/// How long one request may take.
const ANSWER_WITHIN: Duration = Duration::from_secs(20);
const CLIENT_ID: &str = "cow-bay";
const PRODUCT: &str = concat!("provisioning/", env!("CARGO_PKG_VERSION"));

/// The service a device is claimed at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    host: String,
    port: u16,
    /// Without a slash at its end.
    path: String,
    client_id: String,
}

/// How a claim from elsewhere goes.
#[derive(Debug)]
pub enum Event {
    /// A code to show.
    Code(SignIn),
    /// Somebody approved it: this is what the device is to become.
    Approved(SetupRequest),
    /// It came to nothing, for this reason.
    Failed(String),
}

impl Service {
    /// Reads its address, and what the device calls itself there.
    ///
    /// # Errors
    ///
    /// A sentence about what is wrong with the address.
    pub fn read(url: &str, client_id: Option<String>) -> Result<Self, &'static str> {
        const WRONG: &str = "must be https://HOST[:PORT][/PATH]";
        let rest = url.strip_prefix("https://").ok_or(WRONG)?;
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) => (host, port.parse().map_err(|_| WRONG)?),
            None => (authority, 443),
        };
        let is_host = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
        if host.is_empty() || !host.chars().all(is_host) || path.contains(['?', '#', ' ']) {
            return Err(WRONG);
        }
        Ok(Self {
            host: host.to_owned(),
            port,
            path: path.trim_end_matches('/').to_owned(),
            client_id: client_id.unwrap_or_else(|| CLIENT_ID.to_owned()),
        })
    }

    /// Goes through the exchange, for the device of this serial number.
    pub async fn sign_in(
        self,
        serial: Option<String>,
        trust_file: Option<PathBuf>,
        events: mpsc::Sender<Event>,
    ) {
        let clock = Clock::start();
        let trust = trust_file.map_or(Trust::System, Trust::File);
        let mut flow = Flow::new(clock.now());
        loop {
            let event = match flow.poll_output() {
                Some(Output::Ask(call)) => {
                    match self.ask(&call, serial.as_deref(), &trust).await {
                        Ok((status, body)) => flow.handle_answer(status, &body, clock.now()),
                        Err(why) => flow.handle_silence(&why, clock.now()),
                    }
                    continue;
                }
                Some(Output::Show(code)) => Event::Code(code),
                Some(Output::Ended(Ok(registration))) => Event::Approved(registration),
                Some(Output::Ended(Err(why))) => Event::Failed(why),
                None => {
                    let Some(due) = flow.poll_timeout() else {
                        return;
                    };
                    clock.at(due).await;
                    flow.handle_timeout(clock.now());
                    continue;
                }
            };
            // Whoever does not listen any more has dropped this, too.
            let _ = events.send(event).await;
        }
    }

    async fn ask(
        &self,
        call: &Call,
        serial: Option<&str>,
        trust: &Trust,
    ) -> Result<(u16, Vec<u8>), String> {
        let (method, path, body, bearer) = match call {
            Call::Authorize => (
                Method::POST,
                "/device_authorization",
                form(&[
                    ("client_id", &self.client_id),
                    ("scope", "claim"),
                    ("serial", serial.unwrap_or_default()),
                ]),
                None,
            ),
            Call::Token { device_code } => (
                Method::POST,
                "/token",
                form(&[
                    ("grant_type", "urn:ietf:params:oauth:grant-type:device_code"),
                    ("device_code", device_code.expose()),
                    ("client_id", &self.client_id),
                ]),
                None,
            ),
            Call::Registration { token } => {
                (Method::GET, "/registration", String::new(), Some(token))
            }
        };
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.path))
            .header("Host", &self.host)
            .header("User-Agent", PRODUCT)
            .header("Accept", "application/json");
        if let Some(token) = bearer {
            request = request.header("Authorization", format!("Bearer {}", token.expose()));
        } else {
            request = request.header("Content-Type", "application/x-www-form-urlencoded");
        }
        // What was built from a token is not repeated, so the error is not either.
        let request = request
            .body(body.into())
            .map_err(|_| "the service's answer cannot be sent back to it".to_owned())?;
        let config = tls::client_config(trust, None)
            .await
            .map_err(|error| error_chain(&error))?;
        let answer = http::exchange_over_tls(&self.host, self.port, config, request, ANSWER_WITHIN)
            .await
            .map_err(|error| error_chain(&error))?;
        Ok((answer.status().as_u16(), answer.into_body().to_vec()))
    }
}

fn form(fields: &[(&str, &str)]) -> String {
    let fields: Vec<_> = fields
        .iter()
        .filter(|(_, value)| !value.is_empty())
        .map(|(name, value)| format!("{name}={}", percent::encode(value)))
        .collect();
    fields.join("&")
}

/// When a code that lives for so long is worth nothing any more.
fn end_of(life: Duration, now: Timestamp) -> Timestamp {
    now.checked_add(life).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        let service = Service::read("https://fleet.example/claim/", None).expect("an address");
        assert_eq!(
            (service.host.as_str(), service.port, service.path.as_str()),
            ("fleet.example", 443, "/claim")
        );
        let service = Service::read("https://127.0.0.1:8443", Some("me".to_owned()));
        assert_eq!(
            service.map(|service| (service.port, service.path, service.client_id)),
            Ok((8443, String::new(), "me".to_owned()))
        );
        for wrong in [
            "http://fleet.example",
            "fleet.example",
            "https://",
            "https://a b",
            "https://a:x",
            "https://a/b?c",
        ] {
            assert!(Service::read(wrong, None).is_err(), "{wrong}");
        }
    }

    #[test]
    fn forms() {
        assert_eq!(
            form(&[("client_id", "cow-bay"), ("serial", ""), ("scope", "a b&c")]),
            "client_id=cow-bay&scope=a%20b%26c"
        );
    }
}
