//! What `cow up` and `cow sim` run: the simulator, a simulated board per bay, the manifest's modules as processes.
//!
//! This is the only place that knows all of them. It wires nothing together: modules meet through the manifest's
//! routes, and find their board and their identity in their environment.

mod api;
mod bay;
mod guard;
mod readiness;
mod taken;

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;

use axum::Router;
use board::scenario::{self, Scenario};
use board::simulated::SimulatedBoard;
use runner::{Backoff, DesiredStatus, LogLine, Modules, Options, Runner};
use simulator::Simulator;
use tokio::net::TcpListener;
use tokio::sync::broadcast;
use tokio::task::JoinSet;

use crate::deployment::Deployment;
use crate::place::Place;
use crate::ports::Ports;
use crate::program::Program;

pub(crate) use bay::Bay;
use readiness::Readiness;

/// Programs by module name.
pub(crate) type Programs = BTreeMap<String, Program>;

/// What to run.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) address: IpAddr,
    pub(crate) ports: Ports,
    /// Where state is kept, if it is.
    pub(crate) state: Option<PathBuf>,
    /// How many Edge devices to make, each with the deployment's modules.
    pub(crate) bays: usize,
    pub(crate) deployment: Option<Deployment>,
    /// What runs for the deployment's modules; without, somebody else runs them, and there are no boards.
    pub(crate) programs: Option<Programs>,
    /// What modules log, unless the manifest says otherwise: edgeAgent's `RuntimeLogLevel`.
    pub(crate) module_log_level: &'static str,
    pub(crate) scenario: Option<Scenario>,
}

impl Plan {
    /// Hub and Edge runtime without any device.
    pub(crate) fn simulator_alone(address: IpAddr, ports: Ports) -> Self {
        Self {
            address,
            ports,
            state: None,
            bays: 0,
            deployment: None,
            programs: None,
            module_log_level: "warn",
            scenario: None,
        }
    }
}

/// A running street, as pages and APIs see it.
#[derive(Debug)]
pub(crate) struct Street {
    /// Hub and Edge runtime.
    pub(crate) simulator: Arc<Simulator>,
    /// In the order of their numbers; none where modules run elsewhere.
    pub(crate) bays: Vec<Bay>,
    /// The modules' processes, named `DEVICE/MODULE`.
    pub(crate) modules: Modules,
}

/// A street and what keeps it running. Dropping it ends everything at once, [`Self::shutdown`] in good order.
#[derive(Debug)]
pub(crate) struct Running {
    pub(crate) street: Arc<Street>,
    /// Where the control API, and the page where there is one, are served.
    pub(crate) http: SocketAddr,
    /// Whether HTTPS is not where SDKs look for it, because it could not be had.
    pub(crate) https_moved: bool,
    readiness: Readiness,
    runner: Runner,
    /// Boards, scenario and HTTP: nothing that has to end in good order.
    tasks: JoinSet<()>,
    listener: Option<TcpListener>,
    _place: Place,
}

impl Running {
    /// Starts everything but HTTP, which waits for [`Self::serve`]. The receiver sees every line modules print.
    pub(crate) async fn start(plan: Plan) -> anyhow::Result<(Self, broadcast::Receiver<LogLine>)> {
        let page = SocketAddr::new(plan.address, plan.ports.page);
        let listener = match TcpListener::bind(page).await {
            Ok(listener) => listener,
            Err(error) => return Err(taken::explain_page(page, error).await),
        };
        let http = listener.local_addr()?;
        let place = Place::open(plan.state.as_deref())?;
        let simulator = start_simulator(&plan, &place).await?;
        let mut readiness = Readiness::watch(&simulator);

        // A scenario's seed is the fate of its boards' noise too; no two boards have the same.
        let seed = plan.scenario.as_ref().and_then(Scenario::seed).unwrap_or(0);
        let mut tasks = JoinSet::new();
        let mut bays = Vec::new();
        let mut specs = Vec::new();
        for number in 1..=plan.bays {
            let device_id = format!("bay-{number:02}");
            let deployed = bay::deploy(&simulator, &device_id, plan.deployment.as_ref())?;
            let Some(programs) = &plan.programs else {
                continue;
            };
            let socket = place.private().join(format!("{device_id}.sock"));
            let board = SimulatedBoard::new(seed.wrapping_add(number as u64));
            tasks.spawn(board.listen(&socket)?.run());
            let mut modules = Vec::new();
            for deployed in deployed {
                let Some(program) = deployed.program(programs) else {
                    continue;
                };
                let spec = deployed.spec(&plan, program, &place, &socket)?;
                if spec.status == DesiredStatus::Running {
                    readiness.expect(spec.name.parse()?, program.own.is_some());
                }
                modules.push(deployed.on_bay(program));
                specs.push(spec);
            }
            bays.push(Bay {
                device_id,
                board,
                modules,
            });
        }

        let options = Options {
            backoff: Backoff::DESK,
            ..Options::default()
        };
        let (runner, lines) = Runner::start(specs, options).await?;
        if let Some(scenario) = plan.scenario {
            let boards: Vec<_> = bays.iter().map(|bay| bay.board.clone()).collect();
            tasks.spawn(async move { scenario::play(scenario, &boards).await });
        }
        let modules = runner.modules().clone();
        let running = Self {
            street: Arc::new(Street {
                simulator,
                bays,
                modules,
            }),
            http,
            https_moved: plan.ports.https_moved(),
            readiness,
            runner,
            tasks,
            listener: Some(listener),
            _place: place,
        };
        Ok((running, lines))
    }

    /// Serves the control API, and `pages` beside it.
    pub(crate) fn serve(&mut self, pages: Router) {
        let Some(listener) = self.listener.take() else {
            return;
        };
        let control = self.street.simulator.control();
        let app = control.merge(api::router(self.street.clone())).merge(pages);
        let app = guard::protect(app, self.http.ip());
        self.tasks.spawn(async move {
            if let Err(error) = axum::serve(listener, app).await {
                tracing::error!(%error, "The control API has ended");
            }
        });
    }

    /// Runs something for as long as the street runs.
    pub(crate) fn spawn(&mut self, task: impl Future<Output = ()> + Send + 'static) {
        self.tasks.spawn(task);
    }

    /// Resolves when every module that is to run is connected and has been heard at the hub; tells `waiting` whom it
    /// waits for should that take long.
    pub(crate) async fn ready(&mut self, waiting: impl FnOnce(String)) {
        let modules = &self.street.modules;
        let told = |missing: String| waiting(missing + &exits(modules));
        self.readiness.reached(told).await;
    }

    /// Where a browser or a command finds it.
    pub(crate) fn url(&self) -> String {
        // Listening everywhere includes the loopback address, and "everywhere" is no address to connect to.
        let ip = match self.http.ip() {
            IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
            ip => ip,
        };
        format!("http://{}", SocketAddr::new(ip, self.http.port()))
    }

    /// Ends the modules while the hub still listens to what they have to say, then everything else.
    pub(crate) async fn shutdown(self) {
        self.runner.shutdown().await;
        self.street.simulator.shutdown().await;
    }
}

async fn start_simulator(plan: &Plan, place: &Place) -> anyhow::Result<Arc<Simulator>> {
    let kept = place.kept();
    let options = simulator::Options {
        address: plan.address,
        ports: simulator::Ports {
            mqtt: plan.ports.mqtt,
            https: plan.ports.https,
        },
        state: kept.map(|kept| kept.join("hub")),
        pki: kept.unwrap_or(place.private()).join("pki"),
        run: place.private().join("run"),
        gateway: None,
    };
    match Simulator::start(options).await {
        Ok(simulator) => Ok(simulator),
        Err(simulator::StartError::Bind { address, source }) => {
            Err(taken::explain(address, source))
        }
        Err(error) => Err(error.into()),
    }
}

/// Whose processes have ended, for somebody who waits to hear from them.
fn exits(modules: &Modules) -> String {
    let ended = modules.names().filter_map(|name| {
        let state = modules.state(name)?;
        let (code, status) = (state.last_exit?.code(), state.status.as_str());
        Some(format!("; {name} exited with {code} (now: {status})"))
    });
    ended.collect()
}
