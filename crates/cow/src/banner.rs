//! What `cow up` says when it is ready.

use std::time::Duration;

use serde::Serialize;
use simulator::Info;

use crate::control::DEFAULT_URL;
use crate::output::{self, FAINT, GOOD, STRONG, paint};
use crate::street::Running;

/// The ready object: where everything is.
#[derive(Serialize)]
struct Ready {
    ready: bool,
    #[serde(flatten)]
    simulator: Info,
    control: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    page: Option<String>,
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
            control: url,
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
        let ports = format!("MQTT {}, HTTPS {}", info.mqtt.port(), info.https.port());
        row(
            "hub",
            &format!(
                "{}  {}",
                paint(&info.hub_host_name, STRONG),
                paint(&ports, FAINT)
            ),
        )?;
        row("CA file", &info.ca_file.display().to_string())?;
        for bay in &info.devices {
            let modules: Vec<_> = bay
                .modules
                .iter()
                .map(|module| module.module_id.as_str())
                .collect();
            row(&bay.device_id, &modules.join(", "))?;
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
