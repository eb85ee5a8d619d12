//! The module with its real ways to the provisioning service and the hub, both simulated: as a module of
//! the Edge runtime, by its methods, and as the host's service, claimed from elsewhere.

mod claimed;
mod methods;
mod street;
