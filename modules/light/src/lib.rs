//! Bay module light: occupancy, booking and health in, colour and pattern out.

pub mod booking;
pub mod lamp;
pub mod settings;
pub mod sign;
