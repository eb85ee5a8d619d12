//! What `up` and `sim` have in common: start, say where everything is, stop when asked.

use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use axum::Router;
use runner::LogLine;
use serde_json::Value;
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::timeout;

use crate::banner::Banner;
use crate::json_arg;
use crate::logging::LogArgs;
use crate::output::{self, JsonArgs};
use crate::ports::{self, Ports};
use crate::stop::Stop;
use crate::street::{Plan, Running};

/// Nobody waits longer who would not wait for modules. The next start removes what is left.
const CLOSE_WITHIN: Duration = Duration::from_secs(10);

#[derive(Debug, clap::Args)]
pub(crate) struct ServeArgs {
    /// Address to listen on, and the hub's host name; that of 127.0.0.1 is localhost
    #[arg(long, value_name = "IP", default_value_t = Ipv4Addr::LOCALHOST.into())]
    address: IpAddr,
    /// Address of page and control API, where the hub is for others to reach and they are not: 127.0.0.1
    #[arg(long, value_name = "IP")]
    control_address: Option<IpAddr>,
    /// Take the ports from N on (MQTT N, HTTPS N+1, page and control N+2, AMQP N+3, operators' service N+4), not the
    /// official ones; 0 takes any
    #[arg(long, value_name = "N", value_parser = ports::base)]
    port_base: Option<u16>,
    /// Keep the hub's and the modules' state in this directory; without, it lives as long as this runs
    #[arg(long, value_name = "DIR", env = "COW_STATE")]
    state: Option<PathBuf>,
    /// Route the hub's messages and events as this file says: JSON, as a hub's resource has it under properties.routing
    #[arg(long, value_name = "FILE", value_parser = json_arg::file)]
    routing: Option<Value>,
    /// Make what this file says (docs/testing.md) and what is missing, before anything else runs
    #[arg(long, value_name = "FILE", env = "COW_SEED")]
    seed: Option<PathBuf>,
    /// The hub's host name, where it is not its address; more are names it answers to as well
    #[arg(long, value_name = "NAME", env = "COW_HOST", value_delimiter = ',')]
    host: Vec<String>,
    #[command(flatten)]
    json: JsonArgs,
    #[command(flatten)]
    pub(crate) log: LogArgs,
}

impl ServeArgs {
    /// A plan of a simulator alone.
    pub(crate) fn plan(&self) -> Plan {
        let ports = match self.port_base {
            Some(base) => Ports::from_base(base),
            None => Ports::official(self.address),
        };
        Plan {
            state: self.state.clone(),
            seed: self.seed.clone(),
            hosts: self.host.clone(),
            control_address: self.control_address.unwrap_or(self.address),
            ..Plan::simulator_alone(self.address, ports)
        }
    }

    /// Runs a plan until asked to stop. `pages` are served beside the control API, if there are any.
    pub(crate) async fn run(
        self,
        mut plan: Plan,
        pages: Option<impl FnOnce(&mut Running) -> Router>,
    ) -> anyhow::Result<()> {
        let begun = Instant::now();
        self.log.init();
        plan.routing = self.routing;
        let mut stop = Stop::listen()?;
        let (mut running, lines) = Running::start(plan).await?;
        let logs = tokio::spawn(show_lines(lines));
        let has_page = pages.is_some();
        let pages = pages.map_or_else(Router::new, |pages| pages(&mut running));
        running.serve(pages);

        let waiting = |missing| output::note(&format!("still waiting for {missing}"));
        let stopped_early = tokio::select! {
            () = running.ready(waiting) => false,
            () = stop.asked() => true,
        };
        if !stopped_early {
            let banner = Banner {
                running: &running,
                has_page,
                took: begun.elapsed(),
            };
            if self.json.json {
                banner.print_json()?;
            } else {
                banner.print()?;
            }
            stop.asked().await;
        }

        let engine = running.engine();
        tokio::select! {
            () = running.shutdown() => {}
            () = stop.insisted() => {
                output::note("stopped without waiting for the modules");
                // A process ends with this one; a container has to be ended.
                if let Some(engine) = engine {
                    let _ = timeout(CLOSE_WITHIN, engine.close()).await;
                }
            }
        }
        logs.abort();
        Ok(())
    }
}

/// Shows what modules print on standard error, each line with its module.
async fn show_lines(mut lines: broadcast::Receiver<LogLine>) {
    loop {
        match lines.recv().await {
            Ok(line) => output::log_line(&line.module, &line.text),
            Err(RecvError::Lagged(lost)) => {
                output::log_line("cow", &format!("{lost} lines were lost"));
            }
            Err(RecvError::Closed) => return,
        }
    }
}
