//! The host's own service on a bay's machine: module provisioning, which gives the machine its first identity and
//! serves its page.

use std::net::SocketAddr;
use std::time::Duration;

use runner::{DesiredStatus, ModuleSpec, ProcessSpec, RestartPolicy, Runner, Workload};
use tokio::net::TcpStream;
use tokio::time::sleep;

use super::disk::Disk;
use super::edge_daemon::{Equipment, options};
use super::reachable;
use crate::card::Pin;
use crate::program::Program;

/// How often a service that is coming up is tried.
const TRY_EVERY: Duration = Duration::from_millis(20);

/// The device's own page.
#[derive(Clone, Debug)]
pub(crate) struct Portal {
    pub(crate) address: SocketAddr,
    pub(crate) pin: Pin,
}

impl Portal {
    pub(crate) fn url(&self) -> String {
        format!("http://{}", reachable(self.address))
    }
}

/// The service, as a unit file would have it.
#[derive(Debug)]
pub(super) struct Host {
    pub(super) bay: String,
    pub(super) program: Program,
    pub(super) portal: Portal,
}

impl Host {
    pub(super) async fn start(
        &self,
        equipment: &Equipment,
        disk: &Disk,
        surroundings: &[(String, String)],
    ) -> Runner {
        let own = [
            ("RuntimeLogLevel", equipment.log_level.to_owned()),
            ("BAY_APPLY", "none".to_owned()),
            ("BAY_STATE_DIR", disk.provisioning().display().to_string()),
            ("BAY_PORTAL", self.portal.address.to_string()),
            ("BAY_PORTAL_PIN", self.portal.pin.as_str().to_owned()),
            // The hub's, with which it proves that an identity is let in; on a real machine it is always 8883.
            (
                "IOTEDGE_GATEWAY_MQTT_PORT",
                equipment.simulator.info().mqtt.port().to_string(),
            ),
        ];
        let own = own.map(|(name, value)| (name.to_owned(), value));
        let spec = ModuleSpec {
            name: format!("{}/host", self.bay),
            workload: Workload::Process(ProcessSpec {
                program: self.program.path.clone(),
                args: self.program.args.clone(),
                env: [surroundings, &own].concat(),
            }),
            startup_order: 0,
            restart_policy: RestartPolicy::Always,
            status: DesiredStatus::Running,
        };
        match Runner::start_logging(vec![spec], options(), equipment.lines.clone()).await {
            Ok(runner) => runner,
            Err(error) => unreachable!("a plan of one has nobody twice: {error}"),
        }
    }

    /// Resolves when the service is there: it has settled what the machine was in the middle of before it serves.
    pub(super) async fn answers(&self) {
        while TcpStream::connect(reachable(self.portal.address))
            .await
            .is_err()
        {
            sleep(TRY_EVERY).await;
        }
    }
}
