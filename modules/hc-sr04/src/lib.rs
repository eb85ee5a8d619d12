//! Bay module hc-sr04: echo times in, bay free, occupied or unknown out.

pub mod occupancy;
pub mod sample;
pub mod settings;
pub mod survey;
pub mod window;
