//! Bookings: a bay kept for somebody for a time, and what becomes of it.
//!
//! - [`booking`] decides what a booking becomes. It is told the time and what stands in the bay.
//! - [`lamp`] decides what the lamp is told, and when again.
//! - [`kept`] is how they are kept; [`desk`] is what people ask for, and [`keeper`] what happens by itself, with
//!   `conflicts` for what stands where it should not and [`withdraw`] for a bay that is taken away.

pub mod api;
pub mod booking;
mod conflicts;
pub mod desk;
pub mod keeper;
pub mod kept;
pub mod lamp;
pub mod list;
pub(crate) mod pages;
pub mod view;
pub mod withdraw;
