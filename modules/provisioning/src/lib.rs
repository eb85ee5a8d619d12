//! Bay module provisioning: who this device is; stock to project and back.
//!
//! It does *not* decide who a device may become: whoever hands it a registration does.
//!
//! **Invariant:** whenever the power goes, the device comes up with the old or the new identity,
//! whole, and the journal says which.

pub mod apply;
pub mod cloud;
pub mod config;
pub mod desk;
pub mod disk;
pub mod edge_config;
pub mod identity;
pub mod journal;
pub mod parts;
pub mod portal;
pub mod reboot;
pub mod registration;
pub mod serial;
pub mod settings;
pub mod sign_in;
pub mod view;
