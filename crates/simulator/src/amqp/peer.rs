//! One peer's connection as a state machine: bytes in, bytes out, told the time.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use jiff::Timestamp;
use tokio::sync::Notify;

use super::claims::Claims;
use super::frame::{self, Frame, MAX_FRAME, MIN_MAX_FRAME, Protocol};
use super::performative::{self, Fault, Open, Performative};
use super::sasl::{self, Mechanism};
use super::session::{Around, Session};
use crate::hub::Hub;

/// The highest channel; a client has one session for each thing it does.
pub(crate) const CHANNEL_MAX: u16 = 255;
/// The highest handle in a session.
pub(crate) const HANDLE_MAX: u32 = 255;
/// Silence after which this side takes the peer for dead, as the real service has it.
pub(crate) const IDLE: Duration = Duration::from_secs(240);

/// Where in its life a connection is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// The first header is awaited: SASL's, or at once AMQP's.
    Start,
    /// The choice of a mechanism is awaited.
    Sasl,
    /// AMQP's header is awaited.
    Header,
    /// The peer's `open` is awaited.
    Opening,
    Open,
    Over,
}

/// One peer.
#[derive(Debug)]
pub(crate) struct Peer {
    hub: Arc<Hub>,
    stage: Stage,
    claims: Claims,
    /// Wakes this connection.
    pub(crate) wake: Arc<Notify>,
    /// What was read and not yet handled.
    pub(crate) inbox: BytesMut,
    /// What is to be written.
    pub(crate) out: BytesMut,
    /// The largest frame the peer takes.
    max_frame: usize,
    /// How long this side may be silent.
    pub(crate) silence: Option<Duration>,
    sessions: BTreeMap<u16, Session>,
}

impl Peer {
    pub(crate) fn new(hub: Arc<Hub>) -> Self {
        Self {
            hub,
            stage: Stage::Start,
            claims: Claims::default(),
            wake: Arc::new(Notify::new()),
            inbox: BytesMut::new(),
            out: BytesMut::new(),
            max_frame: MIN_MAX_FRAME as usize,
            silence: None,
            sessions: BTreeMap::new(),
        }
    }

    pub(crate) fn is_over(&self) -> bool {
        self.stage == Stage::Over
    }

    pub(crate) fn is_open(&self) -> bool {
        self.stage == Stage::Open
    }

    /// Whether new events concern it.
    pub(crate) fn reads_events(&self) -> bool {
        self.sessions.values().any(Session::reads_events)
    }

    /// Handles all of what was read that is whole.
    pub(crate) fn handle(&mut self, now: Timestamp) {
        while self.stage != Stage::Over {
            match self.step(now) {
                Ok(true) => {}
                Ok(false) => return,
                Err(fault) => return self.close(Some(&fault)),
            }
        }
    }

    /// Takes a header or a frame; says whether there was one.
    fn step(&mut self, now: Timestamp) -> Result<bool, Fault> {
        if matches!(self.stage, Stage::Start | Stage::Header) {
            let Some(asked) = frame::take_header(&mut self.inbox) else {
                return Ok(false);
            };
            self.header(asked);
            return Ok(true);
        }
        let framing = |error: frame::FrameError| {
            Fault::new("amqp:connection:framing-error", error.to_string())
        };
        let Some(frame) = frame::take_frame(&mut self.inbox).map_err(framing)? else {
            return Ok(false);
        };
        match (self.stage, frame.kind) {
            (Stage::Sasl, Protocol::Sasl) => self.sign_in(&frame.body, now),
            (Stage::Opening | Stage::Open, Protocol::Amqp) => self.frame(frame, now)?,
            _ => self.stage = Stage::Over,
        }
        Ok(true)
    }

    fn header(&mut self, asked: Option<Protocol>) {
        match (self.stage, asked) {
            (Stage::Start, Some(Protocol::Sasl)) => {
                self.out.extend_from_slice(&Protocol::Sasl.header());
                sasl::mechanisms(&mut self.out);
                self.stage = Stage::Sasl;
            }
            (_, Some(Protocol::Amqp)) => {
                self.out.extend_from_slice(&Protocol::Amqp.header());
                self.stage = Stage::Opening;
            }
            _ => {
                // A peer that wants something else is told what there is.
                self.out.extend_from_slice(&Protocol::Sasl.header());
                self.stage = Stage::Over;
            }
        }
    }

    fn sign_in(&mut self, body: &Bytes, now: Timestamp) {
        let outcome = match sasl::init(body) {
            Ok(Mechanism::Later) => Ok(()),
            Ok(Mechanism::Plain { user, password }) => {
                self.claims.sign_in(&self.hub, &user, &password, now)
            }
            Ok(Mechanism::Unknown) => Err("the mechanism is none of those offered".to_owned()),
            Err(error) => Err(error.to_string()),
        };
        sasl::outcome(&mut self.out, outcome.is_ok());
        self.stage = match outcome {
            Ok(()) => Stage::Header,
            Err(reason) => {
                tracing::debug!(reason, "an AMQP client was refused");
                Stage::Over
            }
        };
    }

    fn frame(&mut self, frame: Frame, now: Timestamp) -> Result<(), Fault> {
        if frame.body.is_empty() {
            return Ok(());
        }
        let performative = Performative::decode(&frame.body)
            .map_err(|error| Fault::new("amqp:decode-error", error.to_string()))?;
        let channel = frame.channel;
        if self.stage == Stage::Opening {
            return match performative {
                Performative::Open(open) => self.open(&open),
                _ => Err(Fault::new(
                    "amqp:not-allowed",
                    "A connection begins with open.",
                )),
            };
        }
        let mut around = Around {
            hub: &self.hub,
            claims: &mut self.claims,
            wake: &self.wake,
            out: &mut self.out,
            now,
        };
        match performative {
            Performative::Open(_) => {
                return Err(Fault::new("amqp:not-allowed", "The connection is open."));
            }
            Performative::Begin(begin) => {
                if channel > CHANNEL_MAX || self.sessions.contains_key(&channel) {
                    return Err(Fault::new("amqp:not-allowed", "The channel is not free."));
                }
                let session = Session::begin(channel, &begin, around.out);
                self.sessions.insert(channel, session);
                return Ok(());
            }
            Performative::Close => {
                self.close(None);
                return Ok(());
            }
            _ => {}
        }
        let session = self
            .sessions
            .get_mut(&channel)
            .ok_or_else(|| Fault::new("amqp:not-allowed", "There is no session on the channel."))?;
        match performative {
            Performative::Attach(attach) => session.attach(&attach, &mut around)?,
            Performative::Flow(flow) => session.flow(&flow, around.out),
            Performative::Transfer(transfer) => session.transfer(transfer, &mut around)?,
            Performative::Detach { handle, closed } => session.detach(handle, closed, around.out),
            Performative::End => {
                performative::end(around.out, channel);
                self.sessions.remove(&channel);
            }
            Performative::Disposition
            | Performative::Open(_)
            | Performative::Begin(_)
            | Performative::Close => {}
        }
        Ok(())
    }

    fn open(&mut self, open: &Open) -> Result<(), Fault> {
        performative::open(
            &mut self.out,
            &self.hub.names.hub,
            MAX_FRAME,
            IDLE.as_millis() as u32,
        );
        self.stage = Stage::Open;
        if open.max_frame_size < MIN_MAX_FRAME {
            return Err(Fault::new(
                "amqp:invalid-field",
                "max-frame-size is less than 512.",
            ));
        }
        self.max_frame = open.max_frame_size as usize;
        // Half of what the peer bears leaves room for a slow network.
        self.silence = (open.idle_time_out > 0)
            .then(|| Duration::from_millis(u64::from(open.idle_time_out / 2).max(100)));
        Ok(())
    }

    /// Detaches what has lost its right, and writes what links have to send; says whether there is more once that is
    /// out.
    pub(crate) fn pump(&mut self, now: Timestamp) -> bool {
        if self.stage != Stage::Open {
            return false;
        }
        let mut more = false;
        for session in self.sessions.values_mut() {
            session.review(&self.claims, &mut self.out, now);
            more |= session.pump(&mut self.out, self.max_frame, now);
        }
        more
    }

    /// Writes an empty frame: this side is still there.
    pub(crate) fn keep_alive(&mut self) {
        frame::put_frame(&mut self.out, Protocol::Amqp, 0, |_| {});
    }

    /// How long until a token ends.
    pub(crate) fn next_end(&self, now: Timestamp) -> Option<Duration> {
        let end = self.claims.next_end(now)?;
        u64::try_from(end - now.as_second())
            .ok()
            .map(Duration::from_secs)
    }

    /// Says goodbye.
    pub(crate) fn close(&mut self, fault: Option<&Fault>) {
        if let Some(fault) = fault {
            tracing::debug!(
                condition = fault.condition,
                description = fault.description,
                "an AMQP connection is ended"
            );
        }
        if matches!(self.stage, Stage::Opening | Stage::Open) {
            if self.stage == Stage::Opening {
                // There is no close without an open.
                performative::open(
                    &mut self.out,
                    &self.hub.names.hub,
                    MAX_FRAME,
                    IDLE.as_millis() as u32,
                );
            }
            performative::close(&mut self.out, fault);
        }
        self.sessions.clear();
        self.stage = Stage::Over;
    }
}
