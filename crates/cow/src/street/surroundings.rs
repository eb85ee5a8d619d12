//! What a bay's machine is to whatever runs on it: its board, its files, its names for the hub.
//!
//! A process finds them by variables. A container finds them where a real machine has them, at the paths the manifest
//! mounts, because it has a file system of its own; only where such a machine would have hardware do variables remain.

use std::path::Path;

use runner::{Host, Mount, Stand, Wishes};

use super::bay::{Bay, Site};
use super::containers::EDGE_HUB;
use super::edge_daemon::Equipment;

/// The board's socket, in the directory a machine has it in.
pub(super) const BOARD: &str = "board.sock";
/// That directory, on a machine of its own.
const RUN: &str = "/run/bay";
/// The authority to trust, in a container.
const AUTHORITY: &str = "/run/iotedge/ca.pem";

/// What one machine gives to those who run on it.
#[derive(Debug)]
pub(super) struct Surroundings {
    /// The variables of a process.
    pub(super) of_process: Vec<(String, String)>,
    /// What a container has beside its create options, where there are containers.
    pub(super) of_container: Option<Wishes>,
}

impl Surroundings {
    pub(super) fn of(site: &Site<'_>, bay: &Bay, equipment: &Equipment) -> Self {
        Self {
            of_process: process(site, bay, equipment),
            of_container: container(site, bay, equipment),
        }
    }
}

/// How a change of identity is carried out. The Edge daemon here reads its configuration at each boot, and a change of
/// identity ends with one. A module leaves the rest to the host's service, where there is one.
fn carrying_out(bay: &Bay) -> [(&'static str, String); 2] {
    let apply = match bay.portal {
        Some(_) => "at-boot",
        None => "none",
    };
    [
        ("BAY_APPLY", apply.to_owned()),
        ("BAY_REBOOT", "board".to_owned()),
    ]
}

fn process(site: &Site<'_>, bay: &Bay, equipment: &Equipment) -> Vec<(String, String)> {
    let info = equipment.simulator.info();
    let path = |path: &Path| path.display().to_string();
    let told = [
        ("BAY_BOARD", format!("sim:{}", path(&site.run.join(BOARD)))),
        ("BAY_SERIAL", bay.serial.as_str().to_owned()),
        ("BAY_EDGE_CONFIG", path(&bay.disk.edge_config())),
        ("BAY_IDENTITY_FILE", path(&bay.disk.identity_file())),
        (
            "BAY_DPS_ENDPOINT",
            format!("{}:{}", info.provisioning_host, info.https.port()),
        ),
        ("BAY_TRUST_FILE", path(&info.ca_file)),
    ];
    let told = told.into_iter().chain(carrying_out(bay));
    told.map(|(name, value)| (name.to_owned(), value)).collect()
}

fn container(site: &Site<'_>, bay: &Bay, equipment: &Equipment) -> Option<Wishes> {
    let engine = equipment.engine.as_ref()?;
    let info = equipment.simulator.info();
    let ports = equipment.simulator.bridge_ports()?;
    let told = [
        ("BAY_SERIAL", bay.serial.as_str().to_owned()),
        (
            "BAY_DPS_ENDPOINT",
            format!("{}:{}", info.provisioning_host, ports.https),
        ),
        ("BAY_TRUST_FILE", AUTHORITY.to_owned()),
        ("IOTEDGE_GATEWAYHOSTNAME", EDGE_HUB.to_owned()),
        ("IOTEDGE_GATEWAY_MQTT_PORT", ports.mqtt.to_string()),
        ("IOTEDGE_GATEWAY_HTTPS_PORT", ports.https.to_string()),
    ];
    let told = told.into_iter().chain(carrying_out(bay));
    let mut names = vec![
        EDGE_HUB.to_owned(),
        info.hub_host_name,
        info.provisioning_host,
    ];
    names.dedup();
    // What is called by an address has no name that could lead elsewhere.
    names.retain(|name| name.parse::<std::net::IpAddr>().is_err());
    let at = |path: &str, stand| (path.into(), stand);
    let disk = &bay.disk;
    let kept = site.place.kept().is_some();
    Some(Wishes {
        env: told.map(|(name, value)| (name.to_owned(), value)).collect(),
        mounts: vec![
            Mount {
                source: site.run.to_owned(),
                target: RUN.to_owned(),
                read_only: false,
            },
            Mount {
                source: info.ca_file,
                target: AUTHORITY.to_owned(),
                read_only: true,
            },
        ],
        host: Host {
            paths: vec![
                at(RUN, Stand::Shared(site.run.to_owned())),
                at("/etc/aziot", Stand::Private(disk.etc())),
                at(
                    "/var/lib/cow-provisioning",
                    Stand::Private(disk.provisioning()),
                ),
                at("/boot/firmware", Stand::Private(disk.boot())),
                // The machine that is played restarts by its board. Whoever reaches this machine's bus could restart this one.
                at("/run/dbus", Stand::Nothing),
                at("/var/run/dbus", Stand::Nothing),
            ],
            volume_prefix: format!("{}-{}-", engine.name(), bay.name),
            volumes: kept.then(|| disk.volumes()),
        },
        names: names
            .into_iter()
            .map(|name| (name, engine.gateway()))
            .collect(),
        aliases: Vec::new(),
    })
}

/// The variable that tells a container of its board, unless the manifest tells of another.
pub(super) fn board() -> (String, String) {
    ("BAY_BOARD".to_owned(), format!("sim:{RUN}/{BOARD}"))
}
