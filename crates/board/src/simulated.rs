//! A board that exists only on a desk: the bay around it, and the socket a module reaches it by.
//!
//! [`SimulatedBoard`] is the bay: cars, people, rain, air, battery, lamp. Whoever owns it commands
//! it and watches it; the ports of [`Board`](crate::Board) reach it through a [`BoardServer`].
//!
//! It does not blink, filter or judge, and it has no clock of its own beyond the moment of each
//! question: nothing runs in it between two questions.
//!
//! # The wire between a port and the simulated board
//!
//! A Unix stream socket; each side writes one JSON object a line, and every request has one answer,
//! in order. A port may hang up at any time; a board that was restarted is simply connected again.
//!
//! | Request | Answer |
//! |---|---|
//! | `{"do":"measure"}` | `{"echo":"returned","roundTripNs":14610938}`, `{"echo":"none"}` or `{"echo":"stuck"}` |
//! | `{"do":"setLamp","colour":"red"}`, or `"#ff0000"` | `{"lamp":"set"}` |
//! | `{"do":"readGauge"}` | `{"voltageMv":7420,"currentMa":-310,"chargePercent":87,"minutesToEmpty":412}` |
//! | `{"do":"readThermometer"}` | `{"celsius":18.5}` |
//! | `{"do":"reboot"}` | `{"power":"restarting"}` |
//!
//! A part that cannot answer says why: `{"fault":"the ranger does not answer: is its cable cut?"}`.
//! So does the board, to a request it does not understand.

mod command;
mod line;
mod pack;
mod server;
mod silhouette;
mod sound;
mod state;
mod traffic;
mod wire;
mod world;

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Instant,
};

use tokio::sync::broadcast;

pub use command::{Command, Rain, Vehicle};
pub(crate) use line::Line;
pub use server::{BoardServer, ListenError};
pub use state::{
    BatteryState, BoardState, LampState, Motion, Outcome, PastColour, PedestrianState, Sample,
    TemperatureState, VehicleState,
};
use world::World;
pub use world::{LampChange, Marks};

use crate::Colour;

/// Changes a slow watcher may fall behind by, before it is told that it missed some.
const REMEMBERED_CHANGES: usize = 64;

/// A simulated bay: a handle, cheap to clone, to one bay that all clones share.
#[derive(Debug, Clone)]
pub struct SimulatedBoard {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    world: Mutex<World>,
    changes: broadcast::Sender<Change>,
}

/// Something happened to a bay.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Change {
    /// A port measured.
    Sampled(Sample),
    /// A port changed the lamp's colour.
    Lamp(Colour),
    /// The machine on the board was asked to restart, and does: whoever runs its programs stops and starts
    /// them. The lamp is dark from here on.
    Restarted,
    /// A command was obeyed: [`SimulatedBoard::state`] has the whole of it.
    Commanded(Command),
}

impl SimulatedBoard {
    /// An empty bay on a dry day of 18 °C, its sensor 2.5 m above the floor, its battery at 87 %
    /// and its lamp dark. The same seed and the same questions give the same noise.
    pub fn new(seed: u64) -> Self {
        Self {
            shared: Arc::new(Shared {
                world: Mutex::new(World::new(seed, Instant::now())),
                changes: broadcast::Sender::new(REMEMBERED_CHANGES),
            }),
        }
    }

    /// Makes something happen.
    pub fn command(&self, command: Command) {
        self.world().command(command, Instant::now());
        self.tell(Change::Commanded(command));
    }

    /// How the bay is now.
    pub fn state(&self) -> BoardState {
        self.world().state(Instant::now())
    }

    /// The newest measurements, oldest first: two minutes and more at ten a second.
    pub fn recent_samples(&self) -> Vec<Sample> {
        self.world().recent_samples(Instant::now())
    }

    /// The newest changes of the lamp, oldest first.
    pub fn lamp_history(&self) -> Vec<LampChange> {
        self.world().lamp_history()
    }

    /// When the last car came, was seen, and when the lamp changed.
    pub fn marks(&self) -> Marks {
        self.world().marks
    }

    /// Everything that happens from here on. A watcher that falls behind is told how much it
    /// missed, and reads [`SimulatedBoard::state`].
    pub fn changes(&self) -> broadcast::Receiver<Change> {
        self.shared.changes.subscribe()
    }

    /// A panic elsewhere cannot leave a world half changed that matters: it is a simulation.
    fn world(&self) -> MutexGuard<'_, World> {
        self.shared
            .world
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Nobody need be watching.
    fn tell(&self, change: Change) {
        let _ = self.shared.changes.send(change);
    }
}
