//! A device with an Edge runtime, a hub and a provisioning service.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use board::simulated::SimulatedBoard;
use hub_proto::dps::enrollment::{
    Attestation, Capabilities, EnrollmentGroup, Keys, ProvisioningStatus, Terms,
};
use hub_proto::identity::Identity;
use hub_proto::method::{MethodRequest, MethodResponse};
use hub_proto::sas::SymmetricKey;
use provisioning::Config;
use serde_json::{Value, json};
use simulator::{Options, Simulator};
use tempfile::TempDir;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};

/// Long enough for a slow machine.
pub(crate) const BOUND: Duration = Duration::from_secs(30);
pub(crate) const SERIAL: &str = "10000000a1b2c3d4";

pub(crate) struct Street {
    pub(crate) simulator: Arc<Simulator>,
    pub(crate) directory: TempDir,
    pub(crate) board: SimulatedBoard,
    power: JoinHandle<()>,
}

/// The module, running.
pub(crate) struct Running {
    stop: oneshot::Sender<()>,
    task: JoinHandle<anyhow::Result<()>>,
}

impl Street {
    pub(crate) async fn open() -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let simulator = Simulator::start(Options::on_free_ports(directory.path()))
            .await
            .expect("it starts");
        let board = SimulatedBoard::new(7);
        let socket = directory.path().join("board.sock");
        let power = tokio::spawn(board.listen(&socket).expect("a free socket").run());
        let street = Self {
            simulator,
            directory,
            board,
            power,
        };
        for group in ["stock", "project"] {
            street.enrol(group, ProvisioningStatus::Enabled);
        }
        street
    }

    pub(crate) fn enrol(&self, group: &str, status: ProvisioningStatus) {
        let mut terms = Terms::new(Attestation::SymmetricKey {
            symmetric_key: Keys {
                primary_key: Some(group_key(group)),
                secondary_key: Some(group_key(&format!("{group} 2"))),
            },
        });
        terms.capabilities = Some(Capabilities { iot_edge: true });
        terms.provisioning_status = status;
        let group = EnrollmentGroup {
            enrollment_group_id: group.to_owned(),
            terms,
        };
        self.simulator.enroll_group(group).expect("a sound group");
    }

    pub(crate) fn id_scope(&self) -> String {
        self.simulator.info().id_scope
    }

    pub(crate) fn config(&self) -> PathBuf {
        self.directory.path().join("config.toml")
    }

    pub(crate) fn config_text(&self) -> String {
        fs::read_to_string(self.config()).expect("a configuration")
    }

    pub(crate) fn state(&self) -> PathBuf {
        self.directory.path().join("state")
    }

    /// The device as a group of the service knows it: registered, with an identity in its configuration.
    pub(crate) fn configure(&self, group: &str) {
        let text = format!(
            "hostname = \"bay\"\n\n[provisioning]\nsource = \"dps\"\nglobal_endpoint = \"https://{}\"\nid_scope = \
             \"{}\"\n\n[provisioning.attestation]\nmethod = \"symmetric_key\"\nregistration_id = \"{SERIAL}\"\n\
             symmetric_key = {{ value = \"{}\" }}\n",
            self.dps(),
            self.id_scope(),
            key(group)
        );
        fs::write(self.config(), text).expect("room on disk");
    }

    fn dps(&self) -> String {
        let info = self.simulator.info();
        format!("{}:{}", info.provisioning_host, info.https.port())
    }

    /// What every process on this machine is told.
    fn environment(&self) -> BTreeMap<String, String> {
        let info = self.simulator.info();
        let path = |path: PathBuf| path.display().to_string();
        let own = [
            ("BAY_EDGE_CONFIG", path(self.config())),
            ("BAY_STATE_DIR", path(self.state())),
            (
                "BAY_IDENTITY_FILE",
                path(self.directory.path().join("cow-identity.toml")),
            ),
            ("BAY_SERIAL", SERIAL.to_owned()),
            ("BAY_APPLY", "none".to_owned()),
            ("BAY_REBOOT", "board".to_owned()),
            (
                "BAY_BOARD",
                format!("sim:{}", self.directory.path().join("board.sock").display()),
            ),
            ("BAY_PORTAL", "off".to_owned()),
            ("BAY_DPS_ENDPOINT", self.dps()),
            ("BAY_TRUST_FILE", path(info.ca_file)),
            ("IOTEDGE_GATEWAY_MQTT_PORT", info.mqtt.port().to_string()),
        ];
        own.into_iter()
            .map(|(name, value)| (name.to_owned(), value))
            .collect()
    }

    /// Starts the host's service.
    pub(crate) fn start_host(&self, own: &[(&str, String)]) -> (Running, provisioning::desk::Desk) {
        let mut environment = self.environment();
        environment.extend(
            own.iter()
                .map(|(name, value)| ((*name).to_owned(), value.clone())),
        );
        let config =
            Config::from_env(&|name| environment.get(name).cloned()).expect("all it needs");
        let desk = provisioning::desk::Desk::open(provisioning::view::View::default());
        let front = desk.0.clone();
        let surroundings = provisioning::Surroundings {
            cloud: provisioning::cloud::Network {
                trust_file: config.trust_file.clone(),
                mqtt_port: config.mqtt_port,
            },
            disk: provisioning::disk::RealDisk,
            desk,
        };
        let (stop, stopped) = oneshot::channel::<()>();
        let task = tokio::spawn(provisioning::run_in(surroundings, config, async {
            let _ = stopped.await;
        }));
        (Running { stop, task }, front)
    }

    /// Starts the Edge module of `device`, and waits until the hub has heard of it.
    pub(crate) async fn start_module(&self, device: &str) -> Running {
        let identity = module_of(device);
        let runtime = self
            .simulator
            .module_environment(&identity)
            .expect("a socket");
        let mut environment = self.environment();
        environment.extend(runtime);
        let config =
            Config::from_env(&|name| environment.get(name).cloned()).expect("all it needs");
        let next = self.simulator.next_event();
        let (stop, stopped) = oneshot::channel::<()>();
        let task = tokio::spawn(provisioning::run(config, async {
            let _ = stopped.await;
        }));
        self.status_after(next, device).await;
        Running { stop, task }
    }

    /// The first status that the hub has from `sequence` on.
    pub(crate) async fn status_after(&self, mut sequence: u64, device: &str) -> Value {
        let found = async {
            loop {
                let (events, next) = self.simulator.events(sequence, Some(device), 100);
                let status = events
                    .iter()
                    .find(|event| event["properties"]["kind"] == "status");
                if let Some(status) = status {
                    return status["body"].clone();
                }
                sequence = next;
                self.simulator.events_after(sequence).await;
            }
        };
        timeout(BOUND, found).await.expect("a status")
    }

    pub(crate) async fn call(&self, device: &str, method: &str, payload: Value) -> MethodResponse {
        let request = MethodRequest {
            connect_timeout_in_seconds: 10,
            ..MethodRequest::new(method, payload)
        };
        self.simulator
            .invoke(&module_of(device), &request)
            .await
            .expect("it answers")
    }

    /// The reported properties, once they are as wanted.
    pub(crate) async fn reported(&self, device: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        let deadline = Instant::now() + BOUND;
        loop {
            let twin = self
                .simulator
                .twin(&module_of(device))
                .expect("it is registered");
            let reported = &twin["properties"]["reported"];
            if wanted(reported) {
                return reported.clone();
            }
            assert!(Instant::now() < deadline, "still {reported:#}");
            sleep(Duration::from_millis(5)).await;
        }
    }

    /// Waits until the machine was asked to restart that often.
    pub(crate) async fn restarted(&self, times: u64) {
        let mut changes = self.board.changes();
        let restarted = async {
            while self.board.state().restarts < times {
                let _ = changes.recv().await;
            }
        };
        timeout(BOUND, restarted).await.expect("it restarts");
    }
}

impl Drop for Street {
    fn drop(&mut self) {
        self.power.abort();
    }
}

impl Running {
    pub(crate) async fn stop(self) {
        self.stop.send(()).expect("it runs");
        self.task
            .await
            .expect("it does not panic")
            .expect("and ends in order");
    }
}

pub(crate) fn module_of(device: &str) -> Identity {
    Identity::module(device, "provisioning").expect("an identity")
}

fn group_key(group: &str) -> SymmetricKey {
    SymmetricKey::from_bytes(format!("{group:-<32}"))
}

/// The device's key in a group.
pub(crate) fn key(group: &str) -> String {
    group_key(group).derive(SERIAL).to_base64()
}

pub(crate) fn setup(id_scope: &str, group: &str) -> Value {
    json!({"idScope": id_scope, "registrationId": SERIAL, "symmetricKey": key(group)})
}
