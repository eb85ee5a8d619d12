//! Where a client's identity comes from. The environment is read here and nowhere else.
//!
//! | variables | who sets them |
//! |---|---|
//! | `IOTEDGE_WORKLOADURI`, `IOTEDGE_GATEWAYHOSTNAME`, `IOTEDGE_IOTHUBHOSTNAME`, `IOTEDGE_DEVICEID`, `IOTEDGE_MODULEID`, `IOTEDGE_MODULEGENERATIONID`, `IOTEDGE_APIVERSION`, `IOTEDGE_AUTHSCHEME` | the Edge runtime; keys stay with it |
//! | `EdgeHubConnectionString`, `EdgeModuleCACertificateFile` | edge development tools |
//! | `IOTHUB_DEVICE_CONNECTION_STRING`, `SSL_CERT_FILE` | a plain device |
//! | `IOTEDGE_GATEWAY_MQTT_PORT`, `IOTEDGE_GATEWAY_HTTPS_PORT` | ours: for a simulator that may not bind 8883 and 443 |

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;

use hub_proto::connection_string::{self, ConnectionString};
use hub_proto::identity::Identity;
use rustls::ClientConfig;
use thiserror::Error;
use transport::{Trust, tls};

use crate::credentials::Credential;
use crate::error::{LinkError, error_chain};
use crate::workload::{Workload, WorkloadUri};

const MQTT_PORT: u16 = 8883;
const HTTPS_PORT: u16 = 443;
/// What the Node and C# SDKs ask for, and every runtime knows.
const WORKLOAD_API_VERSION: &str = "2018-06-28";

/// Who a client is, where it connects, what it proves itself with and whom it trusts.
#[derive(Debug, Clone)]
pub struct Source {
    pub(crate) identity: Identity,
    /// The hub's name, in user name and token, also behind a gateway.
    pub(crate) hub: String,
    /// What is connected to, and what the certificate must name.
    pub(crate) host: String,
    pub(crate) mqtt_port: u16,
    pub(crate) https_port: u16,
    pub(crate) credential: Credential,
    /// `None`: whom the Edge runtime says, asked at each connection.
    pub(crate) trust: Option<Trust>,
}

/// Everything that is wrong with an environment, at once.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub struct SourceError {
    /// One for each variable at fault.
    pub problems: Vec<Problem>,
}

/// What is wrong with one variable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Which variable, or which argument.
    pub variable: &'static str,
    /// What is wrong with it, without repeating a secret.
    pub what: String,
}

impl fmt::Display for SourceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, Problem { variable, what }) in self.problems.iter().enumerate() {
            let separator = if index == 0 { "" } else { "; " };
            write!(f, "{separator}{variable} {what}")?;
        }
        Ok(())
    }
}

impl Source {
    /// Finds the identity in the environment: the Edge runtime's if `IOTEDGE_WORKLOADURI` is there, else
    /// `EdgeHubConnectionString`, else `IOTHUB_DEVICE_CONNECTION_STRING`.
    ///
    /// # Errors
    /// Every variable that is missing or cannot be used.
    pub fn from_env(env: &dyn Fn(&str) -> Option<String>) -> Result<Self, SourceError> {
        let mut reader = Reader {
            env,
            problems: Vec::new(),
        };
        let source = if reader.optional("IOTEDGE_WORKLOADURI").is_some() {
            reader.edge()
        } else if let Some(text) = reader.optional("EdgeHubConnectionString") {
            reader.connection_string(
                "EdgeHubConnectionString",
                &text,
                "EdgeModuleCACertificateFile",
            )
        } else if let Some(text) = reader.optional("IOTHUB_DEVICE_CONNECTION_STRING") {
            reader.connection_string("IOTHUB_DEVICE_CONNECTION_STRING", &text, "SSL_CERT_FILE")
        } else {
            reader.problem::<Self>(
                "IOTEDGE_WORKLOADURI",
                "is not set, and neither is EdgeHubConnectionString nor IOTHUB_DEVICE_CONNECTION_STRING: nothing says who this is",
            )
        };
        source
            .filter(|_| reader.problems.is_empty())
            .ok_or(SourceError {
                problems: reader.problems,
            })
    }

    /// A device or module with its own key, and the certificates to trust as PEM text; without them, the
    /// system's.
    ///
    /// # Errors
    /// When the connection string is a service's, has no key, or cannot be read.
    pub fn from_connection_string(text: &str, ca_pem: Option<&str>) -> Result<Self, SourceError> {
        let mut reader = Reader {
            env: &|_| None,
            problems: Vec::new(),
        };
        let trust = ca_pem.map_or(Some(Trust::System), |pem| {
            Trust::only(pem).or_else(|| reader.problem("ca_pem", "holds no certificate"))
        });
        let source = trust
            .and_then(|trust| reader.parse_connection_string("connection string", text, trust));
        source
            .filter(|_| reader.problems.is_empty())
            .ok_or(SourceError {
                problems: reader.problems,
            })
    }

    /// Connects to other ports than 8883 for MQTT and 443 for HTTPS.
    #[must_use]
    pub const fn with_ports(mut self, mqtt: u16, https: u16) -> Self {
        self.mqtt_port = mqtt;
        self.https_port = https;
        self
    }

    /// Who the client is.
    #[must_use]
    pub const fn identity(&self) -> &Identity {
        &self.identity
    }

    /// The host name or address it connects to: the gateway's if there is one, else the hub's.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// What the next connection is secured with.
    pub(crate) async fn tls(&self) -> Result<Arc<ClientConfig>, LinkError> {
        let trust = match (&self.trust, &self.credential) {
            (Some(trust), _) => trust,
            (None, Credential::Workload(workload)) => &workload.trust().await?,
            (None, _) => &Trust::System,
        };
        Ok(tls::client_config(trust, None).await?)
    }
}

struct Reader<'a> {
    env: &'a dyn Fn(&str) -> Option<String>,
    problems: Vec<Problem>,
}

impl Reader<'_> {
    fn edge(&mut self) -> Option<Source> {
        let uri = self.parsed::<WorkloadUri>("IOTEDGE_WORKLOADURI");
        let host = self.required("IOTEDGE_GATEWAYHOSTNAME");
        let hub = self.required("IOTEDGE_IOTHUBHOSTNAME");
        let device = self.required("IOTEDGE_DEVICEID");
        let module = self.required("IOTEDGE_MODULEID");
        let generation = self.required("IOTEDGE_MODULEGENERATIONID");
        let api_version = self
            .optional("IOTEDGE_APIVERSION")
            .unwrap_or_else(|| WORKLOAD_API_VERSION.to_owned());
        if self
            .optional("IOTEDGE_AUTHSCHEME")
            .is_some_and(|scheme| !scheme.eq_ignore_ascii_case("sasToken"))
        {
            self.problem::<()>("IOTEDGE_AUTHSCHEME", "must be sasToken");
        }
        let identity = device.zip(module).and_then(|(device, module)| {
            let identity = Identity::module(device, module);
            identity
                .map_err(|error| self.problem::<()>("IOTEDGE_MODULEID", &error.to_string()))
                .ok()
        });
        let (mqtt_port, https_port) = self.ports();
        let identity = self.usable("IOTEDGE_MODULEID", identity?)?;
        let module = identity.module_id()?.to_owned();
        Some(Source {
            credential: Credential::Workload(Workload {
                uri: uri?,
                module,
                generation: generation?,
                api_version,
            }),
            identity,
            hub: hub?,
            host: host?,
            mqtt_port,
            https_port,
            trust: None,
        })
    }

    fn connection_string(
        &mut self,
        variable: &'static str,
        text: &str,
        ca: &'static str,
    ) -> Option<Source> {
        let trust = self.trust(ca);
        let (mqtt_port, https_port) = self.ports();
        let source = self.parse_connection_string(variable, text, trust?)?;
        Some(source.with_ports(mqtt_port, https_port))
    }

    fn parse_connection_string(
        &mut self,
        variable: &'static str,
        text: &str,
        trust: Trust,
    ) -> Option<Source> {
        let parsed = match text.parse::<ConnectionString>() {
            Ok(parsed) => parsed,
            Err(error) => {
                return self.problem(
                    variable,
                    &format!("cannot be used: {}", error_chain(&error)),
                );
            }
        };
        let Some(identity) = parsed.identity else {
            return self.problem(variable, "names no DeviceId: it is a service's");
        };
        let identity = self.usable(variable, identity)?;
        let credential = match parsed.credential {
            connection_string::Credential::Key { policy, key } => Credential::Key { policy, key },
            connection_string::Credential::Signature(token) => Credential::Token(token),
            connection_string::Credential::X509 => {
                return self.problem(
                    variable,
                    "wants a client certificate, which this client does not support",
                );
            }
        };
        Some(Source {
            identity,
            host: parsed
                .gateway_host_name
                .unwrap_or_else(|| parsed.host_name.clone()),
            hub: parsed.host_name,
            mqtt_port: MQTT_PORT,
            https_port: HTTPS_PORT,
            credential,
            trust: Some(trust),
        })
    }

    fn usable(&mut self, variable: &'static str, identity: Identity) -> Option<Identity> {
        // These would be wildcards in a topic, which MQTT forbids to publish to.
        if identity.to_string().contains(['+', '#']) {
            return self.problem(
                variable,
                "has an id with + or #, which cannot be used over MQTT",
            );
        }
        Some(identity)
    }

    /// The file a variable names, else what the system trusts.
    fn trust(&mut self, variable: &'static str) -> Option<Trust> {
        let ssl_cert_file = "SSL_CERT_FILE";
        let named = self.optional(variable).map(|path| (variable, path));
        let Some((variable, path)) =
            named.or_else(|| Some((ssl_cert_file, self.optional(ssl_cert_file)?)))
        else {
            return Some(Trust::System);
        };
        let path = PathBuf::from(path);
        match read_certificates(&path) {
            Ok(()) => Some(Trust::File(path)),
            Err(what) => self.problem(variable, &what),
        }
    }

    fn ports(&mut self) -> (u16, u16) {
        let mut port = |variable, usual| {
            if self.optional(variable).is_none() {
                usual
            } else {
                self.parsed(variable).unwrap_or(usual)
            }
        };
        (
            port("IOTEDGE_GATEWAY_MQTT_PORT", MQTT_PORT),
            port("IOTEDGE_GATEWAY_HTTPS_PORT", HTTPS_PORT),
        )
    }

    fn optional(&self, variable: &str) -> Option<String> {
        (self.env)(variable)
            .map(|value| value.trim().to_owned())
            .filter(|value| !value.is_empty())
    }

    fn required(&mut self, variable: &'static str) -> Option<String> {
        self.optional(variable)
            .or_else(|| self.problem(variable, "is not set"))
    }

    fn parsed<T: FromStr<Err: fmt::Display>>(&mut self, variable: &'static str) -> Option<T> {
        let text = self.required(variable)?;
        text.parse()
            .map_err(|error| self.problem::<()>(variable, &format!("is {text:?}: {error}")))
            .ok()
    }

    fn problem<T>(&mut self, variable: &'static str, what: &str) -> Option<T> {
        self.problems.push(Problem {
            variable,
            what: what.to_owned(),
        });
        None
    }
}

/// Read again at each connection, so that a renewed file counts; read here too, to fail early.
fn read_certificates(path: &Path) -> Result<(), String> {
    let pem = std::fs::read(path)
        .map_err(|error| format!("names {}, which cannot be read: {error}", path.display()))?;
    tls::certificates(&pem)
        .map(drop)
        .ok_or_else(|| format!("names {}, which holds no certificate", path.display()))
}

#[cfg(test)]
mod tests;
