//! Bookings: a bay kept for somebody for a time, and what becomes of it.
//!
//! - [`booking`] decides what a booking becomes. It is told the time and what stands in the bay.
//! - [`lamp`] decides what the lamp is told, and when again.

pub mod booking;
pub mod lamp;
