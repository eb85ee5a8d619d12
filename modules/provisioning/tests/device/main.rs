//! The module as it runs on the host, with everything real but the provisioning service and the hub:
//! journeys, set-ups that cannot be, restarts in the middle, and secrets that stay secret.

mod bench;
mod journey;
mod refused;
mod restarted;
