//! The operator's service: devices come from stock into projects, bays are put on a map and show their truth live, and
//! drivers book them.
//!
//! It speaks to IoT Hub and the provisioning service as any back end does, by their service APIs and the event endpoint,
//! so it runs unchanged on Azure and on the simulator.
//!
//! - [`store`] is the database, one file or PostgreSQL, and who is told of changes;
//! - [`hub`] is what it asks of a hub, and [`hubs`] which one;
//! - [`people`] is who asks, and what they may;
//! - [`web`] is its face: pages and API, and what every request is put through;
//! - [`words`] is what pages say, in four languages;
//! - [`bays`] is what a bay is, and [`bookings`] who it is kept for.
//!
//! It is *not* an IoT hub, and decides nothing a bay has to decide: a bay's lamp and its verdict are right without it.
//!
//! **Invariant:** what was answered with success is in the database.

// The benchmark includes a file of the tests, which names this crate as from outside.
#[cfg(test)]
extern crate self as fleet;

pub mod alarms;
pub mod app;
pub mod audit;
pub mod azure;
pub mod bays;
pub mod bookings;
pub mod check;
mod crm;
pub mod customers;
pub mod device_api;
pub mod devices;
pub mod entity_tag;
pub mod history;
pub mod hub;
pub mod hubs;
pub mod idempotency;
pub mod ingest;
pub mod middleware;
pub mod moment;
mod oauth;
pub mod open_data;
pub mod orders;
pub mod paging;
pub mod people;
pub mod problem;
pub mod projects;
pub mod serve;
pub mod settings;
pub mod stock;
pub mod store;
pub mod street;
#[cfg(test)]
pub(crate) mod testing;
pub mod tiles;
pub mod web;
pub mod webhooks;
pub mod words;
