//! Shared access policies: whom a service's token speaks for, at the hub and at the provisioning service.

use hub_proto::sas::{CLOCK_SKEW, SasError, SymmetricKey, Token};
use jiff::Timestamp;
use thiserror::Error;

/// Why a token speaks for no policy.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub(crate) enum PolicyFault {
    #[error("the request has no Authorization header")]
    NoToken,
    #[error("the token names no policy")]
    Nameless,
    #[error("there is no policy {0:?}")]
    Unknown(String),
    #[error(transparent)]
    Token(#[from] SasError),
}

/// The policy whose key signed `token`, which is for `path` at one of the service's `hosts`, or for what `path` lies
/// below. `path` is empty, or begins with a slash.
///
/// # Errors
/// Why it is nobody's.
pub(crate) fn signatory(
    token: Option<&str>,
    hosts: &[String],
    path: &str,
    key_of: impl FnOnce(&str) -> Option<SymmetricKey>,
    now: Timestamp,
) -> Result<String, PolicyFault> {
    let token = Token::parse(token.ok_or(PolicyFault::NoToken)?)?;
    let policy = token.policy().ok_or(PolicyFault::Nameless)?;
    let key = key_of(policy).ok_or_else(|| PolicyFault::Unknown(policy.to_owned()))?;
    let audience = token.audience()?;
    let mut fault = SasError::Audience(audience.clone().into_owned());
    for host in hosts {
        let host = with_port_of(&audience, host);
        match token.verify(
            &format!("{host}{path}"),
            [&key],
            now.as_second(),
            CLOCK_SKEW,
        ) {
            Ok(_) => return Ok(policy.to_owned()),
            Err(error) => fault = error,
        }
        // The hosts differ in the audience only.
        if !matches!(fault, SasError::Audience(_)) {
            break;
        }
    }
    Err(fault.into())
}

/// The host as the token writes it: with the port, where the simulator's is another than the usual one.
fn with_port_of<'a>(audience: &'a str, host: &'a str) -> &'a str {
    let (authority, _) = audience.split_once('/').unwrap_or((audience, ""));
    match authority.rsplit_once(':') {
        Some((name, port))
            if name.eq_ignore_ascii_case(host) && port.bytes().all(|b| b.is_ascii_digit()) =>
        {
            authority
        }
        _ => host,
    }
}

#[cfg(test)]
mod tests {
    use hub_proto::sas::Unsigned;

    use super::*;

    fn key() -> SymmetricKey {
        SymmetricKey::from_bytes(*b"0123456789abcdef")
    }

    fn signatory_of(audience: &str, path: &str, expires_in: i64) -> Result<String, PolicyFault> {
        let now = Timestamp::UNIX_EPOCH;
        let token = Unsigned::new(audience, expires_in)
            .with_policy("service")
            .sign(&key());
        let hosts = ["localhost".to_owned(), "127.0.0.1".to_owned()];
        let key_of = |name: &str| (name == "service").then(key);
        signatory(Some(&token), &hosts, path, key_of, now)
    }

    #[test]
    fn a_token_is_for_one_of_the_hosts_or_for_a_part_of_it() {
        for audience in ["localhost", "LOCALHOST", "127.0.0.1", "localhost:8443"] {
            assert_eq!(
                signatory_of(audience, "/devices/a", 60),
                Ok("service".to_owned()),
                "{audience}"
            );
        }
        assert_eq!(
            signatory_of("localhost/devices/a", "/devices/a", 60),
            Ok("service".to_owned())
        );
        for audience in [
            "localhost/devices/b",
            "elsewhere",
            "localhost:x",
            "local",
            "",
        ] {
            assert!(
                matches!(
                    signatory_of(audience, "/devices/a", 60),
                    Err(PolicyFault::Token(SasError::Audience(_)))
                ),
                "{audience}"
            );
        }
    }

    #[test]
    fn what_is_wrong_is_told_apart() {
        assert!(matches!(
            signatory_of("localhost", "", -CLOCK_SKEW),
            Err(PolicyFault::Token(SasError::Expired(_)))
        ));
        let now = Timestamp::UNIX_EPOCH;
        let hosts = ["localhost".to_owned()];
        let ask = |token: Option<&str>| signatory(token, &hosts, "", |_| None, now);
        assert_eq!(ask(None), Err(PolicyFault::NoToken));
        let nameless = Unsigned::new("localhost", 60).sign(&key());
        assert_eq!(ask(Some(&nameless)), Err(PolicyFault::Nameless));
        let stranger = Unsigned::new("localhost", 60)
            .with_policy("root")
            .sign(&key());
        assert_eq!(
            ask(Some(&stranger)),
            Err(PolicyFault::Unknown("root".to_owned()))
        );
    }
}
