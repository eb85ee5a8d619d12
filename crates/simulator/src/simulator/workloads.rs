//! What the Edge runtime gives a module: its environment, and the workload socket that it names.

use std::io;
use std::path::PathBuf;

use hub_proto::identity::Identity;

use super::Simulator;
use crate::{lock, workload};

impl Simulator {
    /// The environment the Edge runtime gives a module; serves its workload socket from here on.
    ///
    /// # Errors
    /// When the socket cannot be made.
    pub fn module_environment(&self, module: &Identity) -> io::Result<Vec<(String, String)>> {
        let socket = self.workload_socket(module)?;
        let names = &self.hub.names;
        let generation = self.hub.generation(module).unwrap_or_default();
        let variable = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let mut environment = vec![
            variable(
                "IOTEDGE_WORKLOADURI",
                &format!("unix://{}", socket.display()),
            ),
            variable("IOTEDGE_GATEWAYHOSTNAME", &names.gateway.to_lowercase()),
            variable("IOTEDGE_IOTHUBHOSTNAME", &names.hub),
            variable("IOTEDGE_DEVICEID", module.device_id()),
            variable("IOTEDGE_MODULEID", module.module_id().unwrap_or_default()),
            variable("IOTEDGE_MODULEGENERATIONID", &generation),
            variable("IOTEDGE_AUTHSCHEME", "sasToken"),
            variable("IOTEDGE_APIVERSION", "2022-08-03"),
        ];
        // Ours: the runtime's ports are fixed, a simulator's need not be.
        if self.mqtt.port() != 8883 {
            environment.push(variable(
                "IOTEDGE_GATEWAY_MQTT_PORT",
                &self.mqtt.port().to_string(),
            ));
        }
        if self.https.port() != 443 {
            environment.push(variable(
                "IOTEDGE_GATEWAY_HTTPS_PORT",
                &self.https.port().to_string(),
            ));
        }
        Ok(environment)
    }

    fn workload_socket(&self, module: &Identity) -> io::Result<PathBuf> {
        let mut sockets = lock(&self.sockets);
        if let Some(path) = sockets.get(module) {
            return Ok(path.clone());
        }
        let path = workload::socket_path(&self.run, module);
        let hub = self.hub.clone();
        let served = workload::serve(
            &path,
            module.clone(),
            hub,
            self.authority.clone(),
            self.stop.clone(),
        )?;
        self.tasks.spawn(served);
        sockets.insert(module.clone(), path.clone());
        Ok(path)
    }
}
