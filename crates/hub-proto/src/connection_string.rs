//! Connection strings: `HostName=…;DeviceId=…;SharedAccessKey=…`.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

use crate::identity::{Identity, IdentityError};
use crate::sas::{KeyError, SymmetricKey};

/// A device's, module's or service's connection string. Its secrets show only in
/// [`ConnectionString::to_secret_string`].
#[derive(Clone, PartialEq, Eq)]
pub struct ConnectionString {
    /// The hub's host name.
    pub host_name: String,
    /// The edge gateway to connect to in place of the hub.
    pub gateway_host_name: Option<String>,
    /// The device or module; `None` for a service.
    pub identity: Option<Identity>,
    /// What signs tokens.
    pub credential: Credential,
}

/// What a connection string proves its holder with.
#[derive(Clone, PartialEq, Eq)]
pub enum Credential {
    /// A key, with the policy it belongs to if it is not the identity's own.
    Key {
        /// `SharedAccessKeyName`
        policy: Option<String>,
        /// `SharedAccessKey`
        key: SymmetricKey,
    },
    /// A token made elsewhere: `SharedAccessSignature`.
    Signature(String),
    /// A client certificate given by other means: `x509=true`.
    X509,
}

/// Why a connection string cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ConnectionStringError {
    /// A part between semicolons is not `Name=value`. Its text may hold a secret and is not repeated.
    #[error("part {0} of the connection string is not Name=value")]
    Part(usize),
    /// A field the SDKs do not know.
    #[error("{0:?} is not a field of connection strings")]
    Unknown(String),
    /// A field given twice.
    #[error("{0} is given twice")]
    Duplicate(&'static str),
    /// A field that has to be there is missing or empty.
    #[error("{0} is missing")]
    Missing(&'static str),
    /// `SharedAccessKey` cannot be read.
    #[error("SharedAccessKey cannot be used")]
    Key(#[source] KeyError),
    /// `DeviceId` or `ModuleId` cannot be used.
    #[error("DeviceId or ModuleId cannot be used")]
    Identity(#[source] IdentityError),
    /// `x509` is neither `true` nor `false`.
    #[error("x509 must be true or false")]
    X509,
}

const FIELDS: [&str; 8] = [
    "HostName",
    "GatewayHostName",
    "DeviceId",
    "ModuleId",
    "SharedAccessKeyName",
    "SharedAccessKey",
    "SharedAccessSignature",
    "x509",
];

impl FromStr for ConnectionString {
    type Err = ConnectionStringError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut values: [Option<&str>; FIELDS.len()] = [None; FIELDS.len()];
        for (index, part) in text
            .trim()
            .split(';')
            .enumerate()
            .filter(|(_, part)| !part.trim().is_empty())
        {
            // Only the first `=` separates: keys end in their own.
            let (name, value) = part
                .split_once('=')
                .ok_or(ConnectionStringError::Part(index + 1))?;
            let field = FIELDS
                .iter()
                .position(|field| field.eq_ignore_ascii_case(name.trim()))
                .ok_or_else(|| ConnectionStringError::Unknown(name.trim().to_owned()))?;
            if values[field].replace(value.trim()).is_some() {
                return Err(ConnectionStringError::Duplicate(FIELDS[field]));
            }
        }
        let [host, gateway, device, module, policy, key, signature, x509] =
            values.map(|value| value.filter(|value| !value.is_empty()));
        let x509 = match x509.map(str::to_ascii_lowercase).as_deref() {
            Some("true") => true,
            Some("false") | None => false,
            Some(_) => return Err(ConnectionStringError::X509),
        };
        if module.is_some() && device.is_none() {
            return Err(ConnectionStringError::Missing("DeviceId"));
        }
        Ok(Self {
            host_name: host
                .ok_or(ConnectionStringError::Missing("HostName"))?
                .to_owned(),
            gateway_host_name: gateway.map(str::to_owned),
            identity: device
                .map(|device| Identity::new(device, module))
                .transpose()
                .map_err(ConnectionStringError::Identity)?,
            credential: match (key, signature) {
                (Some(key), _) => Credential::Key {
                    policy: policy.map(str::to_owned),
                    key: SymmetricKey::from_base64(key).map_err(ConnectionStringError::Key)?,
                },
                (None, Some(signature)) => Credential::Signature(signature.to_owned()),
                (None, None) if x509 => Credential::X509,
                (None, None) => return Err(ConnectionStringError::Missing("SharedAccessKey")),
            },
        })
    }
}

impl ConnectionString {
    /// The string of a device or module that signs with its own key.
    #[must_use]
    pub fn for_identity(
        host_name: impl Into<String>,
        identity: Identity,
        key: SymmetricKey,
    ) -> Self {
        Self {
            host_name: host_name.into(),
            gateway_host_name: None,
            identity: Some(identity),
            credential: Credential::Key { policy: None, key },
        }
    }

    /// The string of a service that signs with a policy's key.
    #[must_use]
    pub fn for_service(
        host_name: impl Into<String>,
        policy: impl Into<String>,
        key: SymmetricKey,
    ) -> Self {
        Self {
            host_name: host_name.into(),
            gateway_host_name: None,
            identity: None,
            credential: Credential::Key {
                policy: Some(policy.into()),
                key,
            },
        }
    }

    /// The same identity, through an edge gateway.
    #[must_use]
    pub fn through_gateway(mut self, gateway: impl Into<String>) -> Self {
        self.gateway_host_name = Some(gateway.into());
        self
    }

    /// The text, with its secret in the clear.
    #[must_use]
    pub fn to_secret_string(&self) -> String {
        let secret = match &self.credential {
            Credential::Key { key, .. } => format!("SharedAccessKey={}", key.to_base64()),
            Credential::Signature(signature) => format!("SharedAccessSignature={signature}"),
            Credential::X509 => "x509=true".to_owned(),
        };
        self.render(&secret)
    }

    fn render(&self, secret: &str) -> String {
        let mut text = format!("HostName={}", self.host_name);
        if let Some(gateway) = &self.gateway_host_name {
            text += &format!(";GatewayHostName={gateway}");
        }
        if let Some(identity) = &self.identity {
            text += &format!(";DeviceId={}", identity.device_id());
            if let Some(module) = identity.module_id() {
                text += &format!(";ModuleId={module}");
            }
        }
        if let Credential::Key {
            policy: Some(policy),
            ..
        } = &self.credential
        {
            text += &format!(";SharedAccessKeyName={policy}");
        }
        text + ";" + secret
    }
}

impl fmt::Debug for ConnectionString {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let secret = match &self.credential {
            Credential::Key { .. } => "SharedAccessKey=redacted",
            Credential::Signature(_) => "SharedAccessSignature=redacted",
            Credential::X509 => "x509=true",
        };
        write!(f, "ConnectionString({})", self.render(secret))
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key { policy, key } => f
                .debug_struct("Key")
                .field("policy", policy)
                .field("key", key)
                .finish(),
            Self::Signature(_) => f.write_str("Signature(redacted)"),
            Self::X509 => f.write_str("X509"),
        }
    }
}
