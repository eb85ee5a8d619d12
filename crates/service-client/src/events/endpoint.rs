//! Where events are, and what opens them.

use std::fmt;
use std::str::FromStr;

use crate::hub::split_port;

const AMQPS: u16 = 5671;

/// An Event Hubs-compatible endpoint, read from
/// `Endpoint=sb://HOST[:PORT]/;SharedAccessKeyName=…;SharedAccessKey=…;EntityPath=…`. Its `Debug` shows no key.
#[derive(Clone, PartialEq, Eq)]
pub struct EventEndpoint {
    /// The namespace's host name.
    pub host: String,
    /// The port of AMQP over TLS.
    pub port: u16,
    /// The event hub's name.
    pub event_hub: String,
    /// The policy.
    pub policy: String,
    pub(super) key: String,
}

/// Why a text is no endpoint. It repeats nothing of the text, which may hold a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EndpointError {
    /// A field is missing or empty.
    #[error("{0} is missing in the endpoint's connection string")]
    Missing(&'static str),
    /// `Endpoint` is not `sb://HOST/`.
    #[error("Endpoint is not sb://HOST/ in the endpoint's connection string")]
    Address,
}

impl EventEndpoint {
    /// By its parts; `key` is the policy's, as it is handed around.
    #[must_use]
    pub fn new(host: &str, event_hub: &str, policy: &str, key: &str) -> Self {
        Self {
            host: host.to_owned(),
            port: AMQPS,
            event_hub: event_hub.to_owned(),
            policy: policy.to_owned(),
            key: key.to_owned(),
        }
    }
}

impl FromStr for EventEndpoint {
    type Err = EndpointError;

    fn from_str(text: &str) -> Result<Self, EndpointError> {
        let field = |name: &'static str| {
            text.split(';')
                // Only the first `=` separates: keys end in their own.
                .filter_map(|part| part.trim().split_once('='))
                .find_map(|(found, value)| found.eq_ignore_ascii_case(name).then_some(value.trim()))
                .filter(|value| !value.is_empty())
                .ok_or(EndpointError::Missing(name))
        };
        let address = field("Endpoint")?
            .strip_prefix("sb://")
            .ok_or(EndpointError::Address)?;
        let (host, port) =
            split_port(address.trim_end_matches('/'), AMQPS).ok_or(EndpointError::Address)?;
        let (policy, key) = (field("SharedAccessKeyName")?, field("SharedAccessKey")?);
        let mut endpoint = Self::new(host, field("EntityPath")?, policy, key);
        endpoint.port = port;
        Ok(endpoint)
    }
}

impl fmt::Debug for EventEndpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (host, port, hub) = (&self.host, self.port, &self.event_hub);
        write!(f, "EventEndpoint({host}:{port}/{hub}, key redacted)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_string_is_read_in_any_order() {
        let text = "EntityPath=hub;SharedAccessKey=a+b==;Endpoint=sb://ns.example/;SharedAccessKeyName=service";
        let endpoint: EventEndpoint = text.parse().expect("an endpoint");
        assert_eq!(
            (endpoint.host.as_str(), endpoint.port),
            ("ns.example", 5671)
        );
        assert_eq!(
            (endpoint.key.as_str(), endpoint.event_hub.as_str()),
            ("a+b==", "hub")
        );
        assert!(!format!("{endpoint:?}").contains("a+b"));
        let text = text.replace("ns.example", "localhost:20003");
        assert_eq!(text.parse::<EventEndpoint>().map(|e| e.port), Ok(20_003));
    }

    #[test]
    fn what_is_missing_is_named() {
        let whole = "Endpoint=sb://h/;SharedAccessKeyName=p;SharedAccessKey=k;EntityPath=e";
        for name in [
            "Endpoint",
            "SharedAccessKeyName",
            "SharedAccessKey",
            "EntityPath",
        ] {
            let text = whole.replace(&format!("{name}="), "Other=");
            assert_eq!(
                text.parse::<EventEndpoint>(),
                Err(EndpointError::Missing(name))
            );
        }
        for other in ["sb:///", "https://h/", "sb://h:0/"] {
            let text = whole.replace("sb://h/", other);
            assert_eq!(text.parse::<EventEndpoint>(), Err(EndpointError::Address));
        }
    }
}
