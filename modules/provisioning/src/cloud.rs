//! What has to be asked of others before a byte is written: the provisioning service, whether it assigns the
//! new identity to a hub; and that hub, whether it lets the device in.

use std::future::Future;
use std::path::PathBuf;
use std::time::Duration;

use dps_client::{Attestation, Limits, Protocol, RegisterError, Registration};
use hub_client::{BackoffLimits, Client, Event, LinkError, Options, Source, error_chain};
use tokio::time::timeout;
use tracing::debug;
use transport::Trust;

use crate::edge_config::DpsIdentity;
use crate::identity::{Assigned, Failure};

/// Together these are shorter than the 30 seconds a caller of a method waits unless told otherwise, so that
/// a failure is told and not guessed.
const REGISTER_WITHIN: Duration = Duration::from_secs(18);
const REQUEST_WITHIN: Duration = Duration::from_secs(8);
const CONNECT_WITHIN: Duration = Duration::from_secs(8);
/// A hub may take a moment to know a device that was made for it a moment ago.
const REFUSALS: u32 = 3;
const RETRY: BackoffLimits = BackoffLimits {
    first: Duration::from_millis(500),
    cap: Duration::from_secs(2),
};

/// Whoever answers those two questions.
pub trait Cloud: Send + Sync + 'static {
    /// Registers an identity.
    ///
    /// # Errors
    ///
    /// Why it has no hub now. Registering again is harmless.
    fn register(
        &self,
        identity: &DpsIdentity,
    ) -> impl Future<Output = Result<Assigned, Failure>> + Send;

    /// Connects once to the hub as the device, and takes leave. Nobody else does: the Edge runtime connects
    /// as its own modules, so this cuts nobody off.
    ///
    /// # Errors
    ///
    /// Why it was not let in.
    fn connect(
        &self,
        identity: &DpsIdentity,
        assigned: &Assigned,
    ) -> impl Future<Output = Result<(), Failure>> + Send;
}

/// The real ones, by the network.
#[derive(Debug)]
pub struct Network {
    /// The authorities to trust, as PEM; without it the system's.
    pub trust_file: Option<PathBuf>,
    /// The hub's port for MQTT, where it is not 8883.
    pub mqtt_port: Option<u16>,
}

const HTTPS_PORT: u16 = 443;
const MQTT_PORT: u16 = 8883;

impl Cloud for Network {
    async fn register(&self, identity: &DpsIdentity) -> Result<Assigned, Failure> {
        let DpsIdentity {
            global_endpoint,
            id_scope,
            registration_id,
            symmetric_key,
        } = identity;
        let endpoint = global_endpoint.as_str().parse().map_err(|_| {
            let message = format!("{global_endpoint} is no address of a provisioning service");
            Failure::new(400, "bad-request", message)
        })?;
        let registration = Registration {
            global_endpoint: endpoint,
            trust: self.trust_file.clone().map_or(Trust::System, Trust::File),
            // As the Edge runtime does it, so that what works here works there.
            protocol: Protocol::Https,
            product: concat!("provisioning/", env!("CARGO_PKG_VERSION")).to_owned(),
            ..Registration::new(
                id_scope,
                registration_id.clone(),
                Attestation::SymmetricKey(symmetric_key.clone()),
            )
        };
        let limits = Limits {
            give_up_after: REGISTER_WITHIN,
            answer_within: REQUEST_WITHIN,
            ..Limits::default()
        };
        dps_client::register(&registration, limits)
            .await
            .map(|assignment| Assigned {
                hub: assignment.hub,
                device_id: assignment.device_id,
            })
            .map_err(|error| not_registered(&error))
    }

    async fn connect(&self, identity: &DpsIdentity, assigned: &Assigned) -> Result<(), Failure> {
        let hub = &assigned.hub;
        let source = self.source(identity, assigned)?;
        let options = Options {
            product: concat!("provisioning/", env!("CARGO_PKG_VERSION")).to_owned(),
            backoff: RETRY,
            ..Options::default()
        };
        let (client, mut events) = Client::connect(source, options);
        let mut refusals = 0;
        let mut last = None;
        let connected = async {
            loop {
                match events.next().await {
                    Some(Event::Connected) => return Ok(()),
                    Some(Event::Disconnected { why, .. }) => {
                        debug!(
                            error = error_chain(&why),
                            "the assigned hub does not answer yet"
                        );
                        refusals += u32::from(why.is_permanent());
                        if refusals >= REFUSALS {
                            return Err(not_let_in(hub, &why));
                        }
                        last = Some(error_chain(&why));
                    }
                    Some(_) => {}
                    None => return Err(silent(hub, None)),
                }
            }
        };
        let connected = timeout(CONNECT_WITHIN, connected).await;
        // Leaving takes an acknowledgement of nothing: there is no message to wait for.
        let _ = client.close(Duration::from_secs(1)).await;
        connected.unwrap_or_else(|_| Err(silent(hub, last)))
    }
}

impl Network {
    fn source(&self, identity: &DpsIdentity, assigned: &Assigned) -> Result<Source, Failure> {
        let Assigned { hub, device_id } = assigned;
        let unusable = |why: String| {
            let message = format!("the assigned hub {hub} cannot be asked: {why}");
            Failure::new(502, "bad-assignment", message)
        };
        let ca = match &self.trust_file {
            None => None,
            Some(path) => Some(std::fs::read_to_string(path).map_err(|error| {
                unusable(format!("{} cannot be read: {error}", path.display()))
            })?),
        };
        let text = format!(
            "HostName={hub};DeviceId={device_id};SharedAccessKey={}",
            identity.symmetric_key.to_base64()
        );
        Source::from_connection_string(&text, ca.as_deref())
            .map(|source| source.with_ports(self.mqtt_port.unwrap_or(MQTT_PORT), HTTPS_PORT))
            .map_err(|error| unusable(error.to_string()))
    }
}

fn not_registered(error: &RegisterError) -> Failure {
    let (status, reason) = match error {
        RegisterError::IdScope { .. } => (400, "bad-request"),
        RegisterError::Unreachable { .. } => (504, "unreachable"),
        RegisterError::Link(_) => (502, "link"),
        RegisterError::Unauthorized(_) => (401, "unauthorised"),
        RegisterError::NotFound(_) => (404, "unknown-registration"),
        RegisterError::Disabled => (403, "disabled"),
        RegisterError::Failed { .. } | RegisterError::Refused(_) => (502, "refused"),
        RegisterError::Busy { .. } | RegisterError::StillAssigning { .. } => (503, "busy"),
        RegisterError::Malformed(_) => (502, "malformed"),
    };
    Failure::new(status, reason, error_chain(error))
}

fn not_let_in(hub: &str, why: &LinkError) -> Failure {
    Failure::new(
        502,
        "hub-refuses",
        format!(
            "registered, but the assigned hub {hub} does not let the device in: {}",
            error_chain(why)
        ),
    )
}

fn silent(hub: &str, last: Option<String>) -> Failure {
    let why = last.unwrap_or_else(|| "no answer".to_owned());
    Failure::new(
        504,
        "hub-unreachable",
        format!("registered, but the assigned hub {hub} cannot be reached: {why}"),
    )
}
