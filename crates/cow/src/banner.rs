//! What `cow up` says when it is ready.

use std::path::PathBuf;
use std::time::Duration;

use serde::Serialize;
use simulator::Info;

use crate::control::DEFAULT_URL;
use crate::output::{self, FAINT, GOOD, STRONG, paint};
use crate::street::{Bay, Running};

/// The ready object: where everything is.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Ready {
    ready: bool,
    #[serde(flatten)]
    simulator: Info,
    control: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    page: Option<String>,
    /// The operator's service.
    #[serde(skip_serializing_if = "Option::is_none")]
    fleet: Option<String>,
    /// A link that makes its first administrator, once.
    #[serde(skip_serializing_if = "Option::is_none")]
    fleet_administrator: Option<String>,
    /// Boards that serve a page of their own.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    boards: Vec<Board>,
}

/// A board that began without an identity, or with that of the stock.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Board {
    bay: String,
    serial: String,
    portal: String,
    portal_pin: String,
    /// Where imaging puts an identity file.
    identity_file: PathBuf,
    /// The configuration its Edge daemon reads.
    edge_config: PathBuf,
}

impl Board {
    fn of(bay: &Bay) -> Option<Self> {
        let portal = bay.portal.as_ref()?;
        Some(Self {
            bay: bay.name.clone(),
            serial: bay.serial.as_str().to_owned(),
            portal: portal.url(),
            portal_pin: portal.pin.as_str().to_owned(),
            identity_file: bay.disk.identity_file(),
            edge_config: bay.disk.edge_config(),
        })
    }
}

/// Everything there is to say.
pub(crate) struct Banner<'a> {
    pub(crate) running: &'a Running,
    pub(crate) has_page: bool,
    pub(crate) took: Duration,
}

impl Banner<'_> {
    /// For a program: one line.
    pub(crate) fn print_json(&self) -> anyhow::Result<()> {
        let url = self.running.url();
        let ready = Ready {
            ready: true,
            simulator: self.running.street.simulator.info(),
            page: self.has_page.then(|| url.clone()),
            fleet: self.running.fleet().map(|fleet| fleet.fleet.clone()),
            fleet_administrator: self
                .running
                .fleet()
                .and_then(|fleet| fleet.administrator.clone()),
            control: url,
            boards: self.boards().collect(),
        };
        output::line(&serde_json::to_string(&ready)?)
    }

    /// For a person.
    pub(crate) fn print(&self) -> anyhow::Result<()> {
        let info = self.running.street.simulator.info();
        let url = self.running.url();
        let seconds = format!("({:.2} s)", self.took.as_secs_f64());
        output::line(&format!(
            "\n  {} {}",
            paint("ready", GOOD),
            paint(&seconds, FAINT)
        ))?;
        if self.has_page {
            row("page", &paint(&url, STRONG))?;
        }
        if let Some(fleet) = self.running.fleet() {
            row("fleet", &paint(&fleet.fleet, STRONG))?;
            if let Some(link) = &fleet.administrator {
                row("", &format!("its first administrator, once: {link}"))?;
            }
        }
        let ports = format!(
            "MQTT {}, HTTPS {}, AMQP {}",
            info.mqtt.port(),
            info.https.port(),
            info.amqp.port()
        );
        row(
            "hub",
            &format!(
                "{}  {}",
                paint(&info.hub_host_name, STRONG),
                paint(&ports, FAINT)
            ),
        )?;
        row(
            "dps",
            &format!(
                "{}  {}",
                paint(&info.provisioning_host, STRONG),
                paint(&format!("id scope {}", info.id_scope), FAINT)
            ),
        )?;
        row("CA file", &info.ca_file.display().to_string())?;
        for board in self.waiting() {
            row(
                &board.bay,
                &format!(
                    "board {}, own page {} with PIN {}",
                    board.serial,
                    board.portal,
                    paint(&board.portal_pin, STRONG)
                ),
            )?;
        }
        for bay in &info.devices {
            let modules: Vec<_> = bay
                .modules
                .iter()
                .map(|module| module.module_id.as_str())
                .collect();
            row(&bay.device_id, &modules.join(", "))?;
        }
        let spares = self.spares();
        if !spares.is_empty() {
            let boards = match spares.len() {
                1 => "1 board waits".to_owned(),
                count => format!("{count} boards wait"),
            };
            row(
                "stock",
                &format!("{boards} to be ordered: {}", spares.join(", ")),
            )?;
        }
        if self.waiting().next().is_some() {
            row(
                "enrol",
                "cow dps group add stock --edge, then cow dps setup-code stock SERIAL for a board's own page",
            )?;
        }
        row(
            "devices",
            "cow device add ID prints a connection string, cow monitor follows messages",
        )?;
        if url != DEFAULT_URL {
            row("", &format!("after: export COW_CONTROL={url}"))?;
        }
        for note in self.notes() {
            row("note", &note)?;
        }
        output::line(&format!("\n  {}\n", paint("Ctrl-C stops it", FAINT)))
    }

    fn boards(&self) -> impl Iterator<Item = Board> {
        self.running.street.bays.iter().filter_map(Board::of)
    }

    /// Boards that wait for their first identity. Those in stock have one.
    fn waiting(&self) -> impl Iterator<Item = Board> {
        let bays = self.running.street.bays.iter();
        bays.filter(|bay| !bay.spot.is_spare())
            .filter_map(Board::of)
    }

    /// Serial numbers of the boards that are in stock when the street begins.
    fn spares(&self) -> Vec<&str> {
        let bays = self.running.street.bays.iter();
        let spares = bays.filter(|bay| bay.spot.is_spare());
        spares.map(|bay| bay.serial.as_str()).collect()
    }

    fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        let info = self.running.street.simulator.info();
        let ip = self.running.http.ip();
        if self.running.https_moved {
            notes.push(format!(
                "port 443 cannot be had here, so HTTPS is on {}",
                info.https.port()
            ));
        }
        if !ip.is_loopback() {
            notes.push(format!(
                "whoever reaches {ip} can drive this street and read its keys"
            ));
        }
        notes
    }
}

fn row(label: &str, text: &str) -> anyhow::Result<()> {
    // Padded before it is painted: a style's codes have a length, but no width.
    output::line(&format!("  {} {text}", paint(&format!("{label:8}"), FAINT)))
}
