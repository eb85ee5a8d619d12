//! MQTT 3.1.1 packets in and out. The only file that knows which codec crate reads them.

use std::num::NonZeroU16;

use bytes::{BufMut, Bytes, BytesMut};
use rmqtt_codec::types::Publish;
use rmqtt_codec::v3::{Codec, Connect as ConnectPacket, Packet as CodecPacket};
use thiserror::Error;
use tokio_util::codec::Decoder;

pub(crate) use rmqtt_codec::types::QoS;

/// A hub message is at most 256 KiB with its properties; topic and fixed header come on top.
const MAX_PACKET: u32 = (256 << 10) + (8 << 10);
/// Longest topic a client may send, and longest property bag that is sent to one. MQTT allows 65,535 bytes; what comes in
/// goes out again with another prefix and its sender's name in the bag, and has to be a topic still.
pub(crate) const MAX_TOPIC: usize = 60_000;
/// The widest remaining length plus its type byte.
const MAX_FIXED_HEADER: usize = 5;

/// The first byte of CONNECT.
pub(crate) const CONNECT: u8 = 0x10;
/// The protocol level of MQTT 3.1.1, the only one a hub speaks.
const LEVEL: u8 = 4;

/// What a client sent, as far as a hub knows it.
#[derive(Debug)]
pub(crate) enum Packet {
    Connect(Box<Connect>),
    Publish {
        topic: Topic,
        payload: Bytes,
        qos: QoS,
        retain: bool,
        packet_id: Option<NonZeroU16>,
    },
    PubAck(u16),
    Subscribe {
        packet_id: u16,
        filters: Vec<(String, QoS)>,
    },
    Unsubscribe {
        packet_id: u16,
        filters: Vec<String>,
    },
    PingReq,
    Disconnect,
}

/// A topic as it lies in the receive buffer.
pub(crate) type Topic = bytestring::ByteString;

/// CONNECT.
#[derive(Debug)]
pub(crate) struct Connect {
    pub(crate) client_id: String,
    pub(crate) clean_session: bool,
    pub(crate) keep_alive: u16,
    pub(crate) user_name: Option<String>,
    pub(crate) password: Option<Bytes>,
    pub(crate) will: Option<Will>,
}

/// What to publish when the connection ends without DISCONNECT.
#[derive(Debug, Clone)]
pub(crate) struct Will {
    pub(crate) topic: String,
    pub(crate) payload: Bytes,
}

/// CONNACK return codes a hub uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ReturnCode {
    Accepted = 0,
    IdentifierRejected = 2,
    ServerUnavailable = 3,
    NotAuthorized = 5,
}

/// The bytes are not an MQTT 3.1.1 packet a client may send here.
#[derive(Debug, Error)]
pub(crate) enum WireError {
    #[error("malformed MQTT packet: {0}")]
    Malformed(String),
    #[error("a packet of type {0} is not for a server")]
    Unexpected(&'static str),
    #[error("a client of MQTT protocol level {0}; a hub speaks 3.1.1, which is level {LEVEL}")]
    Level(u8),
    #[error("CONNECT carries a password but no user name")]
    PasswordWithoutUserName,
}

#[derive(Debug)]
pub(crate) struct Reader(Codec);

impl Reader {
    pub(crate) fn new() -> Self {
        Self(Codec::new(MAX_PACKET))
    }

    /// Takes one whole packet off the front of `buffer`, if there is one.
    pub(crate) fn next(&mut self, buffer: &mut BytesMut) -> Result<Option<Packet>, WireError> {
        let Some((packet, _)) = self
            .0
            .decode(buffer)
            .map_err(|error| WireError::Malformed(format!("{error:?}")))?
        else {
            return Ok(None);
        };
        Ok(Some(match packet {
            CodecPacket::Publish(publish) => {
                let Publish {
                    topic,
                    payload,
                    qos,
                    retain,
                    packet_id,
                    ..
                } = *publish;
                Packet::Publish {
                    topic,
                    payload,
                    qos,
                    retain,
                    packet_id,
                }
            }
            CodecPacket::PublishAck { packet_id } => Packet::PubAck(packet_id.get()),
            CodecPacket::Connect(connect) => {
                Packet::Connect(Box::new(Connect::try_from(*connect)?))
            }
            CodecPacket::Subscribe {
                packet_id,
                topic_filters,
            } => Packet::Subscribe {
                packet_id: packet_id.get(),
                filters: topic_filters
                    .into_iter()
                    .map(|(filter, qos)| (filter.to_string(), qos))
                    .collect(),
            },
            CodecPacket::Unsubscribe {
                packet_id,
                topic_filters,
            } => Packet::Unsubscribe {
                packet_id: packet_id.get(),
                filters: topic_filters
                    .into_iter()
                    .map(|filter| filter.to_string())
                    .collect(),
            },
            CodecPacket::PingRequest => Packet::PingReq,
            CodecPacket::Disconnect => Packet::Disconnect,
            CodecPacket::ConnectAck(_) => return Err(WireError::Unexpected("CONNACK")),
            CodecPacket::SubscribeAck { .. } => return Err(WireError::Unexpected("SUBACK")),
            CodecPacket::UnsubscribeAck { .. } => return Err(WireError::Unexpected("UNSUBACK")),
            CodecPacket::PingResponse => return Err(WireError::Unexpected("PINGRESP")),
            CodecPacket::PublishReceived { .. }
            | CodecPacket::PublishRelease { .. }
            | CodecPacket::PublishComplete { .. } => {
                return Err(WireError::Unexpected("QoS 2 handshake"));
            }
        }))
    }
}

impl TryFrom<ConnectPacket> for Connect {
    type Error = WireError;

    fn try_from(packet: ConnectPacket) -> Result<Self, WireError> {
        if packet.protocol.0 != LEVEL {
            return Err(WireError::Level(packet.protocol.0));
        }
        if packet.password.is_some() && packet.username.is_none() {
            return Err(WireError::PasswordWithoutUserName);
        }
        Ok(Self {
            client_id: packet.client_id.to_string(),
            clean_session: packet.clean_session,
            keep_alive: packet.keep_alive,
            user_name: packet.username.map(|name| name.to_string()),
            password: packet.password,
            will: packet.last_will.map(|will| Will {
                topic: will.topic.to_string(),
                payload: will.message,
            }),
        })
    }
}

pub(crate) fn connack(out: &mut BytesMut, code: ReturnCode, session_present: bool) {
    out.put_slice(&[0x20, 2, u8::from(session_present), code as u8]);
}

pub(crate) fn puback(out: &mut BytesMut, packet_id: u16) {
    acknowledgement(out, 0x40, packet_id);
}

pub(crate) fn unsuback(out: &mut BytesMut, packet_id: u16) {
    acknowledgement(out, 0xb0, packet_id);
}

pub(crate) fn pingresp(out: &mut BytesMut) {
    out.put_slice(&[0xd0, 0]);
}

pub(crate) fn suback(out: &mut BytesMut, packet_id: u16, granted: &[u8]) {
    out.put_u8(0x90);
    remaining_length(out, 2 + granted.len());
    out.put_u16(packet_id);
    out.put_slice(granted);
}

/// PUBLISH; a packet id makes it QoS 1. Servers of this kind never set RETAIN.
pub(crate) fn publish(
    out: &mut BytesMut,
    topic: &str,
    payload: &[u8],
    packet_id: Option<u16>,
    duplicate: bool,
) {
    let length = 2 + topic.len() + packet_id.map_or(0, |_| 2) + payload.len();
    out.reserve(length + MAX_FIXED_HEADER);
    out.put_u8(
        0x30 | if packet_id.is_some() { 0x02 } else { 0 } | if duplicate { 0x08 } else { 0 },
    );
    remaining_length(out, length);
    // A topic here is ids, the name of an input, and what `MAX_TOPIC` bounds.
    out.put_u16(topic.len() as u16);
    out.put_slice(topic.as_bytes());
    if let Some(id) = packet_id {
        out.put_u16(id);
    }
    out.put_slice(payload);
}

fn acknowledgement(out: &mut BytesMut, kind: u8, packet_id: u16) {
    let [high, low] = packet_id.to_be_bytes();
    out.put_slice(&[kind, 2, high, low]);
}

fn remaining_length(out: &mut BytesMut, mut length: usize) {
    loop {
        let digit = (length % 128) as u8;
        length /= 128;
        out.put_u8(if length > 0 { digit | 0x80 } else { digit });
        if length == 0 {
            return;
        }
    }
}
