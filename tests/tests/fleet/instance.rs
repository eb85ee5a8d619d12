//! One instance of the service, as a process.

use std::process::Stdio;

use serde_json::Value;
use street_tests::{PATIENCE, binary};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};
use tokio::time::timeout;

use crate::bookings::NO_SHOW_AFTER;
use crate::postgres::Postgres;
use crate::wire::Wire;

pub(crate) struct Instance {
    process: Child,
    /// Where its pages and API are.
    pub(crate) address: String,
}

impl Instance {
    /// Starts it and waits until it is ready.
    pub(crate) async fn start(ready: &Value, wire: &Wire, postgres: &Postgres) -> Self {
        let text = |name: &str| ready[name].as_str().expect(name).to_owned();
        let at = |text: String, name: &str| {
            let address = ready[name].as_str().expect("an address");
            let (_, port) = address.rsplit_once(':').expect("a port");
            text.replacen(';', &format!(":{port};"), 1)
        };
        let amqp = text("amqp");
        let (_, port) = amqp.rsplit_once(':').expect("a port");
        let events = text("eventHubConnectionString");
        let events = events.replacen(&format!(":{port}/"), &format!(":{}/", wire.port), 1);
        let mut process = Command::new(binary())
            .args([
                "fleet",
                "--json",
                "--listen",
                "127.0.0.1:0",
                "--until-input-ends",
            ])
            .env("COW_FLEET_DATABASE", postgres.address())
            .env(
                "COW_FLEET_HUB",
                at(text("serviceConnectionString"), "https"),
            )
            .env(
                "COW_FLEET_PROVISIONING",
                at(text("provisioningServiceConnectionString"), "https"),
            )
            .env("COW_FLEET_EVENTS", events)
            .env("COW_FLEET_CONSUMER_GROUP", "fleet")
            .env("COW_FLEET_ID_SCOPE", text("idScope"))
            .env("COW_FLEET_CA_FILE", text("caFile"))
            .env("COW_FLEET_NO_SHOW_AFTER", NO_SHOW_AFTER)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .expect("the binary starts");
        let stdout = process.stdout.take().expect("it is piped");
        let mut line = String::new();
        let mut stdout = BufReader::new(stdout);
        timeout(PATIENCE, stdout.read_line(&mut line))
            .await
            .expect("it is ready in time")
            .expect("it prints");
        let said: Value = serde_json::from_str(&line).expect("it says that it is ready");
        let address = said["fleet"].as_str().expect("an address").to_owned();
        Self { process, address }
    }

    /// Ends it as a crash would.
    pub(crate) async fn kill(&mut self) {
        self.process.kill().await.expect("it ran");
    }

    /// Has it end in good order.
    pub(crate) async fn stop(mut self) {
        drop(self.process.stdin.take());
        let ended = timeout(PATIENCE, self.process.wait()).await;
        let status = ended.expect("it ends").expect("it ran");
        assert!(status.success(), "{status}");
    }
}
