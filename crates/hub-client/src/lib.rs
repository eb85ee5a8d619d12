//! A device or module on IoT Hub or behind an IoT Edge gateway: identity, connection, messages both ways,
//! direct methods, and the twin.
//!
//! ```no_run
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! use hub_client::{Client, Event, Message, Options, Source};
//! use serde_json::json;
//!
//! let source = Source::from_env(&|name| std::env::var(name).ok())?;
//! let (client, mut events) = Client::connect(source, Options::default());
//!
//! let message = Message::json(&json!({"distanceMm": 742}))?.output("occupancy").property("kind", "occupancy");
//! client.send(message).await?.await?; // first taken into the outbox, then acknowledged by the hub
//!
//! while let Some(event) = events.next().await {
//!     match event {
//!         Event::Method { name, responder, .. } if name == "ping" => responder.respond(200, json!({"pong": true})),
//!         Event::Input { message, ack, .. } => {
//!             println!("{} bytes", message.body.len());
//!             ack.complete(); // only now may the gateway forget it
//!         }
//!         Event::Desired { patch, version } => println!("settings {version}: {patch:?}"),
//!         Event::Disconnected { why, retry_in } => eprintln!("{why}; next attempt in {retry_in:?}"),
//!         _ => {}
//!     }
//! }
//! # Ok(())
//! # }
//! ```
//!
//! One task owns the connection and everything that outlives it: the outbox, the reports that wait, the
//! version of the settings the application knows. A connection is only a transport; each attempt gets a
//! fresh token and a fresh MQTT state. [`Client`] and [`Events`] reach that task by bounded channels.
//!
//! A device whose [`Source`] is the provisioning service registers when it starts, and again when its hub
//! refuses it; what waits in the outbox goes to the hub it is given then.
//!
//! It is *not* a general MQTT client, and it keeps nothing on disk: an assignment is asked for at each start.
//!
//! **Invariant:** a message whose receipt resolved was acknowledged by the hub; a message taken into the
//! outbox is sent, in order, as often as it takes, until that happens, unless a stated policy drops it.
//! Delivery is therefore at least once, and the message id tells a repetition.

mod backoff;
mod certificate;
mod client;
mod credentials;
mod error;
mod event;
mod invoke;
mod message;
mod options;
mod outbox;
mod packet;
mod place;
mod provisioning;
mod session;
mod source;
mod task;
mod twin;
mod workload;

pub use client::{Client, Receipt};
/// What [`LinkError::Provisioning`] holds.
pub use dps_client::RegisterError;
pub use dps_client::Registration;
pub use error::{
    CloseError, InvokeError, LinkError, ReceiptError, SendError, TwinError, error_chain,
};
pub use event::{Ack, Event, Events, Responder};
pub use message::Message;
pub use options::{BackoffLimits, Options, OutboxLimits, WhenFull};
pub use source::{Problem, Source, SourceError};
/// What [`LinkError::Connection`] holds.
pub use transport::Error as ConnectionError;
pub use transport::{CertificateError, ClientCertificate};
pub use twin::{TwinSection, TwinState};
