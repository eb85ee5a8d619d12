//! The board of a machine that runs Linux: GPIO lines through the kernel's character device, gauges on I2C, a strip on SPI,
//! and what the kernel itself measures.
//!
//! Nothing here knows a Raspberry Pi by its model: lines are found by the names the kernel gives them, so the same
//! specification holds for a Pi 3, 4 and 5. Everything is opened when it is first used, and again after a failure, so a
//! module may start before its device is there, and goes on when a cable is back.
//!
//! **Invariant:** an echo's time is the difference of two time stamps of the kernel. How late this process woke up is
//! not in it.

mod echo;
mod gauge;
mod iio;
mod lamp;
mod line;
mod probe;
mod pwm;
mod ranger;
mod sensor;
mod spec;
mod strip;
mod thermometer;
mod turn;

pub(crate) use gauge::LinuxGauge;
pub(crate) use lamp::LinuxLamp;
pub use probe::{Finding, probe};
pub(crate) use ranger::LinuxRanger;
pub(crate) use spec::Spec;
pub use spec::SpecError;
pub(crate) use thermometer::LinuxThermometer;
