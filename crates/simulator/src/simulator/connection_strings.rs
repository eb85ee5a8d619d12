//! What back ends connect with.

use hub_proto::connection_string::ConnectionString;

use crate::hub::Hub;

impl Hub {
    /// The port is said only where it is not the official one, which is what most SDKs assume.
    pub(super) fn event_hub_connection_string(&self, port: u16, event_hub: &str) -> String {
        let policy = "service";
        let port = match port {
            5671 => String::new(),
            port => format!(":{port}"),
        };
        let host = &self.names.hub;
        // The policy was made before anybody could ask.
        let key = self.policy_key(policy).map(|key| key.to_base64());
        format!(
            "Endpoint=sb://{host}{port}/;SharedAccessKeyName={policy};SharedAccessKey={};EntityPath={event_hub}",
            key.unwrap_or_default()
        )
    }

    pub(super) fn service_connection_string(&self, policy: &str) -> String {
        // The policies were made before anybody could ask.
        let string = self
            .policy_key(policy)
            .map(|key| ConnectionString::for_service(&self.names.hub, policy, key));
        string
            .map(|string| string.to_secret_string())
            .unwrap_or_default()
    }
}
