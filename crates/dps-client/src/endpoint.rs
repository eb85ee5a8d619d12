//! Where a provisioning service is.

use std::str::FromStr;

use hub_proto::dps::registration::GLOBAL_ENDPOINT;
use thiserror::Error;

const MQTT_PORT: u16 = 8883;
const HTTPS_PORT: u16 = 443;

/// Where a provisioning service is.
///
/// Read from `host`, `host:port`, or a URL. A port without a scheme counts for either protocol, one in an
/// `https://` or `mqtts://` URL for that protocol only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// The host name or address, which the service's certificate must name.
    pub host: String,
    /// For [`Protocol::Mqtt`](crate::Protocol::Mqtt).
    pub mqtt_port: u16,
    /// For [`Protocol::Https`](crate::Protocol::Https).
    pub https_port: u16,
}

/// Why a text is no endpoint.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{text:?} is no endpoint: expected host, host:port, or https://host[:port]")]
pub struct EndpointError {
    /// What was read.
    pub text: String,
}

impl Endpoint {
    /// A service on the usual ports.
    #[must_use]
    pub fn new(host: impl Into<String>) -> Self {
        Self {
            host: host.into(),
            mqtt_port: MQTT_PORT,
            https_port: HTTPS_PORT,
        }
    }

    /// The same host on other ports.
    #[must_use]
    pub const fn with_ports(mut self, mqtt: u16, https: u16) -> Self {
        self.mqtt_port = mqtt;
        self.https_port = https;
        self
    }
}

impl Default for Endpoint {
    fn default() -> Self {
        Self::new(GLOBAL_ENDPOINT)
    }
}

impl FromStr for Endpoint {
    type Err = EndpointError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let error = || EndpointError {
            text: text.to_owned(),
        };
        let (scheme, authority) = text
            .trim()
            .split_once("://")
            .map_or((None, text.trim()), |(scheme, rest)| (Some(scheme), rest));
        let authority = authority.strip_suffix('/').unwrap_or(authority);
        let (host, port) = split_port(authority).ok_or_else(error)?;
        let is_host = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_' | ':');
        if host.is_empty() || !host.chars().all(is_host) {
            return Err(error());
        }
        let endpoint = Self::new(host);
        let Self {
            mqtt_port,
            https_port,
            ..
        } = endpoint;
        Ok(match (scheme, port) {
            (None, Some(port)) => endpoint.with_ports(port, port),
            (Some("https"), Some(port)) => endpoint.with_ports(mqtt_port, port),
            (Some("mqtts" | "ssl"), Some(port)) => endpoint.with_ports(port, https_port),
            (None | Some("https" | "mqtts" | "ssl"), None) => endpoint,
            (Some(_), _) => return Err(error()),
        })
    }
}

/// Host and port of `host`, `host:port`, `[v6]` or `[v6]:port`.
fn split_port(authority: &str) -> Option<(&str, Option<u16>)> {
    let (host, port) = if let Some(rest) = authority.strip_prefix('[') {
        let (host, port) = rest.split_once(']')?;
        (
            host,
            port.is_empty()
                .then_some(None)
                .or_else(|| Some(Some(port.strip_prefix(':')?)))?,
        )
    } else {
        match authority.split_once(':') {
            // More than one colon is an address of IPv6 without its brackets.
            Some((_, rest)) if rest.contains(':') => (authority, None),
            Some((host, port)) => (host, Some(port)),
            None => (authority, None),
        }
    };
    let port = port
        .map(|port| port.parse::<u16>().ok().filter(|&port| port != 0).ok_or(()))
        .transpose()
        .ok()?;
    Some((host, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn endpoint(text: &str) -> (String, u16, u16) {
        let endpoint: Endpoint = text.parse().expect(text);
        (endpoint.host, endpoint.mqtt_port, endpoint.https_port)
    }

    #[test]
    fn endpoints_are_hosts_with_ports_or_urls() {
        for (text, host, mqtt, https) in [
            ("dps.example", "dps.example", 8883, 443),
            (" dps.example:1234\n", "dps.example", 1234, 1234),
            ("https://dps.example/", "dps.example", 8883, 443),
            ("https://dps.example:8443", "dps.example", 8883, 8443),
            ("mqtts://dps.example:1883", "dps.example", 1883, 443),
            ("127.0.0.1:9", "127.0.0.1", 9, 9),
            ("::1", "::1", 8883, 443),
            ("[::1]", "::1", 8883, 443),
            ("[::1]:9", "::1", 9, 9),
        ] {
            assert_eq!(endpoint(text), (host.to_owned(), mqtt, https), "{text}");
        }
        for text in [
            "",
            "a b",
            "dps.example:",
            "dps.example:0",
            "dps.example:70000",
            "http://dps.example",
            "https://dps.example/path",
            "https://user@dps.example",
            "[::1",
            "[::1]9",
            ":443",
        ] {
            assert!(text.parse::<Endpoint>().is_err(), "{text}");
        }
        assert_eq!(Endpoint::default().host, GLOBAL_ENDPOINT);
    }
}
