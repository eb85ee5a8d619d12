//! The dialect that IoT Hub, IoT Edge's edgeHub and the Device Provisioning Service speak over
//! MQTT 3.1.1 and HTTPS, in both directions: what a device writes and a service reads, and back.
//!
//! It is *not* a client and not a server. It opens no socket, reads no clock and rolls no dice:
//! the time, keys and tracking ids come in as arguments. It is also not an MQTT codec; it starts
//! where topic, payload and user name have been taken out of their packets.
//!
//! **Invariant:** text from the network is parsed into a value or an error, never into a panic, and
//! whatever one side of this crate writes the other side reads back unchanged.

pub mod connection_string;
pub mod dps;
pub mod error;
pub mod identity;
pub mod message;
pub mod method;
pub mod percent;
pub mod property_bag;
pub mod sas;
pub mod time;
pub mod topic;
pub mod twin;
pub mod user_name;
pub mod workload;
