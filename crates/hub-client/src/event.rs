//! What comes from the hub, and the handles by which it is answered.

use std::time::Duration;

use hub_proto::identity::Identity;
use hub_proto::twin::Object;
use serde_json::{Value, json};
use tokio::sync::{mpsc, oneshot};

use crate::error::LinkError;
use crate::message::Message;
use crate::twin::TwinState;

/// Something the application should know or answer.
#[derive(Debug)]
pub enum Event {
    /// The provisioning service says who this device is, for the first time or because its hub had refused
    /// it. What waits to be sent goes there.
    Assigned {
        /// The device, by the id it has at its hub.
        identity: Identity,
        /// The hub's host name.
        hub: String,
        /// What the allocation has for the device.
        payload: Option<Value>,
    },
    /// The connection is up. A renewal of the token is not reported unless it fails.
    Connected,
    /// The connection is gone, or another attempt failed.
    Disconnected {
        /// Why.
        why: LinkError,
        /// When the next attempt starts.
        retry_in: Duration,
    },
    /// The whole twin: after the first connection, and whenever changes may have been missed since.
    Twin(TwinState),
    /// Desired properties changed; nulls are deletions. The version is one above the last one reported here.
    Desired {
        /// The changes, without `$version`.
        patch: Object,
        /// The section's version with them.
        version: u64,
    },
    /// A message came to a module's input.
    Input {
        /// The input's name.
        name: String,
        /// The message.
        message: Message,
        /// Tells the gateway that the message has been dealt with.
        ack: Ack,
    },
    /// A message came from the cloud to this device.
    CloudToDevice {
        /// The message.
        message: Message,
        /// Tells the hub that the message has been dealt with.
        ack: Ack,
    },
    /// A direct method was called.
    Method {
        /// The method.
        name: String,
        /// Its argument; null when there was none.
        payload: Value,
        /// Answers the caller.
        responder: Responder,
    },
}

/// Where [`Event`]s come out.
///
/// At most 64 are kept for a slow reader. Beyond that, methods are answered with 429, messages stay
/// unacknowledged and come again, and changed settings come later as one [`Event::Twin`].
/// A program that wants no events drops this; methods are then answered with 501.
#[derive(Debug)]
pub struct Events {
    pub(crate) receiver: mpsc::Receiver<Event>,
}

impl Events {
    /// The next event; `None` once the client is closed. Nothing is lost when the future is dropped.
    pub async fn next(&mut self) -> Option<Event> {
        self.receiver.recv().await
    }
}

/// What an application says about something it was handed.
#[derive(Debug)]
pub(crate) enum Reply {
    /// Acknowledge a packet, if the connection it came on is still the one numbered `link`.
    Ack { link: u64, packet: u16 },
    /// Answer a method.
    Response {
        rid: String,
        status: i32,
        payload: Value,
    },
}

/// The right to acknowledge one message. Dropping it leaves the message to come again.
#[derive(Debug)]
pub struct Ack {
    route: Route<(u64, u16), ()>,
}

/// The duty to answer one method call. Dropping it answers 501.
#[derive(Debug)]
pub struct Responder {
    /// Taken when the answer is given.
    route: Option<Route<String, (i32, Value)>>,
}

/// To the client's task, or to a test that stands in for it.
#[derive(Debug)]
enum Route<Address, Answer> {
    // Not bounded by itself: there is at most one reply for each delivery, and those are bounded.
    Task(mpsc::UnboundedSender<Reply>, Address),
    Detached(oneshot::Sender<Answer>),
}

impl Ack {
    pub(crate) const fn new(replies: mpsc::UnboundedSender<Reply>, link: u64, packet: u16) -> Self {
        Self {
            route: Route::Task(replies, (link, packet)),
        }
    }

    /// An acknowledgement that is only observed, for tests of code that takes events.
    #[must_use]
    pub fn detached() -> (Self, oneshot::Receiver<()>) {
        let (sender, receiver) = oneshot::channel();
        (
            Self {
                route: Route::Detached(sender),
            },
            receiver,
        )
    }

    /// The message has been dealt with and need not come again. After a reconnection this does nothing:
    /// the message is on its way again by then.
    pub fn complete(self) {
        match self.route {
            Route::Task(replies, (link, packet)) => {
                // A task that is gone has closed the connection, and the message comes again.
                let _ = replies.send(Reply::Ack { link, packet });
            }
            Route::Detached(sender) => {
                let _ = sender.send(());
            }
        }
    }
}

impl Responder {
    pub(crate) const fn new(replies: mpsc::UnboundedSender<Reply>, rid: String) -> Self {
        Self {
            route: Some(Route::Task(replies, rid)),
        }
    }

    /// A responder whose answer is only observed, for tests of code that takes events.
    #[must_use]
    pub fn detached() -> (Self, oneshot::Receiver<(i32, Value)>) {
        let (sender, receiver) = oneshot::channel();
        (
            Self {
                route: Some(Route::Detached(sender)),
            },
            receiver,
        )
    }

    /// Answers the caller with a number of the application's choice, by convention an HTTP status, and a
    /// payload of at most 128 KB. The answer outlives a reconnection.
    pub fn respond(mut self, status: i32, payload: Value) {
        self.answer(status, payload);
    }

    fn answer(&mut self, status: i32, payload: Value) {
        match self.route.take() {
            Some(Route::Task(replies, rid)) => {
                let _ = replies.send(Reply::Response {
                    rid,
                    status,
                    payload,
                });
            }
            Some(Route::Detached(sender)) => {
                let _ = sender.send((status, payload));
            }
            None => {}
        }
    }
}

impl Drop for Responder {
    fn drop(&mut self) {
        self.answer(501, json!({ "message": "method is not implemented here" }));
    }
}
