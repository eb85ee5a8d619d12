//! Where a hub is, and what opens it.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use hub_proto::connection_string::{ConnectionString, Credential};
use hub_proto::sas::{SymmetricKey, Unsigned};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use serde_json::Value;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use transport::Trust;

use crate::ProbeError;

/// How long the tokens hold that are signed here.
const TOKEN_SECONDS: i64 = 4 * 3600;

/// A running simulator: its addresses, its authority, and the owner's key.
#[derive(Debug, Clone)]
pub struct Place {
    /// What connection strings say.
    pub host: String,
    /// MQTT over TLS.
    pub mqtt: SocketAddr,
    pub(crate) https: SocketAddr,
    pub(crate) amqp: SocketAddr,
    /// Trusts the simulator's authority and nobody else.
    pub tls: Arc<ClientConfig>,
    pub(crate) policy: String,
    pub(crate) key: SymmetricKey,
}

impl Place {
    /// Where `cow sim --json` or `cow up --json` says it is.
    ///
    /// # Errors
    /// When something is not said.
    pub async fn of(ready: &Value) -> Result<Self, ProbeError> {
        let text = |name: &'static str| ready[name].as_str().ok_or(ProbeError::NotSaid(name));
        let address = |name: &'static str| {
            let address = text(name)?.parse::<SocketAddr>();
            address.map_err(|_| ProbeError::Unreadable(name))
        };
        const STRING: &str = "serviceConnectionString";
        let string: ConnectionString = text(STRING)?
            .parse()
            .map_err(|_| ProbeError::Unreadable(STRING))?;
        let Credential::Key {
            policy: Some(policy),
            key,
        } = string.credential
        else {
            return Err(ProbeError::Unreadable(STRING));
        };
        let trust = Trust::File(PathBuf::from(text("caFile")?));
        Ok(Self {
            host: string.host_name,
            mqtt: address("mqtt")?,
            https: address("https")?,
            amqp: address("amqp")?,
            tls: transport::tls::client_config(&trust, None).await?,
            policy,
            key,
        })
    }

    /// A token of the owner's policy.
    #[must_use]
    pub fn token(&self) -> String {
        let expiry = jiff::Timestamp::now().as_second() + TOKEN_SECONDS;
        Unsigned::new(&self.host, expiry)
            .with_policy(&self.policy)
            .sign(&self.key)
    }

    pub(crate) async fn connect(
        &self,
        address: SocketAddr,
    ) -> Result<TlsStream<TcpStream>, ProbeError> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let name = ServerName::try_from(self.host.clone())
            .map_err(|_| ProbeError::Unreadable("the host's name"))?;
        let connector = TlsConnector::from(self.tls.clone());
        Ok(connector.connect(name, stream).await?)
    }
}
