//! One connection: to a hub, a gateway or a provisioning service.
//!
//! - [`Trust`] and [`ClientCertificate`] become a TLS configuration by [`tls::client_config`];
//! - [`mqtt::Link`] is one MQTT connection, from CONNECT to its end;
//! - [`http::exchange_over_tls`] is one HTTPS request with its answer;
//! - [`Error`] says in one vocabulary why there is no connection, whichever of the two it was to be.
//!
//! It is *not* a client of anything: it knows no topic, no token and no identity, it never tries again, and
//! it keeps nothing beyond a connection's end. Those who use it decide when to connect and what was lost.
//!
//! **Invariant:** nothing is sent before the other side has proved the name that was asked for to an
//! authority that the caller trusts, and no key or password shows in any error or `Debug`.

mod certificate;
mod error;
pub mod http;
pub mod mqtt;
pub mod tls;

pub use certificate::{CertificateError, ClientCertificate};
pub use error::Error;
pub use tls::Trust;
