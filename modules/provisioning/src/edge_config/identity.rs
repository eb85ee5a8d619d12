//! Who a device is, by what its configuration says.

use std::fmt;
use std::str::FromStr;

use hub_proto::connection_string::ConnectionString;
use hub_proto::dps::registration::{GLOBAL_ENDPOINT, RegistrationId};
use hub_proto::sas::SymmetricKey;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Format, wanted};

/// An identity of the provisioning service, with a symmetric key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DpsIdentity {
    /// Where to register.
    pub global_endpoint: Endpoint,
    /// Which instance of the service.
    pub id_scope: String,
    /// As whom.
    pub registration_id: RegistrationId,
    /// With which key; never a group's own.
    pub symmetric_key: SymmetricKey,
}

/// The provisioning service's address, as `https://host` or `https://host:port`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Endpoint(String);

/// Why a text is no address of a provisioning service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the provisioning service's address must be a host, host:port, or https://host[:port]")]
pub struct EndpointError;

/// Who the device is now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Identity {
    /// Nobody yet: no section is in force, or it still holds the template's placeholder.
    None,
    /// One of the provisioning service whose key is at hand.
    Dps(DpsIdentity),
    /// Anything else.
    Other(Who),
}

/// Who a device is, without its key: for journals, reports and pages.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(
    tag = "kind",
    rename_all = "lowercase",
    rename_all_fields = "camelCase"
)]
pub enum Who {
    /// Nobody yet.
    None,
    /// One of the provisioning service with a symmetric key.
    Dps {
        /// Where it registers.
        global_endpoint: Endpoint,
        /// In which scope.
        id_scope: String,
        /// As whom.
        registration_id: RegistrationId,
    },
    /// One given in another way.
    Other {
        /// Which way.
        method: Method,
        /// The hub, where the configuration names it.
        hub: Option<String>,
        /// The device or registration, where the configuration names it.
        device_id: Option<String>,
    },
}

/// The ways besides a symmetric key of the provisioning service.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Method {
    /// A connection string.
    ConnectionString,
    /// A hub's name and a device's key.
    ManualKey,
    /// A hub's name and a device's certificate.
    ManualX509,
    /// The provisioning service, with a key that lies elsewhere (a file, a PKCS#11 token).
    DpsKeyElsewhere,
    /// The provisioning service, with a certificate.
    DpsX509,
    /// The provisioning service, with a TPM.
    DpsTpm,
    /// The provisioning service, with something that is missing or cannot be right.
    DpsIncomplete,
    /// Something this program does not know.
    Unknown,
}

impl Identity {
    /// The same without its key.
    #[must_use]
    pub fn who(&self) -> Who {
        match self {
            Self::None => Who::None,
            Self::Dps(identity) => identity.who(),
            Self::Other(who) => who.clone(),
        }
    }
}

impl DpsIdentity {
    /// The same without its key.
    #[must_use]
    pub fn who(&self) -> Who {
        Who::Dps {
            global_endpoint: self.global_endpoint.clone(),
            id_scope: self.id_scope.clone(),
            registration_id: self.registration_id.clone(),
        }
    }
}

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("no identity"),
            Self::Dps {
                id_scope,
                registration_id,
                ..
            } => write!(f, "{registration_id} in scope {id_scope}"),
            Self::Other {
                method, device_id, ..
            } => match device_id {
                Some(device_id) => write!(f, "{device_id} by {method}"),
                None => write!(f, "an identity by {method}"),
            },
        }
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ConnectionString => "connection string",
            Self::ManualKey => "manual symmetric key",
            Self::ManualX509 => "manual X.509",
            Self::DpsKeyElsewhere => "DPS symmetric key kept elsewhere",
            Self::DpsX509 => "DPS X.509",
            Self::DpsTpm => "DPS TPM",
            Self::DpsIncomplete => "DPS, incomplete",
            Self::Unknown => "unknown method",
        })
    }
}

impl Endpoint {
    /// `https://host` or `https://host:port`.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The host, and `:port` where one is named.
    #[must_use]
    pub fn authority(&self) -> &str {
        &self.0["https://".len()..]
    }
}

/// The public service.
impl Default for Endpoint {
    fn default() -> Self {
        Self(format!("https://{GLOBAL_ENDPOINT}"))
    }
}

impl FromStr for Endpoint {
    type Err = EndpointError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim();
        let rest = match text.split_once("://") {
            Some((scheme, rest)) if scheme.eq_ignore_ascii_case("https") => rest,
            Some(_) => return Err(EndpointError),
            None => text,
        };
        let authority = rest.strip_suffix('/').unwrap_or(rest);
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (authority, None),
        };
        let is_host = |host: &str| {
            let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
            !host.is_empty() && host.chars().all(allowed)
        };
        let is_port = |port: &str| {
            port.bytes().all(|byte| byte.is_ascii_digit())
                && port.parse::<u16>().is_ok_and(|port| port > 0)
        };
        if !is_host(host) || !port.is_none_or(is_port) {
            return Err(EndpointError);
        }
        Ok(Self(format!("https://{}", authority.to_ascii_lowercase())))
    }
}

impl TryFrom<String> for Endpoint {
    type Error = EndpointError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<Endpoint> for String {
    fn from(endpoint: Endpoint) -> Self {
        endpoint.0
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The identity that a whole configuration has in force.
pub(super) fn find(format: Format, tree: &Value) -> Identity {
    let Some(section) = tree.get(wanted::SECTION).filter(|it| !it.is_null()) else {
        return Identity::None;
    };
    let text = |value: &Value, key: &str| value.get(key)?.as_str().map(str::to_owned);
    let other = |method, hub: Option<String>, device_id: Option<String>| {
        Identity::Other(Who::Other {
            method,
            hub,
            device_id,
        })
    };
    match text(section, "source").as_deref() {
        Some("manual") => {
            let connection_string = text(section, "connection_string")
                .or_else(|| text(section, "device_connection_string"));
            if let Some(connection_string) = connection_string {
                return by_connection_string(&connection_string);
            }
            // 1.1 keeps these below `authentication`, 1.2 beside it.
            let authentication = section.get("authentication").unwrap_or(section);
            let named = |key: &str| text(section, key).or_else(|| text(authentication, key));
            let method = match text(authentication, "method").as_deref() {
                Some("sas") => Method::ManualKey,
                Some("x509") => Method::ManualX509,
                _ => Method::Unknown,
            };
            other(method, named("iothub_hostname"), named("device_id"))
        }
        Some("dps") => {
            let Some(attestation) = section.get("attestation") else {
                return other(Method::DpsIncomplete, None, None);
            };
            let registration_id = text(attestation, "registration_id");
            let method = match text(attestation, "method").as_deref() {
                Some("symmetric_key") => match dps(format, section, attestation) {
                    Ok(identity) => return Identity::Dps(identity),
                    Err(method) => method,
                },
                Some("x509") => Method::DpsX509,
                Some("tpm") => Method::DpsTpm,
                _ => Method::DpsIncomplete,
            };
            other(method, None, registration_id)
        }
        Some(_) => other(Method::Unknown, None, None),
        None => Identity::None,
    }
}

fn by_connection_string(text: &str) -> Identity {
    // The template's placeholder says where a connection string goes, and is none.
    if text.trim().is_empty() || text.trim_start().starts_with('<') {
        return Identity::None;
    }
    let parsed = text.parse::<ConnectionString>().ok();
    let device_id = parsed
        .as_ref()
        .and_then(|it| it.identity.as_ref())
        .map(ToString::to_string);
    Identity::Other(Who::Other {
        method: Method::ConnectionString,
        hub: parsed.map(|it| it.host_name),
        device_id,
    })
}

fn dps(format: Format, section: &Value, attestation: &Value) -> Result<DpsIdentity, Method> {
    let incomplete = Method::DpsIncomplete;
    let text = |value: &Value, key: &str| value.get(key)?.as_str().map(str::to_owned);
    let key = match (format, attestation.get("symmetric_key")) {
        (Format::Toml, Some(Value::Object(key))) => match key.get("value") {
            Some(value) => value.as_str().ok_or(incomplete)?,
            None => return Err(Method::DpsKeyElsewhere),
        },
        (Format::Yaml, Some(Value::String(key))) => key,
        _ => return Err(incomplete),
    };
    let scope = match format {
        Format::Toml => "id_scope",
        Format::Yaml => "scope_id",
    };
    let endpoint = match text(section, "global_endpoint") {
        Some(endpoint) => endpoint.parse().map_err(|_| incomplete)?,
        None => Endpoint::default(),
    };
    let registration_id = text(attestation, "registration_id").ok_or(incomplete)?;
    Ok(DpsIdentity {
        global_endpoint: endpoint,
        id_scope: text(section, scope)
            .filter(|scope| !scope.is_empty())
            .ok_or(incomplete)?,
        registration_id: registration_id.parse().map_err(|_| incomplete)?,
        symmetric_key: SymmetricKey::from_base64(key).map_err(|_| incomplete)?,
    })
}
