//! The environment, read once; every mistake is told at once. The only file that names variables.
//!
//! The README lists them. Whether this is the host's service or an Edge module is told by the variables of
//! the Edge runtime, which a service does not have.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use board::Board;
use hub_client::Source;
use module::{Environment, Lookup, Problems};

use crate::apply::Apply;
use crate::edge_config::Endpoint;
use crate::identity::Assigned;
use crate::portal::Pin;
use crate::reboot::Reboot;
use crate::serial::Serial;
use crate::settings::Settings;
use crate::sign_in::Service;

/// What the module is given from outside.
#[derive(Debug)]
pub struct Config {
    /// Which of the two ways it runs.
    pub role: Role,
    /// The Edge configuration.
    pub edge_config: PathBuf,
    /// Where it keeps the stock identity, the journal and the backup.
    pub state_dir: PathBuf,
    /// Where an identity file may have been put at imaging; the first that is there counts.
    pub identity_files: Vec<PathBuf>,
    /// The board's serial number, where it is not to be asked.
    pub serial: Option<Serial>,
    /// How the Edge runtime is made to take a configuration.
    pub apply: Apply,
    /// How the machine is restarted.
    pub reboot: Reboot,
    /// Where the portal listens.
    pub portal: Option<SocketAddr>,
    /// The portal's PIN, where it was given.
    pub portal_pin: Option<Pin>,
    /// Where a person claims the device from elsewhere.
    pub claim: Option<Service>,
    /// The provisioning service, where a request names none.
    pub endpoint: Endpoint,
    /// The authorities to trust, as PEM; without it the system's.
    pub trust_file: Option<PathBuf>,
    /// Hub and device id, as the Edge runtime says.
    pub runtime: Option<Assigned>,
    /// The hub's port for MQTT, where it is not 8883.
    pub mqtt_port: Option<u16>,
    /// The settings it starts with.
    pub settings: Settings,
}

/// The two ways to run.
#[derive(Debug)]
pub enum Role {
    /// A service of the host, which never speaks to a hub as the device.
    Host,
    /// A module of the Edge runtime, with this identity.
    Module(Box<Source>),
}

/// What tells that there is a runtime, or something in its place.
const IDENTITIES: [&str; 3] = [
    "IOTEDGE_WORKLOADURI",
    "EdgeHubConnectionString",
    "IOTHUB_DEVICE_CONNECTION_STRING",
];
/// IoT Edge 1.2 and later, and before.
const EDGE_CONFIGS: [&str; 2] = ["/etc/aziot/config.toml", "/etc/iotedge/config.yaml"];
/// The boot partition of Raspberry Pi OS, now and before.
const IDENTITY_FILES: [&str; 2] = [
    "/boot/firmware/cow-identity.toml",
    "/boot/cow-identity.toml",
];
const STATE_DIR: &str = "/var/lib/cow-provisioning";
const PORTAL: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::UNSPECIFIED), 8088);

impl Config {
    /// Reads the environment.
    ///
    /// # Errors
    ///
    /// Everything that is missing or wrong.
    pub fn from_env(lookup: &Lookup<'_>) -> Result<Self, Problems> {
        let mut environment = Environment::new(lookup);
        let config = read(&mut environment, lookup);
        environment.finish(config)
    }
}

fn read(environment: &mut Environment<'_>, lookup: &Lookup<'_>) -> Option<Config> {
    let is_set = |name: &str| lookup(name).is_some_and(|text| !text.trim().is_empty());
    let is_module = IDENTITIES.into_iter().any(is_set);
    let role = if is_module {
        environment
            .source()
            .map(|source| Role::Module(Box::new(source)))
    } else {
        Some(Role::Host)
    };
    let path = |text: &str| Ok::<_, String>(PathBuf::from(text));
    let edge_config = environment.optional("BAY_EDGE_CONFIG", path);
    let state_dir = environment
        .optional("BAY_STATE_DIR", path)
        .or_else(|| environment.optional("STATE_DIRECTORY", path));
    let identity_file = environment.optional("BAY_IDENTITY_FILE", path);
    let serial = environment.optional("BAY_SERIAL", str::parse);
    let apply = environment.optional("BAY_APPLY", str::parse);
    let board = environment.optional("BAY_BOARD", Board::open);
    let bus = environment.optional("DBUS_SYSTEM_BUS_ADDRESS", |address| {
        address
            .strip_prefix("unix:path=")
            .map(|path| PathBuf::from(path.split([',', ';']).next().unwrap_or(path)))
            .ok_or("must be unix:path=PATH")
    });
    let reboot = environment.optional("BAY_REBOOT", |text| {
        Reboot::read(text, bus.as_deref(), board)
    });
    let portal = environment.optional("BAY_PORTAL", |text| match text {
        "off" => Ok(None),
        address => address
            .parse::<SocketAddr>()
            .map(Some)
            .map_err(|_| "must be off, or ADDRESS:PORT as in 0.0.0.0:8088"),
    });
    let portal_pin = environment.secret("BAY_PORTAL_PIN", str::parse::<Pin>);
    let client_id = environment.optional("BAY_CLAIM_CLIENT_ID", |text| {
        Ok::<_, String>(text.to_owned())
    });
    let claim = environment.optional("BAY_CLAIM_URL", |url| Service::read(url, client_id));
    let endpoint = environment.optional("BAY_DPS_ENDPOINT", str::parse::<Endpoint>);
    let trust_file = environment.optional("BAY_TRUST_FILE", |text| {
        let path = PathBuf::from(text);
        std::fs::metadata(&path)
            .map(|_| path)
            .map_err(|error| format!("cannot be read: {error}"))
    });
    let text = |text: &str| Ok::<_, String>(text.to_owned());
    let runtime = environment
        .optional("IOTEDGE_IOTHUBHOSTNAME", text)
        .zip(environment.optional("IOTEDGE_DEVICEID", text))
        .map(|(hub, device_id)| Assigned { hub, device_id });
    let mqtt_port = environment.optional("IOTEDGE_GATEWAY_MQTT_PORT", str::parse);
    let settings = environment.settings();
    Some(Config {
        role: role?,
        edge_config: edge_config.unwrap_or_else(first_edge_config),
        state_dir: state_dir.unwrap_or_else(|| PathBuf::from(STATE_DIR)),
        identity_files: identity_file.map_or_else(
            || IDENTITY_FILES.map(PathBuf::from).into(),
            |file| vec![file],
        ),
        serial,
        // A module's container has nothing to run, and is not the host.
        apply: apply.unwrap_or(if is_module {
            Apply::AtBoot
        } else {
            Apply::Iotedge
        }),
        reboot: reboot.unwrap_or_else(|| Reboot::logind(None)),
        // Two of them on one device would be one too many.
        portal: portal.unwrap_or(if is_module { None } else { Some(PORTAL) }),
        portal_pin,
        claim,
        endpoint: endpoint.unwrap_or_default(),
        trust_file,
        runtime,
        mqtt_port,
        settings: settings?,
    })
}

fn first_edge_config() -> PathBuf {
    let found = EDGE_CONFIGS.iter().find(|path| Path::new(path).exists());
    PathBuf::from(found.unwrap_or(&EDGE_CONFIGS[0]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> Result<Config, Problems> {
        let lookup = |name: &str| {
            variables
                .iter()
                .find(|(known, _)| *known == name)
                .map(|(_, value)| (*value).to_owned())
        };
        Config::from_env(&lookup)
    }

    const MODULE: (&str, &str) = (
        "IOTHUB_DEVICE_CONNECTION_STRING",
        "HostName=hub.example;DeviceId=bay-1;ModuleId=provisioning;SharedAccessKey=c2VjcmV0",
    );

    #[test]
    fn a_service_of_the_host_needs_nothing() {
        let config = read(&[]).expect("defaults");
        assert!(matches!(config.role, Role::Host));
        assert_eq!(config.apply, Apply::Iotedge);
        assert_eq!(config.portal, Some(PORTAL));
        assert_eq!(config.state_dir, PathBuf::from(STATE_DIR));
        assert_eq!(config.identity_files.len(), 2);
    }

    #[test]
    fn a_module_leaves_the_host_what_is_the_hosts() {
        let config = read(&[MODULE]).expect("defaults");
        assert!(matches!(config.role, Role::Module(_)));
        assert_eq!((config.apply, config.portal), (Apply::AtBoot, None));
    }

    #[test]
    fn everything_can_be_said() {
        let config = read(&[
            ("BAY_EDGE_CONFIG", "/x/config.yaml"),
            ("BAY_STATE_DIR", "/x/state"),
            ("STATE_DIRECTORY", "/ignored"),
            ("BAY_IDENTITY_FILE", "/x/identity.toml"),
            ("BAY_SERIAL", "10000000A1B2C3D4"),
            ("BAY_APPLY", "run:systemctl restart iotedge"),
            ("BAY_BOARD", "sim:/x/board.sock"),
            ("BAY_REBOOT", "board"),
            ("BAY_PORTAL", "127.0.0.1:0"),
            ("BAY_PORTAL_PIN", "123456"),
            ("BAY_CLAIM_URL", "https://fleet.example/claim"),
            ("BAY_DPS_ENDPOINT", "dps.example:8443"),
            ("IOTEDGE_GATEWAY_MQTT_PORT", "18883"),
            ("BAY_TEST_DEADLINE_SECONDS", "5"),
        ])
        .expect("all of it sound");

        assert_eq!(config.edge_config, PathBuf::from("/x/config.yaml"));
        assert_eq!(config.state_dir, PathBuf::from("/x/state"));
        assert_eq!(
            config.serial.as_ref().map(Serial::as_str),
            Some("10000000a1b2c3d4")
        );
        assert_eq!(
            config.apply,
            Apply::Run("systemctl restart iotedge".to_owned())
        );
        assert_eq!(config.endpoint.authority(), "dps.example:8443");
        assert!(config.claim.is_some());
        assert!(!format!("{config:?}").contains("123456"));
    }

    #[test]
    fn every_mistake_is_told_at_once() {
        let problems = read(&[
            ("IOTEDGE_WORKLOADURI", "unix:///run/w.sock"),
            ("BAY_SERIAL", "not a serial"),
            ("BAY_APPLY", "soon"),
            ("BAY_REBOOT", "board"),
            ("BAY_PORTAL", "8088"),
            ("BAY_PORTAL_PIN", "1"),
            ("BAY_CLAIM_URL", "http://fleet.example"),
            ("BAY_DPS_ENDPOINT", "ftp://x"),
            ("BAY_TRUST_FILE", "/nowhere/ca.pem"),
        ])
        .expect_err("many mistakes")
        .to_string();

        for name in [
            "IOTEDGE_DEVICEID",
            "BAY_SERIAL",
            "BAY_APPLY",
            "BAY_REBOOT",
            "BAY_PORTAL",
            "BAY_PORTAL_PIN",
            "BAY_CLAIM_URL",
            "BAY_DPS_ENDPOINT",
            "BAY_TRUST_FILE",
        ] {
            assert!(problems.contains(name), "{name}: {problems}");
        }
        assert!(!problems.contains("\"1\""), "a PIN is not repeated");
    }
}
