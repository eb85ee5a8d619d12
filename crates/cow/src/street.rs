//! What `cow up` and `cow sim` run: the simulator, a simulated board with a machine on it per bay, the manifest's modules
//! as processes or containers.
//!
//! This is the only place that knows all of them. It wires nothing together: modules meet through the manifest's
//! routes, and find their board and their identity in their environment.

mod api;
mod bay;
mod containers;
mod disk;
mod edge_agent;
mod edge_daemon;
mod fleet;
mod guard;
mod host;
mod hub;
mod machine;
mod plan;
mod readiness;
mod spot;
mod surroundings;
mod taken;

use std::fs;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use anyhow::Context;
use axum::Router;
use board::scenario::{self, Scenario};
use board::simulated::SimulatedBoard;
use hub_proto::identity::Identity;
use runner::{DesiredStatus, Engine, LogLine};
use simulator::Simulator;
use tokio::net::TcpListener;
use tokio::sync::{broadcast, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::deployment::Module;
use crate::place::Place;

pub(crate) use bay::Bay;
use bay::Site;
use edge_daemon::Equipment;
use fleet::Fleet;
use machine::Machine;
pub(crate) use machine::{Switch, Vitals};
pub(crate) use plan::Plan;
use readiness::Readiness;
use spot::Spot;

/// Lines kept for a listener that is behind; older ones are lost to it, and it is told how many.
const LOG_BACKLOG: usize = 512;

/// A running street, as pages and APIs see it.
#[derive(Debug)]
pub(crate) struct Street {
    /// Hub and Edge runtime.
    pub(crate) simulator: Arc<Simulator>,
    /// In the order of their numbers; none where modules run elsewhere.
    pub(crate) bays: Vec<Bay>,
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
    fleet: Option<Fleet>,
    machines: JoinSet<()>,
    /// Those of spare boards, which nobody waits for: they begin once the street is ready.
    spares: Vec<Machine>,
    /// Machines go down when it is dropped.
    closing: watch::Sender<()>,
    /// Boards, scenario and HTTP: nothing that has to end in good order.
    tasks: JoinSet<()>,
    listener: Option<TcpListener>,
    /// Where containers run, if there are any.
    engine: Option<Engine>,
    _place: Place,
}

impl Running {
    /// Starts everything but HTTP, which waits for [`Self::serve`]. The receiver sees every line modules print.
    pub(crate) async fn start(plan: Plan) -> anyhow::Result<(Self, broadcast::Receiver<LogLine>)> {
        let page = SocketAddr::new(plan.control_address, plan.ports.page);
        let listener = match TcpListener::bind(page).await {
            Ok(listener) => listener,
            Err(error) => return Err(taken::explain_page(page, error).await),
        };
        let place = Place::open(plan.state.as_deref())?;
        let engine = match plan.in_containers {
            true => Some(containers::open(&place).await?),
            false => None,
        };
        let started = Self::start_in(plan, listener, place, engine.clone()).await;
        if started.is_err()
            && let Some(engine) = engine
        {
            engine.close().await;
        }
        started
    }

    async fn start_in(
        mut plan: Plan,
        listener: TcpListener,
        place: Place,
        engine: Option<Engine>,
    ) -> anyhow::Result<(Self, broadcast::Receiver<LogLine>)> {
        let http = listener.local_addr()?;
        let seed = plan.seed.take().map(hub::read_seed).transpose()?;
        let bridge = engine.as_ref().map(containers::bridge);
        let simulator = hub::start(&plan, &place, bridge).await?;
        if let Some((file, text)) = seed {
            hub::plant(&simulator, &file, &text)?;
        }
        let fleet = plan.has_fleet.then(|| {
            let (info, port) = (simulator.info(), plan.ports.fleet);
            Fleet::start(
                place.root(),
                &info,
                plan.control_address,
                port,
                plan.own_devices(),
            )
        });
        let mut readiness = Readiness::watch(&simulator);

        let (lines, received) = broadcast::channel(LOG_BACKLOG);
        let closing = watch::Sender::new(());
        let (mut tasks, mut machines) = (JoinSet::new(), JoinSet::new());
        let (mut bays, mut spares) = (Vec::new(), Vec::new());
        let scenario = plan.scenario.take();
        let (count, https_moved) = (plan.bays, plan.ports.https_moved());
        match plan.equipment(&simulator, lines, engine.clone()) {
            None => hub::deploy_alone(&simulator, count, plan.deployment.as_ref())?,
            Some(equipment) => {
                containers::prepare(&equipment).await?;
                let equipment = Arc::new(equipment);
                // A scenario's seed is the fate of its boards' noise too; no two boards have the same.
                let seed = scenario.as_ref().and_then(Scenario::seed).unwrap_or(0);
                let service = equipment.programs.service();
                for spot in Spot::all(count, plan.spares) {
                    let run = place.private().join(spot.name());
                    fs::create_dir(&run)?;
                    let socket = run.join(surroundings::BOARD);
                    let board = SimulatedBoard::new(seed.wrapping_add(spot.number() as u64));
                    tasks.spawn(board.listen(&socket)?.run());
                    if engine.is_some() {
                        containers::open_to_all(&socket)?;
                    }
                    let site = Site {
                        place: &place,
                        address: plan.address,
                        ports: plan.ports,
                        spot,
                        board,
                        run: &run,
                        stock: match spot {
                            Spot::Bay(_) => plan.stock.as_ref(),
                            Spot::Spare(_) => Some(&service),
                        },
                    };
                    let (bay, machine) = site.build(&equipment, closing.subscribe())?;
                    if let Some(device) = bay.device.borrow().as_deref() {
                        expect(&mut readiness, device, &equipment)?;
                    }
                    match spot {
                        Spot::Bay(_) => drop(machines.spawn(machine.run())),
                        Spot::Spare(_) => spares.push(machine),
                    }
                    bays.push(bay);
                }
            }
        }
        simulator
            .begin_here()
            .context("cannot keep what the simulator begins with")?;
        if let Some(scenario) = scenario {
            let boards = bays.iter().take(count).map(|bay| bay.board.clone());
            let boards: Vec<_> = boards.collect();
            tasks.spawn(async move { scenario::play(scenario, &boards).await });
        }
        let running = Self {
            street: Arc::new(Street { simulator, bays }),
            http,
            https_moved,
            readiness,
            fleet: fleet.transpose()?,
            machines,
            spares,
            closing,
            tasks,
            listener: Some(listener),
            engine,
            _place: place,
        };
        Ok((running, received))
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

    /// Resolves when every module that is to run is connected and has been heard at the hub, and every machine is as far
    /// as it gets by itself; tells `waiting` whom it waits for should that take long.
    pub(crate) async fn ready(&mut self, waiting: impl FnOnce(String)) {
        let (street, mut waiting) = (&self.street, Some(waiting));
        let mut tell = |missing: String| {
            if let Some(waiting) = waiting.take() {
                waiting(missing + &exits(street));
            }
        };
        self.readiness.reached(&mut tell).await;
        if let Some(fleet) = &mut self.fleet {
            fleet.ready().await;
        }
        for bay in street.bays.iter().filter(|bay| !bay.spot.is_spare()) {
            let mut vitals = bay.vitals.clone();
            let settled = |vitals: &Vitals| {
                vitals.phase.is_settled() && (vitals.host_answers || bay.portal.is_none())
            };
            if timeout(readiness::LONG, vitals.wait_for(settled))
                .await
                .is_err()
            {
                tell(format!("{}'s machine to come up", bay.name));
                // Fails only when the machine is gone for good, and the street with it.
                let _ = vitals.wait_for(settled).await;
            }
        }
        for machine in self.spares.drain(..) {
            self.machines.spawn(machine.run());
        }
    }

    /// What the operator's service says of itself, if it runs.
    pub(crate) fn fleet(&self) -> Option<&crate::commands::fleet::Ready> {
        self.fleet.as_ref()?.said()
    }

    /// Where a browser or a command finds it.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", reachable(self.http))
    }

    /// Ends the modules while the hub still listens to what they have to say, then everything else.
    pub(crate) async fn shutdown(mut self) {
        if let Some(fleet) = self.fleet {
            fleet.stop().await;
        }
        drop(self.closing);
        while self.machines.join_next().await.is_some() {}
        self.street.simulator.shutdown().await;
        if let Some(engine) = &self.engine {
            engine.close().await;
        }
    }

    /// Where containers run, for whoever will not wait for [`Self::shutdown`].
    pub(crate) fn engine(&self) -> Option<Engine> {
        self.engine.clone()
    }
}

/// Where to connect to what listens there: listening everywhere includes the loopback address, and "everywhere" is no
/// address to connect to.
fn reachable(address: SocketAddr) -> SocketAddr {
    let ip = match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    };
    SocketAddr::new(ip, address.port())
}

/// Waits for what a device's modules have to say.
fn expect(readiness: &mut Readiness, device: &str, equipment: &Equipment) -> anyhow::Result<()> {
    // An automatic deployment may be for the device, and have it run something else.
    let agent = Identity::module(device, "$edgeAgent")?;
    let desired = equipment.simulator.twin(&agent).unwrap_or_default();
    let desired = desired["properties"]["desired"].as_object();
    let told = desired.and_then(|desired| simulator::agent::read(desired).ok());
    let modules = told.into_iter().flat_map(|agent| agent.modules);
    for module in modules.filter(|module| !module.is_system).map(Module::from) {
        if let Ok(means) = equipment.programs.find(&module.name, &module.image)
            && module.status == DesiredStatus::Running
        {
            let identity = Identity::module(device, module.name.as_str())?;
            readiness.expect(identity, means.own().is_some());
        }
    }
    Ok(())
}

/// Whose runs have ended, for somebody who waits to hear from them.
fn exits(street: &Street) -> String {
    let processes = street.bays.iter().flat_map(Bay::processes);
    let ended = processes.filter_map(|(name, state)| {
        let (code, status) = (state.last_exit?.code(), state.status.as_str());
        Some(match state.problem {
            Some(problem) => format!("; {name} cannot be started: {problem} (now: {status})"),
            None => format!("; {name} exited with {code} (now: {status})"),
        })
    });
    ended.collect()
}
