//! A bay's machine: what runs on its board from power on to power off, and again.
//!
//! The host's service comes first, where the machine has one, then the Edge daemon, then the device's modules: the order
//! systemd keeps on a real one. A restart through the board's power port ends them all and begins anew.

use std::sync::Arc;
use std::time::Duration;

use board::simulated::{Change, SimulatedBoard};
use runner::{Modules, Runner};
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{broadcast, mpsc, oneshot, watch};
use tokio::time::timeout;

use super::disk::Disk;
use super::edge_daemon::{EdgeDaemon, Equipment};
use super::host::Host;
use super::surroundings::Surroundings;
use crate::card::Card;

/// How long the Edge daemon waits for the host's service. One that cannot come up must not keep the bay from working.
const HOST_FIRST: Duration = Duration::from_secs(10);

/// How far a machine is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Nothing runs.
    #[default]
    Off,
    /// The host's services come up.
    Booting,
    /// It has no identity, and waits for one.
    Unprovisioned,
    /// The Edge daemon asks the provisioning service who the machine is.
    Registering,
    /// It has an identity that is worth nothing now; the daemon tries again.
    Refused,
    /// Its modules run.
    Running,
}

impl Phase {
    /// The word on the wire.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Booting => "booting",
            Self::Unprovisioned => "unprovisioned",
            Self::Registering => "registering",
            Self::Refused => "refused",
            Self::Running => "running",
        }
    }

    /// Whether the machine is as far as it gets by itself.
    pub(crate) fn is_settled(self) -> bool {
        matches!(self, Self::Unprovisioned | Self::Refused | Self::Running)
    }
}

/// What can be seen of a machine.
#[derive(Clone, Debug, Default)]
pub(crate) struct Vitals {
    pub(crate) phase: Phase,
    /// Why it is no further, if there is a reason.
    pub(crate) message: Option<String>,
    /// How often it has been started.
    pub(crate) boots: u64,
    /// Whether the host's service answers.
    pub(crate) host_answers: bool,
    /// Its processes: those of the host, and those of the Edge runtime.
    pub(crate) processes: Vec<Modules>,
}

/// The machine's side of what can be seen of it.
#[derive(Debug)]
pub(super) struct Life {
    bay: String,
    vitals: watch::Sender<Vitals>,
    device: watch::Sender<Option<String>>,
}

impl Life {
    pub(super) fn new(bay: &str) -> Self {
        Self {
            bay: bay.to_owned(),
            vitals: watch::Sender::default(),
            device: watch::Sender::default(),
        }
    }

    pub(super) fn vitals(&self) -> watch::Receiver<Vitals> {
        self.vitals.subscribe()
    }

    /// Which device of the hub the machine is.
    pub(super) fn device(&self) -> watch::Receiver<Option<String>> {
        self.device.subscribe()
    }

    pub(super) fn bay(&self) -> &str {
        &self.bay
    }

    pub(super) fn enter(&self, phase: Phase, message: Option<String>) {
        tracing::info!(bay = self.bay, ?phase, "The machine's phase has changed");
        self.vitals.send_modify(|vitals| {
            vitals.phase = phase;
            vitals.message = message;
        });
    }

    /// Who is told once more of the same device need not look again.
    pub(super) fn become_device(&self, device: Option<String>) {
        self.device.send_if_modified(|known| {
            let changed = *known != device;
            *known = device;
            changed
        });
    }

    fn boot(&self) {
        self.enter(Phase::Booting, None);
        self.vitals.send_modify(|vitals| vitals.boots += 1);
    }

    fn started(&self, runner: &Runner) {
        let modules = runner.modules().clone();
        self.vitals
            .send_modify(|vitals| vitals.processes.push(modules));
    }

    fn off(&self) {
        self.vitals.send_modify(|vitals| {
            vitals.phase = Phase::Off;
            vitals.message = None;
            vitals.host_answers = false;
            vitals.processes.clear();
        });
    }
}

/// What is done to a machine, and has it come up again.
#[derive(Debug)]
pub(crate) enum Switch {
    /// Restarts it in good order.
    Restart,
    /// Pulls the plug and puts it in again.
    Cut,
    /// Shuts it down, writes an identity onto its card as imaging does, and starts it. Says how the writing went.
    Image(Box<Card>, oneshot::Sender<anyhow::Result<()>>),
}

#[derive(Debug)]
pub(super) struct Machine {
    pub(super) equipment: Arc<Equipment>,
    pub(super) board: SimulatedBoard,
    pub(super) disk: Disk,
    pub(super) surroundings: Surroundings,
    /// The provisioning service, on a machine that begins without an identity.
    pub(super) host: Option<Host>,
    pub(super) life: Life,
    pub(super) switch: mpsc::Receiver<Switch>,
    /// Nothing is ever sent: it closes when the street does.
    pub(super) closing: watch::Receiver<()>,
}

/// Why a machine goes down.
enum Down {
    /// The street ends.
    ForGood,
    /// To come up again.
    Switched(Switch),
}

impl Machine {
    /// Runs the machine until the street closes.
    pub(super) async fn run(mut self) {
        let mut changes = self.board.changes();
        loop {
            let (mut host, mut edge) = (None, None);
            let down = self.up(&mut host, &mut edge, &mut changes).await;
            self.life.off();
            let cut = matches!(down, Down::Switched(Switch::Cut));
            // Nothing of before is left when the machine comes up again.
            tokio::join!(end(host, cut), end(edge, cut));
            match down {
                Down::ForGood => return,
                Down::Switched(Switch::Restart | Switch::Cut) => {}
                Down::Switched(Switch::Image(card, done)) => {
                    // Whoever asked may have left.
                    let _ = done.send(card.write(&self.disk.identity_file(), true));
                }
            }
        }
    }

    /// From power on to the moment something ends it.
    async fn up(
        &mut self,
        host: &mut Option<Runner>,
        edge: &mut Option<Runner>,
        changes: &mut broadcast::Receiver<Change>,
    ) -> Down {
        let Self {
            equipment,
            board,
            disk,
            surroundings,
            host: service,
            life,
            switch,
            closing,
        } = self;
        // Restarts asked for while it was going down are done with.
        let restarts = board.state().restarts;
        life.boot();
        let booting = async {
            if let Some(service) = service {
                let runner = host.insert(
                    service
                        .start(equipment, disk, &surroundings.of_process)
                        .await,
                );
                life.started(runner);
                if timeout(HOST_FIRST, service.answers()).await.is_ok() {
                    life.vitals.send_modify(|vitals| vitals.host_answers = true);
                } else {
                    tracing::warn!(bay = life.bay, "The host's service does not come up");
                }
            }
            let daemon = EdgeDaemon {
                equipment,
                disk,
                surroundings,
            };
            let (runner, agent) = daemon.start(life).await;
            let runner = edge.insert(runner);
            life.started(runner);
            agent.run(runner).await;
            std::future::pending::<()>().await;
        };
        tokio::select! {
            () = booting => Down::ForGood,
            () = restarted(board, restarts, changes) => Down::Switched(Switch::Restart),
            Some(switch) = switch.recv() => Down::Switched(switch),
            _ = closing.changed() => Down::ForGood,
        }
    }
}

/// Resolves when a program on the board has asked its power port for a restart.
async fn restarted(board: &SimulatedBoard, before: u64, changes: &mut broadcast::Receiver<Change>) {
    loop {
        let worth_a_look = match changes.recv().await {
            Ok(change) => change == Change::Restarted,
            Err(RecvError::Lagged(_)) => true,
            Err(RecvError::Closed) => return std::future::pending().await,
        };
        if worth_a_look && board.state().restarts != before {
            return;
        }
    }
}

async fn end(runner: Option<Runner>, cut: bool) {
    match runner {
        Some(runner) if cut => runner.kill().await,
        Some(runner) => runner.shutdown().await,
        None => {}
    }
}
