//! A back end in miniature: it asks a running `cow sim` by REST and reads its events over AMQP.
//!
//! - [`Place`] is where a simulator is, as the line it prints with `--json` says;
//! - [`Rest`] is one connection to the service API, kept open from request to request;
//! - [`EventReader`] is one connection to the Event Hubs-compatible endpoint.
//!
//! It is *not* a client for a product: it asks no question twice and waits for nothing. `cow bench` measures with it, because it costs little beside what it measures, and tests kill
//! the simulator under it, because it hides nothing.
//!
//! **Invariant:** it shares no line with the simulator's own REST or AMQP: what both had wrong alike, no test would find.

mod events;
mod place;
mod rest;

pub use events::EventReader;
pub use place::Place;
pub use rest::{Answer, Rest};
pub use service_client::Event;

/// Why the hub could not be asked.
#[derive(Debug, thiserror::Error)]
pub enum ProbeError {
    /// The simulator's line does not say something.
    #[error("no {0} in what the simulator says")]
    NotSaid(&'static str),
    /// What it says is not understood.
    #[error("{0} is not what it should be")]
    Unreadable(&'static str),
    /// No connection.
    #[error("no connection to the hub")]
    Connection(#[from] std::io::Error),
    /// No trust.
    #[error("the authority's certificate cannot be used")]
    Trust(#[from] transport::Error),
    /// A request broke off.
    #[error("the request broke off")]
    Request(#[from] hyper::Error),
    /// A request that cannot be made.
    #[error("the request cannot be made")]
    NoRequest(#[from] hyper::http::Error),
    /// Events cannot be read, or no longer.
    #[error("events cannot be read")]
    Events(#[from] service_client::EventsError),
}
