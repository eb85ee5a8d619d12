//! The board of one parking bay, as ports: what measures, what shines, what feeds it.
//!
//! A module asks [`Board::open`] for the board its settings name and takes the ports it needs:
//! [`Ranger`], [`Lamp`], [`Gauge`], [`Thermometer`], [`Power`]. Which adapter stands behind a port is decided
//! by the specification alone, so a module is the same program on a desk and on a pole.
//!
//! This crate does not decide anything about bays: a [`Ranger`] returns the echo's time and not a
//! distance, a [`Lamp`] takes a colour and not a meaning, a [`Gauge`] hands over one attempt at its
//! registers, plausible or not. Filters, retries and patterns belong to the modules.
//!
//! **Invariant:** a port never invents a reading. What was not measured is [`Echo::NoEcho`],
//! [`Echo::Stuck`] or a [`BoardError`], never an old value and never zero.

mod error;
mod gauge;
mod lamp;
mod linux;
mod open;
mod power;
mod ranger;
mod thermometer;

pub mod scenario;
pub mod simulated;

pub use bay::Colour;
pub use error::BoardError;
pub use gauge::{Gauge, GaugeReading};
pub use lamp::Lamp;
pub use linux::{Finding, SpecError, probe};
pub use open::{Board, OpenError};
pub use power::{Logind, Power};
pub use ranger::{Echo, Ranger};
pub use thermometer::Thermometer;
