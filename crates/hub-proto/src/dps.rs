//! The Device Provisioning Service: what a device asks to learn its hub, and what an operator enrols.
//!
//! - [`registration`]: the device's side, the same documents over MQTT ([`crate::topic`]) and HTTPS.
//! - [`enrollment`]: the operator's side, the REST documents of the service API.
//! - [`error`]: the service's own error numbers and their body.

pub mod enrollment;
pub mod error;
pub mod registration;

#[cfg(test)]
mod tests;
