//! How a simulator starts: ports, certificates, what is kept, and the tasks that serve.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::os::unix::fs::DirBuilderExt;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::time::{MissedTickBehavior, interval};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::pending::Pending;
use super::{Simulator, StartError, events, provisioning};
use crate::connection::Services;
use crate::hub::Hub;
use crate::jobs::Staff;
use crate::levers::{Lever, LinkState, Target};
use crate::listening::{self, Bound, Ports};
use crate::options::Options;
use crate::pki::{Authority, server_config};
use crate::websocket;

/// How often the hub looks at what time asks of it.
const TICK: Duration = Duration::from_millis(250);

impl Simulator {
    /// Binds every port, loads what is kept, and serves.
    ///
    /// # Errors
    /// When a port, the certificates or the state cannot be had; nothing is left running then.
    pub async fn start(options: Options) -> Result<Arc<Self>, StartError> {
        let mut own = bind(options.address, options.ports)?;
        let ports = Ports {
            mqtt: own.mqtt[0].address.port(),
            https: own.https[0].address.port(),
            amqp: own.amqp[0].address.port(),
        };
        let bridge = match &options.bridge {
            Some(bridge) => Some(own.bind_bridge(bridge.address, options.address, ports)?),
            None => None,
        };
        let more: Vec<Listeners> = options
            .more_hubs
            .iter()
            .map(|linked| bind(linked.address, ports))
            .collect::<Result<_, _>>()?;
        make_private(&options.run).map_err(|source| StartError::Run {
            path: options.run.clone(),
            source,
        })?;
        let authority = Arc::new(Authority::load_or_create(&options.pki)?);
        let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
        let hub = open_hub(&options)?;
        if let Some(routing) = &options.routing {
            events::route(&hub, routing.clone()).map_err(StartError::Routing)?;
        }
        let more_hubs: Vec<Arc<Hub>> = options
            .more_hubs
            .iter()
            .map(|linked| open_hub(&options.of_linked(linked)))
            .collect::<Result<_, _>>()?;
        let dps = provisioning::open(&options, &hub, &more_hubs, &authority, &tasks, &stop)?;
        let simulator = Arc::new(Self {
            hub,
            more_hubs,
            dps,
            authority,
            run: options.run,
            mqtt: own.mqtt[0].address,
            https: own.https[0].address,
            amqp: own.amqp[0].address,
            bridge,
            pending: Pending::in_directory(options.state.as_deref()),
            first_deployment: Mutex::default(),
            sockets: Mutex::default(),
            tasks,
            stop,
        });
        simulator.finish_pending()?;
        simulator.begin_here().map_err(StartError::Journal)?;
        simulator.employ()?;
        simulator.serve(own, more)?;
        Ok(simulator)
    }

    /// Lets every hub carry out its jobs, and go on with those that a restart interrupted.
    pub(super) fn employ(&self) -> Result<(), StartError> {
        for hub in self.hubs() {
            let staff = Staff {
                tasks: self.tasks.clone(),
                stop: self.stop.clone(),
                authority_pem: self.authority.certificate_pem().to_owned(),
            };
            hub.employ(staff).map_err(StartError::Journal)?;
        }
        Ok(())
    }

    /// Serves every hub on its own listeners; the provisioning service answers on all of them.
    fn serve(&self, own: Listeners, more: Vec<Listeners>) -> Result<(), StartError> {
        let listeners = std::iter::once(own).chain(more);
        let mut served = Vec::new();
        for (hub, listeners) in self.hubs().zip(listeners) {
            let issued = self
                .authority
                .issue_server(&hub.names.hub, &hub.names.accepted)?;
            let (mqtt_tls, https_tls) = (
                server_config(&issued, &[])?,
                server_config(&issued, &[b"http/1.1"])?,
            );
            served.push((hub, listeners, mqtt_tls, https_tls));
        }
        for (hub, listeners, mqtt_tls, https_tls) in served {
            let services = Services {
                hub: hub.clone(),
                dps: self.dps.clone(),
            };
            for bound in listeners.amqp {
                self.tasks.spawn(listening::serve_amqp(
                    bound,
                    mqtt_tls.clone().into(),
                    hub.clone(),
                    self.stop.clone(),
                ));
            }
            for bound in listeners.mqtt {
                self.tasks.spawn(listening::serve_mqtt(
                    bound,
                    mqtt_tls.clone().into(),
                    services.clone(),
                    self.stop.clone(),
                ));
            }
            for bound in listeners.https {
                self.tasks.spawn(listening::serve_https(
                    bound,
                    https_tls.clone().into(),
                    websocket::router(services.clone()),
                    self.stop.clone(),
                ));
            }
            self.tasks.spawn(tick(hub.clone(), self.stop.clone()));
        }
        Ok(())
    }
}

/// Where one hub listens: at its own address first, and at that of a bridge if there is one.
struct Listeners {
    mqtt: Vec<Bound>,
    https: Vec<Bound>,
    amqp: Vec<Bound>,
}

fn bind(ip: IpAddr, ports: Ports) -> Result<Listeners, StartError> {
    Ok(Listeners {
        mqtt: vec![bind_one(ip, ports.mqtt)?],
        https: vec![bind_one(ip, ports.https)?],
        amqp: vec![bind_one(ip, ports.amqp)?],
    })
}

fn bind_one(ip: IpAddr, port: u16) -> Result<Bound, StartError> {
    let address = SocketAddr::new(ip, port);
    listening::bind(ip, port).map_err(|source| StartError::Bind { address, source })
}

impl Listeners {
    /// Listens at a bridge's address, too; `own` and `ports` are what it listens on already.
    fn bind_bridge(&mut self, ip: IpAddr, own: IpAddr, ports: Ports) -> Result<Ports, StartError> {
        // The official ports are free in a network of one's own, unless somebody listens everywhere.
        let bind = |bounds: &mut Vec<Bound>, official, port| -> Result<u16, StartError> {
            if let Ok(bound) = listening::bind(ip, official) {
                bounds.push(bound);
                return Ok(official);
            }
            if !own.is_unspecified() {
                bounds.push(bind_one(ip, port)?);
            }
            Ok(port)
        };
        let official = Ports::default();
        Ok(Ports {
            mqtt: bind(&mut self.mqtt, official.mqtt, ports.mqtt)?,
            https: bind(&mut self.https, official.https, ports.https)?,
            amqp: bind(&mut self.amqp, official.amqp, ports.amqp)?,
        })
    }
}

fn open_hub(options: &Options) -> Result<Arc<Hub>, StartError> {
    let hub = Arc::new(Hub::open(options.state.as_deref(), options.names())?);
    hub.ensure_policies().map_err(StartError::Journal)?;
    rest(&hub).map_err(StartError::Journal)?;
    Ok(hub)
}

/// Levers are at rest when a simulator starts, whatever the one before it was made to suffer.
pub(super) fn rest(hub: &Hub) -> io::Result<()> {
    hub.pull(&Target::Everybody, Lever::Upstream(LinkState::Up))
}

async fn tick(hub: Arc<Hub>, stop: CancellationToken) {
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    // A full disk stays full for longer than anybody wants to read of it.
    let mut failing = false;
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = ticks.tick() => match work_off(&hub).await {
                Ok(()) if failing => {
                    failing = false;
                    tracing::warn!("the journal can be written again");
                }
                Err(error) if !failing => {
                    failing = true;
                    tracing::error!(%error, "the journal cannot be written; nothing is acknowledged until it can");
                }
                _ => {}
            },
        }
    }
}

/// What is due, and then the devices that configurations have yet to be held against.
async fn work_off(hub: &Hub) -> io::Result<()> {
    hub.tick()?;
    hub.assign_for_a_spell().await
}

fn make_private(directory: &Path) -> io::Result<()> {
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(directory)
}
