//! Where a client's identity comes from. The environment is read here and nowhere else.
//!
//! | variables | who sets them |
//! |---|---|
//! | `IOTEDGE_WORKLOADURI`, `IOTEDGE_GATEWAYHOSTNAME`, `IOTEDGE_IOTHUBHOSTNAME`, `IOTEDGE_DEVICEID`, `IOTEDGE_MODULEID`, `IOTEDGE_MODULEGENERATIONID`, `IOTEDGE_APIVERSION`, `IOTEDGE_AUTHSCHEME` | the Edge runtime; keys stay with it |
//! | `EdgeHubConnectionString`, `EdgeModuleCACertificateFile` | edge development tools |
//! | `IOTHUB_DEVICE_CONNECTION_STRING`, `SSL_CERT_FILE` | a plain device |
//! | `IOTHUB_DEVICE_X509_CERTIFICATE`, `IOTHUB_DEVICE_X509_KEY` | a device with a certificate (`x509=true`): PEM files, read again at each connection |
//! | `IOTEDGE_GATEWAY_MQTT_PORT`, `IOTEDGE_GATEWAY_HTTPS_PORT` | ours: for a simulator that may not bind 8883 and 443 |

use std::fmt;
use std::sync::Arc;

use hub_proto::identity::Identity;
use rustls::ClientConfig;
use thiserror::Error;
use transport::{ClientCertificate, Trust, tls};

use self::reader::Reader;
use crate::certificate::Certificate;
use crate::credentials::Credential;
use crate::error::LinkError;

mod reader;

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
        Reader::read(env, Reader::environment)
    }

    /// A device or module with its own key, and the certificates to trust as PEM text; without them, the
    /// system's.
    ///
    /// # Errors
    /// When the connection string is a service's, has no key, or cannot be read.
    pub fn from_connection_string(text: &str, ca_pem: Option<&str>) -> Result<Self, SourceError> {
        Reader::read(&|_| None, |reader| reader.arguments(text, None, ca_pem))
    }

    /// A device or module with a client certificate: its connection string says `x509=true` in place of a
    /// key. Whom to trust as in [`Source::from_connection_string`].
    ///
    /// # Errors
    /// When the connection string is a service's, says nothing of a certificate, or cannot be read.
    pub fn from_x509(
        text: &str,
        certificate: ClientCertificate,
        ca_pem: Option<&str>,
    ) -> Result<Self, SourceError> {
        let certificate = Certificate::Given(certificate);
        Reader::read(&|_| None, |reader| {
            reader.arguments(text, Some(certificate), ca_pem)
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

    /// What the next connection is secured with, and proved by if there is a client certificate.
    pub(crate) async fn tls(&self) -> Result<Arc<ClientConfig>, LinkError> {
        let trust = match (&self.trust, &self.credential) {
            (Some(trust), _) => trust,
            (None, Credential::Workload(workload)) => &workload.trust().await?,
            (None, _) => &Trust::System,
        };
        let certificate = self.credential.certificate().await?;
        Ok(tls::client_config(trust, certificate.as_ref()).await?)
    }
}

#[cfg(test)]
mod tests;
