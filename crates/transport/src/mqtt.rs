//! One MQTT connection, by rumqttc. No other file of the workspace names a type of it.
//!
//! rumqttc 0.25 drops queued requests when it resumes a session that the server has forgotten, can be
//! stuck for good by acknowledgements out of order, sends manual acknowledgements of an old connection on
//! a new one, and never pauses between attempts. So it gets one connection only and keeps nothing: the
//! event loop is dropped with the connection, and what was not acknowledged is for the caller to keep.
//! Its `poll` runs in a task that nothing races, because before CONNACK a dropped `poll` starts anew.

use std::sync::Arc;
use std::time::Duration;
use std::{fmt, io};

use bytes::Bytes;
use rumqttc::mqttbytes::v4::SubscribeReasonCode;
use rumqttc::{
    AsyncClient, ConnectReturnCode, ConnectionError, EventLoop, MqttOptions, NetworkOptions,
    Outgoing, Packet, Publish, QoS, StateError, SubscribeFilter, TlsConfiguration, TlsError,
    Transport,
};
use rustls::ClientConfig;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::error::Error;
use crate::tls;

/// The hub's 256 KB and a topic's 64 KB, with the packet's own few bytes. The default of 10 KiB would
/// make a larger message come again for ever.
const MAX_PACKET_BYTES: usize = 384 * 1024;
/// So many QoS 1 publishes a caller may have on their way at once, without an acknowledgement.
pub const MAX_IN_FLIGHT: u16 = 64;
/// More packet ids than are ever on their way, so that acknowledgements out of order do not collide.
const PACKET_IDS: u16 = 8 * MAX_IN_FLIGHT;
/// Requests that the event loop has not taken yet.
const MAX_REQUESTS: usize = 512;
/// For TCP, TLS and CONNACK together, and for each flush.
const CONNECT_WITHIN: Duration = Duration::from_secs(20);
/// How long to keep reading after DISCONNECT, so that the other side's end comes before ours.
const LINGER: Duration = Duration::from_secs(1);

/// What a connection is made with. `Debug` does not show the password.
#[derive(Clone)]
pub struct LinkOptions {
    /// The host name or address, which the server's certificate must name.
    pub host: String,
    /// The port.
    pub port: u16,
    /// Who connects, in MQTT's terms.
    pub client_id: String,
    /// Who connects, in the server's terms.
    pub user_name: String,
    /// A token; `None` where a client certificate is what counts.
    pub password: Option<String>,
    /// Whether the server is to forget earlier subscriptions and messages, and these at the end.
    pub clean_session: bool,
    /// How often to ask whether the other side is still there; at least a second.
    pub keep_alive: Duration,
    /// By [`tls::client_config`].
    pub tls: Arc<ClientConfig>,
}

impl fmt::Debug for LinkOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LinkOptions")
            .field("host", &self.host)
            .field("port", &self.port)
            .field("user_name", &self.user_name)
            .field("clean_session", &self.clean_session)
            .finish_non_exhaustive()
    }
}

/// What happened on a connection, in order. [`LinkEvent::Down`] is the last.
#[derive(Debug)]
pub enum LinkEvent {
    /// CONNACK said yes.
    Up,
    /// The next QoS 1 publish was written with this packet id.
    Sent(u16),
    /// PUBACK.
    Acked(u16),
    /// SUBACK, and whether any filter was refused.
    Subscribed {
        /// Whether the server refused any of them.
        refused: bool,
    },
    /// PUBLISH. At QoS 1 the server keeps it until [`Link::acknowledge`].
    Delivered {
        /// Where it was published.
        topic: String,
        /// What.
        payload: Bytes,
        /// The packet id; 0 at QoS 0.
        packet: u16,
    },
    /// It is over, or could not begin.
    Down(Error),
}

/// The event loop takes no more requests: the other side has not read for long.
#[derive(Debug)]
pub struct Stuck;

/// One connection, from CONNECT to its end. Dropping it ends it at once, without DISCONNECT.
#[derive(Debug)]
pub struct Link {
    requests: AsyncClient,
    events: mpsc::Receiver<LinkEvent>,
    driver: JoinHandle<()>,
}

impl Link {
    /// Starts to connect; [`Link::next`] tells how it goes.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    #[must_use]
    pub fn open(options: LinkOptions) -> Self {
        // MQTT 3.1.1, 3.1.3.1: a session can only be kept under a name.
        let clean_session = options.clean_session || options.client_id.is_empty();
        let mut mqtt = MqttOptions::new(options.client_id, options.host.clone(), options.port);
        mqtt.set_transport(Transport::tls_with_config(TlsConfiguration::Rustls(
            options.tls,
        )))
        // An empty password is not written, nor is its flag.
        .set_credentials(options.user_name, options.password.unwrap_or_default())
        .set_clean_session(clean_session)
        .set_keep_alive(options.keep_alive)
        .set_max_packet_size(MAX_PACKET_BYTES, MAX_PACKET_BYTES)
        .set_inflight(PACKET_IDS)
        .set_manual_acks(true);
        let (requests, mut event_loop) = AsyncClient::new(mqtt, MAX_REQUESTS);
        let mut network = NetworkOptions::new();
        network.set_tcp_nodelay(true);
        network.set_connection_timeout(CONNECT_WITHIN.as_secs());
        event_loop.set_network_options(network);
        let (sender, events) = mpsc::channel(64);
        let driver = tokio::spawn(drive(event_loop, sender, options.host, options.port));
        Self {
            requests,
            events,
            driver,
        }
    }

    /// Publishes at QoS 0.
    ///
    /// # Errors
    /// When the other side has not read for long; so for every request.
    pub fn publish(&self, topic: String, payload: Bytes) -> Result<(), Stuck> {
        self.publish_at(QoS::AtMostOnce, topic, payload)
    }

    /// Publishes at QoS 1: [`LinkEvent::Sent`] gives it its packet id, [`LinkEvent::Acked`] settles it.
    pub fn publish_acknowledged(&self, topic: String, payload: Bytes) -> Result<(), Stuck> {
        self.publish_at(QoS::AtLeastOnce, topic, payload)
    }

    fn publish_at(&self, qos: QoS, topic: String, payload: Bytes) -> Result<(), Stuck> {
        self.requests
            .try_publish(topic, qos, false, payload)
            .map_err(|_| Stuck)
    }

    /// Subscribes to all of these at QoS 1, in one packet.
    pub fn subscribe(&self, filters: Vec<String>) -> Result<(), Stuck> {
        let filters = filters
            .into_iter()
            .map(|filter| SubscribeFilter::new(filter, QoS::AtLeastOnce));
        self.requests.try_subscribe_many(filters).map_err(|_| Stuck)
    }

    /// Acknowledges a QoS 1 delivery of this connection.
    pub fn acknowledge(&self, packet: u16) -> Result<(), Stuck> {
        let mut publish = Publish::new("", QoS::AtLeastOnce, []);
        publish.pkid = packet;
        self.requests.try_ack(&publish).map_err(|_| Stuck)
    }

    /// Sends DISCONNECT; the end comes as [`Error::Closed`] when the other side closes, or after a second.
    pub fn disconnect(&self) -> Result<(), Stuck> {
        self.requests.try_disconnect().map_err(|_| Stuck)
    }

    /// The next event. Nothing is lost when the future is dropped.
    pub async fn next(&mut self) -> LinkEvent {
        self.events
            .recv()
            .await
            .unwrap_or(LinkEvent::Down(Error::Closed))
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

async fn drive(
    mut event_loop: EventLoop,
    events: mpsc::Sender<LinkEvent>,
    host: String,
    port: u16,
) {
    let mut is_up = false;
    let error = loop {
        match event_loop.poll().await {
            Ok(rumqttc::Event::Outgoing(Outgoing::Disconnect)) => {
                let ended = async { while event_loop.poll().await.is_ok() {} };
                let _ = tokio::time::timeout(LINGER, ended).await;
                break Error::Closed;
            }
            Ok(event) => {
                is_up = true;
                if let Some(event) = translate(event)
                    && events.send(event).await.is_err()
                {
                    return;
                }
            }
            Err(error) if is_up => break lost(error),
            Err(error) => break refused(error, &host, port),
        }
    };
    // What was read in one go with the end has not been given out yet; an acknowledgement among it
    // saves a repetition.
    for event in event_loop.state.events.drain(..) {
        if let Some(event) = translate(event)
            && events.send(event).await.is_err()
        {
            return;
        }
    }
    // A receiver that is gone has dropped the link, and wants to know no more.
    let _ = events.send(LinkEvent::Down(error)).await;
}

fn translate(event: rumqttc::Event) -> Option<LinkEvent> {
    match event {
        rumqttc::Event::Incoming(Packet::ConnAck(_)) => Some(LinkEvent::Up),
        rumqttc::Event::Incoming(Packet::PubAck(ack)) => Some(LinkEvent::Acked(ack.pkid)),
        rumqttc::Event::Incoming(Packet::SubAck(ack)) => {
            let refused = ack.return_codes.contains(&SubscribeReasonCode::Failure);
            Some(LinkEvent::Subscribed { refused })
        }
        rumqttc::Event::Incoming(Packet::Publish(publish)) => Some(LinkEvent::Delivered {
            topic: publish.topic,
            payload: publish.payload,
            packet: publish.pkid,
        }),
        rumqttc::Event::Outgoing(Outgoing::Publish(packet)) if packet != 0 => {
            Some(LinkEvent::Sent(packet))
        }
        _ => None,
    }
}

/// Why there never was a connection.
fn refused(error: ConnectionError, host: &str, port: u16) -> Error {
    let name = || host.to_owned();
    match error {
        ConnectionError::ConnectionRefused(code) => match code {
            ConnectReturnCode::BadUserNamePassword | ConnectReturnCode::NotAuthorized => {
                Error::CredentialsRefused
            }
            ConnectReturnCode::ServiceUnavailable => Error::ServerBusy,
            code => Error::ProtocolRefused(code as u8),
        },
        ConnectionError::NetworkTimeout | ConnectionError::FlushTimeout => {
            Error::TimedOut { host: name(), port }
        }
        ConnectionError::Io(error) | ConnectionError::Tls(TlsError::Io(error)) => {
            tls::classify(error, host, port)
        }
        ConnectionError::Tls(TlsError::TLS(source)) => Error::Tls {
            host: name(),
            source,
        },
        ConnectionError::Tls(_) => Error::WrongHostName { host: name() },
        ConnectionError::MqttState(
            StateError::Io(error) | StateError::Deserialization(rumqttc::Error::Io(error)),
        ) => match tls::inside(&error) {
            Some(tls) => tls::meaning(tls, host),
            None => broken(error),
        },
        error => lost(error),
    }
}

/// Why there no longer is a connection.
fn lost(error: ConnectionError) -> Error {
    match error {
        ConnectionError::Io(error) | ConnectionError::MqttState(StateError::Io(error)) => {
            broken(error)
        }
        ConnectionError::MqttState(StateError::ConnectionAborted) => Error::Closed,
        ConnectionError::MqttState(StateError::AwaitPingResp) | ConnectionError::FlushTimeout => {
            Error::Silent
        }
        ConnectionError::MqttState(StateError::Deserialization(rumqttc::Error::Io(error))) => {
            broken(error)
        }
        error => Error::Protocol(error.to_string()),
    }
}

/// A server that ends TLS without saying so has closed all the same.
fn broken(error: io::Error) -> Error {
    match error.kind() {
        io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset => Error::Closed,
        _ => Error::Broken(error),
    }
}
