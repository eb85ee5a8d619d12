//! IoT Hub as a back end sees it, by its public service APIs.
//!
//! - [`HubService`] asks over REST: identities, twins, direct methods, queries;
//! - [`EventReader`] reads the Event Hubs-compatible endpoint over AMQP 1.0, from where it is told.
//!
//! Both work alike against Azure and against the simulator.
//!
//! It is *not* a policy: nothing here tries again, waits for a better time or remembers how far events were read.
//! [`ServiceError`] and [`EventsError`] say what a caller could do about it.
//!
//! **Invariant:** it shares no line with the simulator's own REST or AMQP: what both had wrong alike, no test would find.
//!
//! **Invariant:** no key and no token shows in any error or `Debug`.

mod connections;
mod error;
pub mod events;
mod hub;

pub use error::{Refusal, ServiceError};
pub use events::{Event, EventEndpoint, EventReader, EventsError};
pub use hub::{HubService, Pages};
