//! One AMQP connection with one session: signing in, frames in and out, and the signs of life that both sides want.

use std::time::Duration;

use bytes::{Buf as _, Bytes, BytesMut};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep_until, timeout};
use tokio_rustls::client::TlsStream;
use transport::Trust;

use super::encoding::{Field, frame};
use super::endpoint::EventEndpoint;
use super::error::EventsError;
use super::value::Value;

const SASL: [u8; 8] = *b"AMQP\x03\x01\x00\x00";
const AMQP: [u8; 8] = *b"AMQP\x00\x01\x00\x00";
const SASL_MECHANISMS: u8 = 0x40;
const SASL_INIT: u8 = 0x41;
const SASL_OUTCOME: u8 = 0x44;
const OPEN: u8 = 0x10;
const BEGIN: u8 = 0x11;
pub(super) const ATTACH: u8 = 0x12;
pub(super) const FLOW: u8 = 0x13;
pub(super) const TRANSFER: u8 = 0x14;
pub(super) const DETACH: u8 = 0x16;
pub(super) const END: u8 = 0x17;
pub(super) const CLOSE: u8 = 0x18;
/// Bytes of a frame, either way.
const MAX_FRAME: u32 = 64 << 10;
/// A frame without anything in it: a sign of life.
const EMPTY: [u8; 8] = [0, 0, 0, 8, 2, 0, 0, 0];
/// How long TCP, TLS and signing in may take.
const SIGN_IN_WITHIN: Duration = Duration::from_secs(20);
/// How long this side bears silence; the other is told of it and speaks in between.
const SILENCE: Duration = Duration::from_secs(60);

/// A performative's code, its fields, and what follows them.
#[derive(Debug)]
pub(super) struct Frame {
    pub(super) code: u8,
    pub(super) fields: Vec<Value>,
    pub(super) payload: Bytes,
}

impl Frame {
    pub(super) fn number(&self, field: usize) -> Option<u64> {
        self.fields.get(field)?.number()
    }
}

#[derive(Debug)]
pub(super) struct Connection {
    stream: TlsStream<TcpStream>,
    inbox: BytesMut,
    outbox: BytesMut,
    heard_at: Instant,
    spoken_at: Instant,
    /// How often this side has to speak, as the other one asks.
    speak_every: Option<Duration>,
}

pub(super) async fn dial(
    host: &str,
    port: u16,
    trust: &Trust,
) -> Result<TlsStream<TcpStream>, EventsError> {
    let dialled = async {
        let tls = transport::tls::client_config(trust, None).await?;
        transport::tls::connect(host, port, tls).await
    };
    let timed_out = || transport::Error::TimedOut {
        host: host.to_owned(),
        port,
    };
    let dialled = timeout(SIGN_IN_WITHIN, dialled).await;
    dialled
        .map_err(|_| timed_out())
        .and_then(|dialled| dialled)
        .map_err(EventsError::Connection)
}

impl Connection {
    pub(super) async fn begin(
        stream: TlsStream<TcpStream>,
        endpoint: &EventEndpoint,
    ) -> Result<Self, EventsError> {
        let now = Instant::now();
        let mut connection = Self {
            stream,
            inbox: BytesMut::with_capacity(MAX_FRAME as usize),
            outbox: BytesMut::new(),
            heard_at: now,
            spoken_at: now,
            speak_every: None,
        };
        let begun = timeout(SIGN_IN_WITHIN, connection.sign_in(endpoint)).await;
        begun.map_err(|_| EventsError::Connection(transport::Error::Silent))??;
        Ok(connection)
    }

    async fn sign_in(&mut self, endpoint: &EventEndpoint) -> Result<(), EventsError> {
        self.outbox.extend_from_slice(&SASL);
        self.expect_header(SASL).await?;
        self.expect(SASL_MECHANISMS).await?;
        let plain = format!("\0{}\0{}", endpoint.policy, endpoint.key);
        let init = [Field::Symbol("PLAIN"), Field::Binary(plain.as_bytes())];
        frame(&mut self.outbox, 1, SASL_INIT, &init);
        let outcome = self.expect(SASL_OUTCOME).await?;
        if outcome.number(0) != Some(0) {
            return Err(EventsError::Unauthorized);
        }
        self.outbox.extend_from_slice(&AMQP);
        self.expect_header(AMQP).await?;
        let open = [
            Field::Text("service-client"),
            Field::Text(&endpoint.host),
            Field::Uint(MAX_FRAME),
            Field::Null,
            Field::Uint(SILENCE.as_millis() as u32),
        ];
        frame(&mut self.outbox, 0, OPEN, &open);
        let window = || Field::Uint(super::WINDOW);
        let begin = [Field::Null, Field::Uint(0), window(), window()];
        frame(&mut self.outbox, 0, BEGIN, &begin);
        let open = self.expect(OPEN).await?;
        // Half of what the other side bears leaves room for a slow network.
        self.speak_every = open
            .number(4)
            .filter(|milliseconds| *milliseconds > 0)
            .map(|milliseconds| Duration::from_millis((milliseconds / 2).max(100)));
        self.expect(BEGIN).await?;
        Ok(())
    }

    /// Where frames are written that go out with the next [`Connection::flush`], or before the next frame is read.
    pub(super) const fn out(&mut self) -> &mut BytesMut {
        &mut self.outbox
    }

    /// Writes what waits. Dropped, it goes on where it was.
    pub(super) async fn flush(&mut self) -> Result<(), EventsError> {
        if self.outbox.is_empty() {
            return Ok(());
        }
        while !self.outbox.is_empty() {
            if self.stream.write_buf(&mut self.outbox).await? == 0 {
                return Err(EventsError::Connection(transport::Error::Closed));
            }
        }
        // A task that has had its share of time is told to write later, and what it wrote then waits within TLS.
        self.stream.flush().await?;
        self.spoken_at = Instant::now();
        Ok(())
    }

    /// The next frame that says something. Dropped, nothing of it is lost.
    pub(super) async fn next_frame(&mut self) -> Result<Frame, EventsError> {
        loop {
            if let Some(frame) = self.take_frame()? {
                return Ok(frame);
            }
            self.read().await?;
        }
    }

    /// Reads more of what comes, and gives signs of life until it does.
    async fn read(&mut self) -> Result<(), EventsError> {
        loop {
            self.flush().await?;
            let deadline = self.heard_at + SILENCE + SILENCE / 2;
            let speak_at = self.speak_every.map(|every| self.spoken_at + every);
            let due = speak_at.map_or(deadline, |speak_at| speak_at.min(deadline));
            tokio::select! {
                // What has come counts, however late this side looks.
                biased;
                read = self.stream.read_buf(&mut self.inbox) => {
                    if read? == 0 {
                        return Err(EventsError::Connection(transport::Error::Closed));
                    }
                    self.heard_at = Instant::now();
                    return Ok(());
                }
                () = sleep_until(due) => {
                    if Instant::now() >= deadline {
                        return Err(EventsError::Connection(transport::Error::Silent));
                    }
                    self.outbox.extend_from_slice(&EMPTY);
                }
            }
        }
    }

    async fn expect(&mut self, code: u8) -> Result<Frame, EventsError> {
        let frame = self.next_frame().await?;
        match frame.code {
            found if found == code => Ok(frame),
            END | CLOSE => Err(EventsError::ended(frame.fields.first())),
            _ => Err(EventsError::Protocol("it answers out of order")),
        }
    }

    async fn expect_header(&mut self, header: [u8; 8]) -> Result<(), EventsError> {
        while self.inbox.len() < header.len() {
            self.read().await?;
        }
        match self.inbox.split_to(header.len()) == header[..] {
            true => Ok(()),
            false => Err(EventsError::Protocol("it speaks another protocol")),
        }
    }

    /// A whole frame off the front of what has come. Empty ones are passed over.
    fn take_frame(&mut self) -> Result<Option<Frame>, EventsError> {
        const UNREADABLE: EventsError = EventsError::Protocol("a frame cannot be read");
        loop {
            let Some(mut head) = self.inbox.get(..8) else {
                return Ok(None);
            };
            let length = head.get_u32() as usize;
            let begins = usize::from(head.get_u8()) * 4;
            if !(8..=MAX_FRAME as usize).contains(&length) || !(8..=length).contains(&begins) {
                return Err(UNREADABLE);
            }
            if self.inbox.len() < length {
                return Ok(None);
            }
            let mut body = self.inbox.split_to(length).freeze().slice(begins..);
            if body.is_empty() {
                continue;
            }
            let Some(Value::Described(code, fields)) = Value::take(&mut body) else {
                return Err(UNREADABLE);
            };
            let code = code.number().and_then(|code| u8::try_from(code).ok());
            let (Some(code), Value::List(fields)) = (code, *fields) else {
                return Err(UNREADABLE);
            };
            return Ok(Some(Frame {
                code,
                fields,
                payload: body,
            }));
        }
    }
}
