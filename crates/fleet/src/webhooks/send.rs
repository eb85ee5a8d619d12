//! One report on the wire: its address, its signature, and the answer.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use axum::http::Uri;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use tokio::net::TcpStream;
use transport::Trust;
use transport::http::{Method, Request, StatusCode, exchange, exchange_over_tls, header};
use transport::tls::client_config;

/// How long a receiver may take.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);
/// The length of a secret: the specification asks for 24 to 64 bytes.
const SECRET_BYTES: usize = 32;

/// Why an address is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "must be an address such as https://receiver.example/path, without a user name; http is for this machine only"
)]
pub(super) struct AddressError;

/// Where a report goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Address {
    is_secure: bool,
    host: String,
    port: u16,
    authority: String,
    target: String,
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let uri: Uri = text.parse().map_err(|_| AddressError)?;
        let authority = uri.authority().ok_or(AddressError)?;
        let host = authority.host().trim_matches(['[', ']']);
        let is_here = matches!(host, "localhost" | "127.0.0.1" | "::1");
        let is_secure = match uri.scheme_str() {
            Some("https") => true,
            Some("http") if is_here => false,
            _ => return Err(AddressError),
        };
        if host.is_empty() || authority.as_str().contains('@') {
            return Err(AddressError);
        }
        let target = uri.path_and_query().map_or("/", |target| target.as_str());
        Ok(Self {
            is_secure,
            host: host.to_owned(),
            port: authority
                .port_u16()
                .unwrap_or(if is_secure { 443 } else { 80 }),
            authority: authority.to_string(),
            target: target.to_owned(),
        })
    }
}

/// What reports to one receiver are signed with.
#[derive(Clone)]
pub(super) struct Secret(Vec<u8>);

impl Secret {
    pub(super) fn random() -> Result<Self, getrandom::Error> {
        let mut bytes = vec![0; SECRET_BYTES];
        getrandom::fill(&mut bytes)?;
        Ok(Self(bytes))
    }

    pub(super) fn to_text(&self) -> String {
        format!("whsec_{}", STANDARD.encode(&self.0))
    }

    pub(super) fn read(text: &str) -> Option<Self> {
        let text = text.strip_prefix("whsec_")?;
        STANDARD.decode(text).ok().map(Self)
    }

    /// The header's value for a report that is sent at `second`.
    pub(super) fn sign(&self, id: &str, second: i64, body: &str) -> String {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0)
            .unwrap_or_else(|_| unreachable!("HMAC takes keys of any length"));
        mac.update(format!("{id}.{second}.{body}").as_bytes());
        format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(redacted)")
    }
}

/// What came of a report.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It was taken.
    Taken,
    /// The receiver wants no more of them, ever.
    Gone,
    /// It was not.
    Not(String),
}

/// Sends one report. Redirections are not followed: a receiver that moved is to be told here.
pub(super) async fn send(
    address: &Address,
    secret: &Secret,
    id: &str,
    second: i64,
    body: &str,
) -> Outcome {
    let request = Request::builder()
        .method(Method::POST)
        .uri(&address.target)
        .header(header::HOST, &address.authority)
        .header(header::CONTENT_TYPE, "application/json")
        .header(
            header::USER_AGENT,
            concat!("cow-fleet/", env!("CARGO_PKG_VERSION")),
        )
        .header("webhook-id", id)
        .header("webhook-timestamp", second.to_string())
        .header("webhook-signature", secret.sign(id, second, body))
        .body(Bytes::from(body.to_owned()));
    let Ok(request) = request else {
        return Outcome::Not("It cannot be written as a request.".to_owned());
    };
    let answered = async {
        if address.is_secure {
            let tls = client_config(&Trust::System, None)
                .await
                .map_err(|error| error.to_string())?;
            exchange_over_tls(&address.host, address.port, tls, request, ANSWER_WITHIN)
                .await
                .map_err(|error| error.to_string())
        } else {
            let stream = TcpStream::connect((address.host.as_str(), address.port)).await;
            let stream = stream.map_err(|error| error.to_string())?;
            exchange(stream, request)
                .await
                .map_err(|error| error.to_string())
        }
    };
    match tokio::time::timeout(ANSWER_WITHIN, answered).await {
        Err(_) => Outcome::Not("There was no answer in 10 s.".to_owned()),
        Ok(Err(why)) => Outcome::Not(why),
        Ok(Ok(answer)) if answer.status().is_success() => Outcome::Taken,
        Ok(Ok(answer)) if answer.status() == StatusCode::GONE => Outcome::Gone,
        Ok(Ok(answer)) => Outcome::Not(format!("The answer was {}.", answer.status())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signs_as_the_specification_does() {
        // The example of the specification's reference libraries.
        let secret = Secret::read("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").expect("a secret");
        let signature = secret.sign(
            "msg_p5jXN8AQM9LWM0D4loKWxJek",
            1_614_265_330,
            r#"{"test": 2432232314}"#,
        );
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
        let own = Secret::random().expect("a secret");
        assert_eq!(
            Secret::read(&own.to_text()).expect("it comes back").0,
            own.0
        );
        assert!(!format!("{own:?}").contains(&own.to_text()[6..]));
    }

    #[test]
    fn addresses() {
        let address: Address = "https://receiver.example/in?x=1"
            .parse()
            .expect("an address");
        assert_eq!(
            (address.port, address.target.as_str(), address.is_secure),
            (443, "/in?x=1", true)
        );
        let here: Address = "http://127.0.0.1:9000".parse().expect("an address");
        assert_eq!((here.port, here.target.as_str()), (9000, "/"));
        for wrong in [
            "",
            "receiver.example",
            "/in",
            "ftp://receiver.example/",
            "http://receiver.example/",
            "https://user:password@receiver.example/",
            "https:///in",
        ] {
            assert!(wrong.parse::<Address>().is_err(), "{wrong}");
        }
    }
}
