//! Connections against a server on loopback: what each failure is called, and what goes over the wire.

mod failures;
mod http;
mod mqtt;
mod server;
