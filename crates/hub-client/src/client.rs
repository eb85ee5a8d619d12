//! The handle by which an application sends, reports and asks.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use hub_proto::identity::Identity;
use hub_proto::message::{MAX_MESSAGE_BYTES, SystemProperty};
use hub_proto::method::{MethodRequest, MethodResponse};
use hub_proto::{time, topic};
use jiff::Timestamp;
use serde_json::Value;
use tokio::sync::{mpsc, oneshot, watch};

use crate::error::{CloseError, InvokeError, ReceiptError, SendError, TwinError};
use crate::event::Events;
use crate::invoke;
use crate::message::Message;
use crate::options::Options;
use crate::outbox::Letter;
use crate::place::Place;
use crate::source::Source;
use crate::task::{self, Command};
use crate::twin::TwinState;

/// Commands that the task has not taken yet; a caller beyond that waits its turn.
const MAX_COMMANDS: usize = 64;
/// Events that the application has not taken yet.
const MAX_EVENTS: usize = 64;
/// The longest topic that MQTT can say.
const MAX_TOPIC_BYTES: usize = 65_535;
/// Of a device with the longest id the hub allows, 128 characters.
const LONGEST_TOPIC_BYTES: usize = "devices//messages/events/".len() + 128;

/// A device or module that stays connected until it is closed, or until every clone of this is dropped.
///
/// Dropping ends it at once, without sending what waits; [`Client::close`] sends it first.
#[derive(Debug, Clone)]
pub struct Client {
    commands: mpsc::Sender<Command>,
    source: Arc<Source>,
    place: watch::Receiver<Option<Arc<Place>>>,
    token_life: Duration,
}

impl Client {
    /// Starts to connect, and goes on trying until closed; how it goes is told by [`Events`].
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    #[must_use]
    pub fn connect(source: Source, options: Options) -> (Self, Events) {
        let source = Arc::new(source);
        let (commands, command_receiver) = mpsc::channel(MAX_COMMANDS);
        let (events, receiver) = mpsc::channel(MAX_EVENTS);
        let (place, place_receiver) = watch::channel(source.place().cloned());
        let token_life = options.token_life;
        tokio::spawn(task::run(
            Arc::clone(&source),
            options,
            command_receiver,
            events,
            place,
        ));
        (
            Self {
                commands,
                source,
                place: place_receiver,
                token_life,
            },
            Events { receiver },
        )
    }

    /// Who this is; `None` until the provisioning service has said so, where it is the source.
    #[must_use]
    pub fn identity(&self) -> Option<Identity> {
        let place = self.place.borrow();
        place.as_ref().map(|place| place.identity.clone())
    }

    /// Puts a message into the outbox, with an id and a creation time if it has none. It does not wait for
    /// a connection; the receipt does.
    ///
    /// # Errors
    /// When the hub would not take it, the outbox has no room, or the client is closed.
    pub async fn send(&self, mut message: Message) -> Result<Receipt, SendError> {
        message.default_property(SystemProperty::MessageId, || {
            uuid::Uuid::new_v4().to_string()
        });
        message.default_property(SystemProperty::CreationTime, || {
            time::format(Timestamp::now())
        });
        message.check_size()?;
        let bag = message.properties.encode();
        let bytes = self.topic_bytes() + bag.len();
        if bytes > MAX_TOPIC_BYTES {
            return Err(SendError::PropertiesTooLarge { bytes });
        }
        let letter = Letter {
            bag,
            payload: message.body,
        };
        let (accepted, answer) = oneshot::channel();
        let (settled, receipt) = oneshot::channel();
        let command = Command::Send {
            letter,
            accepted,
            settled,
        };
        self.commands
            .send(command)
            .await
            .map_err(|_| SendError::Closed)?;
        answer.await.map_err(|_| SendError::Closed)??;
        Ok(Receipt { receipt })
    }

    /// What a topic takes without its properties. Where the id may change, no id is longer.
    fn topic_bytes(&self) -> usize {
        self.source.place().map_or(LONGEST_TOPIC_BYTES, |place| {
            topic::telemetry(&place.identity, "").len()
        })
    }

    /// Merges a patch into the reported properties; null deletes. Waits while there is no connection.
    /// Gives the section's new version where the other side tells it: the hub does, edgeHub does not.
    ///
    /// # Errors
    /// When the hub refuses the patch or does not answer. Reports are sent one after the other, in order.
    pub async fn report(&self, patch: Value) -> Result<Option<u64>, TwinError> {
        if !patch.is_object() {
            return Err(TwinError::NotAnObject);
        }
        let patch = Bytes::from(patch.to_string());
        if patch.len() > MAX_MESSAGE_BYTES {
            return Err(TwinError::TooLarge { bytes: patch.len() });
        }
        let (settled, answer) = oneshot::channel();
        let command = Command::Report { patch, settled };
        self.commands
            .send(command)
            .await
            .map_err(|_| TwinError::Closed)?;
        answer.await.map_err(|_| TwinError::Closed)?
    }

    /// Reads the twin as it is at the hub. Waits while there is no connection.
    ///
    /// # Errors
    /// When the hub refuses or does not answer.
    pub async fn twin(&self) -> Result<TwinState, TwinError> {
        let (settled, answer) = oneshot::channel();
        self.commands
            .send(Command::Twin { settled })
            .await
            .map_err(|_| TwinError::Closed)?;
        answer.await.map_err(|_| TwinError::Closed)?
    }

    /// Calls a method of another module or device of the same gateway, over its HTTPS port.
    ///
    /// # Errors
    /// When the request is out of bounds, this device has no hub yet, the gateway cannot be used, or the
    /// target gives no answer.
    pub async fn invoke_method(
        &self,
        target: &Identity,
        request: &MethodRequest,
    ) -> Result<MethodResponse, InvokeError> {
        let place = self.place.borrow().clone();
        let place = place.ok_or(InvokeError::Unassigned)?;
        invoke::method(&self.source, &place, self.token_life, target, request).await
    }

    /// Takes nothing new, sends what waits until everything is acknowledged or the deadline comes, and
    /// takes its leave.
    ///
    /// # Errors
    /// [`CloseError::Undelivered`] when messages are left over.
    pub async fn close(&self, within: Duration) -> Result<(), CloseError> {
        let (done, answer) = oneshot::channel();
        if self
            .commands
            .send(Command::Close { within, done })
            .await
            .is_err()
        {
            return Ok(());
        }
        match answer.await {
            Ok(0) | Err(_) => Ok(()),
            Ok(messages) => Err(CloseError::Undelivered { messages }),
        }
    }
}

/// Resolves when the hub has acknowledged a message. Dropping it does not take the message back.
#[derive(Debug)]
#[must_use = "a message is only known to be at the hub when its receipt resolves"]
pub struct Receipt {
    receipt: oneshot::Receiver<Result<(), ReceiptError>>,
}

impl Future for Receipt {
    type Output = Result<(), ReceiptError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.receipt)
            .poll(context)
            .map(|settled| settled.unwrap_or(Err(ReceiptError::Closed)))
    }
}
