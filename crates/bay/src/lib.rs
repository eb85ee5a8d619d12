//! The words of a parking bay: what every part of the product means by *occupied*, *booked*,
//! *orange* and *low*.
//!
//! It holds the domain's values, the bodies of the messages the modules exchange ([`message`]), the
//! way settings are taken and answered ([`settings`]), and the DTDL interfaces the modules announce
//! ([`model`]).
//!
//! It is *not* where decisions about a bay are taken: whether an echo means a car, which colour a
//! lamp shows and when a battery is low is said by the modules. It knows no hub, no board and no
//! file.
//!
//! **Invariant:** nothing here reads a clock, an environment, a file, a socket or a random source.
//! Time arrives as a [`Moment`].

mod booking;
mod colour;
mod distance;
pub mod message;
pub mod model;
mod moment;
mod occupancy;
mod palette;
mod pattern;
mod property;
pub mod settings;
mod supply;

pub use booking::{Booking, BookingId, BookingIdError};
pub use colour::{Colour, ColourError};
pub use distance::Distance;
pub use moment::Moment;
pub use occupancy::{Occupancy, UnknownReason};
pub use palette::{Palette, PaletteError, Sign};
pub use pattern::{Pattern, PatternError, Phase};
pub use property::Acknowledgement;
pub use supply::Alarm;
