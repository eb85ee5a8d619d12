//! Where a client's identity comes from. The environment is read here and nowhere else.

use std::fmt;
use std::sync::Arc;

use dps_client::{Attestation, Registration};
use hub_proto::dps::registration::RegistrationId;
use hub_proto::identity::Identity;
use rustls::ClientConfig;
use thiserror::Error;
use transport::{ClientCertificate, Trust, tls};

use self::reader::Reader;
use crate::certificate::Certificate;
use crate::credentials::Credential;
use crate::error::LinkError;
use crate::place::Place;

mod reader;

const MQTT_PORT: u16 = 8883;
const HTTPS_PORT: u16 = 443;

/// Who a client is, where it connects, what it proves itself with and whom it trusts.
#[derive(Debug, Clone)]
pub struct Source {
    pub(crate) who: Who,
    pub(crate) mqtt_port: u16,
    pub(crate) https_port: u16,
    pub(crate) credential: Credential,
    /// `None`: whom the Edge runtime says, asked at each connection.
    pub(crate) trust: Option<Trust>,
}

/// Who a client is, or who knows it.
#[derive(Debug, Clone)]
pub(crate) enum Who {
    Given(Arc<Place>),
    Registers(Box<Registration>),
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
    /// Finds the identity in the environment. The first of these rows whose first variable is there counts.
    ///
    /// | who | variables |
    /// |---|---|
    /// | a module of an Edge device; its key stays with the runtime | `IOTEDGE_WORKLOADURI`, `IOTEDGE_GATEWAYHOSTNAME`, `IOTEDGE_IOTHUBHOSTNAME`, `IOTEDGE_DEVICEID`, `IOTEDGE_MODULEID`, `IOTEDGE_MODULEGENERATIONID`, and if need be `IOTEDGE_APIVERSION`, `IOTEDGE_AUTHSCHEME` |
    /// | a module under edge development tools | `EdgeHubConnectionString`, `EdgeModuleCACertificateFile` |
    /// | a device that asks the provisioning service for its hub | `IOTHUB_DEVICE_SECURITY_TYPE` = `DPS`, `IOTHUB_DEVICE_DPS_ENDPOINT` (`host[:port]`; the global one without it), `IOTHUB_DEVICE_DPS_ID_SCOPE`, `IOTHUB_DEVICE_DPS_DEVICE_ID` (the registration id), and `IOTHUB_DEVICE_DPS_DEVICE_KEY` or a certificate |
    /// | a device | `IOTHUB_DEVICE_CONNECTION_STRING`; with `x509=true` in it, a certificate |
    ///
    /// A certificate is two PEM files, read again at each connection: `IOTHUB_DEVICE_X509_CERTIFICATE` and
    /// `IOTHUB_DEVICE_X509_KEY`. `SSL_CERT_FILE` holds the authorities to trust, where the runtime does not
    /// say; without it the system's count. `IOTEDGE_GATEWAY_MQTT_PORT` and `IOTEDGE_GATEWAY_HTTPS_PORT` are
    /// ours: for a simulator that may not bind 8883 and 443.
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

    /// A device that asks the provisioning service for its hub, and proves itself there as it does to the
    /// service. The model id of [`Options`](crate::Options) is announced in the registration's payload.
    #[must_use]
    pub fn from_registration(registration: Registration) -> Self {
        Self {
            credential: match &registration.attestation {
                Attestation::SymmetricKey(key) => Credential::Key {
                    policy: None,
                    key: key.clone(),
                },
                Attestation::X509(certificate) => {
                    Credential::X509(Certificate::Given(certificate.clone()))
                }
            },
            trust: Some(registration.trust.clone()),
            who: Who::Registers(Box::new(registration)),
            mqtt_port: MQTT_PORT,
            https_port: HTTPS_PORT,
        }
    }

    /// Connects to other ports than 8883 for MQTT and 443 for HTTPS, at its hub or gateway.
    #[must_use]
    pub const fn with_ports(mut self, mqtt: u16, https: u16) -> Self {
        self.mqtt_port = mqtt;
        self.https_port = https;
        self
    }

    /// Who the client is; `None` where the provisioning service is to say so.
    #[must_use]
    pub fn identity(&self) -> Option<&Identity> {
        self.place().map(|place| &place.identity)
    }

    /// Who registers with the provisioning service, where that is the source.
    #[must_use]
    pub fn registration_id(&self) -> Option<&RegistrationId> {
        match &self.who {
            Who::Given(_) => None,
            Who::Registers(registration) => Some(&registration.registration_id),
        }
    }

    /// The host name or address it connects to first: the gateway's if there is one, else the hub's, else
    /// the provisioning service's.
    #[must_use]
    pub fn host(&self) -> &str {
        match &self.who {
            Who::Given(place) => &place.host,
            Who::Registers(registration) => &registration.global_endpoint.host,
        }
    }

    pub(crate) const fn place(&self) -> Option<&Arc<Place>> {
        match &self.who {
            Who::Given(place) => Some(place),
            Who::Registers(_) => None,
        }
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

/// Whether the ids can stand in a topic: `+` and `#` are wildcards there, which MQTT forbids to publish to.
pub(crate) fn is_publishable(identity: &Identity) -> bool {
    !identity.to_string().contains(['+', '#'])
}

#[cfg(test)]
mod tests;
