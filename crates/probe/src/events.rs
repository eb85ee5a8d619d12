//! Events over AMQP 1.0: a connection that reads partitions from where it is told.
//!
//! It signs in with the policy's key (SASL PLAIN), gives much credit at once, and takes each delivery as settled.

mod encoding;
mod value;

use std::collections::HashMap;

use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

use self::encoding::{Field, frame};
use self::value::Value;
use crate::{Place, ProbeError};

const SASL: [u8; 8] = *b"AMQP\x03\x01\x00\x00";
const AMQP: [u8; 8] = *b"AMQP\x00\x01\x00\x00";
const SASL_INIT: u8 = 0x41;
const SASL_OUTCOME: u8 = 0x44;
const OPEN: u8 = 0x10;
const BEGIN: u8 = 0x11;
const ATTACH: u8 = 0x12;
const FLOW: u8 = 0x13;
const TRANSFER: u8 = 0x14;
const DETACH: u8 = 0x16;
const END: u8 = 0x17;
const CLOSE: u8 = 0x18;
/// Bytes of a frame, either way.
const MAX_FRAME: u32 = 64 << 10;
/// More than is read in one connection's life.
const PLENTY: u32 = 0x7fff_ffff;
const SELECTOR: &str = "apache.org:selector-filter:string";

/// One event as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// Its partition.
    pub partition: usize,
    /// Counts the partition's own events.
    pub sequence: i64,
    /// Where to read on behind it.
    pub offset: String,
    /// What the device sent.
    pub body: Bytes,
}

/// A delivery that came whole, not yet taken apart.
#[derive(Debug)]
pub(crate) struct Delivery {
    partition: usize,
    message: Bytes,
}

/// A connection that reads.
#[derive(Debug)]
pub struct EventReader {
    stream: TlsStream<TcpStream>,
    inbox: BytesMut,
    group: String,
    /// The partition each link reads, and what has come of a delivery in several frames.
    links: HashMap<u32, (usize, BytesMut)>,
    next_handle: u32,
    transfers: u32,
}

impl EventReader {
    /// Connects as a reader of a consumer group, which begins with no partition.
    ///
    /// # Errors
    /// When there is nobody, or the key opens nothing.
    pub async fn connect(place: &Place, group: &str) -> Result<Self, ProbeError> {
        let mut reader = Self {
            stream: place.connect(place.amqp).await?,
            inbox: BytesMut::with_capacity(256 << 10),
            group: group.to_owned(),
            links: HashMap::new(),
            next_handle: 0,
            transfers: 0,
        };
        let plain = format!("\0{}\0{}", place.policy, place.key.to_base64());
        let mut out = SASL.to_vec();
        let init = [Field::Symbol("PLAIN"), Field::Binary(plain.as_bytes())];
        frame(&mut out, 1, SASL_INIT, &init);
        reader.send(&out).await?;
        reader.expect_header(SASL).await?;
        loop {
            let (code, fields, _) = reader.read_frame().await?;
            if code == SASL_OUTCOME {
                match fields.first() {
                    Some(Value::Unsigned(0)) => break,
                    _ => return Err(ProbeError::Amqp("that the key opens nothing".to_owned())),
                }
            }
        }
        let mut out = AMQP.to_vec();
        let (window, frames) = (Field::Uint(PLENTY), Field::Uint(MAX_FRAME));
        frame(
            &mut out,
            0,
            OPEN,
            &[Field::Text("probe"), Field::Text(&place.host), frames],
        );
        frame(
            &mut out,
            0,
            BEGIN,
            &[Field::Null, Field::Uint(0), window, Field::Uint(PLENTY)],
        );
        reader.send(&out).await?;
        reader.expect_header(AMQP).await?;
        for expected in [OPEN, BEGIN] {
            let (code, ..) = reader.read_frame().await?;
            if code != expected {
                return Err(ProbeError::Amqp(format!(
                    "{code:#x} in place of {expected:#x}"
                )));
            }
        }
        Ok(reader)
    }

    /// Reads a partition as well, from behind an offset or from its beginning.
    ///
    /// # Errors
    /// When the connection breaks.
    pub async fn attach(
        &mut self,
        partition: usize,
        behind: Option<&str>,
    ) -> Result<(), ProbeError> {
        let handle = self.next_handle;
        self.next_handle += 1;
        self.links.insert(handle, (partition, BytesMut::new()));
        let address = format!(
            "iothub-ehub-events/ConsumerGroups/{}/Partitions/{partition}",
            self.group
        );
        let selector = format!(
            "amqp.annotation.x-opt-offset > '{}'",
            behind.unwrap_or("-1")
        );
        let filter = Field::Map(&[(
            Field::Symbol(SELECTOR),
            Field::Named(SELECTOR, &Field::Text(&selector)),
        )]);
        let nothing = || Field::Null;
        let mut source = vec![Field::Text(&address)];
        source.extend(std::iter::repeat_with(nothing).take(6));
        source.push(filter);
        let name = format!("probe-{handle}");
        let mut out = Vec::new();
        let attach = [
            Field::Text(&name),
            Field::Uint(handle),
            Field::Bool(true),
            Field::Ubyte(1),
            Field::Ubyte(0),
            Field::Described(0x28, &source),
            Field::Described(0x29, &[Field::Text("probe")]),
        ];
        frame(&mut out, 0, ATTACH, &attach);
        let flow = [
            Field::Uint(self.transfers),
            Field::Uint(PLENTY),
            Field::Uint(0),
            Field::Uint(PLENTY),
            Field::Uint(handle),
            Field::Uint(0),
            Field::Uint(PLENTY),
        ];
        frame(&mut out, 0, FLOW, &flow);
        self.send(&out).await
    }

    /// Ends all links, so that partitions can be read anew.
    ///
    /// # Errors
    /// When the connection breaks.
    pub async fn detach_all(&mut self) -> Result<(), ProbeError> {
        let mut out = Vec::new();
        for (handle, _) in self.links.drain() {
            frame(
                &mut out,
                0,
                DETACH,
                &[Field::Uint(handle), Field::Bool(true)],
            );
        }
        self.send(&out).await
    }

    /// The next event, whenever it comes. Safe to drop and ask again.
    ///
    /// # Errors
    /// When the connection or a link ends.
    pub async fn next(&mut self) -> Result<Event, ProbeError> {
        let delivery = self.delivery().await?;
        event(&delivery)
            .ok_or_else(|| ProbeError::Amqp(format!("no event in {:?}", delivery.message)))
    }

    /// Waits for the next event without looking into it; returns its partition.
    ///
    /// # Errors
    /// As [`EventReader::next`].
    pub async fn skip(&mut self) -> Result<usize, ProbeError> {
        Ok(self.delivery().await?.partition)
    }

    async fn delivery(&mut self) -> Result<Delivery, ProbeError> {
        loop {
            let (code, fields, payload) = self.read_frame().await?;
            match code {
                TRANSFER => self.transfers = self.transfers.wrapping_add(1),
                DETACH | END | CLOSE => {
                    let ours = fields.first().and_then(Value::number);
                    // What this side has ended is still answered.
                    if code == DETACH && !self.links.keys().any(|own| Some(u64::from(*own)) == ours)
                    {
                        continue;
                    }
                    return Err(ProbeError::Amqp(format!("{code:#x} {fields:?}")));
                }
                _ => continue,
            }
            let handle = fields.first().and_then(Value::number).unwrap_or_default();
            let more = matches!(fields.get(5), Some(Value::Bool(true)));
            let Some((partition, coming)) = self.links.get_mut(&(handle as u32)) else {
                continue;
            };
            if more || !coming.is_empty() {
                coming.extend_from_slice(&payload);
            }
            if !more {
                let message = if coming.is_empty() {
                    payload
                } else {
                    coming.split().freeze()
                };
                let partition = *partition;
                return Ok(Delivery { partition, message });
            }
        }
    }

    async fn send(&mut self, bytes: &[u8]) -> Result<(), ProbeError> {
        self.stream.write_all(bytes).await?;
        // A task that has had its share of time is told to write later, and what it wrote then waits within TLS.
        Ok(self.stream.flush().await?)
    }

    async fn expect_header(&mut self, header: [u8; 8]) -> Result<(), ProbeError> {
        self.fill(8).await?;
        match self.inbox.split_to(8) == header[..] {
            true => Ok(()),
            false => Err(ProbeError::Amqp("another protocol".to_owned())),
        }
    }

    /// The performative's code and fields, and what follows them.
    async fn read_frame(&mut self) -> Result<(u8, Vec<Value>, Bytes), ProbeError> {
        let unreadable = || ProbeError::Amqp("a frame that cannot be read".to_owned());
        loop {
            self.fill(8).await?;
            let length = (&self.inbox[..4]).get_u32() as usize;
            if !(8..=MAX_FRAME as usize).contains(&length) {
                return Err(unreadable());
            }
            self.fill(length).await?;
            let frame = self.inbox.split_to(length).freeze();
            let begins = usize::from(frame[4]) * 4;
            let mut body = frame.slice(begins.min(length)..);
            if body.is_empty() {
                continue;
            }
            let Some(Value::Described(code, fields)) = Value::take(&mut body) else {
                return Err(unreadable());
            };
            let (Some(code), Value::List(fields)) = (code.number(), *fields) else {
                return Err(unreadable());
            };
            return Ok((code as u8, fields, body));
        }
    }

    async fn fill(&mut self, length: usize) -> Result<(), ProbeError> {
        while self.inbox.len() < length {
            if self.stream.read_buf(&mut self.inbox).await? == 0 {
                return Err(std::io::Error::from(std::io::ErrorKind::UnexpectedEof).into());
            }
        }
        Ok(())
    }
}

/// Sections of a message: annotations name the event's place, data is its body.
fn event(delivery: &Delivery) -> Option<Event> {
    let mut rest = delivery.message.clone();
    let mut event = Event {
        partition: delivery.partition,
        sequence: -1,
        offset: String::new(),
        body: Bytes::new(),
    };
    while !rest.is_empty() {
        let Value::Described(section, content) = Value::take(&mut rest)? else {
            return None;
        };
        match (section.number()?, *content) {
            (0x72, Value::Map(annotations)) => {
                for (name, value) in annotations {
                    match (name.text(), value) {
                        (Some("x-opt-sequence-number"), Value::Signed(number)) => {
                            event.sequence = number;
                        }
                        (Some("x-opt-offset"), Value::Text(offset)) => event.offset = offset,
                        _ => {}
                    }
                }
            }
            (0x75, Value::Binary(body)) => event.body = body,
            _ => {}
        }
    }
    (event.sequence >= 0).then_some(event)
}
