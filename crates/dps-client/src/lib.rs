//! The Device Provisioning Service, from both ends: a device that asks for the hub it belongs to, and an
//! operator who enrols devices.
//!
//! ```no_run
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! use dps_client::{Attestation, Limits, Registration, register};
//! use hub_proto::sas::SymmetricKey;
//!
//! let key = SymmetricKey::from_base64("AAECAwQFBgcICQoLDA0ODw==")?;
//! let registration = Registration::new(
//!     "0ne00AA12BC",
//!     "10000000a1b2c3d4".parse()?,
//!     Attestation::SymmetricKey(key),
//! );
//! let assignment = register(&registration, Limits::default()).await?;
//! println!("{} on {}", assignment.device_id, assignment.hub);
//! # Ok(())
//! # }
//! ```
//!
//! - [`register`] is the device's half: a thin shell, over MQTT or HTTPS, around the [`machine`], which is
//!   told the time and decides what to ask, when to ask again and when to give up.
//! - [`service`] is the operator's half: enrolments, groups and records of registrations.
//!
//! It is *not* a device's connection to its hub, it keeps nothing on disk, and it does not decide what
//! becomes of a device that was refused: that is the caller's, by the kind of [`RegisterError`].
//!
//! **Invariant:** the device's half never holds a group's key: a [`service::GroupKey`] becomes an
//! [`Attestation`] only by deriving a device's key from it. No key and no token is in any text this crate writes.

mod endpoint;
mod error;
mod https;
pub mod machine;
mod mqtt;
mod register;
mod registration;
pub mod service;
mod wire;

pub use endpoint::{Endpoint, EndpointError};
pub use error::{Refusal, RegisterError};
pub use register::{register, register_with};
pub use registration::{
    Assignment, Attestation, Limits, Progress, Protocol, Registration, Waiting,
};
