//! Where everything is, for whoever started the simulator.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;

use serde::Serialize;

use super::Simulator;
use crate::amqp::EVENT_HUB;
use crate::hub::{Credentials, POLICIES};

/// Where everything is. Holds keys: for the person who started the simulator.
#[derive(Debug, Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Info {
    /// What connection strings say.
    pub hub_host_name: String,
    /// What modules connect to.
    pub gateway_host_name: String,
    /// The certificate to trust.
    pub ca_file: PathBuf,
    /// MQTT over TLS.
    pub mqtt: SocketAddr,
    /// HTTPS.
    pub https: SocketAddr,
    /// AMQP over TLS.
    pub amqp: SocketAddr,
    /// For back ends: the `iothubowner` policy.
    pub service_connection_string: String,
    /// For back ends: each of the hub's policies by name, for what it allows and no more.
    pub policy_connection_strings: BTreeMap<String, String>,
    /// For readers of events: the Event Hubs-compatible endpoint, by the `service` policy.
    pub event_hub_connection_string: String,
    /// The same of each custom endpoint of the hub's routing, by its name.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub custom_event_hub_connection_strings: BTreeMap<String, String>,
    /// Where devices register: the provisioning service's host name.
    pub provisioning_host: String,
    /// What devices say they register in.
    pub id_scope: String,
    /// For operators: the provisioning service's `provisioningserviceowner` policy.
    pub provisioning_service_connection_string: String,
    /// Every device with its modules.
    pub devices: Vec<Credentials>,
}

impl Simulator {
    /// Where everything is.
    #[must_use]
    pub fn info(&self) -> Info {
        let names = &self.hub.names;
        Info {
            hub_host_name: names.hub.clone(),
            gateway_host_name: names.gateway.clone(),
            ca_file: self.authority.file().to_owned(),
            mqtt: self.mqtt,
            https: self.https,
            amqp: self.amqp,
            service_connection_string: self.hub.service_connection_string("iothubowner"),
            policy_connection_strings: POLICIES
                .iter()
                .map(|&(name, _)| (name.to_owned(), self.hub.service_connection_string(name)))
                .collect(),
            event_hub_connection_string: self.event_hub_connection_string(EVENT_HUB),
            custom_event_hub_connection_strings: self
                .hub
                .routing()
                .event_hubs()
                .map(|name| (name.to_owned(), self.event_hub_connection_string(name)))
                .collect(),
            provisioning_host: self.dps.host.clone(),
            id_scope: self.dps.id_scope(),
            provisioning_service_connection_string: self.dps.service_connection_string(),
            devices: self
                .hub
                .device_ids()
                .iter()
                .filter_map(|id| self.credentials(id))
                .collect(),
        }
    }

    fn event_hub_connection_string(&self, event_hub: &str) -> String {
        self.hub
            .event_hub_connection_string(self.amqp.port(), event_hub)
    }
}
