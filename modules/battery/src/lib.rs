//! Bay module battery: charge and supply health, low-charge alarm.

pub mod charge;
pub mod quality;
pub mod settings;
