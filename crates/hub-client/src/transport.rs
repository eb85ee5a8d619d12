//! One MQTT connection, by rumqttc. No other file of this crate names a type of it.
//!
//! rumqttc 0.25 drops queued requests when it resumes a session that the server has forgotten, can be
//! stuck for good by acknowledgements out of order, sends manual acknowledgements of an old connection on
//! a new one, and never pauses between attempts. So it gets one connection only and keeps nothing: the
//! event loop is dropped with the connection, and what was not acknowledged is in our own outbox.
//! Its `poll` runs in a task that nothing races, because before CONNACK a dropped `poll` starts anew.

use std::io;
use std::sync::Arc;
use std::time::Duration;

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

use crate::error::LinkError;
use crate::outbox::{self, MAX_IN_FLIGHT};
use crate::tls;

/// The hub's 256 KB and a topic's 64 KB, with the packet's own few bytes. The default of 10 KiB would
/// make a larger message come again for ever.
const MAX_PACKET_BYTES: usize = 384 * 1024;
/// More packet ids than are ever on their way, so that acknowledgements out of order do not collide.
const PACKET_IDS: u16 = 8 * MAX_IN_FLIGHT as u16;
/// Requests that the event loop has not taken yet.
const MAX_REQUESTS: usize = 512;
/// For TCP, TLS and CONNACK together, and for each flush.
const CONNECT_WITHIN: Duration = Duration::from_secs(20);
/// How long to keep reading after DISCONNECT, so that the other side's end comes before ours.
const LINGER: Duration = Duration::from_secs(1);

pub(crate) struct LinkOptions {
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) client_id: String,
    pub(crate) user_name: String,
    pub(crate) password: String,
    pub(crate) keep_alive: Duration,
    pub(crate) tls: Arc<ClientConfig>,
}

/// What happened on a connection, in order. [`LinkEvent::Down`] is the last.
#[derive(Debug)]
pub(crate) enum LinkEvent {
    /// CONNACK said yes.
    Up,
    /// The next QoS 1 publish was written with this packet id.
    Sent(u16),
    /// PUBACK.
    Acked(u16),
    /// SUBACK, and whether any filter was refused.
    Subscribed { refused: bool },
    /// PUBLISH; the packet id is 0 at QoS 0.
    Delivered {
        topic: String,
        payload: Bytes,
        packet: u16,
    },
    /// It is over, or could not begin.
    Down(LinkError),
}

/// The event loop takes no more requests: the other side has not read for long.
#[derive(Debug)]
pub(crate) struct Stuck;

#[derive(Debug)]
pub(crate) struct Link {
    requests: AsyncClient,
    events: mpsc::Receiver<LinkEvent>,
    driver: JoinHandle<()>,
}

impl Link {
    /// Starts to connect; [`Link::next`] tells how it goes.
    pub(crate) fn open(options: LinkOptions) -> Self {
        let mut mqtt = MqttOptions::new(options.client_id, options.host.clone(), options.port);
        mqtt.set_transport(Transport::tls_with_config(TlsConfiguration::Rustls(
            options.tls,
        )))
        .set_credentials(options.user_name, options.password)
        .set_clean_session(false)
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

    pub(crate) fn publish(&self, packet: outbox::Packet, acknowledged: bool) -> Result<(), Stuck> {
        let qos = if acknowledged {
            QoS::AtLeastOnce
        } else {
            QoS::AtMostOnce
        };
        self.requests
            .try_publish(packet.topic, qos, false, packet.payload)
            .map_err(|_| Stuck)
    }

    pub(crate) fn subscribe(&self, filters: Vec<String>) -> Result<(), Stuck> {
        let filters = filters
            .into_iter()
            .map(|filter| SubscribeFilter::new(filter, QoS::AtLeastOnce));
        self.requests.try_subscribe_many(filters).map_err(|_| Stuck)
    }

    pub(crate) fn acknowledge(&self, packet: u16) -> Result<(), Stuck> {
        let mut publish = Publish::new("", QoS::AtLeastOnce, []);
        publish.pkid = packet;
        self.requests.try_ack(&publish).map_err(|_| Stuck)
    }

    pub(crate) fn disconnect(&self) -> Result<(), Stuck> {
        self.requests.try_disconnect().map_err(|_| Stuck)
    }

    /// The next event. Nothing is lost when the future is dropped.
    pub(crate) async fn next(&mut self) -> LinkEvent {
        self.events
            .recv()
            .await
            .unwrap_or(LinkEvent::Down(LinkError::Closed))
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
                break LinkError::Closed;
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
fn refused(error: ConnectionError, host: &str, port: u16) -> LinkError {
    let name = || host.to_owned();
    match error {
        ConnectionError::ConnectionRefused(code) => match code {
            ConnectReturnCode::BadUserNamePassword | ConnectReturnCode::NotAuthorized => {
                LinkError::CredentialsRefused
            }
            ConnectReturnCode::ServiceUnavailable => LinkError::ServerBusy,
            code => LinkError::ProtocolRefused(code as u8),
        },
        ConnectionError::NetworkTimeout | ConnectionError::FlushTimeout => {
            LinkError::TimedOut { host: name(), port }
        }
        ConnectionError::Io(error) | ConnectionError::Tls(TlsError::Io(error)) => {
            tls::classify(error, host, port)
        }
        ConnectionError::Tls(TlsError::TLS(source)) => LinkError::Tls {
            host: name(),
            source,
        },
        ConnectionError::Tls(_) => LinkError::WrongHostName { host: name() },
        error => lost(error),
    }
}

/// Why there no longer is a connection.
fn lost(error: ConnectionError) -> LinkError {
    match error {
        ConnectionError::Io(error) | ConnectionError::MqttState(StateError::Io(error)) => {
            broken(error)
        }
        ConnectionError::MqttState(StateError::ConnectionAborted) => LinkError::Closed,
        ConnectionError::MqttState(StateError::AwaitPingResp) | ConnectionError::FlushTimeout => {
            LinkError::Silent
        }
        ConnectionError::MqttState(StateError::Deserialization(rumqttc::Error::Io(error))) => {
            broken(error)
        }
        error => LinkError::Protocol(error.to_string()),
    }
}

/// A server that ends TLS without saying so has closed all the same.
fn broken(error: io::Error) -> LinkError {
    match error.kind() {
        io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset => LinkError::Closed,
        _ => LinkError::Broken(error),
    }
}
